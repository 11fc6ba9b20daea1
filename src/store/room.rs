//! Whether there is room for a sale: found out by writing as much as one.
//!
//! An empty transaction says nothing of the disk, and a single page may still fit where a sale does not.

use super::clock::Now;
use super::keys::row_count;
use super::{StorageError, WriteTransaction};

/// About what a sale of a few lines writes: a page of each table and index that it touches.
const SALE_BYTES: i64 = 32 << 10;

impl WriteTransaction<'_> {
    /// Writes as much as a sale does, and nothing that anybody reads. The same pages each time, so that the file does
    /// not grow by it.
    ///
    /// # Errors
    /// Where there is no room, or the disk fails: then a sale could not be kept either.
    pub fn try_room(&mut self, now: Now) -> Result<(), StorageError> {
        let sql = "INSERT INTO room (one, asked_ms, filling) VALUES (1, ?1, zeroblob(?2)) \
            ON CONFLICT (one) DO UPDATE SET asked_ms = excluded.asked_ms, filling = excluded.filling";
        self.write(sql, (row_count(now.unix_ms), SALE_BYTES))?;
        Ok(())
    }
}
