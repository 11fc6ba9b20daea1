//! Opens connections: the one place that says how SQLite is tuned, and why.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

/// How many prepared statements a connection keeps; more than this program has.
const STATEMENTS_MAX: usize = 128;
/// The writer's page cache: prices, stock and the newest pages of every index of 100,000 items fit.
const WRITER_CACHE_KIB: i64 = 32 * 1024;
/// A reader's page cache; there are a few readers, and a node has 120 MB in all.
const READER_CACHE_KIB: i64 = 4 * 1024;
/// The log is written back when it has this many pages (63 MiB), where no thread does it beside the writer: see
/// `writer/write_back.rs`.
const CHECKPOINT_PAGES: i64 = 16_000;
/// A log that one large transaction made longer than this is cut when it is reused.
const LOG_BYTES_KEPT: i64 = 96 << 20;
/// How long to wait for a lock. Only another process that looks into the file can hold one.
const BUSY_MS: i64 = 5000;

/// The writing connection. `synchronous_off` plants a fault: a power cut then loses what was answered for.
pub(super) fn open_writer(path: &Path, vfs: Option<&str>, synchronous_off: bool) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = open(path, vfs, flags)?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    connection.pragma_update(None, "synchronous", if synchronous_off { "OFF" } else { "FULL" })?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES_KEPT)?;
    Ok(connection)
}

/// Makes the write-ahead log the file's journal. Apart, because it writes: the file must be known to be ours.
pub(super) fn use_write_ahead_log(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))
}

/// A connection that only reads.
pub(super) fn open_reader(path: &Path, vfs: Option<&str>) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = open(path, vfs, flags)?;
    connection.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn open(path: &Path, vfs: Option<&str>, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = match vfs {
        Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs)?,
        None => Connection::open_with_flags(path, flags)?,
    };
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.pragma_update(None, "busy_timeout", BUSY_MS)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // Reads through a map would turn a failing disk into a signal that ends the process.
    connection.pragma_update(None, "mmap_size", 0)?;
    Ok(connection)
}
