//! Promote: a standby takes the place of the node that it follows, under a new incarnation that says what it has seen.

use crate::domain::fact::OpenedReason;
use crate::domain::journal::Head;
use crate::operations::repair::rebuild_retired;
use crate::store::{Failure, IncarnationSeed, Now, WriteTransaction};
use crate::sync::wire::SigningKey;

/// What a promotion did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promoted {
    /// The last record of the followed node that is here: what it recorded behind it this disk has never seen.
    pub succeeds: Head,
    /// Where the new incarnation stands.
    pub head: Head,
}

/// Why nothing is promoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PromoteRefusal {
    /// It is no standby, or not any more.
    #[error("this disk follows nobody: there is nothing to promote")]
    NotAStandby,
}

/// Opens the incarnation that succeeds the followed node's. It has no rights (P3): it sells in hand until it gets some.
/// `seed` has the key that the followed node admitted.
///
/// # Errors
/// A [`PromoteRefusal`], or why the store could not keep it.
pub fn promote(
    tx: &mut WriteTransaction<'_>,
    now: Now,
    seed: &IncarnationSeed,
) -> Result<Promoted, Failure<PromoteRefusal>> {
    if tx.following()?.is_none() {
        return Err(Failure::Refused(PromoteRefusal::NotAStandby));
    }
    let succeeds = tx.head()?;
    if !tx.retired_here()?.is_empty() {
        // Few, and what they left follows from more than the record that retired them.
        rebuild_retired(tx)?;
    }
    let head = tx.open_incarnation(now, seed, OpenedReason::Promoted)?;
    tx.end_following()?;
    tx.forget_early_answers()?;
    // It is no standby of itself.
    tx.remove_standby(SigningKey::from_bytes(&seed.secret_key).verifying_key().to_bytes())?;
    Ok(Promoted { succeeds, head })
}
