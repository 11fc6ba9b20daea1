//! Restore: a backup becomes a node again, in a new incarnation, so that nothing it does is taken for what the node
//! did after the backup was made.
//!
//! Receipt series hang under incarnations: no register goes on with its old one. Tills keep their own series, so that
//! a sale that one repeats to the restored node is recognised by headquarters.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::backup::sync_folder;
use super::clock::Now;
use super::identity::Machine;
use super::lock::Lock;
use super::open::{OpenError, prepare, take_lock};
use super::options::{Faults, IncarnationSeed, NewNode, database_path};
use super::quarantine::{free_name, move_database, with_suffix};
use super::writer::WriterCore;
use super::{Failure, StorageError};
use crate::domain::fact::OpenedReason;
use crate::domain::journal::Head;

/// What is restored, and where to.
#[derive(Debug, Clone)]
pub struct RestoreOptions {
    /// The backup.
    pub backup: PathBuf,
    /// The data folder. Made where there is none.
    pub directory: PathBuf,
    /// Whether a database that is there is moved aside; without it nothing is replaced.
    pub replace: bool,
    /// What tells this machine from others.
    pub machine_id: String,
    /// Fresh randomness for the new incarnation.
    pub seed: IncarnationSeed,
}

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Who the node is.
    pub node: NewNode,
    /// Where the new incarnation stands.
    pub head: Head,
    /// Where the database that was there is now, if there was one.
    pub replaced: Option<PathBuf>,
}

/// Why nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// There is a database already.
    #[error("{} has a database already; it is only replaced where that is asked for", .0.display())]
    Occupied(PathBuf),
    /// The backup is damaged.
    #[error("the backup {} is damaged: {reason}", backup.display())]
    Damaged {
        /// The backup.
        backup: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file cannot be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The folder is in use, or the backup is not a node's or a newer version's.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Restores a backup into a data folder. The database has its name only once it is whole, checked, in its new
/// incarnation and on disk.
///
/// # Errors
/// A [`RestoreError`]; what was in the folder is as before then.
pub fn restore(options: &RestoreOptions, now: Now) -> Result<Restored, RestoreError> {
    let lock = take_lock(&options.directory, true)?;
    let path = database_path(&options.directory);
    if path.exists() && !options.replace {
        return Err(RestoreError::Occupied(options.directory.clone()));
    }
    let unfinished = with_suffix(&path, ".restoring");
    remove_unfinished(&unfinished)?;
    std::fs::copy(&options.backup, &unfinished).map_err(io(&options.backup))?;
    let opened = reopen(options, &unfinished, now, lock.clone());
    if opened.is_err() {
        remove_unfinished(&unfinished)?;
    }
    let (node, head) = opened?;
    let occupied = path.exists();
    let aside = free_name(&path, "replaced", now);
    // Also where there is no database: a log that was left would be taken for the restored one's.
    move_database(&path, &aside)?;
    let replaced = occupied.then_some(aside);
    std::fs::File::open(&unfinished)
        .and_then(|file| file.sync_all())
        .and_then(|()| std::fs::rename(&unfinished, &path))
        .and_then(|()| sync_folder(&path))
        .map_err(io(&path))?;
    drop(lock);
    Ok(Restored { node, head, replaced })
}

/// Opens the copy, checks it whole and gives it its new incarnation and machine. It is closed again, its log written
/// back.
fn reopen(options: &RestoreOptions, copy: &Path, now: Now, lock: Arc<Lock>) -> Result<(NewNode, Head), RestoreError> {
    let damaged = |reason: String| RestoreError::Damaged {
        backup: options.backup.clone(),
        reason,
    };
    let connection = match prepare(copy, None, Faults::default(), false) {
        Err(OpenError::Storage(StorageError::Corrupt(reason))) => return Err(damaged(reason)),
        prepared => prepared?,
    };
    let checked: String = connection
        .query_row("PRAGMA quick_check(1)", (), |row| row.get(0))
        .map_err(|error| damaged(error.to_string()))?;
    if checked != "ok" {
        return Err(damaged(checked));
    }
    let mut core = WriterCore::over(connection, Faults::default(), lock, now)?;
    let node = core.read(|snapshot| snapshot.identity())?;
    let node = node.ok_or_else(|| damaged("it does not say whose it is".into()))?;
    let machine = Machine::from_id(&options.machine_id);
    let head = core
        .run(|tx| {
            tx.set_machine(machine)?;
            Ok(tx.open_incarnation(now, &options.seed, OpenedReason::Restored)?)
        })
        .map_err(|failure: Failure<Infallible>| StorageError::from(failure))?;
    core.close()?;
    Ok((node, head))
}

/// What an earlier attempt left.
fn remove_unfinished(path: &Path) -> Result<(), RestoreError> {
    for suffix in ["", "-wal", "-shm"] {
        let path = with_suffix(path, suffix);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(&path)(error)),
            _ => {}
        }
    }
    Ok(())
}

fn io(path: &Path) -> impl Fn(std::io::Error) -> RestoreError {
    let path = path.to_owned();
    move |error| RestoreError::Io {
        path: path.clone(),
        error,
    }
}
