//! Pickups at this site.

use rusqlite::Row as SqlRow;

use super::changes::Change;
use super::keys::{count, row_count};
use super::snapshot::unreadable;
use super::{Snapshot, StorageError, WriteTransaction};
use crate::domain::stock::{HoldId, Pickup};

/// How many pickups that are over are kept.
const OVER_KEPT: i64 = 1_000;

/// A pickup in the site's queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PickupRow {
    /// Its place in the queue, by when it was heard of.
    pub ix: i64,
    /// The pickup.
    pub pickup: Pickup,
    /// When it last went further here, milliseconds since 1970.
    pub changed_ms: u64,
}

const COLUMNS: &str = "SELECT ix, pickup, changed_ms FROM pickup";

impl Snapshot<'_> {
    /// A pickup.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn pickup(&self, id: HoldId) -> Result<Option<PickupRow>, StorageError> {
        self.one(&format!("{COLUMNS} WHERE id = ?1"), (id.0,), pickup)
    }

    /// Pickups in the order in which they were heard of, after the place `after`; at most `limit`. Those that are over
    /// only where `over` says so, and then nothing else.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn pickups(&self, over: bool, after: i64, limit: u32) -> Result<Vec<PickupRow>, StorageError> {
        let sql = format!("{COLUMNS} WHERE over = ?1 AND ix > ?2 ORDER BY ix LIMIT ?3");
        self.all(&sql, (over, after, limit), pickup)
    }
}

impl WriteTransaction<'_> {
    /// Keeps a pickup that went further at that time, milliseconds since 1970.
    pub(crate) fn put_pickup(&mut self, pickup: &Pickup, changed_ms: u64) -> Result<(), StorageError> {
        // Writing to a growing vector does not fail for these types.
        let bytes = postcard::to_allocvec(pickup).unwrap_or_default();
        let sql = "INSERT INTO pickup (id, over, pickup, changed_ms) VALUES (?1, ?2, ?3, ?4) \
            ON CONFLICT (id) DO UPDATE SET over = excluded.over, pickup = excluded.pickup, \
            changed_ms = excluded.changed_ms";
        let over = pickup.state().is_over();
        self.write(sql, (pickup.ordered.id.0, over, bytes, row_count(changed_ms)))?;
        self.changed(Change::SiteWork);
        if over {
            let sql = "DELETE FROM pickup WHERE over = 1 AND ix <= \
                (SELECT ix FROM pickup WHERE over = 1 ORDER BY ix DESC LIMIT 1 OFFSET ?1)";
            self.write(sql, (OVER_KEPT,))?;
        }
        Ok(())
    }

    /// Forgets a pickup.
    pub(crate) fn remove_pickup(&mut self, id: HoldId) -> Result<(), StorageError> {
        self.write("DELETE FROM pickup WHERE id = ?1", (id.0,))?;
        Ok(())
    }
}

fn pickup(row: &SqlRow<'_>) -> rusqlite::Result<PickupRow> {
    let bytes = row.get_ref(1)?.as_blob()?;
    Ok(PickupRow {
        ix: row.get(0)?,
        pickup: postcard::from_bytes(bytes).map_err(|error| unreadable(1, error.to_string()))?,
        changed_ms: count(row.get(2)?),
    })
}
