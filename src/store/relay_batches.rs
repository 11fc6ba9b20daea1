//! Kiosks' batches as they sealed them, until they are let go.

use rusqlite::Row;

use super::keys::{RelayOriginIx, count, row_count};
use super::relay::hash;
use super::{Snapshot, StorageError, WriteTransaction};
use crate::domain::journal::Hash;

/// A batch to keep.
#[derive(Debug)]
pub struct NewRelayBatch<'a> {
    /// Its first record's number.
    pub first: u64,
    /// Its last record's number.
    pub last: u64,
    /// The chain's hash before the first record.
    pub before: Hash,
    /// The chain's hash after the last record.
    pub after: Hash,
    /// When it came, in milliseconds since 1970.
    pub received_ms: u64,
    /// Its bytes, as they came.
    pub sealed: &'a [u8],
}

/// A batch that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayBatch {
    /// Its first record's number.
    pub first: u64,
    /// Its last record's number.
    pub last: u64,
    /// The chain's hash before the first record.
    pub before: Hash,
    /// The chain's hash after the last record.
    pub after: Hash,
    /// When it came, in milliseconds since 1970.
    pub received_ms: u64,
    /// Its bytes, as they came.
    pub sealed: Vec<u8>,
}

impl Snapshot<'_> {
    /// The batch that a record was taken from; none where it is not kept.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn relay_batch_with(&self, origin: RelayOriginIx, seq: u64) -> Result<Option<RelayBatch>, StorageError> {
        let sql = "SELECT first_seq, last_seq, hash_before, hash_after, received_ms, sealed FROM relay_batch \
            WHERE origin = ?1 AND last_seq >= ?2 ORDER BY last_seq LIMIT 1";
        let found = self.one(sql, (origin.0, row_count(seq)), read)?;
        Ok(found.filter(|batch| batch.first <= seq))
    }

    /// The hash after a record, where a batch ends with it.
    pub(crate) fn relay_hash_at_end(&self, origin: RelayOriginIx, seq: u64) -> Result<Option<Hash>, StorageError> {
        let sql = "SELECT hash_after FROM relay_batch WHERE origin = ?1 AND last_seq = ?2";
        self.one(sql, (origin.0, row_count(seq)), |row| hash(row, 0))
    }

    /// The last record of the newest batch that came before a time and ends with `through_seq` at the latest, with
    /// the chain's hash after it.
    pub(crate) fn relay_batches_end_before(
        &self,
        origin: RelayOriginIx,
        before_ms: u64,
        through_seq: u64,
    ) -> Result<Option<(u64, Hash)>, StorageError> {
        let sql = "SELECT last_seq, hash_after FROM relay_batch WHERE origin = ?1 AND last_seq <= ?3 \
            AND received_ms < ?2 ORDER BY last_seq DESC LIMIT 1";
        self.one(sql, (origin.0, row_count(before_ms), row_count(through_seq)), |row| {
            Ok((count(row.get(0)?), hash(row, 1)?))
        })
    }
}

impl WriteTransaction<'_> {
    /// Keeps a batch.
    pub(crate) fn add_relay_batch(
        &mut self,
        origin: RelayOriginIx,
        batch: &NewRelayBatch<'_>,
    ) -> Result<(), StorageError> {
        self.write(
            "INSERT INTO relay_batch (origin, last_seq, first_seq, hash_before, hash_after, received_ms, sealed) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            (
                origin.0,
                row_count(batch.last),
                row_count(batch.first),
                batch.before.0,
                batch.after.0,
                row_count(batch.received_ms),
                batch.sealed,
            ),
        )?;
        Ok(())
    }

    /// Forgets the batches that end with this record or later; how many those were.
    pub(crate) fn forget_relay_batches_from(&mut self, origin: RelayOriginIx, seq: u64) -> Result<usize, StorageError> {
        let sql = "DELETE FROM relay_batch WHERE origin = ?1 AND last_seq >= ?2";
        self.write(sql, (origin.0, row_count(seq)))
    }

    /// Lets the batches go that end with this record or earlier.
    pub(crate) fn let_relay_batches_go(
        &mut self,
        origin: RelayOriginIx,
        through_seq: u64,
    ) -> Result<usize, StorageError> {
        let sql = "DELETE FROM relay_batch WHERE origin = ?1 AND last_seq <= ?2";
        self.write(sql, (origin.0, row_count(through_seq)))
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<RelayBatch> {
    Ok(RelayBatch {
        first: count(row.get(0)?),
        last: count(row.get(1)?),
        before: hash(row, 2)?,
        after: hash(row, 3)?,
        received_ms: count(row.get(4)?),
        sealed: row.get(5)?,
    })
}
