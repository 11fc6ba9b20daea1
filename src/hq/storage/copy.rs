//! Copies of the database as files of their own.

use std::path::Path;

use rusqlite::Connection;

use super::{OpenError, StorageError, reader, unreadable};

/// Copies one consistent moment of a database, which a process may be using, to a new or empty file.
///
/// # Errors
/// Where it cannot be read, or there is no room for the copy.
pub(in crate::hq) fn copy(from: &Path, to: &Path) -> Result<(), StorageError> {
    let source = reader(from, None)?;
    let to = to
        .to_str()
        .ok_or_else(|| StorageError::Failed(format!("{} is not UTF-8", to.display())))?;
    source.execute("VACUUM INTO ?1", [to])?;
    Ok(())
}

/// Checks that a file is the whole database of a headquarters, of this version or an older one.
///
/// # Errors
/// Where it is not.
pub(in crate::hq) fn check(path: &Path) -> Result<(), OpenError> {
    let damaged = |reason: String| OpenError::Unreadable {
        path: path.display().to_string(),
        reason,
    };
    let whole = |connection: &Connection| -> rusqlite::Result<(String, i64)> {
        let known = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'headquarters'";
        let known = connection.query_row(known, [], |row| row.get(0))?;
        let found = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        Ok((found, known))
    };
    let connection = reader(path, None).map_err(|error| unreadable(path, error))?;
    match whole(&connection).map_err(|error| damaged(error.to_string()))? {
        (found, _) if found != "ok" => Err(damaged(found)),
        (_, 0) => Err(damaged("it is not a headquarters'".into())),
        _ => Ok(()),
    }
}
