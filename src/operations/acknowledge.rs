//! Keep what headquarters has acknowledged, and set aside what it cannot take.

use crate::domain::ids::Incarnation;
use crate::domain::journal::Head;
use crate::store::{Now, StorageError, WriteTransaction};

/// Keeps an acknowledgement. It may be lower than the last one where headquarters itself was set back.
///
/// # Errors
/// Where it cannot be kept.
pub fn acknowledge(tx: &mut WriteTransaction<'_>, acked: Head) -> Result<(), StorageError> {
    tx.save_acked(acked)
}

/// Sets a record aside that the broker or headquarters cannot take: it stays in the journal and is visible, and the
/// records behind it go on.
///
/// # Errors
/// Where that cannot be kept.
pub fn withhold(
    tx: &mut WriteTransaction<'_>,
    now: Now,
    incarnation: Incarnation,
    seq: u64,
    reason: &str,
) -> Result<(), StorageError> {
    tx.withhold(now, incarnation, seq, reason)
}
