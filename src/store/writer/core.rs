//! Runs groups of jobs on the caller's thread. The writer's thread is a loop around it; the simulator calls it
//! directly, so that a run can be repeated.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rusqlite::Connection;

use super::gate::AnswerGate;
use super::state::State;
use super::transaction::{WriteTransaction, Writes};
use crate::store::changes::{Change, OnCommit};
use crate::store::devices::Devices;
use crate::store::holds::RunningClock;
use crate::store::lock::Lock;
use crate::store::options::Faults;
use crate::store::{Failure, Snapshot, StorageError};

/// The writing connection with what it remembers, and the lock on the database.
pub struct WriterCore {
    // Before the lock, so that it is closed before the lock is given back.
    connection: Connection,
    state: State,
    devices: Devices,
    on_commit: Option<OnCommit>,
    /// Where answers wait for a standby.
    gate: Option<AnswerGate>,
    faults: Faults,
    /// Whether jobs that are sure are trusted: until one of them was not.
    trusting: bool,
    _lock: Arc<Lock>,
}

/// Work for the writer with whom to answer.
pub struct Job {
    work: Work,
    sure: bool,
}

type Work = Box<dyn FnOnce(Result<&mut WriteTransaction<'_>, StorageError>) -> (Outcome, Reply) + Send>;
/// Answers the job: with its own result, or with the error that ended its group.
type Reply = Box<dyn FnOnce(Result<(), StorageError>) + Send>;

enum Outcome {
    Keep,
    Undo,
    EndGroup(StorageError),
}

impl Job {
    /// Work that runs in a transaction, and where its result goes once that is committed.
    pub fn new<T: Send + 'static, R: Send + 'static>(
        work: impl FnOnce(&mut WriteTransaction<'_>) -> Result<T, Failure<R>> + Send + 'static,
        answer: impl FnOnce(Result<T, Failure<R>>) + Send + 'static,
    ) -> Self {
        let work: Work = Box::new(move |transaction| {
            let result = transaction.map_err(Failure::Storage).and_then(work);
            let outcome = match &result {
                Ok(_) => Outcome::Keep,
                Err(Failure::Storage(error)) if error.ends_group() => Outcome::EndGroup(error.clone()),
                Err(_) => Outcome::Undo,
            };
            // A refusal too is answered for only after the commit: it may follow from what the group wrote.
            let reply = move |committed: Result<(), StorageError>| match committed {
                Ok(()) => answer(result),
                Err(error) => answer(Err(Failure::Storage(error))),
            };
            (outcome, Box::new(reply))
        });
        Self { work, sure: false }
    }

    /// The same for work that is sure: once it has written it is not refused any more. It needs no savepoint, which
    /// would cost a sale a copy of each page that it touches.
    ///
    /// Where it is refused or panics all the same, its group is undone as a whole, everybody in it is told to come
    /// again, and from then on no job is taken to be sure, so that the same defect costs nobody else anything.
    pub fn sure<T: Send + 'static, R: Send + 'static>(
        work: impl FnOnce(&mut WriteTransaction<'_>) -> Result<T, Failure<R>> + Send + 'static,
        answer: impl FnOnce(Result<T, Failure<R>>) + Send + 'static,
    ) -> Self {
        Self {
            sure: true,
            ..Self::new(work, answer)
        }
    }
}

impl WriterCore {
    pub(in crate::store) fn new(
        connection: Connection,
        state: State,
        devices: Devices,
        faults: Faults,
        lock: Arc<Lock>,
    ) -> Self {
        Self {
            connection,
            state,
            devices,
            on_commit: None,
            gate: None,
            faults,
            trusting: true,
            _lock: lock,
        }
    }

    /// Gives versions of feeds out under this random number from now on.
    pub(in crate::store) const fn begin_epoch(&mut self, epoch: u64) {
        self.state.epoch = epoch;
    }

    /// Closes the database and writes its log back, so that the file stands by itself.
    ///
    /// # Errors
    /// Where the log cannot be written back; it then stays beside the file.
    pub(in crate::store) fn close(self) -> Result<(), StorageError> {
        self.connection.flush_prepared_statement_cache();
        self.connection.close().map_err(|(_, error)| error)?;
        Ok(())
    }

    /// The writing connection.
    pub(super) const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Sets who is told what each committed group changed.
    pub fn on_commit(&mut self, tell: OnCommit) {
        self.on_commit = Some(tell);
    }

    /// Sets where answers wait for a standby.
    pub(in crate::store) fn answer_through(&mut self, gate: AnswerGate) {
        self.gate = Some(gate);
    }

    /// The directory of paired devices.
    #[must_use]
    pub fn devices(&self) -> Devices {
        self.devices.clone()
    }

    /// What holds run out by.
    #[must_use]
    pub fn running(&self) -> RunningClock {
        self.state.running
    }

    /// Reads on the writer's own connection.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn read<T, E>(&self, read: impl FnOnce(&Snapshot<'_>) -> Result<T, E>) -> Result<T, E> {
        read(&Snapshot {
            connection: &self.connection,
        })
    }

    /// Runs one job as a group of its own and gives its result after the commit.
    ///
    /// # Errors
    /// The job's own, or why it could not be committed.
    pub fn run<T, R>(
        &mut self,
        work: impl FnOnce(&mut WriteTransaction<'_>) -> Result<T, Failure<R>>,
    ) -> Result<T, Failure<R>> {
        let mark = self.state.mark();
        self.execute("BEGIN IMMEDIATE")?;
        let mut transaction = WriteTransaction::new(&self.connection, &mut self.state, true, false);
        let result = work(&mut transaction);
        let (_, changes) = transaction.end();
        let committed = match &result {
            Ok(_) => self.execute("COMMIT"),
            Err(_) => Ok(()),
        };
        if result.is_err() || committed.is_err() {
            self.undo_group();
            self.state.back_to(mark);
        }
        committed?;
        if result.is_ok() {
            self.devices.apply(&changes);
            self.tell(&changes);
        }
        result
    }

    /// Runs jobs in one transaction, each undone by itself where it is refused, and answers them once it is committed.
    pub fn run_group(&mut self, jobs: Vec<Job>) {
        let before = self.state.mark();
        let alone = jobs.len() == 1;
        let mut ended = self.execute("BEGIN IMMEDIATE").err();
        let mut replies = Vec::with_capacity(jobs.len());
        let mut changes = Vec::new();
        for job in jobs {
            let (reply, error) = match ended {
                Some(error) => (Some((job.work)(Err(error.clone())).1), Some(error)),
                None => self.run_in_group(job, alone, &mut changes),
            };
            replies.extend(reply);
            ended = error;
        }
        if self.faults.reply_before_commit {
            replies.drain(..).for_each(|reply| reply(Ok(())));
        }
        let committed = match ended {
            Some(error) => Err(error),
            // A job that was alone and was undone took the transaction with it.
            None if self.connection.is_autocommit() => Ok(()),
            None => self.execute("COMMIT"),
        };
        if committed.is_err() {
            self.undo_group();
            self.state.back_to(before);
        } else {
            self.devices.apply(&changes);
        }
        let kept = committed.is_ok();
        // Before the answers: who is answered and then asks finds what was told.
        if kept {
            self.tell(&changes);
        }
        let answer = move || replies.into_iter().for_each(|reply| reply(committed.clone()));
        match (&self.gate, self.state.tip) {
            // What was not kept needs no second disk.
            (Some(gate), Some(tip)) if kept => gate.answer(tip.position.get(), Box::new(answer)),
            _ => answer(),
        }
    }

    /// Runs one job of a group. The error is what ends the group.
    fn run_in_group(
        &mut self,
        job: Job,
        alone: bool,
        changes: &mut Vec<Change>,
    ) -> (Option<Reply>, Option<StorageError>) {
        let Job { work, sure } = job;
        let mark = self.state.mark();
        let sure = sure && self.trusting;
        let mut transaction = WriteTransaction::new(&self.connection, &mut self.state, alone, sure);
        // A defect in one job must not take the others, or the writer, with it: it is undone and its caller hears
        // that nobody answered.
        let ran = catch_unwind(AssertUnwindSafe(|| work(Ok(&mut transaction))));
        let (writes, changed) = transaction.end();
        let (outcome, reply) = match ran {
            Ok((outcome, reply)) => (outcome, Some(reply)),
            Err(_) => (Outcome::Undo, None),
        };
        let undone_alone = alone && matches!(outcome, Outcome::Undo);
        let ended = match outcome {
            Outcome::EndGroup(error) => Err(error),
            Outcome::Keep => self.keep(writes).map(|()| changes.extend(changed)),
            Outcome::Undo => {
                self.state.back_to(mark);
                self.undo(writes)
            }
        };
        // SQLite gives up the whole transaction by itself where the disk fails.
        let lost = self.connection.is_autocommit() && !undone_alone;
        let ended = ended
            .err()
            .or_else(|| lost.then(|| StorageError::Disk("the transaction was lost".into())));
        (reply, ended)
    }

    fn keep(&self, writes: Writes) -> Result<(), StorageError> {
        match writes {
            Writes::Savepoint => self.execute("RELEASE job"),
            Writes::None | Writes::Sure | Writes::Alone => Ok(()),
        }
    }

    fn undo(&mut self, writes: Writes) -> Result<(), StorageError> {
        match writes {
            Writes::None => Ok(()),
            Writes::Savepoint => {
                self.execute("ROLLBACK TO job")?;
                self.execute("RELEASE job")
            }
            Writes::Sure => {
                tracing::error!("a job that was sure failed behind its first write: its group is undone");
                self.trusting = false;
                Err(StorageError::Undone)
            }
            Writes::Alone => self.execute("ROLLBACK"),
        }
    }

    fn tell(&mut self, changes: &[Change]) {
        if let Some(tell) = &mut self.on_commit
            && !changes.is_empty()
        {
            tell(changes);
        }
    }

    fn undo_group(&self) {
        if self.connection.is_autocommit() {
            return;
        }
        if let Err(error) = self.execute("ROLLBACK") {
            tracing::error!(%error, "a transaction could not be undone");
        }
    }

    fn execute(&self, sql: &str) -> Result<(), StorageError> {
        self.connection.prepare_cached(sql)?.execute(())?;
        Ok(())
    }
}
