//! Open holds, and the running time that they run out by.

use rusqlite::Row as SqlRow;

use super::clock::Now;
use super::keys::{DeviceIx, Position, count, row_count};
use super::snapshot::unreadable;
use super::{Snapshot, StorageError, WriteTransaction};
use crate::domain::ids::Sku;
use crate::domain::quantity::Quantity;
use crate::domain::stock::{Hold, HoldId};

/// An open hold with where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldRow {
    /// The hold.
    pub hold: Hold,
    /// The device that opened it; none where it was taken over from another replica.
    pub device: Option<DeviceIx>,
    /// The record that opened it here.
    pub position: Position,
}

/// A node's running time: how long it has run over all its starts, in milliseconds, as far as that was noted. After a
/// power cut it goes on from the last note, so that it never counts more than has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RunningClock {
    noted_ms: u64,
    opened_monotonic_ms: u64,
}

impl RunningClock {
    /// What it shows.
    #[must_use]
    pub const fn at(&self, now: Now) -> u64 {
        self.noted_ms
            .saturating_add(now.monotonic_ms.saturating_sub(self.opened_monotonic_ms))
    }
}

const COLUMNS: &str = "SELECT device, position, opened, expires_ms FROM hold";

impl Snapshot<'_> {
    /// An open hold.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn hold(&self, id: HoldId) -> Result<Option<HoldRow>, StorageError> {
        self.one(&format!("{COLUMNS} WHERE id = ?1"), (id.0,), hold)
    }

    /// Open holds in the order of their identities, after `after`; at most `limit`.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn holds(&self, after: Option<HoldId>, limit: u32) -> Result<Vec<HoldRow>, StorageError> {
        let after = after.map(|id| id.0.to_vec()).unwrap_or_default();
        self.all(
            &format!("{COLUMNS} WHERE id > ?1 ORDER BY id LIMIT ?2"),
            (after, limit),
            hold,
        )
    }

    /// Open holds of an item, with how much each holds of it.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn holds_of(&self, sku: &Sku) -> Result<Vec<(HoldRow, Quantity)>, StorageError> {
        let sql = "SELECT device, position, opened, expires_ms, quantity FROM hold_line \
            JOIN hold ON id = hold WHERE sku = ?1 ORDER BY position";
        self.all(sql, (sku.as_str(),), |row| {
            Ok((hold(row)?, row.get(4).map(Quantity::from_thousandths)?))
        })
    }

    /// Every open hold.
    pub(crate) fn walk_holds(&self, mut each: impl FnMut(HoldRow)) -> Result<(), StorageError> {
        let mut statement = self.connection.prepare_cached(COLUMNS)?;
        let mut rows = statement.query(())?;
        while let Some(row) = rows.next()? {
            each(hold(row)?);
        }
        Ok(())
    }

    /// How many holds a device has open.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn holds_of_device(&self, device: DeviceIx) -> Result<u64, StorageError> {
        let counted = self.one("SELECT count(*) FROM hold WHERE device = ?1", (device.0,), |row| {
            row.get(0)
        })?;
        Ok(count(counted.unwrap_or_default()))
    }

    /// Open holds that have run out, the first to run out first; at most `limit`.
    pub(crate) fn holds_run_out(&self, running_ms: u64, limit: u32) -> Result<Vec<HoldRow>, StorageError> {
        let sql = format!("{COLUMNS} WHERE expires_ms <= ?1 ORDER BY expires_ms LIMIT ?2");
        self.all(&sql, (row_count(running_ms), limit), hold)
    }

    /// When the next hold runs out, in running time.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn next_hold_runs_out_ms(&self) -> Result<Option<u64>, StorageError> {
        let found = self.one("SELECT min(expires_ms) FROM hold", (), |row| {
            row.get::<_, Option<i64>>(0)
        })?;
        Ok(found.flatten().map(count))
    }

    /// The running time, as it goes on from what was noted last.
    pub(super) fn running_clock(&self, now: Now) -> Result<RunningClock, StorageError> {
        let noted = self.one("SELECT elapsed_ms FROM running", (), |row| row.get(0))?;
        Ok(RunningClock {
            noted_ms: noted.map(count).unwrap_or_default(),
            opened_monotonic_ms: now.monotonic_ms,
        })
    }
}

impl WriteTransaction<'_> {
    /// What the node's running time shows.
    #[must_use]
    pub fn running_ms(&self, now: Now) -> u64 {
        self.state.running.at(now)
    }

    /// Notes how long the node has run.
    pub(crate) fn note_running(&mut self, now: Now) -> Result<(), StorageError> {
        let sql = "INSERT INTO running (one, elapsed_ms) VALUES (1, ?1) \
            ON CONFLICT (one) DO UPDATE SET elapsed_ms = max(elapsed_ms, excluded.elapsed_ms)";
        let running_ms = row_count(self.running_ms(now));
        self.write(sql, (running_ms,))?;
        Ok(())
    }

    /// Keeps an open hold with its lines.
    pub(crate) fn put_hold(&mut self, row: &HoldRow) -> Result<(), StorageError> {
        let opened = &row.hold.opened;
        // Writing to a growing vector does not fail for these types.
        let bytes = postcard::to_allocvec(opened).unwrap_or_default();
        let sql = "INSERT OR REPLACE INTO hold (id, device, position, opened, expires_ms) VALUES (?1, ?2, ?3, ?4, ?5)";
        let device = row.device.map(|device| device.0);
        let expires_ms = row_count(row.hold.expires_at_ms);
        self.write(sql, (opened.id.0, device, row.position.0, bytes, expires_ms))?;
        for line in &opened.lines {
            let sql = "INSERT OR REPLACE INTO hold_line (sku, hold, quantity) VALUES (?1, ?2, ?3)";
            self.write(sql, (line.sku.as_str(), opened.id.0, line.quantity.thousandths()))?;
        }
        Ok(())
    }

    /// Lets the row of a hold go that has ended.
    pub(crate) fn remove_hold(&mut self, hold: &Hold) -> Result<(), StorageError> {
        let id = hold.opened.id;
        self.write("DELETE FROM hold WHERE id = ?1", (id.0,))?;
        for line in &hold.opened.lines {
            let sql = "DELETE FROM hold_line WHERE sku = ?1 AND hold = ?2";
            self.write(sql, (line.sku.as_str(), id.0))?;
        }
        Ok(())
    }

    /// Lets the rows of all holds go: a new incarnation owns none of them.
    pub(crate) fn remove_holds(&mut self) -> Result<(), StorageError> {
        self.write("DELETE FROM hold", ())?;
        self.write("DELETE FROM hold_line", ())?;
        Ok(())
    }
}

fn hold(row: &SqlRow<'_>) -> rusqlite::Result<HoldRow> {
    let opened = row.get_ref(2)?.as_blob()?;
    let opened = postcard::from_bytes(opened).map_err(|error| unreadable(2, error.to_string()))?;
    Ok(HoldRow {
        hold: Hold {
            opened,
            expires_at_ms: count(row.get(3)?),
        },
        device: row.get::<_, Option<i64>>(0)?.map(DeviceIx),
        position: Position(row.get(1)?),
    })
}
