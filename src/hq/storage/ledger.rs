//! The ledger: batches as their origins sealed them.

use rusqlite::{OptionalExtension as _, Row};

use super::value::{hash, number, unsigned};
use super::{OriginId, Reading, StorageError, Writing};
use crate::domain::journal::Hash;

/// A batch to keep.
#[derive(Debug)]
pub(in crate::hq) struct NewBatch<'a> {
    /// Its origin.
    pub origin: OriginId,
    /// Its first record's number.
    pub first: u64,
    /// Its last record's number.
    pub last: u64,
    /// The first record that takes effect from this batch.
    pub effective_from: u64,
    /// The chain's hash before the first record.
    pub before: Hash,
    /// The chain's hash after the last record.
    pub after: Hash,
    /// When it came, in milliseconds since 1970.
    pub received_ms: u64,
    /// Its place in the order in which batches take effect; none while its origin does not count.
    pub position: Option<u64>,
    /// Its bytes, as they came.
    pub sealed: &'a [u8],
}

/// A batch of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hq) struct LedgerBatch {
    /// Its origin.
    pub origin: OriginId,
    /// The first record that takes effect from this batch.
    pub effective_from: u64,
    /// Its place in the order in which batches take effect; none while its origin does not count.
    pub position: Option<u64>,
    /// When it came, in milliseconds since 1970.
    pub received_ms: u64,
    /// Its bytes, as they came.
    pub sealed: Vec<u8>,
}

/// Records that this ledger has lost and cannot get again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hq) struct Hole {
    /// Whose records.
    pub origin: OriginId,
    /// The first of them.
    pub first: u64,
    /// The last of them.
    pub last: u64,
    /// The chain's hash after it, as the node told it.
    pub after: Hash,
    /// When it was found, in milliseconds since 1970.
    pub found_ms: u64,
}

const COLUMNS: &str = "origin, effective_from, position, received_ms, sealed";

impl Reading<'_> {
    /// The batch that a record takes effect from; none where the ledger does not have it.
    pub(in crate::hq) fn batch_with(&self, origin: OriginId, seq: u64) -> Result<Option<LedgerBatch>, StorageError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM ledger_batch WHERE origin = ?1 AND last_seq >= ?2 ORDER BY last_seq LIMIT 1"
        ))?;
        let batch = statement.query_row((origin.0, number(seq)?), read).optional()?;
        Ok(batch.filter(|batch| batch.effective_from <= seq))
    }

    /// The hash after a record, where a batch or a hole ends with it.
    pub(in crate::hq) fn hash_at_end(&self, origin: OriginId, seq: u64) -> Result<Option<Hash>, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT hash_after FROM ledger_batch WHERE origin = ?1 AND last_seq = ?2
             UNION ALL SELECT hash_after FROM ledger_hole WHERE origin = ?1 AND last_seq = ?2",
        )?;
        let found = statement.query_row((origin.0, number(seq)?), |row| hash(row, 0));
        Ok(found.optional()?)
    }

    /// The next batches that take effect behind `position`: at most `count_max`, and no more once they have
    /// `bytes_max` bytes.
    pub(in crate::hq) fn batches_behind(
        &self,
        position: u64,
        count_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<LedgerBatch>, StorageError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM ledger_batch WHERE position > ?1 ORDER BY position"
        ))?;
        let (mut batches, mut bytes) = (Vec::new(), 0);
        for batch in statement.query_map([number(position)?], read)? {
            let batch = batch?;
            bytes += batch.sealed.len();
            batches.push(batch);
            if bytes >= bytes_max || batches.len() >= count_max {
                break;
            }
        }
        Ok(batches)
    }

    /// The place of the last batch that takes effect; 0 where there is none.
    pub(in crate::hq) fn last_position(&self) -> Result<u64, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT coalesce(max(position), 0) FROM ledger_batch")?;
        Ok(statement.query_row([], |row| unsigned(row, 0))?)
    }

    /// All holes.
    pub(in crate::hq) fn holes(&self) -> Result<Vec<Hole>, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT origin, first_seq, last_seq, hash_after, found_ms FROM ledger_hole ORDER BY origin, first_seq",
        )?;
        let holes = statement.query_map([], |row| {
            Ok(Hole {
                origin: OriginId(row.get(0)?),
                first: unsigned(row, 1)?,
                last: unsigned(row, 2)?,
                after: hash(row, 3)?,
                found_ms: unsigned(row, 4)?,
            })
        })?;
        Ok(holes.collect::<Result<_, _>>()?)
    }
}

impl Writing<'_> {
    /// Keeps a batch.
    pub(in crate::hq) fn add_batch(&self, batch: &NewBatch<'_>) -> Result<(), StorageError> {
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO ledger_batch (origin, last_seq, first_seq, effective_from, hash_before, hash_after,
                 received_ms, position, sealed)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?;
        statement.execute((
            batch.origin.0,
            number(batch.last)?,
            number(batch.first)?,
            number(batch.effective_from)?,
            batch.before.0,
            batch.after.0,
            number(batch.received_ms)?,
            batch.position.map(number).transpose()?,
            batch.sealed,
        ))?;
        Ok(())
    }

    /// Gives every batch of an origin a place behind all others, in its own order: from now on they take effect.
    pub(in crate::hq) fn place_batches(&self, origin: OriginId) -> Result<(), StorageError> {
        let mut position = self.last_position()?;
        let mut unplaced = self.connection.prepare_cached(
            "SELECT last_seq FROM ledger_batch WHERE origin = ?1 AND position IS NULL ORDER BY last_seq",
        )?;
        let unplaced: Vec<i64> = unplaced
            .query_map([origin.0], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let mut place = self
            .connection
            .prepare_cached("UPDATE ledger_batch SET position = ?3 WHERE origin = ?1 AND last_seq = ?2")?;
        for last_seq in unplaced {
            position += 1;
            place.execute((origin.0, last_seq, number(position)?))?;
        }
        Ok(())
    }

    /// Notes records that are lost here.
    pub(in crate::hq) fn add_hole(&self, hole: &Hole) -> Result<(), StorageError> {
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO ledger_hole (origin, first_seq, last_seq, hash_after, found_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        statement.execute((
            hole.origin.0,
            number(hole.first)?,
            number(hole.last)?,
            hole.after.0,
            number(hole.found_ms)?,
        ))?;
        Ok(())
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<LedgerBatch> {
    let position: Option<i64> = row.get(2)?;
    Ok(LedgerBatch {
        origin: OriginId(row.get(0)?),
        effective_from: unsigned(row, 1)?,
        position: position.map(i64::cast_unsigned),
        received_ms: unsigned(row, 3)?,
        sealed: row.get(4)?,
    })
}
