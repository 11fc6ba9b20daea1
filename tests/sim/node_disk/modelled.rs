//! A node's disk as the pure level models it: a state that changes by whole groups, and what a crash leaves of it.
//!
//! It plays the part of the node's store: what is written here is written by the rules of the domain, one transaction
//! for each operation, one commit for each group.

#[path = "modelled_state.rs"]
mod state;

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use finalmarket::domain::fact::{Entry, Fact, OpenedReason, Rehomed};
use finalmarket::domain::ids::{Incarnation, NodeId, SiteId};
use finalmarket::domain::journal::{Hash, Head};
use finalmarket::domain::time::Hlc;
use finalmarket::sync::node::{LoadedBatch, LocalStream};
use finalmarket::sync::wire::{FeedCursor, Slot, seal};

use super::{Clocks, Death, End, FeedHeld, NewLife, NewRecord, NodeDisk, NotCommitted, Write, Written};
use crate::sim::promise::{Checked, Violation};
use crate::sim::requests::{Body, DocId};
use state::{Feed, Life, Row, State};

/// A modelled disk.
#[derive(Debug, Clone)]
pub struct ModelledDisk {
    state: State,
    /// Planted: states before the last commits, which a power cut may bring back.
    unsynced: VecDeque<State>,
    synchronous: bool,
    forgets_answers: bool,
    full: bool,
    fresh: Vec<NewRecord>,
}

impl ModelledDisk {
    /// A new node's disk, without an incarnation yet.
    pub fn new(node: NodeId, site: SiteId, synchronous: bool, forgets_answers: bool) -> Self {
        let feeds = ["catalog", "prices"];
        let feeds = feeds.map(|feed| (feed.to_owned(), Feed::default()));
        Self {
            state: State {
                node,
                site,
                lives: Vec::new(),
                documents: BTreeMap::new(),
                answers: BTreeMap::new(),
                receipts: BTreeMap::new(),
                refunded: BTreeMap::new(),
                stock: BTreeMap::new(),
                rights: BTreeMap::new(),
                feeds: BTreeMap::from(feeds),
                clock: Hlc::default(),
            },
            unsynced: VecDeque::new(),
            synchronous,
            forgets_answers,
            full: false,
            fresh: Vec::new(),
        }
    }

    fn write(&mut self, write: &Write, wall_ms: u64) -> Written {
        let state = &mut self.state;
        match write {
            Write::Request(request) | Write::Garbage(request) => {
                let garbage = matches!(write, Write::Garbage(_));
                let key = (request.device.clone(), request.key);
                if let Some((known, answer)) = state.answers.get(&key) {
                    if known == request {
                        return Written::Answered(answer.clone());
                    }
                    return Written::Answered(Err("key-used-for-another-request".to_owned()));
                }
                // A sale is known by its identity, too; a movement would be known by its request alone.
                if self.forgets_answers && matches!(request.body, Body::Movement(_)) {
                    state.documents.remove(&request.doc());
                }
                let answer = state.request(request, garbage, wall_ms, &mut self.fresh);
                if !self.forgets_answers {
                    state.answers.insert(key, (request.clone(), answer.clone()));
                }
                Written::Answered(answer)
            }
            Write::SaveAck(head) => {
                if let Some(life) = state.life(head.incarnation) {
                    life.acked = *head;
                }
                Written::Done
            }
            Write::SetAside {
                incarnation,
                seq,
                reason,
            } => {
                let row = state
                    .life(*incarnation)
                    .and_then(|life| life.rows.get_mut(*seq as usize - 1));
                if let Some(row) = row {
                    row.withheld = Some(reason.clone());
                }
                Written::SetAside(*incarnation, *seq)
            }
            Write::Rehome {
                incarnation,
                common,
                set_back,
                next,
            } => {
                state.rehome(*incarnation, *common, *set_back, next, wall_ms, &mut self.fresh);
                Written::Rehomed
            }
            Write::ApplyFeed(page) => Written::FeedApplied(state.apply_feed(page)),
            Write::Prune {
                keep,
                unacknowledged_too,
            } => {
                let mut pruned = Vec::new();
                for life in state.lives.iter_mut().filter(|life| life.is_offered()) {
                    let behind = if *unacknowledged_too {
                        life.offered()
                    } else {
                        life.acked.seq
                    };
                    life.pruned = life.pruned.max(behind.min(life.offered()).saturating_sub(*keep));
                    pruned.push((life.incarnation, life.pruned));
                }
                Written::Pruned(pruned)
            }
        }
    }

    /// What the power leaves when it goes; `choice` is any number.
    fn power_cut(&mut self, choice: u64) {
        let lost = choice as usize % (self.unsynced.len() + 1);
        for _ in 0..lost {
            if let Some(state) = self.unsynced.pop_back() {
                self.state = state;
            }
        }
        self.unsynced.clear();
    }
}

impl NodeDisk for ModelledDisk {
    fn site(&self) -> &SiteId {
        &self.state.site
    }

    fn start(
        &mut self,
        opens: Option<OpenedReason>,
        next: &NewLife,
        clocks: Clocks,
        _power_goes_after: Option<u64>,
    ) -> Result<bool, Violation> {
        if let Some(reason) = opens {
            self.state.open_life(reason, next, clocks.wall_ms, &mut self.fresh);
        }
        Ok(true)
    }

    fn dies(&mut self, group: &[Write], clocks: Clocks, death: Death) -> Vec<Option<Written>> {
        if death.operations > 0 {
            // It may fail for want of room; then nothing of it is there.
            let _ = self.commit(group, clocks);
        }
        if death.end == End::PowerCut {
            self.power_cut(death.choice);
        }
        Vec::new()
    }

    fn set_full(&mut self, full: bool) {
        self.full = full;
    }

    fn commit(&mut self, group: &[Write], clocks: Clocks) -> Result<Vec<Written>, NotCommitted> {
        if self.full {
            return Err(NotCommitted::NoRoom);
        }
        if !self.synchronous {
            self.unsynced.push_back(self.state.clone());
            if self.unsynced.len() > 3 {
                self.unsynced.pop_front();
            }
        }
        let answers = group.iter().map(|write| self.write(write, clocks.wall_ms)).collect();
        Ok(answers)
    }

    fn ahead(&self, group: &[Write], clocks: Clocks) -> Option<(Box<dyn NodeDisk>, Vec<Written>)> {
        let mut ahead = self.clone();
        let results = ahead.commit(group, clocks).ok()?;
        Some((Box::new(ahead), results))
    }

    fn image(&self) -> Box<dyn NodeDisk> {
        Box::new(self.clone())
    }

    fn take_fresh(&mut self) -> Vec<NewRecord> {
        std::mem::take(&mut self.fresh)
    }

    fn verify(&self) -> Checked {
        Ok(())
    }

    fn series(&self, _till: usize) -> Option<String> {
        None
    }

    fn head(&self) -> Option<Head> {
        self.state.lives.last().map(Life::head)
    }

    fn streams(&self) -> (Vec<LocalStream>, Vec<FeedCursor>) {
        let lives = self.state.lives.iter().filter(|life| life.is_offered());
        (
            lives.map(|life| life.stream(&self.state.node)).collect(),
            self.state.feeds.iter().map(|(name, feed)| feed.cursor(name)).collect(),
        )
    }

    fn batch(&self, incarnation: Incarnation, from: u64, records_max: u32, bytes_max: u32) -> Option<LoadedBatch> {
        let life = self.state.lives.iter().find(|life| life.incarnation == incarnation)?;
        if from <= life.pruned {
            return None;
        }
        let rows = life.rows.get(from as usize - 1..life.offered() as usize)?;
        let before = life.hash_at(&self.state.node, from - 1)?;
        let mut count = rows.len().min(records_max as usize);
        loop {
            let slot = |row: &Row| match &row.withheld {
                None => Slot::Record(row.record.to_vec()),
                Some(reason) => Slot::Withheld {
                    after: row.hash,
                    reason: reason.clone(),
                },
            };
            let slots: Vec<Slot> = rows.get(..count)?.iter().map(slot).collect();
            let sealed = seal(&life.key, &self.state.node, incarnation, from, before, &slots);
            if sealed.len() <= bytes_max as usize || count <= 1 {
                return Some(LoadedBatch {
                    incarnation,
                    first: from,
                    count: slots.len() as u32,
                    before,
                    after: rows.get(count.checked_sub(1)?)?.hash,
                    sealed,
                });
            }
            count /= 2;
        }
    }

    fn has(&self, doc: &DocId) -> bool {
        self.state.documents.contains_key(doc)
    }

    fn has_forgotten(&self, _doc: &DocId) -> bool {
        false
    }

    fn documents(&self) -> Vec<DocId> {
        self.state.documents.keys().cloned().collect()
    }

    fn stock(&self) -> BTreeMap<usize, i64> {
        self.state.stock.clone()
    }

    fn feed(&self, feed: &str) -> FeedHeld {
        let held = self.state.feeds.get(feed).cloned().unwrap_or_default();
        (held.version, Some(held.entries))
    }

    fn repair(&self, incarnation: Incarnation, seq: u64, hash: Hash, withheld: bool) -> Option<Rc<[u8]>> {
        let life = self.state.lives.iter().find(|life| life.incarnation == incarnation)?;
        let row = life.rows.get((seq as usize).checked_sub(1)?)?;
        let right = &self
            .state
            .documents
            .get(row.doc.as_ref().filter(|_| row.hash == hash)?)?
            .record;
        match Entry::decode(&row.record) {
            Ok(Entry {
                recorded,
                fact: Fact::Rehomed(rehomed),
            }) if withheld => {
                let record = right.to_vec();
                let fact = Fact::Rehomed(Rehomed { record, ..rehomed });
                Some(Entry { recorded, fact }.encode().into())
            }
            _ => Some(right.clone()),
        }
    }

    fn pending(&self) -> u64 {
        let lives = self.state.lives.iter().filter(|life| life.is_offered());
        lives.map(|life| life.offered().saturating_sub(life.acked.seq)).sum()
    }

    fn records_kept(&self) -> u64 {
        let lives = self.state.lives.iter().filter(|life| life.is_offered());
        lives.map(|life| life.offered() - life.pruned).sum()
    }
}
