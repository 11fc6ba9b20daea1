//! Succeeded: a node that was gone learns that its standby has taken its place.
//!
//! It believes nobody's word for it: the successor shows the first batch of its incarnation, signed with the key that
//! this node itself admitted.

use crate::domain::fact::{Opened, OpenedReason};
use crate::store::{Failure, Snapshot, StorageError, Succeeded, WriteTransaction};
use crate::sync::hub_read;

/// Why something is no proof that this node was succeeded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is no proof of a succession: {0}")]
pub struct SuccessionError(String);

/// Reads a proof of succession. The incarnation's first record is in it, signed; it must succeed one of this disk's
/// incarnations, by a key that this disk has admitted. None where it is this disk's own incarnation.
///
/// # Errors
/// A [`SuccessionError`], or why the store could not be read.
pub fn successor_of(snapshot: &Snapshot<'_>, sealed: &[u8]) -> Result<Option<Succeeded>, Failure<SuccessionError>> {
    let no = |reason: &str| Err(Failure::Refused(SuccessionError(reason.to_owned())));
    let read = hub_read::read(sealed, |_, _| Ok::<_, StorageError>(None))?;
    let Ok(read) = read else {
        return no("it cannot be read");
    };
    // Checked with the key that it tells itself, which must be an admitted one.
    let Some(opened) = &read.opened else {
        return no("it does not begin with the opening of an incarnation");
    };
    let Opened {
        node,
        incarnation,
        reason: OpenedReason::Promoted,
        predecessor: Some(predecessor),
        public_key,
        ..
    } = opened
    else {
        return no("that incarnation was opened for another reason");
    };
    if *node != snapshot.known_identity()?.node {
        return no("it is of another node");
    }
    if snapshot.incarnation(*incarnation)?.is_some() {
        return Ok(None);
    }
    let admitted = snapshot
        .standbys()?
        .into_iter()
        .find(|row| row.public_key == *public_key);
    let Some(standby) = admitted else {
        return no("this node never admitted that standby");
    };
    let Some(row) = snapshot.incarnation(predecessor.incarnation)? else {
        return no("it succeeds an incarnation that this disk does not have");
    };
    if snapshot
        .kept_hash(&row, predecessor.seq)?
        .is_some_and(|hash| hash != predecessor.hash)
    {
        return no("it succeeds another branch of this disk's incarnation");
    }
    Ok(Some(Succeeded {
        by: *incarnation,
        seq: predecessor.seq,
        address: standby.address,
    }))
}

/// Notes that this node was succeeded: it sells no more, and what nobody has seen of it still goes up.
///
/// # Errors
/// Why the store could not keep it.
pub fn note_succeeded(tx: &mut WriteTransaction<'_>, by: &Succeeded) -> Result<(), Failure<StorageError>> {
    Ok(tx.set_succeeded(by)?)
}
