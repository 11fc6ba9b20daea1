//! Damaged databases: moved aside under a name that tells when, with the files that belong to them. Never deleted.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use chrono::DateTime;

use super::clock::Now;
use super::open::OpenError;

/// Moves a database that cannot be read out of the way: `node.db.corrupt-20240229T134500`. Gives its new path.
pub(super) fn set_aside(path: &Path, now: Now) -> Result<PathBuf, OpenError> {
    let aside = free_name(path, "corrupt", now);
    move_database(path, &aside)?;
    Ok(aside)
}

/// Renames a database with the files that belong to it, or what is left of one.
pub(super) fn move_database(path: &Path, to: &Path) -> Result<(), OpenError> {
    // The log last: a database without its log is an older one and must not be opened where this is cut short.
    for suffix in ["", "-wal", "-shm"] {
        let from = with_suffix(path, suffix);
        match std::fs::rename(&from, with_suffix(to, suffix)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(OpenError::Io { path: from, error });
            }
            _ => {}
        }
    }
    Ok(())
}

/// A database that was set aside beside `path`, as damaged or to be replaced; the newest. Where there is none at
/// `path`, a restore is missing or was cut short.
pub(super) fn set_aside_before(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let aside = |other: &str| {
        let why = other.strip_prefix(name).unwrap_or_default();
        let database = !why.ends_with("-wal") && !why.ends_with("-shm");
        database && (why.starts_with(".corrupt-") || why.starts_with(".replaced-"))
    };
    let newest = |path: &PathBuf| path.metadata().and_then(|data| data.modified()).ok();
    std::fs::read_dir(path.parent()?)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(aside))
        .max_by_key(newest)
}

/// `PATH.why-TIME`, with a number behind where that is taken.
pub(super) fn free_name(path: &Path, why: &str, now: Now) -> PathBuf {
    let at = i64::try_from(now.unix_ms)
        .ok()
        .and_then(DateTime::from_timestamp_millis)
        .unwrap_or_default()
        .format("%Y%m%dT%H%M%S");
    let first = with_suffix(path, &format!(".{why}-{at}"));
    let more = (2..).map(|number| with_suffix(path, &format!(".{why}-{at}-{number}")));
    std::iter::once(first.clone())
        .chain(more)
        .find(|name| !name.exists())
        .unwrap_or(first)
}

pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}
