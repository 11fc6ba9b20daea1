//! Whether a disk sells, follows another one, or was succeeded.

use std::path::{Path, PathBuf};

use rusqlite::OptionalExtension as _;

use super::changes::Change;
use super::clock::Now;
use super::connection::open_reader;
use super::keys::{Position, count, row_count, signed, unsigned};
use super::open::{OpenError, take_lock};
use super::options::database_path;
use super::quarantine::{free_name, move_database};
use super::{Snapshot, StorageError, WriteTransaction};
use crate::domain::ids::Incarnation;
use crate::domain::journal::Hash;

/// A standby's copy: whom it follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Following {
    /// Where the node that is followed answers.
    pub primary_address: String,
    /// The last change of rows that no record gives, which it has.
    pub change: u64,
}

/// A disk that was succeeded by its standby.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Succeeded {
    /// The incarnation that goes on.
    pub by: Incarnation,
    /// The last record of this disk's that the successor has.
    pub seq: u64,
    /// Where it answers.
    pub address: String,
}

/// What a data folder's database is there for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiskState {
    /// There is none.
    Missing,
    /// It sells.
    Sells,
    /// It follows another one.
    Follows(Following),
    /// It was succeeded. `drained` says whether headquarters has all that it ever recorded.
    Succeeded {
        /// By whom.
        by: Succeeded,
        /// Whether headquarters has everything.
        drained: bool,
    },
}

/// Looks at a data folder's database, which nobody needs to have open.
///
/// # Errors
/// Where it cannot be read. A damaged one is dealt with where it is opened for good.
pub fn disk_state(directory: &Path) -> Result<DiskState, StorageError> {
    let path = database_path(directory);
    if !path.exists() {
        return Ok(DiskState::Missing);
    }
    let connection = open_reader(&path, None)?;
    let sql = "SELECT 1 FROM sqlite_schema WHERE name = 'following'";
    let known = connection.query_row(sql, (), |_| Ok(())).optional()?.is_some();
    if !known {
        // An older version's, or one whose making was cut short.
        return Ok(DiskState::Sells);
    }
    let snapshot = Snapshot {
        connection: &connection,
    };
    if let Some(following) = snapshot.following()? {
        return Ok(DiskState::Follows(following));
    }
    Ok(match snapshot.succeeded()? {
        None => DiskState::Sells,
        Some(by) => DiskState::Succeeded {
            by,
            drained: snapshot.is_drained()?,
        },
    })
}

/// Moves the database of a disk that was succeeded aside, where headquarters has everything of it. Gives its new path.
///
/// # Errors
/// Where the folder is in use or the files cannot be moved.
pub fn move_succeeded_aside(directory: &Path, now: Now) -> Result<PathBuf, OpenError> {
    let _lock = take_lock(directory, false)?;
    let path = database_path(directory);
    let aside = free_name(&path, "succeeded", now);
    move_database(&path, &aside)?;
    Ok(aside)
}

impl Snapshot<'_> {
    /// Whom this disk follows, where it does.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn following(&self) -> Result<Option<Following>, StorageError> {
        self.one("SELECT primary_address, change FROM following", (), |row| {
            Ok(Following {
                primary_address: row.get(0)?,
                change: count(row.get(1)?),
            })
        })
    }

    /// Who has succeeded this disk, where anybody has.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn succeeded(&self) -> Result<Option<Succeeded>, StorageError> {
        self.one("SELECT counter, random, seq, address FROM succeeded", (), |row| {
            Ok(Succeeded {
                by: Incarnation {
                    counter: row.get(0)?,
                    random: unsigned(row.get(1)?),
                },
                seq: count(row.get(2)?),
                address: row.get(3)?,
            })
        })
    }

    /// Whether headquarters has everything that this disk recorded, and everything that it passes on for kiosks.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn is_drained(&self) -> Result<bool, StorageError> {
        let own = self.incarnations()?;
        Ok(own.iter().all(|row| row.acked.seq >= row.offered())
            && self
                .relay_origins()?
                .iter()
                .all(|origin| origin.top.seq >= origin.acked.seq))
    }
}

impl WriteTransaction<'_> {
    /// Notes up to which change the rows that no record gives are here.
    pub(crate) fn set_followed(&mut self, change: u64) -> Result<(), StorageError> {
        self.write("UPDATE following SET change = ?1", (row_count(change),))?;
        Ok(())
    }

    /// From now on this disk follows nobody: it sells.
    pub(crate) fn end_following(&mut self) -> Result<(), StorageError> {
        self.write("DELETE FROM following", ())?;
        Ok(())
    }

    /// Notes who has succeeded this disk.
    pub(crate) fn set_succeeded(&mut self, by: &Succeeded) -> Result<(), StorageError> {
        self.write(
            "INSERT OR REPLACE INTO succeeded (one, counter, random, seq, address) VALUES (1, ?1, ?2, ?3, ?4)",
            (by.by.counter, signed(by.by.random), row_count(by.seq), &by.address),
        )?;
        self.changed(Change::Incarnation);
        Ok(())
    }

    /// Appends a record of the node that is followed, whose chain gives `hash` after it. Only on a standby's copy.
    pub(crate) fn append_followed(&mut self, record: &[u8], hash: Hash) -> Result<Position, StorageError> {
        let mut tip = self.tip()?;
        tip.hash = hash;
        tip.position = Position(tip.position.0 + 1);
        self.write(
            "INSERT INTO journal (position, record, hash) VALUES (?1, ?2, ?3)",
            (tip.position.0, record, tip.hash.0),
        )?;
        self.state.tip = Some(tip);
        Ok(tip.position)
    }
}
