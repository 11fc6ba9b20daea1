//! The journal's rows: append at the end, read anywhere, change never.

use super::changes::Change;
use super::clock::Now;
use super::keys::Position;
use super::snapshot::unreadable;
use super::{Snapshot, StorageError, WriteTransaction};
use crate::domain::fact::{Entry, Fact};
use crate::domain::journal::{Hash, Head};
use crate::domain::sale::{Refund, Sale};
use crate::domain::time::Hlc;

/// Where a record was appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Its place in this database.
    pub position: Position,
    /// Its place in its incarnation.
    pub head: Head,
}

/// A row of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JournalRow {
    pub position: Position,
    pub record: Vec<u8>,
    /// The chain's hash after the record, as stored.
    pub hash: Hash,
}

impl Snapshot<'_> {
    /// The fact at a position, where it is still kept.
    ///
    /// # Errors
    /// Where the record cannot be read.
    pub fn entry(&self, position: Position) -> Result<Option<Entry>, StorageError> {
        let sql = "SELECT record FROM journal WHERE position = ?1";
        let Some(decoded) = self.one(sql, (position.0,), |row| Ok(Entry::decode(row.get_ref(0)?.as_blob()?)))? else {
            return Ok(None);
        };
        decoded
            .map(Some)
            .map_err(|error| StorageError::unreadable(&format!("the record at position {}", position.0), error))
    }

    /// A record's bytes, where it is still kept.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn record(&self, position: Position) -> Result<Option<Vec<u8>>, StorageError> {
        let sql = "SELECT record FROM journal WHERE position = ?1";
        self.one(sql, (position.0,), |row| row.get(0))
    }

    /// The sale at a position, where a sale is kept there.
    ///
    /// # Errors
    /// Where the record cannot be read.
    pub fn sale_at(&self, position: Position) -> Result<Option<Sale>, StorageError> {
        Ok(match self.entry(position)?.map(|entry| entry.fact) {
            Some(Fact::Sale(sale)) => Some(sale),
            _ => None,
        })
    }

    /// The refund at a position, where a refund is kept there.
    ///
    /// # Errors
    /// Where the record cannot be read.
    pub fn refund_at(&self, position: Position) -> Result<Option<Refund>, StorageError> {
        Ok(match self.entry(position)?.map(|entry| entry.fact) {
            Some(Fact::Refund(refund)) => Some(refund),
            _ => None,
        })
    }

    /// The stored hash of the chain after the record at a position.
    pub(super) fn hash_after(&self, position: Position) -> Result<Option<Hash>, StorageError> {
        self.one("SELECT hash FROM journal WHERE position = ?1", (position.0,), |row| {
            row.get(0).map(Hash)
        })
    }

    /// Reads rows from `from` to `through` in order until `each` says to stop.
    pub(crate) fn walk_journal<E: From<StorageError>>(
        &self,
        from: Position,
        through: Position,
        mut each: impl FnMut(JournalRow) -> Result<std::ops::ControlFlow<()>, E>,
    ) -> Result<(), E> {
        let sql = "SELECT position, record, hash FROM journal WHERE position BETWEEN ?1 AND ?2 ORDER BY position";
        let mut statement = self.connection.prepare_cached(sql).map_err(StorageError::from)?;
        let mut rows = statement.query((from.0, through.0)).map_err(StorageError::from)?;
        while let Some(row) = rows.next().map_err(StorageError::from)? {
            if each(journal_row(row).map_err(StorageError::from)?)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// The last row of the journal.
    pub(super) fn last_row(&self) -> Result<Option<JournalRow>, StorageError> {
        let sql = "SELECT position, record, hash FROM journal ORDER BY position DESC LIMIT 1";
        self.one(sql, (), journal_row)
    }
}

impl WriteTransaction<'_> {
    /// The next stamp of the journal's clock.
    pub fn stamp(&mut self, now: Now) -> Hlc {
        let (stamp, jump) = self.state.clock.stamp(now);
        if let Some(jump) = jump {
            self.changed(Change::ClockJumped(jump));
        }
        stamp
    }

    /// Appends an entry to the present incarnation.
    ///
    /// # Errors
    /// Where there is no incarnation yet, or the store failed.
    pub fn append(&mut self, entry: &Entry) -> Result<Appended, StorageError> {
        let mut tip = self.tip()?;
        let record = entry.encode();
        tip.hash = tip.hash.after(&record);
        tip.position = Position(tip.position.0 + 1);
        self.write(
            "INSERT INTO journal (position, record, hash) VALUES (?1, ?2, ?3)",
            (tip.position.0, &record, tip.hash.0),
        )?;
        self.state.tip = Some(tip);
        self.changed(Change::Recorded);
        Ok(Appended {
            position: tip.position,
            head: tip.head(),
        })
    }
}

fn journal_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<JournalRow> {
    let hash = row.get_ref(2)?.as_blob()?;
    Ok(JournalRow {
        position: Position(row.get(0)?),
        record: row.get(1)?,
        hash: Hash::from_slice(hash).ok_or_else(|| unreadable(2, "a hash has 32 bytes"))?,
    })
}
