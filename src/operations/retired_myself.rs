//! This node hears that its parent's operator has retired the incarnation that it writes: it goes on under another one,
//! without rights, and its staff sees why. What it recorded goes up under the old name all the same.

use super::shelves::rebuild_rows;
use crate::domain::fact::OpenedReason;
use crate::domain::ids::Incarnation;
use crate::domain::journal::Head;
use crate::store::{Failure, IncarnationSeed, Now, RetirementNotice, StorageError, WriteTransaction};

/// What the parent says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retirement {
    /// Which incarnation is retired.
    pub incarnation: Incarnation,
    /// The last of its records that the parent had then.
    pub seq: u64,
    /// Who decided it.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// Opens the next incarnation where the retired one is the one being written, and keeps why. Heard again, or of an
/// incarnation that is not written any more, it opens none. Gives the head of what was opened.
///
/// # Errors
/// Why the store could not keep it.
pub fn retired_myself(
    tx: &mut WriteTransaction<'_>,
    now: Now,
    word: &Retirement,
    seed: &IncarnationSeed,
) -> Result<Option<Head>, Failure<StorageError>> {
    let Some(row) = tx.incarnation(word.incarnation)? else {
        return Ok(None);
    };
    tx.put_retirement(&RetirementNotice {
        incarnation: row.ix,
        seq: word.seq,
        by: word.by.clone(),
        reason: word.reason.clone(),
        told_ms: now.unix_ms,
    })?;
    let opened = if tx.head()?.incarnation == word.incarnation {
        Some(tx.open_incarnation(now, seed, OpenedReason::Retired)?)
    } else {
        None
    };
    // What is behind the head counts on the parent's row.
    if let Some(row) = tx.incarnation(word.incarnation)? {
        rebuild_rows(tx, &row)?;
        tx.restart_history()?;
    }
    Ok(opened)
}
