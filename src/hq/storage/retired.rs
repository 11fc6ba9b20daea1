//! Replicas that were retired: what they left, what of theirs came late, and the rows that are written for them here.

use rusqlite::{OptionalExtension as _, Row as SqlRow};

use super::registers::ReplicaIx;
use super::value::{damaged, number, parsed, unsigned};
use super::{OriginId, Reading, StorageError, Writing};
use crate::domain::escrow::{Amount, ReplicaId, Row};
use crate::domain::ids::{SiteId, Sku};
use crate::domain::stock::MovementId;

/// A replica that its parent has retired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hq) struct RetiredReplica {
    /// The replica.
    pub replica: ReplicaId,
    /// Its site.
    pub site: SiteId,
    /// The last record that its parent had.
    pub seq: u64,
    /// Who decided it; empty where only its documents have told so far.
    pub by: String,
    /// Why.
    pub reason: String,
    /// The record of headquarters' own journal that says so; none where a store has retired it.
    pub here: Option<u64>,
}

/// What stands in a row that another parent of a retired replica writes.
const CLOSED: i64 = -1;

impl Reading<'_> {
    /// Whether and how a replica was retired.
    pub(in crate::hq) fn retired(&self, replica: &ReplicaId) -> Result<Option<RetiredReplica>, StorageError> {
        let Some(ix) = self.replica_ix(replica)? else {
            return Ok(None);
        };
        let mut statement = self
            .connection
            .prepare_cached("SELECT site, seq, by_whom, reason, here FROM retired WHERE replica = ?1")?;
        let found = statement.query_row([ix.0], |row| {
            Ok(RetiredReplica {
                replica: replica.clone(),
                site: parsed(row, 0)?,
                seq: unsigned(row, 1)?,
                by: row.get(2)?,
                reason: row.get(3)?,
                here: Some(unsigned(row, 4)?).filter(|here| *here > 0),
            })
        });
        Ok(found.optional()?)
    }

    /// The replicas that headquarters has retired itself.
    pub(in crate::hq) fn retired_here(&self) -> Result<Vec<RetiredReplica>, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT replica FROM retired WHERE here > 0 ORDER BY replica")?;
        let found: Vec<i64> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        let mut retired = Vec::with_capacity(found.len());
        for ix in found {
            retired.extend(self.retired(&self.replica(ReplicaIx(ix))?)?);
        }
        Ok(retired)
    }

    /// What a replica left of an item and nobody may promise yet.
    pub(in crate::hq) fn unpromised(
        &self,
        (site, sku): (&SiteId, &Sku),
        replica: &ReplicaId,
    ) -> Result<Amount, StorageError> {
        let Some(ix) = self.replica_ix(replica)? else {
            return Ok(Amount::ZERO);
        };
        let mut statement = self
            .connection
            .prepare_cached("SELECT amount FROM unpromised WHERE site = ?1 AND sku = ?2 AND replica = ?3")?;
        let found = statement.query_row((site.as_str(), sku.as_str(), ix.0), |row| amount(row, 0));
        Ok(found.optional()?.unwrap_or_default())
    }

    /// The same of all replicas that headquarters has retired together.
    pub(in crate::hq) fn unpromised_in_all(&self, site: &SiteId, sku: &Sku) -> Result<Amount, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT coalesce(sum(amount), 0) FROM unpromised WHERE site = ?1 AND sku = ?2")?;
        Ok(statement.query_row((site.as_str(), sku.as_str()), |row| amount(row, 0))?)
    }

    /// All that one replica left and nobody may promise yet.
    pub(in crate::hq) fn unpromised_of(&self, replica: &ReplicaId) -> Result<Vec<(Sku, Amount)>, StorageError> {
        let Some(ix) = self.replica_ix(replica)? else {
            return Ok(Vec::new());
        };
        let mut statement = self
            .connection
            .prepare_cached("SELECT sku, amount FROM unpromised WHERE replica = ?1 ORDER BY sku")?;
        let found = statement.query_map([ix.0], |row| Ok((parsed(row, 0)?, amount(row, 1)?)))?;
        Ok(found.collect::<Result<_, _>>()?)
    }

    /// Whether a record of a retired replica stands on headquarters' own row.
    pub(in crate::hq) fn was_late_posted(&self, origin: OriginId, seq: u64) -> Result<bool, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT 1 FROM late_posted WHERE origin = ?1 AND seq = ?2")?;
        Ok(statement.exists((origin.0, number(seq)?))?)
    }

    /// The count of an item that includes a record of a retired replica which headquarters did not have.
    pub(in crate::hq) fn late_for(
        &self,
        (site, sku): (&SiteId, &Sku),
        replica: &ReplicaId,
        seq: u64,
    ) -> Result<Option<MovementId>, StorageError> {
        let Some(ix) = self.replica_ix(replica)? else {
            return Ok(None);
        };
        let mut statement = self.connection.prepare_cached(
            "SELECT work FROM count_late WHERE site = ?1 AND sku = ?2 AND replica = ?3 AND mark >= ?4",
        )?;
        let found = statement.query_row((site.as_str(), sku.as_str(), ix.0, number(seq)?), |row| {
            row.get(0).map(MovementId)
        });
        Ok(found.optional()?)
    }

    /// A replica's rows at a site, with the last record of its journal that each contains for certain.
    pub(in crate::hq) fn registers_by(
        &self,
        site: &SiteId,
        replica: &ReplicaId,
    ) -> Result<Vec<(Sku, Row, u64)>, StorageError> {
        let Some(ix) = self.replica_ix(replica)? else {
            return Ok(Vec::new());
        };
        let mut statement = self
            .connection
            .prepare_cached("SELECT sku FROM register WHERE site = ?1 AND replica = ?2 ORDER BY sku")?;
        let skus = statement.query_map((site.as_str(), ix.0), |row| parsed(row, 0))?;
        let skus: Vec<Sku> = skus.collect::<Result<_, _>>()?;
        let rows = skus.into_iter().map(|sku| {
            let (row, through) = self.register_of(site, &sku, ix)?;
            Ok((sku, row, through))
        });
        rows.collect()
    }

    /// A replica's row of an item.
    pub(in crate::hq) fn register_by(
        &self,
        (site, sku): (&SiteId, &Sku),
        replica: &ReplicaId,
    ) -> Result<Row, StorageError> {
        match self.replica_ix(replica)? {
            Some(ix) => Ok(self.register_of(site, sku, ix)?.0),
            None => Ok(Row::default()),
        }
    }

    /// Rows of a replica that a record of headquarters' own journal behind `mark` moved.
    pub(super) fn kept_behind(
        &self,
        retired: &RetiredReplica,
        mark: i64,
    ) -> Result<Vec<(SiteId, Sku, Row)>, StorageError> {
        let Some(ix) = self.replica_ix(&retired.replica)? else {
            return Ok(Vec::new());
        };
        let mut statement = self.connection.prepare_cached(
            "SELECT sku FROM register WHERE site = ?1 AND replica = ?2 AND touched > ?3 ORDER BY sku",
        )?;
        let skus = statement.query_map((retired.site.as_str(), ix.0, mark), |row| parsed(row, 0))?;
        let skus: Vec<Sku> = skus.collect::<Result<_, _>>()?;
        let rows = skus.into_iter().map(|sku| {
            let (row, _) = self.register_of(&retired.site, &sku, ix)?;
            Ok((retired.site.clone(), sku, row))
        });
        rows.collect()
    }
}

impl Writing<'_> {
    /// Notes that a replica is retired. What was said with a reason stays.
    pub(in crate::hq) fn put_retired(&self, retired: &RetiredReplica) -> Result<(), StorageError> {
        let ix = self.known_replica(&retired.replica)?;
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO retired (replica, site, seq, by_whom, reason, here) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (replica) DO UPDATE SET by_whom = excluded.by_whom, reason = excluded.reason
             WHERE retired.by_whom = ''",
        )?;
        statement.execute((
            ix.0,
            retired.site.as_str(),
            number(retired.seq)?,
            &retired.by,
            &retired.reason,
            number(retired.here.unwrap_or_default())?,
        ))?;
        Ok(())
    }

    /// Says what a retired replica left of an item and nobody may promise yet.
    pub(in crate::hq) fn set_unpromised(
        &self,
        (site, sku): (&SiteId, &Sku),
        replica: &ReplicaId,
        amount: Amount,
    ) -> Result<(), StorageError> {
        let ix = self.known_replica(replica)?;
        if amount.is_zero() {
            let mut statement = self
                .connection
                .prepare_cached("DELETE FROM unpromised WHERE site = ?1 AND sku = ?2 AND replica = ?3")?;
            statement.execute((site.as_str(), sku.as_str(), ix.0))?;
        } else {
            let mut statement = self.connection.prepare_cached(
                "INSERT INTO unpromised (site, sku, replica, amount) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (site, sku, replica) DO UPDATE SET amount = excluded.amount",
            )?;
            statement.execute((site.as_str(), sku.as_str(), ix.0, number(amount.parts())?))?;
        }
        Ok(())
    }

    /// Notes that a late record is posted; false where it was before.
    pub(in crate::hq) fn note_late_posted(&self, origin: OriginId, seq: u64) -> Result<bool, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("INSERT INTO late_posted (origin, seq) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?;
        Ok(statement.execute((origin.0, number(seq)?))? > 0)
    }

    /// Notes that a count was looked at for what retired replicas left; false where it was before.
    pub(in crate::hq) fn note_count_seen(&self, work: MovementId) -> Result<bool, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("INSERT INTO count_seen (work) VALUES (?1) ON CONFLICT DO NOTHING")?;
        Ok(statement.execute([work.0])? > 0)
    }

    /// Says which count of an item includes what a retired replica had recorded up to `mark`, in place of an earlier one;
    /// none where nobody knew.
    pub(in crate::hq) fn put_count_late(
        &self,
        (site, sku): (&SiteId, &Sku),
        replica: &ReplicaId,
        work: MovementId,
        mark: Option<u64>,
    ) -> Result<(), StorageError> {
        let ix = self.known_replica(replica)?;
        let mut statement = self
            .connection
            .prepare_cached("DELETE FROM count_late WHERE site = ?1 AND sku = ?2 AND replica = ?3")?;
        statement.execute((site.as_str(), sku.as_str(), ix.0))?;
        if let Some(mark) = mark {
            let mut statement = self.connection.prepare_cached(
                "INSERT INTO count_late (site, sku, replica, work, mark) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?;
            statement.execute((site.as_str(), sku.as_str(), ix.0, work.0, number(mark)?))?;
        }
        Ok(())
    }

    /// Writes the row of a replica that headquarters has retired, moved by record `touched` of its own journal.
    pub(in crate::hq) fn save_kept_row(
        &self,
        (site, sku): (&SiteId, &Sku),
        retired: &RetiredReplica,
        row: &Row,
        touched: u64,
    ) -> Result<(), StorageError> {
        let ix = self.known_replica(&retired.replica)?;
        self.save_register(site, sku, ix, row, retired.seq)?;
        self.set_touched(site, sku, ix, number(touched)?)
    }

    /// Rows of a retired replica as another parent writes them: they take the place of what the replica itself had said.
    pub(super) fn take_kept_registers(
        &self,
        site: &SiteId,
        of: &ReplicaId,
        through: u64,
        rows: &[(Sku, Row)],
    ) -> Result<(), StorageError> {
        if self.retired(of)?.is_some_and(|retired| retired.here.is_some()) {
            return Ok(());
        }
        self.put_retired(&RetiredReplica {
            replica: of.clone(),
            site: site.clone(),
            seq: through,
            by: String::new(),
            reason: String::new(),
            here: None,
        })?;
        let ix = self.known_replica(of)?;
        for (sku, row) in rows {
            let mut row = row.clone();
            let mut statement = self
                .connection
                .prepare_cached("SELECT touched FROM register WHERE site = ?1 AND sku = ?2 AND replica = ?3")?;
            let touched = statement.query_row((site.as_str(), sku.as_str(), ix.0), |row| row.get::<_, i64>(0));
            if touched.optional()? == Some(CLOSED) {
                row.merge(&self.register_of(site, sku, ix)?.0);
            }
            self.save_register(site, sku, ix, &row, through)?;
            self.set_touched(site, sku, ix, CLOSED)?;
        }
        Ok(())
    }

    fn set_touched(&self, site: &SiteId, sku: &Sku, of: ReplicaIx, touched: i64) -> Result<(), StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("UPDATE register SET touched = ?4 WHERE site = ?1 AND sku = ?2 AND replica = ?3")?;
        statement.execute((site.as_str(), sku.as_str(), of.0, touched))?;
        Ok(())
    }
}

fn amount(row: &SqlRow<'_>, column: usize) -> rusqlite::Result<Amount> {
    let parts = unsigned(row, column)?;
    Amount::try_from(parts).map_err(|error| damaged(column, rusqlite::types::Type::Integer, &error))
}
