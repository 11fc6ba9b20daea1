//! Load a batch: consecutive records of an incarnation, sealed, as many as fit.
//!
//! A record that the disk gives back damaged, or that was set aside, is withheld: its place in the chain is told and
//! the rest goes on.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::domain::ids::{Incarnation, NodeId};
use crate::domain::journal::Hash;
use crate::store::{IncarnationRow, Position, Snapshot, StorageError};
use crate::sync::node::LoadedBatch;
use crate::sync::wire::{Slot, seal};

/// A record larger than this is no record that this program wrote; it would keep all others back.
const RECORD_BYTES_MAX: usize = 1 << 20;
/// How many bytes of records are read for each byte of a batch before they are packed; they pack about so well.
const PACKING_GUESS: usize = 5;

/// A batch and what was found wrong while it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// The batch.
    pub batch: LoadedBatch,
    /// Records that are withheld and not yet set aside: their numbers, and why. The caller sets them aside with
    /// [`set_record_aside`](super::set_record_aside).
    pub damaged: Vec<(u64, String)>,
}

/// Reads and seals records of an incarnation from number `from`: at most `records_max`, and at most about `bytes_max`
/// bytes unless one record alone takes more. None where there is no such record.
///
/// # Errors
/// Where the journal cannot be read.
pub fn load_batch(
    snapshot: &Snapshot<'_>,
    node: &NodeId,
    incarnation: Incarnation,
    from: u64,
    records_max: u32,
    bytes_max: u32,
) -> Result<Option<Packed>, StorageError> {
    let Some(row) = snapshot.incarnation(incarnation)? else {
        return Ok(None);
    };
    if from < row.earliest_seq.max(1) || from > row.offered() || records_max == 0 {
        return Ok(None);
    }
    let before = hash_before(snapshot, &row, from)?;
    let last = row.offered().min(from.saturating_add(u64::from(records_max)) - 1);
    let mut read = read(snapshot, &row, before, from, last, bytes_max as usize)?;
    loop {
        let sealed = seal(&row.key, node, incarnation, from, before, &read.slots);
        let count = read.slots.len();
        if sealed.len() <= bytes_max as usize || count == 1 {
            let batch = LoadedBatch {
                incarnation,
                first: from,
                count: u32::try_from(count).unwrap_or(u32::MAX),
                before,
                after: read.slots.iter().fold(before, |hash, slot| slot.chain(hash)),
                sealed,
            };
            let damaged = read.damaged;
            return Ok(Some(Packed { batch, damaged }));
        }
        // A little less than would just fit, because fewer records pack a little worse.
        let fitting = count * bytes_max as usize / sealed.len() * 9 / 10;
        read.slots.truncate(fitting.clamp(1, count - 1));
        let end = from + read.slots.len() as u64;
        read.damaged.retain(|(seq, _)| *seq < end);
    }
}

struct Read {
    slots: Vec<Slot>,
    damaged: Vec<(u64, String)>,
}

impl Read {
    /// A row that is not there any more. Nobody knows the chain's hash after it, so that the row behind it cannot be
    /// checked either.
    fn missing(&mut self, seq: u64, before: Hash, known: bool) {
        let reason = "the record is missing on the node's disk".to_owned();
        if !known {
            self.damaged.push((seq, reason.clone()));
        }
        self.slots.push(Slot::Withheld { after: before, reason });
    }
}

fn hash_before(snapshot: &Snapshot<'_>, row: &IncarnationRow, from: u64) -> Result<Hash, StorageError> {
    let hash = snapshot.kept_hash(row, from - 1)?;
    hash.ok_or_else(|| {
        StorageError::Inconsistent(format!(
            "record {} of incarnation {} has no hash",
            from - 1,
            row.incarnation
        ))
    })
}

fn read(
    snapshot: &Snapshot<'_>,
    row: &IncarnationRow,
    before: Hash,
    first: u64,
    last: u64,
    bytes_max: usize,
) -> Result<Read, StorageError> {
    let set_aside: BTreeMap<Position, String> = snapshot.records_set_aside(row.position(first), row.position(last))?;
    let mut read = Read {
        slots: Vec::new(),
        damaged: Vec::new(),
    };
    let (mut bytes, mut before) = (0, before);
    snapshot.walk_journal(row.position(first), row.position(last), |found| {
        let seq = row.seq(found.position);
        while first + (read.slots.len() as u64) < seq {
            let missing = first + read.slots.len() as u64;
            read.missing(missing, before, set_aside.contains_key(&row.position(missing)));
        }
        bytes += found.record.len();
        let wrong = match set_aside.get(&found.position) {
            Some(reason) => Some(reason.clone()),
            None if found.record.len() > RECORD_BYTES_MAX => Some(format!("{} bytes", found.record.len())),
            None if before.after(&found.record) != found.hash => {
                Some("the record on the node's disk does not give the chain's hash".to_owned())
            }
            None => None,
        };
        before = found.hash;
        read.slots.push(match wrong {
            None => Slot::Record(found.record),
            Some(reason) => {
                if !set_aside.contains_key(&found.position) {
                    read.damaged.push((seq, reason.clone()));
                }
                let after = found.hash;
                Slot::Withheld { after, reason }
            }
        });
        let full = bytes >= bytes_max.saturating_mul(PACKING_GUESS);
        Ok::<_, StorageError>(if full {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    })?;
    if read.slots.is_empty() {
        // The row asked for is not there, nor any behind it up to `last`.
        read.missing(first, before, set_aside.contains_key(&row.position(first)));
    }
    Ok(read)
}
