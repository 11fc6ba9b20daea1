//! Origins: the lives of nodes' journals, and how far each is committed.

use rusqlite::{OptionalExtension as _, Row};

use super::value::{bytes_32, damaged, hash, incarnation, json, number, parsed, unsigned};
use super::{Reading, StorageError, Writing};
use crate::domain::fact::OpenedReason;
use crate::domain::ids::{Incarnation, NodeId, SiteId};
use crate::domain::journal::Head;
use crate::sync::wire::StreamState;

/// An origin's number in this database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::hq) struct OriginId(pub i64);

/// One life of a node's journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hq) struct Origin {
    /// Its number here.
    pub id: OriginId,
    /// The node.
    pub node: NodeId,
    /// The key that signs its batches.
    pub public_key: [u8; 32],
    /// Its site.
    pub site: SiteId,
    /// Why it opened, and where the one before it stood on that disk; none until its first record is here.
    pub opened: Option<(OpenedReason, Option<Head>)>,
    /// Whether its facts count.
    pub state: StreamState,
    /// What is committed of it.
    pub acked: Head,
    /// The session that sent the last batch; 0 for none.
    pub session: u64,
    /// When it was last heard of, in milliseconds since 1970.
    pub last_heard_ms: u64,
    /// The highest number that its node has told of.
    pub told_seq: u64,
    /// When it told it, in milliseconds since 1970.
    pub told_ms: u64,
    /// The session in which it did.
    pub told_session: u64,
    /// The highest number that was told in other sessions before.
    pub told_before_seq: u64,
    /// When another branch of it was last offered, in milliseconds since 1970; 0 for never.
    pub branched_ms: u64,
    /// The session in which it was; 0 for none.
    pub branched_session: u64,
}

impl Origin {
    /// The node has told of records up to a number.
    pub fn told(&mut self, seq: u64, session: u64, now_ms: u64) {
        // An introduction that comes twice or late, after the other branch was found: it is of that branch.
        if session == self.branched_session {
            return;
        }
        if seq < self.told_seq {
            if self.told_session != session {
                // Where the one that told more turns out to be of another branch, this still stands.
                self.told_before_seq = self.told_before_seq.max(seq);
            }
            return;
        }
        if self.told_session != session {
            self.told_before_seq = self.told_seq;
            self.told_session = session;
        }
        self.told_seq = seq;
        self.told_ms = now_ms;
    }

    /// Another branch of it was offered in a session. What that session told was of that branch and comes under another
    /// incarnation; what others told is still to come.
    pub fn branched(&mut self, session: u64, now_ms: u64) {
        (self.branched_ms, self.branched_session) = (now_ms, session);
        if self.told_session == session {
            self.told_seq = self.told_before_seq.max(self.acked.seq);
            self.told_session = 0;
        }
    }
}

/// An origin that nothing is committed of.
#[derive(Debug)]
pub(in crate::hq) struct NewOrigin<'a> {
    /// The node.
    pub node: &'a NodeId,
    /// The key that signs its batches.
    pub public_key: [u8; 32],
    /// Its site.
    pub site: &'a SiteId,
    /// Whether its facts count.
    pub state: StreamState,
    /// Its incarnation and the start of its chain.
    pub genesis: Head,
}

const COLUMNS: &str = "id, node, counter, random, public_key, site, reason, predecessor, state, acked_seq, acked_hash, \
    session, last_heard_ms, told_seq, told_ms, branched_ms, \
    told_session, told_before_seq, branched_session";

impl Reading<'_> {
    /// The origin of a node's incarnation, where it is known.
    pub(in crate::hq) fn origin(
        &self,
        node: &NodeId,
        incarnation: Incarnation,
    ) -> Result<Option<Origin>, StorageError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM origin WHERE node = ?1 AND counter = ?2 AND random = ?3"
        ))?;
        let key = (node.as_str(), incarnation.counter, incarnation.random.cast_signed());
        Ok(statement.query_row(key, read).optional()?)
    }

    /// An origin by its number.
    pub(in crate::hq) fn origin_by_id(&self, id: OriginId) -> Result<Option<Origin>, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM origin WHERE id = ?1"))?;
        Ok(statement.query_row([id.0], read).optional()?)
    }

    /// All origins, in the order in which they became known.
    pub(in crate::hq) fn origins(&self) -> Result<Vec<Origin>, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM origin ORDER BY id"))?;
        let origins = statement.query_map([], read)?;
        Ok(origins.collect::<Result<_, _>>()?)
    }

    /// How many incarnations of a node are known.
    pub(in crate::hq) fn incarnations_of(&self, node: &NodeId) -> Result<usize, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT count(*) FROM origin WHERE node = ?1")?;
        let count: i64 = statement.query_row([node.as_str()], |row| row.get(0))?;
        Ok(usize::try_from(count).unwrap_or_default())
    }
}

impl Writing<'_> {
    /// Adds an origin.
    pub(in crate::hq) fn add_origin(&self, new: &NewOrigin<'_>) -> Result<Origin, StorageError> {
        let mut highest = self.connection.prepare_cached("SELECT max(id) FROM origin")?;
        let highest: Option<i64> = highest.query_row([], |row| row.get(0))?;
        let origin = Origin {
            id: OriginId(highest.unwrap_or_default() + 1),
            node: new.node.clone(),
            public_key: new.public_key,
            site: new.site.clone(),
            opened: None,
            state: new.state,
            acked: new.genesis,
            session: 0,
            last_heard_ms: 0,
            told_seq: 0,
            told_ms: 0,
            told_session: 0,
            told_before_seq: 0,
            branched_ms: 0,
            branched_session: 0,
        };
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO origin (id, node, counter, random, public_key, site, state, acked_seq, acked_hash, session,
                 last_heard_ms, told_seq, told_ms, branched_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0, 0, 0, 0, 0)",
        )?;
        statement.execute((
            origin.id.0,
            origin.node.as_str(),
            origin.acked.incarnation.counter,
            origin.acked.incarnation.random.cast_signed(),
            origin.public_key,
            origin.site.as_str(),
            state_text(origin.state),
            number(origin.acked.seq)?,
            origin.acked.hash.0,
        ))?;
        Ok(origin)
    }

    /// Writes what changes of an origin: everything but its node, its incarnation and its key.
    pub(in crate::hq) fn save_origin(&self, origin: &Origin) -> Result<(), StorageError> {
        let json =
            |value: Result<String, serde_json::Error>| value.map_err(|error| StorageError::Failed(error.to_string()));
        let (reason, predecessor) = match &origin.opened {
            None => (None, None),
            Some((reason, predecessor)) => (
                Some(json(serde_json::to_string(reason))?),
                Some(json(serde_json::to_string(predecessor))?),
            ),
        };
        let mut statement = self.connection.prepare_cached(
            "UPDATE origin SET site = ?2, reason = ?3, predecessor = ?4, state = ?5, acked_seq = ?6, acked_hash = ?7,
                 session = ?8, last_heard_ms = ?9, told_seq = ?10, told_ms = ?11, branched_ms = ?12,
                 told_session = ?13, told_before_seq = ?14, branched_session = ?15
             WHERE id = ?1",
        )?;
        statement.execute((
            origin.id.0,
            origin.site.as_str(),
            reason,
            predecessor,
            state_text(origin.state),
            number(origin.acked.seq)?,
            origin.acked.hash.0,
            origin.session.cast_signed(),
            number(origin.last_heard_ms)?,
            number(origin.told_seq)?,
            number(origin.told_ms)?,
            number(origin.branched_ms)?,
            origin.told_session.cast_signed(),
            number(origin.told_before_seq)?,
            origin.branched_session.cast_signed(),
        ))?;
        Ok(())
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Origin> {
    let opened = match row.get_ref(6)? {
        rusqlite::types::ValueRef::Null => None,
        _ => Some((json(row, 6)?, json(row, 7)?)),
    };
    let session: i64 = row.get(11)?;
    Ok(Origin {
        id: OriginId(row.get(0)?),
        node: parsed(row, 1)?,
        public_key: bytes_32(row, 4)?,
        site: parsed(row, 5)?,
        opened,
        state: state(row, 8)?,
        acked: Head {
            incarnation: incarnation(row, 2)?,
            seq: unsigned(row, 9)?,
            hash: hash(row, 10)?,
        },
        session: session.cast_unsigned(),
        last_heard_ms: unsigned(row, 12)?,
        told_seq: unsigned(row, 13)?,
        told_ms: unsigned(row, 14)?,
        told_session: row.get::<_, i64>(16)?.cast_unsigned(),
        told_before_seq: unsigned(row, 17)?,
        branched_ms: unsigned(row, 15)?,
        branched_session: row.get::<_, i64>(18)?.cast_unsigned(),
    })
}

fn state(row: &Row<'_>, column: usize) -> rusqlite::Result<StreamState> {
    match row.get_ref(column)?.as_str()? {
        "counted" => Ok(StreamState::Counted),
        "set_apart" => Ok(StreamState::SetApart),
        "excluded" => Ok(StreamState::Excluded),
        other => Err(damaged(
            column,
            rusqlite::types::Type::Text,
            &format!("state {other:?}"),
        )),
    }
}

const fn state_text(state: StreamState) -> &'static str {
    match state {
        StreamState::Counted => "counted",
        StreamState::SetApart => "set_apart",
        StreamState::Excluded => "excluded",
    }
}
