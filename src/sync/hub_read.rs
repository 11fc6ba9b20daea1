//! Reading a batch that came: its envelope, its signature and its chain, against what the parent knows of its origin.
//!
//! Pure, and the same for every parent: headquarters and a store that passes batches on. What the batch means against
//! what is committed is decided afterwards, by [`hub_judge`](super::hub_judge), inside the transaction that commits.

use super::hub::Outcome;
use super::wire::{Batch, BatchHeader, Slot, VerifyingKey};
use crate::domain::fact::{Entry, Fact, Opened};
use crate::domain::ids::{Incarnation, NodeId};
use crate::domain::journal::Head;

/// What a parent knows of an incarnation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// What is committed of it.
    pub acked: Head,
    /// The key that signs its batches.
    pub public_key: [u8; 32],
}

/// A batch with everything that can be said of it without looking at what is committed.
#[derive(Debug)]
pub struct Readable {
    /// The batch.
    pub batch: Batch,
    /// Its records; they give the chain that its header tells.
    pub slots: Vec<Slot>,
    /// The opening of the incarnation, where the batch starts with it and names itself rightly.
    pub opened: Option<Opened>,
    /// The key that its signature was checked with; none where nobody has told one.
    pub checked_with: Option<[u8; 32]>,
}

/// Reads a batch. `known` says what the parent knows of an incarnation of a node. The inner error is what becomes of a
/// batch that cannot be read.
///
/// # Errors
/// Those of `known`.
pub fn read<E>(
    sealed: &[u8],
    known: impl Fn(&NodeId, Incarnation) -> Result<Option<Known>, E>,
) -> Result<Result<Readable, Outcome>, E> {
    let batch = match Batch::open(sealed) {
        Ok(batch) => batch,
        Err(error) => {
            let header = BatchHeader::peek(sealed);
            let origin = match &header {
                Some(header) => known(&header.node, header.incarnation)?,
                None => None,
            };
            let acked = origin.map(|origin| origin.acked);
            return Ok(Err(damaged(acked, header.as_ref(), error.to_string())));
        }
    };
    let header = &batch.header;
    let origin = known(&header.node, header.incarnation)?;
    let mut checked_with = origin.map(|origin| origin.public_key);
    // The signature first: unpacking what anybody may have made costs more.
    if let Some(origin) = origin
        && let Err(reason) = verify(&batch, &origin.public_key)
    {
        return Ok(Err(damaged(Some(origin.acked), Some(header), reason)));
    }
    let slots = match batch.slots() {
        Ok(slots) => slots,
        // Its node signed it: sent again it would be the same.
        Err(error) if checked_with.is_some() => return Ok(Err(unreadable(header, error.to_string()))),
        Err(error) => return Ok(Err(damaged(None, Some(header), error.to_string()))),
    };
    let opened = opening(header, &slots);
    if let (None, Some(opened)) = (checked_with, &opened) {
        if let Err(reason) = verify(&batch, &opened.public_key) {
            return Ok(Err(damaged(None, Some(header), reason)));
        }
        checked_with = Some(opened.public_key);
    }
    Ok(Ok(Readable {
        batch,
        slots,
        opened,
        checked_with,
    }))
}

/// Checks a batch's signature with the key that an incarnation is known by.
///
/// # Errors
/// Says, for people, why it is not right.
pub fn verify(batch: &Batch, key: &[u8; 32]) -> Result<(), String> {
    let key = VerifyingKey::from_bytes(key).map_err(|_| "the incarnation's key is not an Ed25519 key".to_owned())?;
    batch.verify(&key).map_err(|error| error.to_string())
}

/// A batch that its node sealed so and that cannot be taken.
#[must_use]
pub fn unreadable(header: &BatchHeader, reason: String) -> Outcome {
    Outcome::Unreadable {
        incarnation: header.incarnation,
        first: header.first,
        count: header.count,
        reason,
    }
}

/// A batch that is not what its node sealed, as far as it says what it is.
#[must_use]
pub fn damaged(acked: Option<Head>, header: Option<&BatchHeader>, reason: String) -> Outcome {
    Outcome::Damaged {
        acked,
        first: header.map_or(0, |header| header.first),
        count: header.map_or(0, |header| header.count),
        reason,
    }
}

/// The opening of the incarnation, where a batch starts with it.
fn opening(header: &BatchHeader, slots: &[Slot]) -> Option<Opened> {
    match slots.first() {
        Some(Slot::Record(record)) if header.first == 1 => match Entry::decode(record).ok()?.fact {
            Fact::Opened(opened) if opened.node == header.node && opened.incarnation == header.incarnation => {
                Some(opened)
            }
            _ => None,
        },
        _ => None,
    }
}
