//! A job's view of its transaction: reads, and writes that undo themselves where the job is refused.

use std::ops::Deref;

use rusqlite::{Connection, Params};

use super::state::State;
use crate::store::changes::Change;
use crate::store::{Snapshot, StorageError};

/// One job's transaction. It reads like a [`Snapshot`] and sees its own writes.
pub struct WriteTransaction<'g> {
    snapshot: Snapshot<'g>,
    pub(in crate::store) state: &'g mut State,
    changes: Vec<Change>,
    writes: Writes,
    /// Whether its first write needs no savepoint.
    sure: bool,
}

/// Whether a refusal has something to undo. A savepoint costs a copy of every page that the job writes, so that it is
/// opened by the first write, and only where other jobs share the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writes {
    /// None yet; the first one opens a savepoint.
    None,
    /// A savepoint is open.
    Savepoint,
    /// Some, without a savepoint: only the whole group can be undone.
    Sure,
    /// The job is alone: the transaction itself is undone.
    Alone,
}

impl<'g> Deref for WriteTransaction<'g> {
    type Target = Snapshot<'g>;

    fn deref(&self) -> &Snapshot<'g> {
        &self.snapshot
    }
}

impl<'g> WriteTransaction<'g> {
    pub(super) fn new(connection: &'g Connection, state: &'g mut State, alone: bool, sure: bool) -> Self {
        Self {
            snapshot: Snapshot { connection },
            state,
            changes: Vec::new(),
            writes: if alone { Writes::Alone } else { Writes::None },
            sure,
        }
    }

    /// Runs a statement that writes; the number of rows that it touched.
    pub(in crate::store) fn write(&mut self, sql: &str, values: impl Params) -> Result<usize, StorageError> {
        match self.writes {
            Writes::None if self.sure => self.writes = Writes::Sure,
            Writes::None => self.may_be_refused()?,
            Writes::Savepoint | Writes::Sure | Writes::Alone => {}
        }
        Ok(self.snapshot.connection.prepare_cached(sql)?.execute(values)?)
    }

    /// Says that what is written next can still be undone by a refusal. Any job may be refused behind its writes, but
    /// for those that are [sure](super::Job::sure).
    pub(in crate::store) fn may_be_refused(&mut self) -> Result<(), StorageError> {
        if self.writes == Writes::None {
            self.snapshot.connection.prepare_cached("SAVEPOINT job")?.execute(())?;
            self.writes = Writes::Savepoint;
        }
        Ok(())
    }

    /// The key of the row that the last insert made.
    pub(in crate::store) fn inserted(&self) -> i64 {
        self.snapshot.connection.last_insert_rowid()
    }

    /// Tells, after the commit, that something changed.
    pub(crate) fn changed(&mut self, change: Change) {
        self.changes.push(change);
    }

    pub(super) fn end(self) -> (Writes, Vec<Change>) {
        (self.writes, self.changes)
    }
}
