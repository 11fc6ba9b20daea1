//! Headquarters' database, behind whole transactions. The only part of headquarters that names SQLite; its SQL is the
//! subset that PostgreSQL shares.
//!
//! Promises: what [`Database::write`] has answered is on disk; a transaction that fails leaves nothing; readers see a
//! consistent moment and never wait for the writer. Never here: a rule of the business.

mod alerts;
mod answers;
mod copy;
mod documents;
mod error;
mod feeds;
mod history;
mod identity;
mod ledger;
mod movements;
mod nodes;
mod origins;
mod projections;
mod registers;
mod retired;
mod rights;
mod sales;
mod site_work;
mod stock;
mod successors;
mod tokens;
mod totals;
mod value;
mod writer;

use std::fs::{File, TryLockError};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, OpenFlags};
use rusqlite_migration::{M, Migrations};

pub(in crate::hq) use alerts::ToldCount;
pub use alerts::{Alert, AlertSubject};
pub(in crate::hq) use copy::{check, copy};
pub use error::{OpenError, StorageError};
pub(in crate::hq) use history::{Folded, FoldedKind, PlacedStep, ToldHold, ToldStep};
pub(in crate::hq) use identity::Identity;
pub(in crate::hq) use ledger::{Hole, LedgerBatch, NewBatch};
pub(in crate::hq) use nodes::Node;
pub(in crate::hq) use origins::{NewOrigin, Origin, OriginId};
pub(in crate::hq) use projections::SetAside;
pub use projections::SetAsideState;
pub(in crate::hq) use registers::Register;
pub(in crate::hq) use retired::RetiredReplica;
pub use sales::SaleKind;
pub(in crate::hq) use sales::{NewRepeat, NewSale, SalesOfDay};
pub use site_work::KnownTransfer;
pub use tokens::{Token, TokenRole};
pub use totals::DailyTotal;
use writer::Writer;

/// Append-only: a released migration is never changed.
const MIGRATIONS: &[M<'_>] = &[
    M::up(include_str!("../../../migrations/hq/0001_ledger.sql")),
    M::up(include_str!("../../../migrations/hq/0002_projections.sql")),
    M::up(include_str!("../../../migrations/hq/0003_feeds.sql")),
    M::up(include_str!("../../../migrations/hq/0004_tokens.sql")),
    M::up(include_str!("../../../migrations/hq/0005_answers.sql")),
    M::up(include_str!("../../../migrations/hq/0006_movements.sql")),
    M::up(include_str!("../../../migrations/hq/0007_feed_epochs.sql")),
    M::up(include_str!("../../../migrations/hq/0008_told.sql")),
    M::up(include_str!("../../../migrations/hq/0009_documents.sql")),
    M::up(include_str!("../../../migrations/hq/0011_parents.sql")),
    M::up(include_str!("../../../migrations/hq/0013_retired.sql")),
    M::up(include_str!("../../../migrations/hq/0010_rights.sql")),
    M::up(include_str!("../../../migrations/hq/0014_successors.sql")),
    M::up(include_str!("../../../migrations/hq/0015_site_work.sql")),
    M::up(include_str!("../../../migrations/hq/0016_history.sql")),
    M::up(include_str!("../../../migrations/hq/0017_alerts.sql")),
    M::up(include_str!("../../../migrations/hq/0019_counts_of_retired.sql")),
    M::up(include_str!("../../../migrations/hq/0021_branched_session.sql")),
    M::up(include_str!("../../../migrations/hq/0023_alert_due_moved.sql")),
];

/// How many connections wait for readers between reads.
const READERS_KEPT_MAX: usize = 4;
/// SQLite's cache of compiled statements, by connection; over the number of distinct statements here.
const STATEMENTS_KEPT_MAX: usize = 128;

/// An open database: one writer, any number of readers. Only one process has it.
#[derive(Debug)]
pub(in crate::hq) struct Database {
    path: PathBuf,
    vfs: Option<String>,
    // Closed before the writer, which then folds the log into the file.
    readers: Mutex<Vec<Connection>>,
    writer: Writer,
    /// Held for its lock.
    _lock: File,
}

/// A consistent view, inside a transaction.
#[derive(Debug, Clone, Copy)]
pub(in crate::hq) struct Reading<'a> {
    connection: &'a Connection,
}

/// A transaction that writes. It sees what it has written.
#[derive(Debug, Clone, Copy)]
pub(in crate::hq) struct Writing<'a>(Reading<'a>);

impl<'a> Reading<'a> {
    const fn new(connection: &'a Connection) -> Self {
        Self { connection }
    }
}

impl<'a> Writing<'a> {
    const fn new(reading: Reading<'a>) -> Self {
        Self(reading)
    }
}

impl<'a> Deref for Writing<'a> {
    type Target = Reading<'a>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Database {
    /// Opens the database in `path`, makes it where there is none, and brings an older one up to date. `vfs` names a
    /// registered SQLite VFS; the system's own where there is none.
    ///
    /// # Errors
    /// Where another process has it, a newer program wrote it, or it cannot be read. It is never changed then.
    pub(in crate::hq) fn open(path: &Path, vfs: Option<String>) -> Result<Self, OpenError> {
        let io = |error: &dyn std::fmt::Display| OpenError::Io {
            path: path.display().to_string(),
            reason: error.to_string(),
        };
        let lock = lock(path)?;
        let mut connection = connect(path, OpenFlags::default(), vfs.as_deref()).map_err(|error| io(&error))?;
        prepare_writer(&connection).map_err(|error| unreadable(path, error))?;
        migrate(&mut connection, path)?;
        Ok(Self {
            path: path.to_owned(),
            vfs,
            writer: Writer::start(connection).map_err(|error| io(&error))?,
            readers: Mutex::new(Vec::new()),
            _lock: lock,
        })
    }

    /// Runs `job` in a transaction; its answer comes once that is on disk. Where `job` fails nothing is left of it.
    /// Blocks the calling thread.
    pub(in crate::hq) fn write<T, E>(
        &self,
        job: impl FnOnce(&Writing<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        self.writer.write(job)
    }

    /// Reads at one consistent moment. Blocks the calling thread, never the writer.
    pub(in crate::hq) fn read<T, E>(&self, job: impl FnOnce(&Reading<'_>) -> Result<T, E>) -> Result<T, E>
    where
        E: From<StorageError>,
    {
        let kept = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match kept {
            Some(connection) => connection,
            None => reader(&self.path, self.vfs.as_deref()).map_err(StorageError::from)?,
        };
        let transaction = connection.unchecked_transaction().map_err(StorageError::from)?;
        let result = job(&Reading::new(&transaction));
        transaction.finish().map_err(StorageError::from)?;
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() < READERS_KEPT_MAX {
            readers.push(connection);
        }
        drop(readers);
        result
    }
}

/// Takes the lock file beside the database. The system lets go of it when the process ends, however it ends.
pub(in crate::hq) fn lock(path: &Path) -> Result<File, OpenError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = File::options().create(true).truncate(false).write(true).open(&name);
    let file = file.map_err(|error| OpenError::Io {
        path: path.display().to_string(),
        reason: error.to_string(),
    })?;
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => OpenError::InUse {
            path: path.display().to_string(),
        },
        TryLockError::Error(error) => OpenError::Io {
            path: path.display().to_string(),
            reason: error.to_string(),
        },
    })?;
    Ok(file)
}

fn prepare_writer(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "wal_autocheckpoint", 4_000)?;
    connection.pragma_update(None, "cache_size", -32_000)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT_MAX);
    // A backup taken from outside holds the lock for moments.
    connection.busy_timeout(std::time::Duration::from_secs(5))
}

fn reader(path: &Path, vfs: Option<&str>) -> rusqlite::Result<Connection> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY, vfs)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT_MAX);
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    Ok(connection)
}

fn connect(path: &Path, flags: OpenFlags, vfs: Option<&str>) -> rusqlite::Result<Connection> {
    match vfs {
        Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs),
        None => Connection::open_with_flags(path, flags),
    }
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    use rusqlite_migration::{Error, MigrationDefinitionError};
    match Migrations::from_slice(MIGRATIONS).to_latest(connection) {
        Ok(()) => Ok(()),
        Err(Error::MigrationDefinition(MigrationDefinitionError::DatabaseTooFarAhead)) => Err(OpenError::Newer {
            path: path.display().to_string(),
        }),
        Err(Error::RusqliteError { err, .. }) => Err(unreadable(path, err)),
        Err(other) => Err(StorageError::Failed(other.to_string()).into()),
    }
}

/// What a failure while opening means.
fn unreadable(path: &Path, error: rusqlite::Error) -> OpenError {
    match StorageError::from(error) {
        StorageError::Damaged(reason) => OpenError::Unreadable {
            path: path.display().to_string(),
            reason,
        },
        other => other.into(),
    }
}
