//! Backup: one consistent state as a file of its own, made while selling goes on.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::StorageError;
use super::connection::open_reader;
use super::options::database_path;
use super::quarantine::with_suffix;

/// How many pages are copied between two reports of progress: 4 MiB.
const STEP_PAGES: i32 = 1_024;
/// How long to wait where the disk's lock is held by somebody else.
const PAUSE: Duration = Duration::from_millis(20);

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file of that name exists. Backups are never overwritten.
    #[error("{} exists already", .0.display())]
    Exists(PathBuf),
    /// A file cannot be written.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The database cannot be read or copied.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<rusqlite::Error> for BackupError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Storage(error.into())
    }
}

/// Copies the database of a data folder, which a process may be using, to a new file. The file has the name only once
/// it is whole and on disk. `progress` hears how many pages of how many are copied.
///
/// The copy holds the keys that sign for the node: keep it as you keep the node.
///
/// # Errors
/// Where the file exists, or something cannot be read or written; no file is left then.
pub fn back_up(directory: &Path, to: &Path, progress: impl FnMut(u64, u64)) -> Result<(), BackupError> {
    if to.exists() {
        return Err(BackupError::Exists(to.to_owned()));
    }
    let unfinished = with_suffix(to, ".unfinished");
    let copied = copy(directory, &unfinished, progress).and_then(|()| publish(&unfinished, to));
    if copied.is_err() {
        // Where it cannot be removed either, its name tells what it is.
        let _ = std::fs::remove_file(&unfinished);
    }
    copied
}

fn copy(directory: &Path, to: &Path, mut progress: impl FnMut(u64, u64)) -> Result<(), BackupError> {
    let source = open_reader(&database_path(directory), None)?;
    // One snapshot for the whole copy: without it every commit of the node would make the copy begin again.
    let snapshot = source.unchecked_transaction()?;
    snapshot.query_row("SELECT count(*) FROM sqlite_schema", (), |_| Ok(()))?;
    create_private(to)?;
    let mut target = Connection::open(to)?;
    {
        let backup = Backup::new(&snapshot, &mut target)?;
        loop {
            let step = backup.step(STEP_PAGES)?;
            let state = backup.progress();
            let pages = |count: i32| u64::try_from(count).unwrap_or_default();
            progress(
                pages(state.pagecount.saturating_sub(state.remaining)),
                pages(state.pagecount),
            );
            match step {
                StepResult::Done => break,
                StepResult::Busy | StepResult::Locked => std::thread::sleep(PAUSE),
                _ => {}
            }
        }
    }
    // The copy carries the original's journal mode; as a file of its own it needs no log beside it.
    target.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))?;
    target.close().map_err(|(_, error)| error)?;
    Ok(())
}

fn publish(unfinished: &Path, to: &Path) -> Result<(), BackupError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |error| BackupError::Io { path, error }
    };
    File::open(unfinished)
        .and_then(|file| file.sync_all())
        .map_err(io(unfinished))?;
    std::fs::rename(unfinished, to).map_err(io(to))?;
    sync_folder(to).map_err(io(to))
}

/// Makes the file readable by its owner only, before anything is in it.
fn create_private(path: &Path) -> Result<(), BackupError> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(|_| ()).map_err(|error| BackupError::Io {
        path: path.to_owned(),
        error,
    })
}

/// Makes a file's name as durable as its content.
pub(super) fn sync_folder(file: &Path) -> std::io::Result<()> {
    match file.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => File::open(parent)?.sync_all(),
        None => File::open(".")?.sync_all(),
    }
}
