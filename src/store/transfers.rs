//! Transfers from and to this site.

use rusqlite::Row as SqlRow;

use super::changes::Change;
use super::keys::{count, row_count};
use super::snapshot::unreadable;
use super::{Snapshot, StorageError, WriteTransaction};
use crate::domain::stock::{Transfer, TransferId};

/// How many transfers that are over are kept.
const OVER_KEPT: i64 = 1_000;

/// A transfer, as far as it is known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferRow {
    /// Its place in the list, by when it was heard of.
    pub ix: i64,
    /// What is known of it.
    pub transfer: Transfer,
    /// When it was first heard of, milliseconds since 1970.
    pub heard_ms: u64,
    /// When something about it was last new here, milliseconds since 1970.
    pub changed_ms: u64,
}

const COLUMNS: &str = "SELECT ix, transfer, heard_ms, changed_ms FROM transfer";

impl Snapshot<'_> {
    /// A transfer.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn transfer(&self, id: TransferId) -> Result<Option<TransferRow>, StorageError> {
        self.one(&format!("{COLUMNS} WHERE id = ?1"), (id.0,), transfer)
    }

    /// Transfers in the order in which they were heard of, after the place `after`; at most `limit`. Those that are over
    /// only where `over` says so, and then nothing else.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn transfers(&self, over: bool, after: i64, limit: u32) -> Result<Vec<TransferRow>, StorageError> {
        let sql = format!("{COLUMNS} WHERE over = ?1 AND ix > ?2 ORDER BY ix LIMIT ?3");
        self.all(&sql, (over, after, limit), transfer)
    }
}

impl WriteTransaction<'_> {
    /// Keeps a transfer of which something was new at that time, milliseconds since 1970.
    pub(crate) fn put_transfer(&mut self, transfer: &Transfer, changed_ms: u64) -> Result<(), StorageError> {
        // Writing to a growing vector does not fail for these types.
        let bytes = postcard::to_allocvec(transfer).unwrap_or_default();
        let sql = "INSERT INTO transfer (id, over, transfer, heard_ms, changed_ms) VALUES (?1, ?2, ?3, ?4, ?4) \
            ON CONFLICT (id) DO UPDATE SET over = excluded.over, transfer = excluded.transfer, \
            changed_ms = excluded.changed_ms";
        let over = transfer.state().is_over();
        self.write(sql, (transfer.id.0, over, bytes, row_count(changed_ms)))?;
        self.changed(Change::SiteWork);
        if over {
            let sql = "DELETE FROM transfer WHERE over = 1 AND ix <= \
                (SELECT ix FROM transfer WHERE over = 1 ORDER BY ix DESC LIMIT 1 OFFSET ?1)";
            self.write(sql, (OVER_KEPT,))?;
        }
        Ok(())
    }

    /// Forgets a transfer.
    pub(crate) fn remove_transfer(&mut self, id: TransferId) -> Result<(), StorageError> {
        self.write("DELETE FROM transfer WHERE id = ?1", (id.0,))?;
        Ok(())
    }
}

fn transfer(row: &SqlRow<'_>) -> rusqlite::Result<TransferRow> {
    let bytes = row.get_ref(1)?.as_blob()?;
    Ok(TransferRow {
        ix: row.get(0)?,
        transfer: postcard::from_bytes(bytes).map_err(|error| unreadable(1, error.to_string()))?,
        heard_ms: count(row.get(2)?),
        changed_ms: count(row.get(3)?),
    })
}
