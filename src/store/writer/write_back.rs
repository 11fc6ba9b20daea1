//! Writes the log back into the database beside the writer, so that no sale waits for it.
//!
//! SQLite can begin its log anew only when all of it has been written back at the moment at which a transaction begins,
//! and a busy writer always adds to it. So the bulk is written back by a thread of its own while sales go on, and the
//! writer itself does only what came in meanwhile. Left to SQLite, the writer would do all of it, several times a
//! second at 64 tills, and every till waits meanwhile.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;

/// With so many pages (47 MiB) the log is written back. Sales touch the same hot pages again and again: the longer the
/// log, the less often each is written back. After a crash the log is read whole, which takes a fraction of a second.
const BULK_PAGES: i64 = 12_000;
/// How many more there are before the thread tries once more.
const AGAIN_PAGES: i64 = 4_000;
/// What is left behind the bulk and is little enough for the writer: some milliseconds.
const REST_PAGES: i64 = 4_000;
/// With so many pages (125 MiB) the writer does whatever is left: the thread could not keep up.
const BOUND_PAGES: i64 = 32_000;
/// How many more there are before the writer tries once more, where a long look at old rows kept the log from ending.
const RETRY_PAGES: i64 = 1_000;

thread_local! {
    /// How many pages the log had at this thread's last commit. SQLite tells it to a function that has nothing of its own.
    static LOG_PAGES: Cell<i64> = const { Cell::new(0) };
}

/// What is to be done about the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Nothing,
    /// The thread is to write the bulk back.
    Bulk,
    /// The writer is to write the rest back, now.
    Rest,
}

/// When the log is written back, and by whom: pure, so that it can be read and tested by itself.
#[derive(Debug, Default)]
struct Plan {
    /// The log's length when the thread was last called, or the writer last tried.
    bulk_at: i64,
    rest_at: i64,
}

impl Plan {
    /// Whether a log of `pages` is another one than that of the last look, so that nothing of it has been written back.
    fn begins_anew(&self, pages: i64) -> bool {
        pages < self.bulk_at.max(self.rest_at)
    }

    /// What to do about a log of `pages`, of which `written` have been written back.
    fn next(&mut self, pages: i64, written: i64) -> Action {
        if self.begins_anew(pages) {
            *self = Self::default();
        }
        let ready = pages >= BULK_PAGES && (pages - REST_PAGES..=pages).contains(&written);
        if (ready || pages >= BOUND_PAGES) && pages >= self.rest_at + RETRY_PAGES {
            self.rest_at = pages;
            return Action::Rest;
        }
        if pages >= (self.bulk_at + AGAIN_PAGES).max(BULK_PAGES) {
            self.bulk_at = pages;
            return Action::Bulk;
        }
        Action::Nothing
    }
}

/// The thread that writes the bulk back, and the writer's side of it.
pub(in crate::store) struct WriteBack {
    plan: Plan,
    /// Of the log as it is, how many pages have been written back.
    written: Arc<AtomicI64>,
    call: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl WriteBack {
    /// Starts the thread over a connection of its own.
    pub(in crate::store) fn start(connection: Connection) -> std::io::Result<Self> {
        let written = Arc::new(AtomicI64::new(0));
        let (call, called) = sync_channel(1);
        let shared = written.clone();
        let thread = std::thread::Builder::new()
            .name("write-back".into())
            .spawn(move || run(&connection, &called, &shared))?;
        Ok(Self {
            plan: Plan::default(),
            written,
            call: Some(call),
            thread: Some(thread),
        })
    }

    /// Has the writer's commits tell how long the log is, and SQLite leave it alone.
    pub(super) fn watch(writer: &Connection) {
        writer.wal_hook(Some(|_, pages| {
            LOG_PAGES.set(i64::from(pages));
            Ok(())
        }));
    }

    /// Looks at the log behind a group, on the writer's thread.
    pub(super) fn look(&mut self, writer: &Connection) {
        let pages = LOG_PAGES.get();
        if self.plan.begins_anew(pages) {
            self.written.store(0, Ordering::Release);
        }
        match self.plan.next(pages, self.written.load(Ordering::Acquire)) {
            Action::Nothing => {}
            Action::Bulk => {
                // Where it is at work already, it is called again later.
                let _ = self.call.as_ref().map(|call| call.try_send(()));
            }
            Action::Rest => self.written.store(write_back(writer), Ordering::Release),
        }
    }
}

impl Drop for WriteBack {
    fn drop(&mut self) {
        self.call = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes the log back ended by a defect");
        }
    }
}

fn run(connection: &Connection, called: &Receiver<()>, written: &AtomicI64) {
    while called.recv().is_ok() {
        written.store(write_back(connection), Ordering::Release);
    }
}

/// How many pages of the log are in the database now; none where that cannot be said. What fails here is tried again,
/// and a disk that is full or failing tells the writer so at its next commit: nothing is lost with the log kept.
fn write_back(connection: &Connection) -> i64 {
    let done = connection
        .prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")
        .and_then(|mut statement| statement.query_row((), |row| Ok((row.get(0)?, row.get(2)?))));
    match done {
        Ok((0_i64, written)) => written,
        // The other one is at it, or a lock is held.
        Ok(_) => 0,
        Err(error) => {
            tracing::warn!(%error, "the log could not be written back");
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bulk_is_the_threads_and_what_came_in_meanwhile_the_writers() {
        let mut plan = Plan::default();
        assert_eq!(plan.next(BULK_PAGES - 1, 0), Action::Nothing);
        assert_eq!(plan.next(BULK_PAGES, 0), Action::Bulk);
        assert_eq!(plan.next(BULK_PAGES + 500, 0), Action::Nothing, "it is at work");
        assert_eq!(plan.next(BULK_PAGES + 900, BULK_PAGES), Action::Rest);
        assert!(plan.begins_anew(150));
        assert_eq!(plan.next(150, 0), Action::Nothing);
        assert_eq!(
            plan.next(BULK_PAGES, BULK_PAGES + 900),
            Action::Bulk,
            "more than there is says nothing"
        );
    }

    #[test]
    fn a_thread_that_does_not_keep_up_is_called_again_and_at_the_bound_the_writer_does_it() {
        let mut plan = Plan::default();
        let calls: Vec<(i64, Action)> = (0..=BOUND_PAGES)
            .step_by(500)
            .map(|pages| (pages, plan.next(pages, 0)))
            .filter(|(_, action)| *action != Action::Nothing)
            .collect();
        let called = [12_000, 16_000, 20_000, 24_000, 28_000].map(|pages| (pages, Action::Bulk));
        assert_eq!(calls, [&called[..], &[(BOUND_PAGES, Action::Rest)]].concat());
    }

    #[test]
    fn a_log_that_cannot_begin_anew_is_not_tried_at_each_group() {
        let mut plan = Plan::default();
        assert_eq!(plan.next(BULK_PAGES, 0), Action::Bulk);
        assert_eq!(plan.next(BULK_PAGES + 100, BULK_PAGES), Action::Rest);
        assert_eq!(plan.next(BULK_PAGES + 200, BULK_PAGES + 100), Action::Nothing);
        assert_eq!(
            plan.next(BULK_PAGES + 100 + RETRY_PAGES, BULK_PAGES + 100),
            Action::Rest
        );
    }
}
