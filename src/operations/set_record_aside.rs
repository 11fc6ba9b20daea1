//! Set a record of the journal aside: headquarters cannot take it, or the disk gives it back damaged. It is kept where
//! it is, listed, and told as withheld from now on.

use crate::domain::ids::Incarnation;
use crate::store::{Failure, Now, WriteTransaction};

/// Why nothing is set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SetAsideRefusal {
    /// This disk has no such record.
    #[error("this disk has no record {seq} of incarnation {incarnation}")]
    UnknownRecord {
        /// The incarnation.
        incarnation: Incarnation,
        /// The record.
        seq: u64,
    },
}

/// Sets a record aside; a second time changes nothing.
///
/// # Errors
/// A [`SetAsideRefusal`], or why the store could not keep it.
pub fn set_record_aside(
    tx: &mut WriteTransaction<'_>,
    now: Now,
    incarnation: Incarnation,
    seq: u64,
    reason: &str,
) -> Result<(), Failure<SetAsideRefusal>> {
    let unknown = Failure::Refused(SetAsideRefusal::UnknownRecord { incarnation, seq });
    let Some(row) = tx.incarnation(incarnation)? else {
        return Err(unknown);
    };
    if seq < row.earliest_seq || seq > row.head.seq {
        return Err(unknown);
    }
    let position = row.position(seq);
    // A row that is missing is set aside too: as no bytes.
    let record = tx.record(position)?.unwrap_or_default();
    Ok(tx.set_journal_aside(position, reason, &record, now)?)
}
