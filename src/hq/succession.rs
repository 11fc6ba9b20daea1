//! A standby that took the place of its node is a lawful successor: the node's own journal has admitted its key. What it
//! does counts without an operator, whichever comes first, its own records or the one that admitted it.

use super::headquarters::Headquarters;
use super::own_journal;
use super::storage::{Origin, StorageError, Writing};
use crate::domain::fact::{Entry, Fact, OpenedReason, Settlement, SettlementDecision};
use crate::domain::ids::{Incarnation, NodeId};
use crate::sync::wire::{Slot, StreamState};

/// The first bytes of records that admit and dismiss a standby: their kinds. Others need not be read.
const KINDS: [u8; 2] = [35, 36];

/// Keeps the keys that records admit, and forgets those that they dismiss. True where there is a new one.
pub(super) fn keep_admitted(writing: &Writing<'_>, node: &NodeId, slots: &[Slot]) -> Result<bool, StorageError> {
    let mut news = false;
    for slot in slots {
        let Slot::Record(record) = slot else { continue };
        if !record.first().is_some_and(|kind| KINDS.contains(kind)) {
            continue;
        }
        match Entry::decode(record).map(|entry| entry.fact) {
            Ok(Fact::StandbyAdmitted(admitted)) => news |= writing.add_successor_key(node, &admitted.public_key)?,
            Ok(Fact::StandbyDismissed(dismissed)) => writing.remove_successor_key(node, &dismissed.public_key)?,
            _ => {}
        }
    }
    Ok(news)
}

/// Whether an incarnation says of itself that it took the place of another one of its node.
pub(super) fn says_it_succeeds(origin: &Origin) -> bool {
    matches!(origin.opened, Some((OpenedReason::Promoted, Some(_))))
}

/// Counts what lawful successors of a node did, as an operator would have decided it.
pub(super) fn count_lawful(writing: &Writing<'_>, node: &NodeId, now_ms: u64) -> Result<(), StorageError> {
    for mut origin in writing.origins()? {
        let open = origin.node == *node && origin.state == StreamState::SetApart && says_it_succeeds(&origin);
        if !open || !writing.is_successor_key(node, &origin.public_key)? {
            continue;
        }
        let settlement = Settlement {
            node: node.clone(),
            incarnation: origin.acked.incarnation,
            decision: SettlementDecision::Count,
            reason: "a standby took the node's place, and the node's own journal had admitted it".to_owned(),
            by: node.to_string(),
        };
        tracing::info!(%node, incarnation = %origin.acked.incarnation, "a standby has lawfully taken its node's place");
        own_journal::append(writing, Fact::Settlement(settlement), now_ms)?;
        origin.state = StreamState::Counted;
        writing.save_origin(&origin)?;
        writing.place_batches(origin.id)?;
    }
    Ok(())
}

impl Headquarters {
    /// The proof that a standby has taken the place of an incarnation, where one has: the first batch of its own, as it
    /// was sealed.
    ///
    /// # Errors
    /// Where storage fails.
    pub fn proof_of_succession(&self, node: &NodeId, of: Incarnation) -> Result<Option<Vec<u8>>, StorageError> {
        self.database.read(|reading| {
            let succeeds = |origin: &Origin| {
                let before = origin.opened.and_then(|(_, before)| before);
                says_it_succeeds(origin) && before.is_some_and(|before| before.incarnation == of)
            };
            let mut origins = reading.origins()?.into_iter();
            let successor =
                origins.find(|origin| origin.node == *node && origin.state == StreamState::Counted && succeeds(origin));
            let Some(successor) = successor else { return Ok(None) };
            Ok(reading.batch_with(successor.id, 1)?.map(|batch| batch.sealed))
        })
    }
}
