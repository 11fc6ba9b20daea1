//! Damaged databases: moved aside under a name that tells when, with the files that belong to them. Never deleted.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use chrono::DateTime;

use super::clock::Now;
use super::open::OpenError;

/// Moves a database that cannot be read out of the way: `node.db.corrupt-20240229T134500`. Gives its new path.
pub(super) fn set_aside(path: &Path, now: Now) -> Result<PathBuf, OpenError> {
    let aside = free_name(path, "corrupt", now);
    for suffix in ["-wal", "-shm", ""] {
        let from = with_suffix(path, suffix);
        let to = with_suffix(&aside, suffix);
        match std::fs::rename(&from, &to) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(OpenError::Io { path: from, error }),
        }
    }
    Ok(aside)
}

/// A damaged database that was set aside beside `path` earlier, the newest.
pub(super) fn damaged_before(path: &Path) -> Option<PathBuf> {
    let name = with_suffix(path, ".corrupt-");
    let prefix = name.file_name()?.to_str()?;
    let aside = |name: &str| name.starts_with(prefix) && !name.ends_with("-wal") && !name.ends_with("-shm");
    std::fs::read_dir(path.parent()?)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(aside))
        .max()
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
