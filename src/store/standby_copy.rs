//! A standby's first copy: a backup of the node that it follows becomes a database that follows.

use std::path::{Path, PathBuf};

use super::backup::sync_folder;
use super::clock::Now;
use super::following::Following;
use super::identity::Machine;
use super::keys::row_count;
use super::open::{OpenError, prepare, take_lock};
use super::options::{Faults, NewNode, database_path};
use super::quarantine::{move_database, with_suffix};
use super::schema;
use super::writer::WriterCore;
use super::{Failure, StorageError};

/// The version of the database that a standby and the node that it follows must both have.
pub const COPY_VERSION: u32 = schema::VERSION as u32;

/// Why a copy is not taken.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// It is damaged, or not of the node that this standby is for.
    #[error("the copy cannot be used: {0}")]
    Unusable(String),
    /// A file cannot be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The folder is in use, or the copy is no node's.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Makes a backup that was fetched the database of a data folder, which follows from then on. A copy that was there is
/// replaced: whoever calls has made sure that the followed node has all of it. The database has its name only once it
/// is whole, checked and on disk.
///
/// # Errors
/// A [`CopyError`]; what was in the folder is as before then.
pub fn install_copy(
    directory: &Path,
    fetched: &Path,
    node: &NewNode,
    primary_address: &str,
    machine_id: &str,
    now: Now,
) -> Result<Following, CopyError> {
    let lock = take_lock(directory, true)?;
    let path = database_path(directory);
    let connection = match prepare(fetched, None, Faults::default(), false) {
        Err(OpenError::Storage(StorageError::Corrupt(reason))) => return Err(CopyError::Unusable(reason)),
        prepared => prepared?,
    };
    let checked: String = connection
        .query_row("PRAGMA quick_check(1)", (), |row| row.get(0))
        .map_err(|error| CopyError::Unusable(error.to_string()))?;
    if checked != "ok" {
        return Err(CopyError::Unusable(checked));
    }
    let mut core = WriterCore::over(connection, Faults::default(), lock.clone(), now)?;
    let theirs = core.read(|snapshot| snapshot.identity())?;
    if theirs.as_ref() != Some(node) {
        let whose = theirs.map_or_else(
            || "nobody".to_owned(),
            |theirs| format!("{} of {}", theirs.node, theirs.site),
        );
        let reason = format!(
            "it is of {whose}, and this standby is for {} of {}",
            node.node, node.site
        );
        return Err(CopyError::Unusable(reason));
    }
    let (machine, address) = (Machine::from_id(machine_id), primary_address.to_owned());
    let following = core
        .run(|tx| {
            tx.set_machine(machine)?;
            tx.stop_noting_changes()?;
            let change = tx.last_followed_change()?;
            tx.write("DELETE FROM succeeded", ())?;
            tx.write(
                "INSERT OR REPLACE INTO following (one, primary_address, change) VALUES (1, ?1, ?2)",
                (&address, row_count(change)),
            )?;
            Ok(Following {
                primary_address: address.clone(),
                change,
            })
        })
        .map_err(|failure: Failure<StorageError>| match failure {
            Failure::Refused(error) | Failure::Storage(error) => error,
        })?;
    core.close()?;
    let io = |error| CopyError::Io {
        path: path.clone(),
        error,
    };
    let older = with_suffix(&path, ".following-before");
    move_database(&path, &older)?;
    std::fs::File::open(fetched)
        .and_then(|file| file.sync_all())
        .and_then(|()| std::fs::rename(fetched, &path))
        .and_then(|()| sync_folder(&path))
        .map_err(io)?;
    for suffix in ["", "-wal", "-shm"] {
        // It is only an older copy: where it stays it costs room and nothing else.
        let _ = std::fs::remove_file(with_suffix(&older, suffix));
    }
    drop(lock);
    Ok(following)
}
