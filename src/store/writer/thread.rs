//! The writer's thread: takes whatever waits, runs it as one group, and begins again.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::core::{Job, WriterCore};
use super::transaction::WriteTransaction;
use super::write_back::WriteBack;
use crate::store::{Failure, StorageError};

/// The most jobs of one group: the more, the longer its first waits for its last.
const GROUP_MAX: usize = 256;
/// The most jobs that wait; beyond that a caller is told to come again.
const WAITING_MAX: usize = 1024;

/// A handle on the writer. Cheap to clone; the thread ends with its [`Store`](super::super::Store).
#[derive(Clone)]
pub struct Writer {
    queue: SyncSender<Message>,
}

enum Message {
    Job(Job),
    Stop,
}

/// The thread itself. Dropping it lets the jobs before it finish and waits for them.
pub(in crate::store) struct WriterThread {
    queue: SyncSender<Message>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Runs `work` in the next group and gives its result once that is on disk.
    ///
    /// Once called, the work runs even where the caller stops waiting.
    ///
    /// # Errors
    /// The work's own, or why it was not kept.
    pub async fn run<T: Send + 'static, R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut WriteTransaction<'_>) -> Result<T, Failure<R>> + Send + 'static,
    ) -> Result<T, Failure<R>> {
        let (answer, answered) = oneshot::channel();
        self.enqueue(Job::new(work, answer_to(answer)))?;
        answered.await.unwrap_or(Err(Failure::Storage(StorageError::Stopped)))
    }

    /// The same for work that is [sure](Job::sure).
    ///
    /// # Errors
    /// The work's own, or why it was not kept.
    pub async fn run_sure<T: Send + 'static, R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut WriteTransaction<'_>) -> Result<T, Failure<R>> + Send + 'static,
    ) -> Result<T, Failure<R>> {
        let (answer, answered) = oneshot::channel();
        self.enqueue(Job::sure(work, answer_to(answer)))?;
        answered.await.unwrap_or(Err(Failure::Storage(StorageError::Stopped)))
    }

    /// The same for threads that may wait. Never from async code.
    ///
    /// # Errors
    /// The work's own, or why it was not kept.
    pub fn run_blocking<T: Send + 'static, R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut WriteTransaction<'_>) -> Result<T, Failure<R>> + Send + 'static,
    ) -> Result<T, Failure<R>> {
        let (answer, answered) = oneshot::channel();
        self.enqueue(Job::new(work, answer_to(answer)))?;
        answered
            .blocking_recv()
            .unwrap_or(Err(Failure::Storage(StorageError::Stopped)))
    }

    fn enqueue(&self, job: Job) -> Result<(), StorageError> {
        match self.queue.try_send(Message::Job(job)) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) => Err(StorageError::Overloaded),
            Err(TrySendError::Disconnected(_)) => Err(StorageError::Stopped),
        }
    }
}

fn answer_to<T>(answer: oneshot::Sender<T>) -> impl FnOnce(T) {
    move |result| {
        // The caller may have gone; what it asked for is done all the same.
        let _ = answer.send(result);
    }
}

impl WriterThread {
    pub(in crate::store) fn start(core: WriterCore, write_back: WriteBack) -> std::io::Result<(Self, Writer)> {
        let (queue, waiting) = sync_channel(WAITING_MAX);
        let thread = std::thread::Builder::new()
            .name("writer".into())
            .spawn(move || run(core, write_back, &waiting))?;
        let writer = Writer { queue: queue.clone() };
        let thread = Some(thread);
        Ok((Self { queue, thread }, writer))
    }
}

impl Drop for WriterThread {
    fn drop(&mut self) {
        // Where the queue is closed the thread has ended already.
        let _ = self.queue.send(Message::Stop);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the writer ended by a defect");
        }
    }
}

fn run(mut core: WriterCore, mut write_back: WriteBack, waiting: &Receiver<Message>) {
    WriteBack::watch(core.connection());
    let mut stop = false;
    while !stop {
        let Ok(Message::Job(first)) = waiting.recv() else {
            break;
        };
        let mut group = vec![first];
        while group.len() < GROUP_MAX {
            match waiting.try_recv() {
                Ok(Message::Job(job)) => group.push(job),
                Ok(Message::Stop) => {
                    stop = true;
                    break;
                }
                Err(_) => break,
            }
        }
        core.run_group(group);
        write_back.look(core.connection());
    }
    // First, so that the writer's is the last connection, which takes the log into the database as it closes.
    drop(write_back);
}
