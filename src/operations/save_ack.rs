//! Save an acknowledgement: what headquarters has committed of an incarnation.

use crate::domain::ids::Incarnation;
use crate::domain::journal::Head;
use crate::store::{Failure, WriteTransaction};

/// Why an acknowledgement is not saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AckRefusal {
    /// This disk has no such incarnation.
    #[error("this disk has no incarnation {0}")]
    UnknownIncarnation(Incarnation),
    /// The record has another hash here: two branches have met.
    #[error("record {} of incarnation {} has another hash here", .0.seq, .0.incarnation)]
    OtherBranch(Head),
}

/// Saves what headquarters has committed. It may be less than before, where headquarters itself was set back, and more
/// than this disk has of an earlier incarnation, where that went on elsewhere.
///
/// # Errors
/// An [`AckRefusal`], or why the store could not keep it.
pub fn save_ack(tx: &mut WriteTransaction<'_>, acked: Head) -> Result<(), Failure<AckRefusal>> {
    let Some(incarnation) = tx.incarnation(acked.incarnation)? else {
        return Err(Failure::Refused(AckRefusal::UnknownIncarnation(acked.incarnation)));
    };
    // A record that was pruned was acknowledged with the hash that it had.
    let kept = incarnation.earliest_seq.saturating_sub(1)..=incarnation.head.seq;
    if kept.contains(&acked.seq)
        && tx
            .kept_hash(&incarnation, acked.seq)?
            .is_some_and(|hash| hash != acked.hash)
    {
        return Err(Failure::Refused(AckRefusal::OtherBranch(acked)));
    }
    if incarnation.acked != acked {
        tx.set_acked(incarnation.ix, acked)?;
    }
    Ok(())
}
