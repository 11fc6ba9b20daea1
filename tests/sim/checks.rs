//! What is checked after each step that could have broken it, and what the checks remember from step to step.

use std::collections::{BTreeMap, BTreeSet};

use finalmarket::domain::ids::{Incarnation, NodeId};
use finalmarket::domain::journal::{Hash, Head, RecordId};
use finalmarket::sync::wire::StreamState;

use super::calamities::Shelf;
use super::ledger::Place;
use super::model::BranchId;
use super::node_disk::NewRecord;
use super::promise::{Checked, Promise, Violation};
use super::requests::{DocId, sku};
use super::world::World;

/// The records that some disk held durably, by place; branches may differ in one.
type Written = BTreeMap<(NodeId, Incarnation, u64), Vec<NewRecord>>;

/// What the checks remember.
#[derive(Debug, Default)]
pub struct Watch {
    /// What operators have put by.
    pub shelf: Shelf,
    written: Written,
    /// How far each incarnation at headquarters was compared with what disks wrote.
    compared: BTreeMap<(NodeId, Incarnation), u64>,
    /// How far each incarnation was looked up in the figures, as far as they claim to go.
    claimed: BTreeMap<(NodeId, Incarnation), u64>,
    /// What headquarters has had of each incarnation in the lives before it was set back.
    once_had: BTreeSet<(NodeId, Incarnation, u64, Hash)>,
    /// How often headquarters was set back.
    pub set_backs: u32,
    /// Whether anybody made a record that nobody can take.
    pub oversized: bool,
    commits: u64,
    hub_commits: u64,
    /// What headquarters' figures must be.
    totals: BTreeMap<i32, i64>,
    stock: BTreeMap<usize, i64>,
    /// How many records disks wrote.
    pub records: u64,
}

impl Watch {
    /// Headquarters has less than before, by an operator's hand.
    pub fn headquarters_set_back(&mut self) {
        self.set_backs += 1;
        self.compared.clear();
        self.claimed.clear();
    }

    /// The documents in a record's place, on any branch.
    pub fn docs_at(&self, node: &NodeId, incarnation: Incarnation, seq: u64) -> impl Iterator<Item = &DocId> {
        let found = self.written.get(&(node.clone(), incarnation, seq));
        found.into_iter().flatten().filter_map(|record| record.doc.as_ref())
    }
}

impl World {
    /// Takes note of what became durable on a machine. True where something did.
    pub fn take_note_of_records(&mut self, machine: usize) -> bool {
        let state = &mut self.machines[machine];
        let fresh = state.disk.take_fresh();
        for record in &fresh {
            let key = (state.node.clone(), record.incarnation, record.seq);
            self.watch.written.entry(key).or_default().push(record.clone());
        }
        self.watch.records += fresh.len() as u64;
        !fresh.is_empty()
    }

    /// P1: what tills heard of this disk is on it. P4: its stock is what its documents make.
    pub fn check_disk(&self, machine: usize) -> Checked {
        let moved = |stock: BTreeMap<usize, i64>| -> BTreeMap<usize, i64> {
            stock.into_iter().filter(|(_, quantity)| *quantity != 0).collect()
        };
        let state = &self.machines[machine];
        for doc in self.model.heard_on(state.branch) {
            if !state.disk.has(doc) {
                let what = format!("{doc} was heard from the disk of {} and is not on it", state.name);
                return Err(Violation::of(Promise::NothingLost, what));
            }
        }
        let expected = moved(self.model.stock_of(state.disk.documents().iter()));
        let stock = moved(state.disk.stock());
        if expected != stock {
            let what = format!("stock of {}: {stock:?}, by its documents {expected:?}", state.name);
            return Err(Violation::of(Promise::Explains, what));
        }
        Ok(())
    }

    /// The same, not after every commit.
    pub fn check_stock_now_and_then(&mut self, machine: usize) -> Checked {
        self.watch.commits += 1;
        if self.watch.commits.is_multiple_of(16) {
            self.check_disk(machine)
        } else {
            Ok(())
        }
    }

    /// P1: what a till hears is durable when it hears it.
    pub fn check_heard(&self, machine: usize, branch: BranchId, doc: &DocId) -> Checked {
        let state = &self.machines[machine];
        // Of a process that has died meanwhile the disk says at the next start what it holds.
        if state.branch == branch && state.engine.is_some() && !state.disk.has(doc) {
            let what = format!(
                "a till hears that {doc} is recorded, and {} does not have it",
                state.name
            );
            return Err(Violation::of(Promise::NothingLost, what));
        }
        Ok(())
    }

    /// P2: a node believes acknowledged only what headquarters has committed.
    pub fn check_believed(&self, machine: usize, head: Head) -> Checked {
        let node = &self.machines[machine].node;
        let Head { incarnation, seq, hash } = head;
        let had = self.hub.disk.ledger().has(node, incarnation, seq, hash)
            || self.watch.set_backs > 0 && self.watch.once_had.contains(&(node.clone(), incarnation, seq, hash));
        if had || seq == 0 {
            return Ok(());
        }
        let name = &self.machines[machine].name;
        let what = format!("{name} believes {incarnation}/{seq} acknowledged, and headquarters does not have it");
        Err(Violation::of(Promise::ExactlyOnce, what))
    }

    /// P2: a node forgets only what headquarters has.
    pub fn check_pruned(&self, machine: usize, pruned: &[(Incarnation, u64)]) -> Checked {
        let node = &self.machines[machine].node;
        for (incarnation, through) in pruned {
            let has = *through == 0 || self.hub.disk.ledger().reaches(node, *incarnation, *through);
            if !has && self.watch.set_backs == 0 {
                let name = &self.machines[machine].name;
                let what = format!("{name} forgot {incarnation} up to {through}, and headquarters does not have it");
                return Err(Violation::of(Promise::ExactlyOnce, what));
            }
        }
        Ok(())
    }

    /// Everything that must hold of headquarters after each of its commits: what is new in it, and now and then, as
    /// after each start, all of it.
    pub fn check_headquarters(&mut self, whole: bool) -> Checked {
        self.check_ledger()?;
        self.watch.hub_commits += 1;
        let fresh = self.hub.disk.take_fresh();
        if whole || self.watch.hub_commits.is_multiple_of(32) {
            let all: Vec<DocId> = self.hub.disk.counted().keys().cloned().collect();
            self.check_counted(&all)?;
            self.watch.totals = self.model.totals_of(all.iter());
            self.watch.stock = self.model.stock_of(all.iter());
        } else {
            self.check_counted(&fresh)?;
            for (day, amount) in self.model.totals_of(fresh.iter()) {
                *self.watch.totals.entry(day).or_default() += amount;
            }
            for (item, change) in self.model.stock_of(fresh.iter()) {
                *self.watch.stock.entry(item).or_default() += change;
            }
        }
        self.check_figures()?;
        self.check_claims()
    }

    /// P4: each record at headquarters is one that a disk wrote, in its place, and none is missing before it.
    fn check_ledger(&mut self) -> Checked {
        let watch = &mut self.watch;
        for (node, incarnation, stream) in self.hub.disk.ledger().streams() {
            let compared = watch.compared.entry((node.clone(), incarnation)).or_default();
            for (seq, (place, hash)) in stream.behind(*compared) {
                if *place == Place::Hole {
                    if watch.set_backs == 0 {
                        let what = format!("a hole at {node} {incarnation}/{seq}, and headquarters was never set back");
                        return Err(Violation::of(Promise::ExactlyOnce, what));
                    }
                    continue;
                }
                let key = (node.clone(), incarnation, seq);
                let known = watch.written.get(&key).into_iter().flatten();
                if !known.clone().any(|written| Some(written.hash) == *hash) {
                    let what = format!("headquarters has {node} {incarnation}/{seq}, which no disk ever held");
                    return Err(Violation::of(Promise::Explains, what));
                }
                if let Some(hash) = hash {
                    watch.once_had.insert((node.clone(), incarnation, seq, *hash));
                }
            }
            *compared = stream.len();
            if stream.acked().seq != stream.len() {
                let what = format!(
                    "{node} {incarnation}: acknowledged {:?} of {}",
                    stream.acked(),
                    stream.len()
                );
                return Err(Violation::of(Promise::ExactlyOnce, what));
            }
        }
        Ok(())
    }

    /// P2: each document once and with its amount. P4: nothing that waits for an operator.
    fn check_counted(&self, docs: &[DocId]) -> Checked {
        let states: BTreeMap<(&NodeId, Incarnation), StreamState> = self
            .hub
            .disk
            .ledger()
            .streams()
            .map(|(node, incarnation, stream)| ((node, incarnation), stream.state))
            .collect();
        for (doc, counted) in docs.iter().filter_map(|doc| self.hub.disk.counted().get_key_value(doc)) {
            let broken = |promise, what: &str| Err(Violation::of(promise, format!("{doc}: {what}")));
            let Some(expected) = self.model.expected(doc) else {
                return broken(Promise::ExactlyOnce, "counted, and nobody ever asked for it");
            };
            if counted.amount != expected.amount {
                let what = format!("counted with {} and worth {}", counted.amount, expected.amount);
                return broken(Promise::ExactlyOnce, &what);
            }
            if counted.times != 1 {
                return broken(Promise::ExactlyOnce, &format!("counted {} times", counted.times));
            }
            let (node, incarnation) = &counted.source;
            if states.get(&(node, *incarnation)) != Some(&StreamState::Counted) {
                return broken(
                    Promise::Explains,
                    &format!("counted from {node} {incarnation}, which is set apart"),
                );
            }
        }
        if let Some(doc) = self.hub.disk.conflicts().first() {
            let what = format!("{doc} has two contents, and tills made only one");
            return Err(Violation::of(Promise::ExactlyOnce, what));
        }
        Ok(())
    }

    /// P7: what headquarters says its figures are complete through is in them, as far as it has been told.
    fn check_claims(&mut self) -> Checked {
        let mut claimed = std::mem::take(&mut self.watch.claimed);
        let checked = self.look_up_claims(&mut claimed);
        self.watch.claimed = claimed;
        checked
    }

    fn look_up_claims(&self, looked_up: &mut BTreeMap<(NodeId, Incarnation), u64>) -> Checked {
        let disk = &self.hub.disk;
        for claim in disk.claims()? {
            let mut missing = 0;
            let streams = disk.ledger().streams();
            for (node, incarnation, stream) in
                streams.filter(|(node, _, stream)| **node == claim.node && stream.state == StreamState::Counted)
            {
                missing += stream.told_seq().saturating_sub(stream.len());
                let claimed = looked_up.entry((node.clone(), incarnation)).or_default();
                let records = |seq: u64| {
                    self.watch
                        .written
                        .get(&(node.clone(), incarnation, seq))
                        .into_iter()
                        .flatten()
                };
                for (seq, (place, hash)) in stream.behind(*claimed) {
                    let record = records(seq).find(|written| Some(written.hash) == *hash);
                    if record.is_some_and(|record| record.recorded_ms >= claim.through_ms) {
                        break;
                    }
                    let id = RecordId {
                        node: node.clone(),
                        incarnation,
                        seq,
                    };
                    if let (Place::Record(_), Some(doc)) = (place, record.and_then(|record| record.doc.as_ref()))
                        && !disk.is_set_aside(&id)
                        && !self.waits_elsewhere(node, doc)
                        && !disk.shows(doc)?
                    {
                        let through_ms = claim.through_ms;
                        let what = format!(
                            "{node} is said to be complete through {through_ms}, and {doc} ({id}) is not shown"
                        );
                        return Err(Violation::of(Promise::HonestFigures, what));
                    }
                    *claimed = seq;
                }
                // What it told of may be of another branch, which is to come under another name.
                let next = records(stream.len() + 1).find(|record| record.before == stream.acked().hash);
                let next = next.filter(|next| next.seq <= stream.told_seq() && next.recorded_ms < claim.through_ms);
                if let Some(NewRecord { seq, doc, .. }) = next
                    && !matches!(doc, Some(doc) if disk.shows(doc)?)
                {
                    let through_ms = claim.through_ms;
                    let what = format!(
                        "{node} is said to be complete through {through_ms}, and {incarnation}/{seq}, which it told of, is older and not here"
                    );
                    return Err(Violation::of(Promise::HonestFigures, what));
                }
            }
            if claim.pending < missing {
                let what = format!(
                    "{} records of {} are said to be missing, and it is {missing}",
                    claim.pending, claim.node
                );
                return Err(Violation::of(Promise::HonestFigures, what));
            }
        }
        Ok(())
    }

    /// Whether headquarters has a document in a place that does not count, too: its incarnation waits or is excluded, or
    /// it was set aside. Then its copies do not count either.
    fn waits_elsewhere(&self, node: &NodeId, doc: &DocId) -> bool {
        let disk = &self.hub.disk;
        let mut streams = disk.ledger().streams().filter(|(of, ..)| *of == node);
        streams.any(|(_, incarnation, stream)| {
            let waits = |(seq, (place, _)): (u64, &(Place, Option<Hash>))| {
                let id = RecordId {
                    node: node.clone(),
                    incarnation,
                    seq,
                };
                let counts = stream.state == StreamState::Counted && matches!(place, Place::Record(_));
                (!counts || disk.is_set_aside(&id))
                    && self.watch.docs_at(node, incarnation, seq).any(|held| held == doc)
            };
            stream.behind(0).any(waits)
        })
    }

    /// P4, P7: every figure is the sum of what it is of.
    fn check_figures(&self) -> Checked {
        let disk = &self.hub.disk;
        let totals = &self.watch.totals;
        if totals != disk.totals() {
            let what = format!("totals {:?}, and what is counted comes to {totals:?}", disk.totals());
            return Err(Violation::of(Promise::HonestFigures, what));
        }
        let stock = self.watch.stock.iter().map(|(item, change)| (sku(*item), *change));
        let stock: BTreeMap<String, i64> = stock.collect();
        if stock != *disk.stock() {
            let what = format!("stock {:?}, and what is counted comes to {stock:?}", disk.stock());
            return Err(Violation::of(Promise::HonestFigures, what));
        }
        Ok(())
    }
}
