//! Tidy: what a node lets go now and then, a little at a time, so that no sale waits long behind it.

use super::prune::prune;
use super::relay::let_relayed_go;
use crate::store::{DeviceIx, IdempotencyKey, Now, StorageError, WriteTransaction};

/// How many kept answers one step looks at.
const ANSWERS_STEP: u32 = 1_000;

/// How many carts one step lets go at most.
const CARTS_STEP: u32 = 100;

/// Where the next step goes on among the kept answers; nothing to begin with.
pub type TidiedTo = Option<(DeviceIx, IdempotencyKey)>;

/// Forgets kept answers that are older than they are promised for, behind `after`, and prunes records that were
/// acknowledged and recorded more than `keep_days` ago, and kiosks' batches likewise; carts that are over. Gives where the next step goes on.
///
/// # Errors
/// Why the store could not keep it.
pub fn tidy(
    tx: &mut WriteTransaction<'_>,
    now: Now,
    keep_days: u32,
    after: TidiedTo,
) -> Result<TidiedTo, StorageError> {
    // Answers first: one that is made from a record must be gone before the record is.
    let tidied_to = tx.forget_old_answers(after, ANSWERS_STEP, now)?;
    tx.forget_old_carts(now, CARTS_STEP)?;
    prune(tx, now, keep_days)?;
    let_relayed_go(tx, now, keep_days)?;
    Ok(tidied_to)
}
