//! Backup and restore of a headquarters' database.
//!
//! A headquarters that was restored asks its nodes for what it has lost, notes as a hole what they have pruned, and has
//! its feeds taken afresh; what its operators decided since the backup they decide again.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::own_journal;
use super::storage::{self, Database, OpenError, StorageError};
use crate::domain::ids::Incarnation;

/// Where a data folder has the database.
#[must_use]
pub fn database_path(folder: &Path) -> PathBuf {
    folder.join("hq.db")
}

/// Why there is no copy, or nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// A file of that name exists. Backups are never overwritten.
    #[error("{} exists already", .0.display())]
    Exists(PathBuf),
    /// There is a database already.
    #[error("{} has a database already; it is only replaced where that is asked for", .0.display())]
    Occupied(PathBuf),
    /// A file cannot be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The database is in use, damaged, no headquarters' or a newer version's.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoredHq {
    /// The incarnation in which its own journal goes on.
    pub incarnation: Incarnation,
    /// Where the database that was there is now, if there was one.
    pub replaced: Option<PathBuf>,
}

/// Copies the database of a data folder, which a process may be using, to a new file. The file has the name only once
/// it is whole and on disk. It holds headquarters' own key: keep it as you keep headquarters.
///
/// # Errors
/// Where the file exists, or something cannot be read or written; no file is left then.
pub fn back_up(folder: &Path, to: &Path) -> Result<(), CopyError> {
    if to.exists() {
        return Err(CopyError::Exists(to.to_owned()));
    }
    let unfinished = with_suffix(to, ".unfinished");
    let copied = copy_private(&database_path(folder), &unfinished).and_then(|()| publish(&unfinished, to));
    if copied.is_err() {
        // Where it cannot be removed either, its name tells what it is.
        let _ = remove(&unfinished);
    }
    copied
}

/// Restores a backup into a data folder. Headquarters must not be running. Its own journal goes on in a new
/// incarnation, so that no two records of it have one name.
///
/// # Errors
/// Where the backup is not whole, or there is a database and `replace` is false; what was in the folder is as before.
pub fn restore(backup: &Path, folder: &Path, replace: bool, now_ms: u64) -> Result<RestoredHq, CopyError> {
    std::fs::create_dir_all(folder).map_err(at(folder))?;
    let path = database_path(folder);
    // Held until the restored one has its name.
    let _lock = storage::lock(&path)?;
    if path.exists() && !replace {
        return Err(CopyError::Occupied(folder.to_owned()));
    }
    storage::check(backup)?;
    let unfinished = folder.join("hq.restoring.db");
    remove(&unfinished).map_err(at(&unfinished))?;
    let restored = copy_private(backup, &unfinished).and_then(|()| reopen(&unfinished, now_ms));
    if restored.is_err() {
        let _ = remove(&unfinished);
    }
    let incarnation = restored?;
    let aside = with_suffix(&path, &format!(".replaced-{now_ms}"));
    let occupied = path.exists();
    // The log last, and also where there is no database: one that was left would be taken for the restored one's.
    for suffix in ["", "-wal", "-shm"] {
        let from = with_suffix(&path, suffix);
        match std::fs::rename(&from, with_suffix(&aside, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(&from)(error)),
            _ => {}
        }
    }
    publish(&unfinished, &path)?;
    remove(&unfinished).map_err(at(&unfinished))?;
    Ok(RestoredHq {
        incarnation,
        replaced: occupied.then_some(aside),
    })
}

/// Brings a copy up to date and opens its own journal anew. It is closed again, its log written back.
fn reopen(copy: &Path, now_ms: u64) -> Result<Incarnation, CopyError> {
    let database = Database::open(copy, None)?;
    let incarnation = database.write(move |writing| own_journal::reopen(writing, now_ms))?;
    drop(database);
    let log = with_suffix(copy, "-wal");
    if std::fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
        let left = format!("the log {} could not be written back", log.display());
        return Err(StorageError::Failed(left).into());
    }
    Ok(incarnation)
}

/// Copies a database into a file that only its owner may read.
pub(super) fn copy_private(from: &Path, to: &Path) -> Result<(), CopyError> {
    // SQLite would make an empty database of a name that is not there.
    File::open(from).map_err(at(from))?;
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(to).map_err(at(to))?;
    Ok(storage::copy(from, to)?)
}

/// Gives a finished file its name.
fn publish(unfinished: &Path, to: &Path) -> Result<(), CopyError> {
    let folder = to.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(unfinished)
        .and_then(|file| file.sync_all())
        .and_then(|()| std::fs::rename(unfinished, to))
        .and_then(|()| File::open(folder.unwrap_or(Path::new(".")))?.sync_all())
        .map_err(at(to))
}

/// Removes a database with the files that belong to it, or what is left of one.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    for suffix in ["", "-wal", "-shm", ".lock"] {
        match std::fs::remove_file(with_suffix(path, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn at(path: &Path) -> impl Fn(io::Error) -> CopyError {
    let path = path.to_owned();
    move |error| CopyError::Io {
        path: path.clone(),
        error,
    }
}
