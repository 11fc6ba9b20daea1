//! The handle to a headquarters on this machine.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::happenings::Watch;
use super::own_journal;
use super::storage::{Database, OpenError, StorageError};
use crate::domain::ids::{NodeId, SiteId};

/// What a headquarters is told at start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its name as the writer of a journal of its own. No node may have it.
    pub name: NodeId,
    /// The site that its own records name.
    pub site: SiteId,
    /// Which nodes it takes facts from.
    pub admission: Admission,
    /// The name of a registered SQLite VFS; the system's own where none is named.
    pub vfs: Option<String>,
}

/// Which nodes a headquarters takes facts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Admission {
    /// Any that the transport lets in; it becomes known by its introduction.
    Anyone,
    /// Only those that an operator has enrolled.
    Enrolled,
}

/// A headquarters with its database. Its calls block; asynchronous callers give them a thread.
#[derive(Debug)]
pub struct Headquarters {
    pub(super) database: Database,
    pub(super) name: NodeId,
    pub(super) admission: Admission,
    /// One at a time makes figures.
    pub(super) projecting: Mutex<()>,
    pub(super) watch: Watch,
    /// Told whenever rows of headquarters' own were moved: they are to go down.
    pub(super) own_rows: tokio::sync::Notify,
    /// How long it has run.
    pub(super) running: Running,
}

/// How long headquarters has run over all its starts.
#[derive(Debug)]
pub(super) struct Running {
    /// Before it started, as far as that was noted, in milliseconds.
    noted_ms: u64,
    since: Since,
}

/// What tells how long it runs since it started.
#[derive(Debug)]
enum Since {
    /// The machine's clock that never jumps.
    Start(Instant),
    /// Whoever plays time, in milliseconds.
    Told(Arc<AtomicU64>),
}

impl Running {
    /// From now on, by the machine's clock.
    pub(super) fn after(noted_ms: u64) -> Self {
        let since = Since::Start(Instant::now());
        Self { noted_ms, since }
    }
}

impl Headquarters {
    /// Its name as the writer of a journal of its own.
    #[must_use]
    pub fn name(&self) -> &NodeId {
        &self.name
    }

    /// How long it has run over all its starts, in milliseconds: what holds run out by. It never counts more than has
    /// passed.
    pub(super) fn running_ms(&self) -> u64 {
        let elapsed_ms = match &self.running.since {
            Since::Start(started) => u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            Since::Told(elapsed_ms) => elapsed_ms.load(Ordering::Relaxed),
        };
        self.running.noted_ms.saturating_add(elapsed_ms)
    }

    /// Has its holds run out by `elapsed_ms`, the milliseconds since it was opened, in place of the machine's clock: for
    /// whoever plays time.
    pub fn run_by(&mut self, elapsed_ms: Arc<AtomicU64>) {
        self.running.since = Since::Told(elapsed_ms);
    }

    /// Opens the database in `path` and makes it, with a key and a journal of its own, where there is none.
    ///
    /// # Errors
    /// Where the file is in use, newer than this program, damaged or belongs to a headquarters of another name.
    pub fn open(path: &Path, settings: Settings, now_ms: u64) -> Result<Self, OpenError> {
        let Settings {
            name,
            site,
            admission,
            vfs,
        } = settings;
        let database = Database::open(path, vfs)?;
        let opened = {
            let name = name.clone();
            database.write(move |writing| {
                writing.begin_feed_epochs()?;
                own_journal::open(writing, &name, &site, now_ms)
            })?
        };
        if opened != name {
            let found = format!("this is the database of headquarters {opened:?}, not of {name:?}");
            return Err(StorageError::Failed(found).into());
        }
        let running = Running::after(database.read(|reading| reading.noted_running_ms())?);
        let headquarters = Self {
            database,
            name,
            admission,
            projecting: Mutex::new(()),
            watch: Watch::default(),
            own_rows: tokio::sync::Notify::new(),
            running,
        };
        headquarters.project_waiting()?;
        Ok(headquarters)
    }
}
