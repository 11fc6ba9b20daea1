//! What a store's node does as the parent of its kiosks' nodes: takes what they send, as they sealed it, keeps it until
//! headquarters has it, and offers it there. One file a verb, each one transaction.
//!
//! What a batch or an introduction means is decided by the same rules as at headquarters, [`crate::sync::hub_read`] and
//! [`crate::sync::hub_judge`].

mod fence;
mod give_back;
mod introduce;
pub(super) mod kiosk_goods;
mod kiosk_rows;
mod let_go;
mod offer;
mod save_ack;
mod take;

pub use fence::fence_relayed;
pub use give_back::{GivenBack, give_back};
pub use introduce::{IntroduceRefusal, introduce_child};
pub use let_go::let_relayed_go;
pub use offer::{RelayedStreams, load_relayed, relayed_streams};
pub use save_ack::save_relayed_ack;
pub use take::{ChildBatch, ChildRights, Received, read_child_batch, take_child_batch};

use crate::domain::journal::Hash;
use crate::store::{RelayOrigin, Snapshot, StorageError};
use crate::sync::hub_judge;
use crate::sync::wire::Batch;

/// The hash after a record of what is committed here; none where that record is not kept.
fn hash_at(snapshot: &Snapshot<'_>, origin: &RelayOrigin, seq: u64) -> Result<Option<Hash>, StorageError> {
    if seq == origin.acked.seq {
        return Ok(Some(origin.acked.hash));
    }
    if seq == 0 {
        return Ok(Some(Hash::genesis(&origin.node, origin.acked.incarnation)));
    }
    if seq.checked_add(1) == Some(origin.earliest_seq) {
        return Ok(Some(origin.before_earliest));
    }
    if seq > origin.acked.seq {
        return Ok(None);
    }
    if let Some(hash) = snapshot.relay_hash_at_end(origin.ix, seq)? {
        return Ok(Some(hash));
    }
    let Some(kept) = snapshot.relay_batch_with(origin.ix, seq)? else {
        return Ok(None);
    };
    // A batch that rotted on this disk says nothing; the kiosk or headquarters will.
    let unpacked = Batch::open(&kept.sealed).and_then(|batch| {
        let slots = batch.slots()?;
        Ok(hub_judge::batch_hash_at(&batch.header, &slots, seq))
    });
    Ok(unpacked.unwrap_or_default())
}
