//! What could not be read, sent or applied: kept with its reason, visible, and passed by everything else.

use std::collections::BTreeMap;

use super::changes::Change;
use super::clock::Now;
use super::keys::{Position, count, row_count};
use super::{Snapshot, StorageError, WriteTransaction};

/// Something that was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// Where it came from: `journal`, `feed:catalog`.
    pub source: String,
    /// What it was there: a position, a version and a key.
    pub reference: String,
    /// Why, for people.
    pub reason: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// When it was set aside, milliseconds since 1970.
    pub at_ms: u64,
}

impl Snapshot<'_> {
    /// What was set aside, newest first; at most `limit`.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn set_asides(&self, limit: u32) -> Result<Vec<SetAside>, StorageError> {
        let sql = "SELECT source, reference, reason, bytes, at_ms FROM set_aside ORDER BY ix DESC LIMIT ?1";
        self.all(sql, (limit,), |row| {
            Ok(SetAside {
                source: row.get(0)?,
                reference: row.get(1)?,
                reason: row.get(2)?,
                bytes: row.get(3)?,
                at_ms: count(row.get(4)?),
            })
        })
    }

    /// Records of the journal that were set aside, from one position through another, and why.
    pub(crate) fn records_set_aside(
        &self,
        from: Position,
        through: Position,
    ) -> Result<BTreeMap<Position, String>, StorageError> {
        let sql = "SELECT CAST(reference AS INTEGER) AS position, reason FROM set_aside WHERE source = 'journal' \
            AND position BETWEEN ?1 AND ?2";
        let rows = self.all(sql, (from.get(), through.get()), |row| {
            Ok((Position::from_number(row.get(0)?), row.get(1)?))
        })?;
        Ok(rows.into_iter().collect())
    }

    /// How many things were set aside.
    ///
    /// # Errors
    /// Where they cannot be counted.
    pub fn set_asides_count(&self) -> Result<u64, StorageError> {
        let counted = self.one("SELECT count(*) FROM set_aside", (), |row| row.get(0))?;
        Ok(count(counted.unwrap_or_default()))
    }
}

impl WriteTransaction<'_> {
    /// Sets a record of the journal aside, once. The record itself stays where it is.
    pub(crate) fn set_journal_aside(
        &mut self,
        position: Position,
        reason: &str,
        record: &[u8],
        now: Now,
    ) -> Result<(), StorageError> {
        self.set_aside("journal", &position.get().to_string(), reason, record, now)
    }

    /// Sets something aside, once.
    pub(crate) fn set_aside(
        &mut self,
        source: &str,
        reference: &str,
        reason: &str,
        bytes: &[u8],
        now: Now,
    ) -> Result<(), StorageError> {
        let added = self.write(
            "INSERT INTO set_aside (source, reference, reason, bytes, at_ms) VALUES (?1, ?2, ?3, ?4, ?5) \
             ON CONFLICT (source, reference) DO NOTHING",
            (source, reference, reason, bytes, row_count(now.unix_ms)),
        )?;
        if added > 0 {
            self.changed(Change::SetAside);
        }
        Ok(())
    }
}
