//! Save what headquarters has committed of a kiosk's journal.

use super::hash_at;
use crate::domain::ids::NodeId;
use crate::domain::journal::Head;
use crate::store::{Failure, StorageError, WriteTransaction};

/// Saves what headquarters has committed. It may be less than before, where headquarters was set back, and more than is
/// here, where this disk was: then what is missing here is passed, because headquarters has it. Says whether it was
/// kept: what has another hash here is not.
///
/// # Errors
/// Why the store could not keep it.
pub fn save_relayed_ack(
    tx: &mut WriteTransaction<'_>,
    node: &NodeId,
    acked: Head,
) -> Result<bool, Failure<StorageError>> {
    let Some(mut origin) = tx.relay_origin(node, acked.incarnation)? else {
        return Ok(false);
    };
    if acked.seq > origin.acked.seq {
        tracing::warn!(%node, incarnation = %acked.incarnation, first = origin.acked.seq + 1, last = acked.seq,
            "headquarters has records of a kiosk that are not here: they are passed");
        origin.acked = acked;
        origin.earliest_seq = acked.seq.saturating_add(1);
        origin.before_earliest = acked.hash;
        tx.let_relay_batches_go(origin.ix, acked.seq)?;
    } else if hash_at(tx, &origin, acked.seq)?.is_some_and(|hash| hash != acked.hash) {
        return Ok(false);
    }
    if origin.top != acked {
        origin.top = acked;
        tx.save_relay_origin(&origin)?;
    }
    Ok(true)
}
