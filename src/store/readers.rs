//! A few read-only connections, shared: reads go on beside the writer and never wait for it.

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::connection::open_reader;
use super::options::database_path;
use super::{Snapshot, StorageError};

/// The pool. Cheap to clone.
#[derive(Clone)]
pub struct Readers {
    pool: Arc<Pool>,
}

struct Pool {
    idle: Mutex<Vec<Connection>>,
    returned: Condvar,
    /// As many as there are connections: async callers wait here, not on a thread.
    turns: Semaphore,
}

impl Readers {
    /// Opens `count` connections to the database in a data folder. It takes no lock: another process may own the
    /// database and go on selling.
    ///
    /// # Errors
    /// Where the database cannot be opened.
    pub fn open(directory: &Path, vfs: Option<&str>, count: usize) -> Result<Self, StorageError> {
        let path = database_path(directory);
        let idle = (0..count.max(1))
            .map(|_| open_reader(&path, vfs))
            .collect::<rusqlite::Result<Vec<_>>>()?;
        let turns = Semaphore::new(idle.len());
        let pool = Pool {
            idle: Mutex::new(idle),
            returned: Condvar::new(),
            turns,
        };
        Ok(Self { pool: Arc::new(pool) })
    }

    /// Reads one consistent state, on the caller's thread. Waits while all connections are in use; never from async
    /// code.
    ///
    /// # Errors
    /// Those of `read`, or where the database cannot be read.
    pub fn read<T, E: From<StorageError>>(&self, read: impl FnOnce(&Snapshot<'_>) -> Result<T, E>) -> Result<T, E> {
        let borrowed = Borrowed::from(&self.pool);
        let connection = borrowed.connection.as_ref().ok_or(StorageError::Stopped)?;
        // Dropping it ends the transaction; there is nothing to undo.
        let transaction = connection.unchecked_transaction().map_err(StorageError::from)?;
        read(&Snapshot {
            connection: &transaction,
        })
    }

    /// Reads one consistent state from async code, on a thread that may wait.
    ///
    /// # Errors
    /// Those of `read`, or where the database cannot be read.
    pub async fn run<T, E>(&self, read: impl FnOnce(&Snapshot<'_>) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        let _turn = self.pool.turns.acquire().await.map_err(|_| StorageError::Stopped)?;
        let readers = self.clone();
        tokio::task::spawn_blocking(move || readers.read(read))
            .await
            .unwrap_or_else(|_| Err(StorageError::Stopped.into()))
    }
}

/// A connection that goes back to the pool, whatever happens to its borrower.
struct Borrowed<'p> {
    pool: &'p Pool,
    connection: Option<Connection>,
}

impl<'p> From<&'p Arc<Pool>> for Borrowed<'p> {
    fn from(pool: &'p Arc<Pool>) -> Self {
        let mut idle = pool.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = loop {
            match idle.pop() {
                Some(connection) => break connection,
                None => idle = pool.returned.wait(idle).unwrap_or_else(PoisonError::into_inner),
            }
        };
        let connection = Some(connection);
        Self { pool, connection }
    }
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        let mut idle = self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.extend(self.connection.take());
        self.pool.returned.notify_one();
    }
}
