//! How far projections are, and what they share: records that they set aside or met under a later incarnation.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use rusqlite::{OptionalExtension as _, Row};

use super::value::{damaged, hash, number, unsigned};
use super::{OriginId, Reading, StorageError, Writing};
use crate::domain::ids::{Incarnation, NodeId};
use crate::domain::journal::Hash;
use crate::domain::time::Hlc;

/// What has become of a record that was set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SetAsideState {
    /// Nothing yet: it waits for a person.
    Open,
    /// A newer version of this program can read it.
    Waiting,
    /// A correction has taken its place.
    Repaired,
    /// It could be read after an upgrade.
    Read,
}

/// A record that a projection could not take in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hq) struct SetAside {
    /// The projection.
    pub projection: String,
    /// Whose record.
    pub origin: OriginId,
    /// Its number there.
    pub seq: u64,
    /// Its kind; 0 where it is not to blame or cannot be read.
    pub kind: u32,
    /// Why, in words.
    pub reason: String,
    /// What has become of it.
    pub state: SetAsideState,
    /// When its batch came, in milliseconds since 1970.
    pub found_ms: u64,
}

const SET_ASIDE: &str = "projection, origin, seq, kind, reason, state, found_ms";

impl Reading<'_> {
    /// The place of the last batch that a projection contains.
    pub(in crate::hq) fn projected(&self, projection: &str) -> Result<u64, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT position FROM projection WHERE name = ?1")?;
        let position = statement.query_row([projection], |row| unsigned(row, 0));
        Ok(position.optional()?.unwrap_or_default())
    }

    /// A record that a projection has set aside.
    pub(in crate::hq) fn set_aside_record(
        &self,
        projection: &str,
        origin: OriginId,
        seq: u64,
    ) -> Result<Option<SetAside>, StorageError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {SET_ASIDE} FROM set_aside WHERE projection = ?1 AND origin = ?2 AND seq = ?3"
        ))?;
        let found = statement.query_row((projection, origin.0, number(seq)?), read_set_aside);
        Ok(found.optional()?)
    }

    /// A record as each projection that set it aside has it.
    pub(in crate::hq) fn set_aside_by_all(&self, origin: OriginId, seq: u64) -> Result<Vec<SetAside>, StorageError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {SET_ASIDE} FROM set_aside WHERE origin = ?1 AND seq = ?2 ORDER BY projection"
        ))?;
        let found = statement.query_map((origin.0, number(seq)?), read_set_aside)?;
        Ok(found.collect::<Result<_, _>>()?)
    }

    /// Records that were set aside, in the order of their journals, behind one of them: the rows of `limit` records.
    /// With `state`, only of those that a projection has in that state.
    pub(in crate::hq) fn set_aside_behind(
        &self,
        state: Option<SetAsideState>,
        after: Option<(OriginId, u64)>,
        limit: usize,
    ) -> Result<Vec<SetAside>, StorageError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {SET_ASIDE} FROM set_aside
             WHERE (origin, seq) IN (SELECT DISTINCT origin, seq FROM set_aside
                 WHERE (origin, seq) > (?1, ?2) AND (?3 = '' OR state = ?3) ORDER BY origin, seq LIMIT ?4)
             ORDER BY origin, seq, projection"
        ))?;
        let (origin, seq) = after.unwrap_or((OriginId(0), 0));
        let state = state.map_or("", SetAsideState::text);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let found = statement.query_map((origin.0, number(seq)?, state, limit), read_set_aside)?;
        Ok(found.collect::<Result<_, _>>()?)
    }

    /// How many records are set aside and wait for a person or an upgrade.
    pub(in crate::hq) fn set_aside_count(&self) -> Result<u64, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT count(*) FROM (SELECT DISTINCT origin, seq FROM set_aside
                 WHERE state = 'open' OR state = 'waiting') AS undone",
        )?;
        Ok(statement.query_row([], |row| unsigned(row, 0))?)
    }

    /// How far each origin is in a projection: its last record and when its node recorded that.
    pub(in crate::hq) fn reaches(&self, projection: &str) -> Result<HashMap<OriginId, (u64, Hlc)>, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT origin, seq, recorded FROM projection_reach WHERE projection = ?1")?;
        let reaches = statement.query_map([projection], |row| {
            Ok((OriginId(row.get(0)?), (unsigned(row, 1)?, Hlc(unsigned(row, 2)?))))
        })?;
        Ok(reaches.collect::<Result<_, _>>()?)
    }

    /// What a projection has set aside for a newer version of this program.
    pub(in crate::hq) fn set_aside_waiting(&self, projection: &str) -> Result<Vec<SetAside>, StorageError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {SET_ASIDE} FROM set_aside WHERE projection = ?1 AND state = 'waiting' ORDER BY origin, seq"
        ))?;
        let found = statement.query_map([projection], read_set_aside)?;
        Ok(found.collect::<Result<_, _>>()?)
    }
}

impl Reading<'_> {
    /// The places in a range of an incarnation's numbers whose records a projection has met as copies, and their
    /// hashes there.
    pub(in crate::hq) fn rehomed(
        &self,
        projection: &str,
        node: &NodeId,
        incarnation: Incarnation,
        seqs: RangeInclusive<u64>,
    ) -> Result<Vec<(u64, Hash)>, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT seq, hash FROM rehomed
             WHERE projection = ?1 AND node = ?2 AND counter = ?3 AND random = ?4 AND seq BETWEEN ?5 AND ?6",
        )?;
        let places = statement.query_map(
            (
                projection,
                node.as_str(),
                incarnation.counter,
                incarnation.random.cast_signed(),
                seqs.start().cast_signed(),
                seqs.end().cast_signed(),
            ),
            |row| Ok((unsigned(row, 0)?, hash(row, 1)?)),
        )?;
        Ok(places.collect::<Result<_, _>>()?)
    }
}

impl Writing<'_> {
    /// Writes how far a projection is.
    pub(in crate::hq) fn save_projected(&self, projection: &str, position: u64) -> Result<(), StorageError> {
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO projection (name, position) VALUES (?1, ?2)
             ON CONFLICT (name) DO UPDATE SET position = excluded.position",
        )?;
        statement.execute((projection, number(position)?))?;
        Ok(())
    }

    /// Writes how far an origin is in a projection. The time never falls.
    pub(in crate::hq) fn save_reach(
        &self,
        projection: &str,
        origin: OriginId,
        seq: u64,
        recorded: Hlc,
    ) -> Result<(), StorageError> {
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO projection_reach (projection, origin, seq, recorded) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (projection, origin) DO UPDATE SET seq = excluded.seq,
                 recorded = CASE WHEN excluded.recorded > projection_reach.recorded THEN excluded.recorded
                                 ELSE projection_reach.recorded END",
        )?;
        // A stamp from outside may be any number; beyond the year 6400 they are all alike.
        let recorded = i64::try_from(recorded.0).unwrap_or(i64::MAX);
        statement.execute((projection, origin.0, number(seq)?, recorded))?;
        Ok(())
    }

    /// Notes a record of another branch; false where the projection has met it before.
    pub(in crate::hq) fn add_rehomed(
        &self,
        projection: &str,
        node: &NodeId,
        incarnation: Incarnation,
        seq: u64,
        hash: Hash,
    ) -> Result<bool, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO rehomed (projection, node, counter, random, seq, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (projection, node, counter, random, seq, hash) DO NOTHING",
        )?;
        let added = statement.execute((
            projection,
            node.as_str(),
            incarnation.counter,
            incarnation.random.cast_signed(),
            seq.cast_signed(),
            hash.0,
        ))?;
        Ok(added == 1)
    }

    /// Sets a record aside, or writes what has become of it.
    pub(in crate::hq) fn set_aside(&self, record: &SetAside) -> Result<(), StorageError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "INSERT INTO set_aside ({SET_ASIDE}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (projection, origin, seq) DO UPDATE SET kind = excluded.kind, reason = excluded.reason,
                 state = excluded.state"
        ))?;
        statement.execute((
            &record.projection,
            record.origin.0,
            number(record.seq)?,
            record.kind,
            &record.reason,
            record.state.text(),
            number(record.found_ms)?,
        ))?;
        Ok(())
    }

    /// Throws away how far a projection is and what it has noted.
    pub(in crate::hq) fn clear_projection(&self, projection: &str) -> Result<(), StorageError> {
        for table in ["projection_reach", "set_aside", "rehomed"] {
            let sql = format!("DELETE FROM {table} WHERE projection = ?1");
            self.connection.execute(&sql, [projection])?;
        }
        self.save_projected(projection, 0)
    }
}

impl SetAsideState {
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Waiting => "waiting",
            Self::Repaired => "repaired",
            Self::Read => "read",
        }
    }

    pub(super) fn read(row: &Row<'_>, column: usize) -> rusqlite::Result<Self> {
        let text = row.get_ref(column)?.as_str()?;
        [Self::Open, Self::Waiting, Self::Repaired, Self::Read]
            .into_iter()
            .find(|state| state.text() == text)
            .ok_or_else(|| damaged(column, rusqlite::types::Type::Text, &format!("state {text:?}")))
    }
}

fn read_set_aside(row: &Row<'_>) -> rusqlite::Result<SetAside> {
    Ok(SetAside {
        projection: row.get(0)?,
        origin: OriginId(row.get(1)?),
        seq: unsigned(row, 2)?,
        kind: row.get(3)?,
        reason: row.get(4)?,
        state: SetAsideState::read(row, 5)?,
        found_ms: unsigned(row, 6)?,
    })
}
