//! Settling an incarnation that was set apart: an operator says whether what it did counts.

use super::happenings::Happening;
use super::headquarters::Headquarters;
use super::own_journal;
use super::storage::{StorageError, Writing};
use crate::domain::fact::{Fact, Settlement, SettlementDecision};
use crate::domain::ids::{Incarnation, NodeId};
use crate::domain::journal::RecordId;
use crate::sync::wire::StreamState;

/// Why an incarnation is not settled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettleError {
    /// Headquarters does not know it.
    #[error("{node} has no incarnation {incarnation} here")]
    Unknown {
        /// The node.
        node: NodeId,
        /// The incarnation.
        incarnation: Incarnation,
    },
    /// What it did is in the figures and stays there.
    #[error("incarnation {incarnation} of {node} counts already, and what has been counted stays counted")]
    Counted {
        /// The node.
        node: NodeId,
        /// The incarnation.
        incarnation: Incarnation,
    },
    /// It was excluded before.
    #[error("incarnation {incarnation} of {node} is excluded already")]
    Excluded {
        /// The node.
        node: NodeId,
        /// The incarnation.
        incarnation: Incarnation,
    },
    /// Whoever decides must say who they are and why.
    #[error("{0} must have 1 to 500 characters")]
    Words(&'static str),
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// The most characters of a name or a reason.
const WORDS_CHARACTERS_MAX: usize = 500;

/// Whether a text that a person gave says something and not too much.
pub(super) fn says_something(text: &str) -> bool {
    !text.trim().is_empty() && text.chars().count() <= WORDS_CHARACTERS_MAX
}

impl Headquarters {
    /// Decides an incarnation that was set apart, or takes back that it was excluded. The decision is a record of
    /// headquarters' own journal. Where it counts, its facts take effect from its first on, behind everything that has
    /// taken effect so far, when the projections follow.
    ///
    /// # Errors
    /// Where it is not known, has been decided, or nobody says why.
    pub fn settle(&self, settlement: Settlement, now_ms: u64) -> Result<RecordId, SettleError> {
        let settled = self.database.write(move |writing| settle(writing, settlement, now_ms));
        self.watch.tell(Happening::Nodes);
        settled
    }
}

/// Decides an incarnation, in a transaction.
pub(super) fn settle(writing: &Writing<'_>, settlement: Settlement, now_ms: u64) -> Result<RecordId, SettleError> {
    if !says_something(&settlement.by) {
        return Err(SettleError::Words("who decides"));
    }
    if !says_something(&settlement.reason) {
        return Err(SettleError::Words("the reason"));
    }
    let Settlement { node, incarnation, .. } = &settlement;
    let (node, incarnation) = (node.clone(), *incarnation);
    let Some(mut origin) = writing.origin(&node, incarnation)? else {
        return Err(SettleError::Unknown { node, incarnation });
    };
    origin.state = match (origin.state, settlement.decision) {
        (StreamState::Counted, _) => return Err(SettleError::Counted { node, incarnation }),
        (StreamState::Excluded, SettlementDecision::Exclude) => {
            return Err(SettleError::Excluded { node, incarnation });
        }
        (_, SettlementDecision::Count) => StreamState::Counted,
        (_, SettlementDecision::Exclude) => StreamState::Excluded,
    };
    let record = own_journal::append(writing, Fact::Settlement(settlement), now_ms)?;
    writing.save_origin(&origin)?;
    if origin.state == StreamState::Counted {
        writing.place_batches(origin.id)?;
    }
    Ok(record)
}
