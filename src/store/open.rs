//! Opens a node's database: takes the lock, knows what the file is, brings it up to date, finds a moved disk.
//!
//! A file that cannot be read is set aside, never deleted, and nothing new is made in its place: what it holds is the
//! shop's. It takes a restore, or its repair by hand, to go on.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;
use rusqlite::OptionalExtension as _;
use rusqlite::config::DbConfig;

use super::clock::{Clock, Now};
use super::connection::{open_writer, use_write_ahead_log};
use super::devices::Devices;
use super::identity::Machine;
use super::lock::{Lock, LockError};
use super::options::{Faults, NewNode, StoreOptions, database_path, lock_path};
use super::quarantine::{set_aside, set_aside_before};
use super::readers::Readers;
use super::schema::{self, Found};
use super::writer::{AnswerGate, State, WriteBack, Writer, WriterCore, WriterThread};
use super::{Failure, OnCommit, RunningClock, Snapshot, StorageError};
use crate::domain::fact::{Entry, OpenedReason};
use crate::domain::journal::Head;

/// Why a store does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has the database.
    #[error("{} is in use by {}", directory.display(), match pid { Some(pid) => format!("process {pid}"), None => "another process".into() })]
    AlreadyRunning {
        /// The data folder.
        directory: PathBuf,
        /// The other process, where its number could be read.
        pid: Option<u32>,
    },
    /// There is no database, and none was to be made.
    #[error("there is no node's database: {}", .0.display())]
    Missing(PathBuf),
    /// The file could not be read and was set aside.
    #[error("the database was damaged ({reason}) and was set aside as {}; restore a backup to go on", set_aside.display())]
    Corrupt {
        /// Where it is now.
        set_aside: PathBuf,
        /// What the database said.
        reason: String,
    },
    /// A database was set aside earlier, as damaged or to be replaced, and nothing has been restored since.
    #[error("the database was set aside as {}; restore a backup to go on", set_aside.display())]
    NeedsRestore {
        /// Where it is.
        set_aside: PathBuf,
    },
    /// A newer program wrote the database.
    #[error("the database has version {found} and this program knows versions up to {known}: use the newer program")]
    Newer {
        /// The database's version.
        found: i64,
        /// The newest version that this program knows.
        known: usize,
    },
    /// The file is a database, but not a node's.
    #[error("{} is not a node's database", .0.display())]
    Foreign(PathBuf),
    /// The database belongs to another node than the one asked for.
    #[error("the database belongs to {what} {have}, not {want}")]
    OtherNode {
        /// Which name differs.
        what: &'static str,
        /// The database's.
        have: String,
        /// The one asked for.
        want: String,
    },
    /// The folder or a file in it cannot be used.
    #[error("{}: {error}", path.display())]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// What opening found and did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// Who the node is.
    pub node: NewNode,
    /// Where its journal stands.
    pub head: Head,
    /// Why a new incarnation was opened, where one was.
    pub opened: Option<OpenedReason>,
}

/// An open database: one writer on a thread of its own, readers beside it.
pub struct Store {
    /// The writer.
    pub writer: Writer,
    /// The readers.
    pub readers: Readers,
    /// The paired devices.
    pub devices: Devices,
    /// What opening found and did.
    pub opening: Opening,
    /// What holds run out by.
    pub running: RunningClock,
    // Dropped last: it lets the jobs that wait finish, closes the database and gives the lock back.
    _thread: WriterThread,
}

impl Store {
    /// Opens the database and starts its writer. `on_commit` is told what each group changed.
    ///
    /// # Errors
    /// [`OpenError`]; nothing of a database that is not ours, or is newer, is touched.
    pub fn open(options: &StoreOptions, now: Now, on_commit: OnCommit) -> Result<Self, OpenError> {
        Self::open_with_gate(options, now, on_commit, None)
    }

    /// The same, with a gate that holds answers back until a standby has what they answer for.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with_gate(
        options: &StoreOptions,
        now: Now,
        on_commit: OnCommit,
        gate: Option<AnswerGate>,
    ) -> Result<Self, OpenError> {
        let (mut core, opening) = WriterCore::open(options, now)?;
        core.on_commit(on_commit);
        if let Some(gate) = gate {
            core.answer_through(gate);
        }
        let readers = Readers::open(&options.directory, options.vfs.as_deref(), options.readers)?;
        let (devices, running) = (core.devices(), core.running());
        let io = |error| OpenError::Io {
            path: options.directory.clone(),
            error,
        };
        let path = database_path(&options.directory);
        let beside =
            open_writer(&path, options.vfs.as_deref(), options.faults.synchronous_off).map_err(StorageError::from)?;
        let write_back = WriteBack::start(beside).map_err(io)?;
        let (thread, writer) = WriterThread::start(core, write_back).map_err(io)?;
        Ok(Self {
            writer,
            readers,
            devices,
            opening,
            running,
            _thread: thread,
        })
    }
}

impl WriterCore {
    /// Opens the database for the caller's own thread.
    ///
    /// # Errors
    /// [`OpenError`]; nothing of a database that is not ours, or is newer, is touched.
    pub fn open(options: &StoreOptions, now: Now) -> Result<(Self, Opening), OpenError> {
        let directory = &options.directory;
        let lock = take_lock(directory, options.create.is_some())?;
        let path = database_path(directory);
        if !path.exists() {
            if let Some(set_aside) = set_aside_before(&path) {
                return Err(OpenError::NeedsRestore { set_aside });
            }
            if options.create.is_none() {
                return Err(OpenError::Missing(directory.clone()));
            }
        }
        match Self::open_file(&path, options, now, lock.clone()) {
            Err(OpenError::Storage(StorageError::Corrupt(reason))) => {
                // The connections are closed by now, so that nothing writes to what is set aside.
                let set_aside = set_aside(&path, now)?;
                Err(OpenError::Corrupt { set_aside, reason })
            }
            opened => opened,
        }
    }

    fn open_file(path: &Path, options: &StoreOptions, now: Now, lock: Arc<Lock>) -> Result<(Self, Opening), OpenError> {
        let connection = prepare(path, options.vfs.as_deref(), options.faults, options.create.is_some())?;
        let mut core = Self::over(connection, options.faults, lock, now)?;
        core.begin_epoch(options.seed.random);
        let opening = core.settle_identity(options, now)?;
        Ok((core, opening))
    }

    /// A core over a database that is of this program's version.
    pub(super) fn over(
        connection: Connection,
        faults: Faults,
        lock: Arc<Lock>,
        now: Now,
    ) -> Result<Self, StorageError> {
        let snapshot = Snapshot {
            connection: &connection,
        };
        probe(&connection)?;
        let state = load_state(&snapshot, now)?;
        let devices = Devices::load(&snapshot)?;
        // It can be read: its log may be written back when it is closed.
        connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)
            .map_err(StorageError::from)?;
        Ok(Self::new(connection, state, devices, faults, lock))
    }

    /// Knows whose the database is, makes it the new node's where it is nobody's, and finds a moved disk.
    fn settle_identity(&mut self, options: &StoreOptions, now: Now) -> Result<Opening, OpenError> {
        let machine = Machine::from_id(&options.machine_id);
        let (known, before) =
            self.read(|snapshot| Ok::<_, StorageError>((snapshot.identity()?, snapshot.machine()?)))?;
        let (node, reason) = match (known, &options.create) {
            (None, None) => return Err(OpenError::Missing(options.directory.clone())),
            (None, Some(new)) => (new.clone(), Some(OpenedReason::First)),
            (Some(node), wanted) => {
                if let Some(wanted) = wanted {
                    check_same(&node, wanted)?;
                }
                // A standby's copy is of another machine's disk, and what it has stands under that machine's incarnation.
                let following = self.read(|snapshot| snapshot.following())?.is_some();
                (
                    node,
                    (before != Some(machine) && !following).then_some(OpenedReason::Moved),
                )
            }
        };
        let opened = self.run(|transaction| {
            match reason {
                None => return Ok(transaction.state.tip.map(|tip| tip.head())),
                Some(OpenedReason::First) => transaction.insert_identity(&node, machine, now)?,
                Some(_) => transaction.set_machine(machine)?,
            }
            let reason = reason.unwrap_or(OpenedReason::Moved);
            Ok(Some(transaction.open_incarnation(now, &options.seed, reason)?))
        });
        let head = opened
            .map_err(|failure: Failure<Infallible>| StorageError::from(failure))?
            .ok_or_else(|| StorageError::Inconsistent("no incarnation is open".into()))?;
        Ok(Opening {
            node,
            head,
            opened: reason,
        })
    }
}

/// Opens a file for writing, knows what it is and brings it to this program's version. An empty one is only taken
/// where a node may be made.
pub(super) fn prepare(
    path: &Path,
    vfs: Option<&str>,
    faults: Faults,
    may_create: bool,
) -> Result<Connection, OpenError> {
    let mut connection = open_writer(path, vfs, faults.synchronous_off).map_err(StorageError::from)?;
    // Until it is known that it can be read, closing it must not write to it.
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
        .map_err(StorageError::from)?;
    match schema::inspect(&connection).map_err(StorageError::from)? {
        Found::Newer(found) => {
            let known = schema::VERSION;
            return Err(OpenError::Newer { found, known });
        }
        Found::Foreign => return Err(OpenError::Foreign(path.to_owned())),
        Found::Empty if !may_create => return Err(OpenError::Missing(path.to_owned())),
        Found::Empty | Found::Known => {}
    }
    use_write_ahead_log(&connection).map_err(StorageError::from)?;
    migrate(&mut connection)?;
    Ok(connection)
}

pub(super) fn take_lock(directory: &Path, create: bool) -> Result<Arc<Lock>, OpenError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |error| OpenError::Io { path, error }
    };
    if create {
        std::fs::create_dir_all(directory).map_err(io(directory))?;
    } else if !directory.exists() {
        return Err(OpenError::Missing(directory.to_owned()));
    }
    let path = lock_path(directory);
    match Lock::take(&path) {
        Ok(lock) => Ok(Arc::new(lock)),
        Err(LockError::Taken(pid)) => Err(OpenError::AlreadyRunning {
            directory: directory.to_owned(),
            pid,
        }),
        Err(LockError::Io(error)) => Err(io(&path)(error)),
    }
}

fn migrate(connection: &mut Connection) -> Result<(), OpenError> {
    schema::migrate(connection).map_err(|error| {
        let error = match error {
            rusqlite_migration::Error::RusqliteError { err, .. } => err.into(),
            error => StorageError::Other(error.to_string()),
        };
        error.into()
    })
}

/// A look at both ends of every table that trade needs. Reading them whole would take a large shop's start minutes;
/// `verify` does that beside the selling.
fn probe(connection: &Connection) -> Result<(), StorageError> {
    for (table, key) in [
        ("journal", "position"),
        ("document", "series"),
        ("document", "business_day"),
        ("shelf", "sku"),
        ("price", "sku"),
        ("item", "ix"),
        ("idempotency", "device"),
    ] {
        for order in ["ASC", "DESC"] {
            let sql = format!("SELECT * FROM {table} ORDER BY {key} {order} LIMIT 1");
            connection.query_row(&sql, (), |_| Ok(())).optional()?;
        }
    }
    Ok(())
}

fn load_state(snapshot: &Snapshot<'_>, now: Now) -> Result<State, StorageError> {
    // A last record that cannot be read costs the clock's memory and nothing else.
    let last = snapshot.last_row()?.and_then(|row| Entry::decode(&row.record).ok());
    Ok(State {
        tip: snapshot.load_tip()?,
        clock: Clock::after(last.map(|entry| entry.recorded).unwrap_or_default()),
        running: snapshot.running_clock(now)?,
        ..State::default()
    })
}

fn check_same(have: &NewNode, want: &NewNode) -> Result<(), OpenError> {
    let pairs = [
        ("organisation", have.org.to_string(), want.org.to_string()),
        ("node", have.node.to_string(), want.node.to_string()),
        ("site", have.site.to_string(), want.site.to_string()),
        ("currency", have.currency.to_string(), want.currency.to_string()),
    ];
    match pairs.into_iter().find(|(_, have, want)| have != want) {
        Some((what, have, want)) => Err(OpenError::OtherNode { what, have, want }),
        None => Ok(()),
    }
}
