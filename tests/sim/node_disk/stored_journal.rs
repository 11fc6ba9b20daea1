//! What the simulator knows of a stored journal: the chain of every incarnation, and which documents are in it.

use std::collections::BTreeMap;

use finalmarket::domain::fact::{Entry, Fact};
use finalmarket::domain::ids::Incarnation;
use finalmarket::domain::journal::Hash;
use finalmarket::store::{Snapshot, StorageError};

use crate::sim::node_disk::NewRecord;
use crate::sim::requests::DocId;

/// The journal as far as it was read.
#[derive(Debug, Clone, Default)]
pub(super) struct Journal {
    /// The hashes after each record, from the first.
    chains: BTreeMap<Incarnation, Vec<Hash>>,
    /// Every document with the place where it came first.
    documents: BTreeMap<DocId, (Incarnation, u64)>,
    /// How far each incarnation is pruned, where headquarters has that under its own name.
    pruned: Vec<(Incarnation, u64)>,
    /// The first record that each incarnation still has.
    earliest: BTreeMap<Incarnation, u64>,
    /// When something was recorded: by the world's time and by the journal's.
    stamps: Vec<(u64, u64)>,
    fresh: Vec<NewRecord>,
}

impl Journal {
    /// Reads what is new, or all of it: after a crash some of what was read may be gone, and some that nobody heard of
    /// may be there.
    pub(super) fn read(&mut self, snapshot: &Snapshot<'_>, now_ms: u64, whole: bool) -> Result<(), StorageError> {
        let rows = snapshot.incarnations()?;
        if whole {
            let pruned = |(incarnation, seq): &(Incarnation, u64)| {
                let row = rows.iter().find(|row| row.incarnation == *incarnation);
                row.is_some_and(|row| *seq < row.earliest_seq)
            };
            self.documents.retain(|_, place| pruned(place));
        }
        let mut newest = 0;
        for row in &rows {
            let chain = self.chains.entry(row.incarnation).or_default();
            chain.truncate(row.head.seq as usize);
            let from = if whole {
                row.earliest_seq
            } else {
                chain.len() as u64 + 1
            };
            for seq in from.max(row.earliest_seq)..=row.head.seq {
                let before = match seq {
                    first if first == row.earliest_seq => row.before_earliest,
                    seq => chain.get(seq as usize - 2).copied().unwrap_or_default(),
                };
                let record = snapshot.record(row.position(seq))?.unwrap_or_default();
                let hash = before.after(&record);
                let entry = Entry::decode(&record).ok();
                let recorded_ms = entry.as_ref().map_or(0, |entry| entry.recorded.milliseconds());
                let doc = entry.and_then(|entry| doc_of(entry.fact));
                newest = newest.max(recorded_ms);
                if let Some(doc) = doc.clone() {
                    self.documents.entry(doc).or_insert((row.incarnation, seq));
                }
                if chain.get(seq as usize - 1) == Some(&hash) {
                    continue;
                }
                chain.truncate(seq as usize - 1);
                chain.push(hash);
                self.fresh.push(NewRecord {
                    incarnation: row.incarnation,
                    seq,
                    before,
                    hash,
                    recorded_ms,
                    doc,
                });
            }
        }
        self.pruned = rows
            .iter()
            .map(|row| (row.incarnation, (row.earliest_seq - 1).min(row.acked.seq)))
            .collect();
        self.earliest = rows.iter().map(|row| (row.incarnation, row.earliest_seq)).collect();
        if newest > 0 {
            self.stamps.push((now_ms, newest));
        }
        Ok(())
    }

    pub(super) fn take_fresh(&mut self) -> Vec<NewRecord> {
        std::mem::take(&mut self.fresh)
    }

    pub(super) fn has(&self, doc: &DocId) -> bool {
        self.documents.contains_key(doc)
    }

    pub(super) fn has_forgotten(&self, doc: &DocId) -> bool {
        let place = self.documents.get(doc);
        place.is_some_and(|(incarnation, seq)| self.earliest.get(incarnation).is_some_and(|earliest| seq < earliest))
    }

    pub(super) fn documents(&self) -> Vec<DocId> {
        self.documents.keys().cloned().collect()
    }

    pub(super) fn hash_at(&self, incarnation: Incarnation, seq: u64) -> Option<Hash> {
        let chain = self.chains.get(&incarnation)?;
        chain.get((seq as usize).checked_sub(1)?).copied()
    }

    pub(super) fn pruned(&self) -> Vec<(Incarnation, u64)> {
        self.pruned.clone()
    }

    /// The journal's time of what was recorded last before `before_ms` of the world's; 0 for nothing.
    pub(super) fn recorded_before(&self, before_ms: u64) -> u64 {
        let before = self.stamps.iter().rev().find(|(at_ms, _)| *at_ms < before_ms);
        before.map_or(0, |(_, recorded_ms)| *recorded_ms)
    }
}

/// The document in a fact, whatever it came in.
fn doc_of(fact: Fact) -> Option<DocId> {
    match fact {
        Fact::Sale(sale) => Some(DocId::Sale(sale.id)),
        Fact::Refund(refund) => Some(DocId::Sale(refund.id)),
        Fact::Movement(movement) => movement.reference.map(DocId::Movement),
        Fact::Rehomed(rehomed) => doc_of(Entry::decode(&rehomed.record).ok()?.fact),
        _ => None,
    }
}
