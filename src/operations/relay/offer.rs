//! Offer a kiosk's records to headquarters, in the batches that the kiosk sealed.

use super::hash_at;
use crate::domain::ids::{Incarnation, NodeId};
use crate::domain::journal::Head;
use crate::store::{Now, Snapshot, StorageError};
use crate::sync::node::{LoadedBatch, LocalStream};
use crate::sync::wire::StreamHead;

/// What headquarters is told of a kiosk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayedStreams {
    /// Its incarnations, oldest first.
    pub streams: Vec<LocalStream>,
    /// How long ago everything that it had told of by then was here, in milliseconds; `u64::MAX` for never.
    pub complete_age_ms: u64,
}

/// Every incarnation of a kiosk that has something to offer, and its newest; one that has another branch at
/// headquarters as if it ended where both branches are the same.
///
/// # Errors
/// Where they cannot be read.
pub fn relayed_streams(snapshot: &Snapshot<'_>, now: Now, node: &NodeId) -> Result<RelayedStreams, StorageError> {
    let mut origins = snapshot.relay_origins_of(node)?;
    let complete_ms = origins.last().map_or(0, |newest| newest.complete_ms);
    let newest = origins.last().map(|origin| origin.ix);
    origins.retain(|origin| Some(origin.ix) == newest || origin.earliest_seq <= origin.offered());
    let mut streams = Vec::with_capacity(origins.len());
    for origin in &origins {
        let seq = origin.offered();
        // Where the disk no longer gives the hash at that place, nothing of that incarnation can be told.
        let Some(hash) = hash_at(snapshot, origin, seq)? else {
            continue;
        };
        let incarnation = origin.acked.incarnation;
        streams.push(LocalStream {
            head: StreamHead {
                head: Head { incarnation, seq, hash },
                earliest: origin.earliest_seq,
                before_earliest: origin.before_earliest,
                public_key: origin.public_key,
            },
            acked: origin.top,
        });
    }
    let complete_age_ms = match complete_ms {
        0 => u64::MAX,
        complete_ms => now.unix_ms.saturating_sub(complete_ms),
    };
    Ok(RelayedStreams {
        streams,
        complete_age_ms,
    })
}

/// The batch that record `from` of a kiosk came in, unchanged. What it tells of itself begins with `from`, whatever is
/// before that in its bytes.
///
/// # Errors
/// Where it is not here or does not give the chain: the kiosk has it, or headquarters.
pub fn load_relayed(
    snapshot: &Snapshot<'_>,
    node: &NodeId,
    incarnation: Incarnation,
    from: u64,
) -> Result<LoadedBatch, StorageError> {
    let missing = || StorageError::Inconsistent(format!("record {from} of {node} in {incarnation} is not here"));
    let origin = snapshot.relay_origin(node, incarnation)?.ok_or_else(missing)?;
    let batch = snapshot.relay_batch_with(origin.ix, from)?.ok_or_else(missing)?;
    let before = if batch.first == from {
        batch.before
    } else {
        hash_at(snapshot, &origin, from - 1)?.ok_or_else(missing)?
    };
    Ok(LoadedBatch {
        incarnation,
        first: from,
        count: u32::try_from(batch.last.saturating_sub(from).saturating_add(1)).unwrap_or(u32::MAX),
        before,
        after: batch.after,
        sealed: batch.sealed,
    })
}
