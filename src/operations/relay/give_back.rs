//! Give a kiosk's batch back: headquarters cannot take it as it is, and only the kiosk can seal its records anew.

use crate::domain::ids::{Incarnation, NodeId};
use crate::domain::journal::Head;
use crate::store::{Failure, StorageError, WriteTransaction};

/// What the kiosk is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenBack {
    /// What is committed here now.
    pub acked: Head,
    /// The first record that is asked for again.
    pub first: u64,
    /// How many records the batch had from there.
    pub count: u32,
}

/// Forgets the batch that record `first` came in and all behind it: the kiosk still has them, for headquarters has
/// acknowledged none of them. None where there is nothing to give back.
///
/// # Errors
/// Why the store could not keep it.
pub fn give_back(
    tx: &mut WriteTransaction<'_>,
    node: &NodeId,
    incarnation: Incarnation,
    first: u64,
) -> Result<Option<GivenBack>, Failure<StorageError>> {
    let Some(mut origin) = tx.relay_origin(node, incarnation)? else {
        return Ok(None);
    };
    let Some(batch) = tx.relay_batch_with(origin.ix, first)? else {
        return Ok(None);
    };
    // Where batches overlap, the one before may reach into this one.
    let (seq, hash) = if batch.first >= origin.earliest_seq {
        (batch.first.saturating_sub(1), batch.before)
    } else {
        (origin.earliest_seq.saturating_sub(1), origin.before_earliest)
    };
    if seq < origin.top.seq && batch.last <= origin.top.seq {
        return Ok(None);
    }
    tx.forget_relay_batches_from(origin.ix, seq.saturating_add(1))?;
    origin.acked.seq = seq;
    origin.acked.hash = hash;
    if origin.top.seq > seq {
        origin.top = origin.acked;
    }
    tx.save_relay_origin(&origin)?;
    let count = batch.last.saturating_sub(seq);
    Ok(Some(GivenBack {
        acked: origin.acked,
        first: seq.saturating_add(1),
        count: u32::try_from(count).unwrap_or(u32::MAX),
    }))
}
