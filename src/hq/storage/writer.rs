//! The one thread that writes. It runs what waits, each in a savepoint of its own, and commits them together: one
//! wait for the disk serves all of them. Nobody hears of a success before the commit.

use std::sync::mpsc;
use std::thread::JoinHandle;

use rusqlite::Connection;

use super::{Reading, StorageError, Writing};

/// How many jobs share a commit at most, so that none waits long for the others.
const GROUP_MAX: usize = 64;

/// Tells whoever asked how it ended; an error where the commit failed.
type Report = Box<dyn FnOnce(Result<(), &StorageError>) + Send>;
/// Does the work, or hears why there is no transaction to do it in. False where it is to be undone.
type Job = Box<dyn FnOnce(Result<&Writing<'_>, &StorageError>) -> (bool, Report) + Send>;

/// A handle to the writing thread, which ends with it.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread on a connection of its own.
    pub(super) fn start(connection: Connection) -> std::io::Result<Self> {
        let (jobs, waiting) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("hq-writer".into())
            .spawn(move || write_all(&connection, &waiting))?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    /// Runs `job` in a transaction and gives its answer once that is committed. Blocks.
    pub(super) fn write<T, E>(&self, job: impl FnOnce(&Writing<'_>) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        let (answer, answered) = mpsc::sync_channel(1);
        let run: Job = Box::new(move |writing| {
            let result = match writing {
                Ok(writing) => job(writing),
                Err(error) => Err(error.clone().into()),
            };
            let keep = result.is_ok();
            let report: Report = Box::new(move |committed| {
                let result = match committed {
                    Err(error) if keep => Err(error.clone().into()),
                    _ => result,
                };
                // Whoever asked may have gone away; what is committed stays committed.
                let _ = answer.send(result);
            });
            (keep, report)
        });
        let sent = self.jobs.as_ref().is_some_and(|jobs| jobs.send(run).is_ok());
        if !sent {
            return Err(StorageError::Closed.into());
        }
        answered.recv().unwrap_or_else(|_| Err(StorageError::Closed.into()))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic in it has been reported by the panic handler.
            let _ = thread.join();
        }
    }
}

fn write_all(connection: &Connection, waiting: &mpsc::Receiver<Job>) {
    while let Ok(first) = waiting.recv() {
        let mut reports = Vec::new();
        let ended = run_group(connection, first, waiting, &mut reports);
        if ended.is_err() && !connection.is_autocommit() {
            // Where this fails too, the next BEGIN says so to whoever is next.
            let _ = connection.execute_batch("ROLLBACK");
        }
        for report in reports {
            report(ended.as_ref().copied());
        }
    }
}

/// Runs `first` and what waits behind it in one transaction, and commits.
fn run_group(
    connection: &Connection,
    first: Job,
    waiting: &mpsc::Receiver<Job>,
    reports: &mut Vec<Report>,
) -> Result<(), StorageError> {
    if let Err(error) = connection.execute_batch("BEGIN IMMEDIATE") {
        let error = StorageError::from(error);
        reports.push(first(Err(&error)).1);
        return Err(error);
    }
    let mut next = Some(first);
    while let Some(job) = next {
        let savepoint = connection.execute_batch("SAVEPOINT job");
        let savepoint = savepoint.map_err(StorageError::from);
        let writing = Writing::new(Reading::new(connection));
        let (keep, report) = job(savepoint.as_ref().map(|()| &writing));
        reports.push(report);
        savepoint?;
        if connection.is_autocommit() {
            return Err(StorageError::Undone);
        }
        connection.execute_batch(if keep {
            "RELEASE job"
        } else {
            "ROLLBACK TO job; RELEASE job"
        })?;
        next = if reports.len() < GROUP_MAX {
            waiting.try_recv().ok()
        } else {
            None
        };
    }
    connection.execute_batch("COMMIT")?;
    Ok(())
}
