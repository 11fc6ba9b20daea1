//! A standby that took the place of its node is a lawful successor: the node's own journal has admitted its key. What it
//! does counts without an operator, whichever comes first, its own records or the one that admitted it.

use super::own_journal;
use super::storage::{Origin, StorageError, Writing};
use crate::domain::fact::{Entry, Fact, OpenedReason, Settlement, SettlementDecision};
use crate::domain::ids::NodeId;
use crate::sync::wire::{Slot, StreamState};

/// The first byte of a record that admits a standby: its kind. Others need not be read.
const ADMITTED_KIND: u8 = 35;

/// Keeps the keys that records admit. True where there is a new one.
pub(super) fn keep_admitted(writing: &Writing<'_>, node: &NodeId, slots: &[Slot]) -> Result<bool, StorageError> {
    let mut news = false;
    for slot in slots {
        let Slot::Record(record) = slot else { continue };
        if record.first() != Some(&ADMITTED_KIND) {
            continue;
        }
        if let Ok(Entry {
            fact: Fact::StandbyAdmitted(admitted),
            ..
        }) = Entry::decode(record)
        {
            news |= writing.add_successor_key(node, &admitted.public_key)?;
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
