//! Shelves' documents at headquarters: the works of their carriage, done one at a time and committed each in one
//! transaction.

use super::headquarters::Headquarters;
use super::storage::StorageError;
use crate::sync::carriage::{Done, PerformError, Performed, Work, perform};

impl Headquarters {
    /// Does a work on documents; its answer comes once what it came to is on disk. Works must not be done two at a time.
    ///
    /// # Errors
    /// Where storage fails, or a document that was in order is not any more. Nothing is changed then.
    pub fn carry(&self, work: Work) -> Result<Done, PerformError<StorageError>> {
        let Performed { keep, done } = self.database.read(|reading| perform(reading, work))?;
        if !keep.is_empty() {
            self.database
                .write(move |writing| writing.keep_documents(&keep))
                .map_err(PerformError::Archive)?;
        }
        Ok(done)
    }
}
