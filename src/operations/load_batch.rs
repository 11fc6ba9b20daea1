//! Read and seal the next records for headquarters.

use crate::domain::ids::{Incarnation, NodeId};
use crate::store::{Outgoing, Snapshot, StorageError};
use crate::sync::node::LoadedBatch;
use crate::sync::wire::{Slot, seal};

/// Records compress to about an eighth: so many bytes of them are read for each byte of a batch.
const PACKING_GUESS: usize = 8;

/// A sealed batch of at most `records_max` records from `from` on, and of at most `bytes_max` bytes unless one record
/// alone has more. None where there is no such record.
///
/// # Errors
/// Where the records cannot be read.
pub fn load_batch(
    snapshot: &Snapshot<'_>,
    node: &NodeId,
    incarnation: Incarnation,
    from: u64,
    records_max: u32,
    bytes_max: u32,
) -> Result<Option<LoadedBatch>, StorageError> {
    let bytes_max = bytes_max as usize;
    let found = snapshot.outgoing(incarnation, from, records_max, bytes_max.saturating_mul(PACKING_GUESS))?;
    let Some(Outgoing {
        incarnation: row,
        first,
        before,
        mut slots,
    }) = found
    else {
        return Ok(None);
    };
    loop {
        let sealed = seal(&row.key, node, incarnation, first, before, &slots);
        if sealed.len() <= bytes_max || slots.len() == 1 {
            let after = slots.iter().fold(before, |hash, slot: &Slot| slot.chain(hash));
            let count = u32::try_from(slots.len()).unwrap_or(u32::MAX);
            return Ok(Some(LoadedBatch {
                incarnation,
                first,
                count,
                before,
                after,
                sealed,
            }));
        }
        // The guess was wrong: as many as should fit, and a few less.
        let fitting = slots.len() * bytes_max / sealed.len() * 9 / 10;
        slots.truncate(fitting.max(1));
    }
}
