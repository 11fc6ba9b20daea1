//! What headquarters' ledger and figures must be: worked out a second time, in memory, from what was committed.

use std::collections::{BTreeMap, BTreeSet};

use finalmarket::domain::fact::{Entry, Fact, RecordError, SettlementDecision};
use finalmarket::domain::ids::{Incarnation, NodeId};
use finalmarket::domain::journal::{Hash, RecordId};
use finalmarket::domain::quantity::Quantity;
use finalmarket::domain::sale::{Fulfilment, Refund, Sale};
use finalmarket::sync::hub::Outcome;
use finalmarket::sync::wire::{FeedCursor, FeedEntry, FeedPage, StreamState};

use super::{Done, Work};
use crate::sim::ledger::{Ledger, Place};
use crate::sim::planted::Planted;
use crate::sim::requests::DocId;

/// What is counted of a document, and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// The incarnation in whose journal it came.
    pub source: (NodeId, Incarnation),
    /// How often it was counted: never other than once.
    pub times: u32,
    /// What it adds, in cents.
    pub amount: i64,
    content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    Sale(Box<Sale>),
    Refund(Box<Refund>),
    Movement,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Feed {
    pub(super) version: u64,
    pub(super) entries: BTreeMap<String, (u64, Option<String>)>,
    /// The first version that each process gave out, and the number of that process.
    epochs: Vec<(u64, u64)>,
}

impl Feed {
    /// The process that gave a version out.
    fn epoch_of(&self, version: u64) -> u64 {
        let run = self.epochs.iter().rfind(|(first, _)| *first <= version);
        run.map_or(0, |(_, epoch)| *epoch)
    }
}

/// Everything on headquarters' disk.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub(super) ledger: Ledger,
    pub(super) counted: BTreeMap<DocId, Counted>,
    pub(super) totals: BTreeMap<i32, i64>,
    pub(super) stock: BTreeMap<String, i64>,
    pub(super) conflicts: Vec<DocId>,
    pub(super) set_aside: BTreeMap<RecordId, String>,
    pub(super) corrected: BTreeSet<RecordId>,
    pub(super) rehomed: BTreeSet<(Incarnation, u64, Hash)>,
    /// What was counted since the checks last looked.
    pub(super) fresh: Vec<DocId>,
    pub(super) feeds: BTreeMap<String, Feed>,
    /// The process that runs: a number of its own.
    pub(super) process: u64,
}

impl State {
    /// A feed's next page, where there is more.
    pub(super) fn page(&self, cursor: &FeedCursor, bytes_max: u32) -> Option<FeedPage> {
        let known = self.feeds.get(&cursor.feed)?;
        let continues = cursor.version <= known.version && known.epoch_of(cursor.version) == cursor.epoch;
        let after = if continues { cursor.version } else { 0 };
        let mut newer: Vec<_> = known
            .entries
            .iter()
            .filter(|(_, (version, _))| *version > after)
            .collect();
        newer.sort_by_key(|(_, (version, _))| *version);
        let (mut entries, mut bytes, mut through) = (Vec::new(), 0, after);
        for (key, (version, body)) in newer {
            bytes += key.len() + body.as_ref().map_or(0, String::len);
            if bytes > bytes_max as usize && !entries.is_empty() {
                break;
            }
            through = *version;
            entries.push(FeedEntry {
                key: key.clone(),
                body: body.clone(),
            });
        }
        let packed = postcard::to_allocvec(&entries).ok()?;
        (!entries.is_empty()).then(|| FeedPage {
            session: 0,
            feed: cursor.feed.clone(),
            after: cursor.version,
            after_epoch: cursor.epoch,
            through,
            epoch: known.epoch_of(through),
            afresh: !continues,
            last: through == known.version,
            count: entries.len() as u32,
            entries: zstd::bulk::compress(&packed, 1).unwrap_or_default(),
        })
    }

    /// Does a piece of work as a whole.
    pub(super) fn work(&mut self, work: &Work, now_ms: u64, planted: Option<Planted>) -> Done {
        let compares = planted != Some(Planted::ReusedIncarnation);
        let state = self;
        match work {
            Work::Introduce(node, hello) => {
                let result = state.ledger.introduce(node, hello, compares, now_ms);
                Done::Introduced(node.clone(), hello.session, result)
            }
            Work::Ingest(node, session, sealed) => {
                let outcome = state.ledger.ingest(node, *session, sealed, compares);
                let outcome = match outcome {
                    Outcome::Committed { acked } => {
                        state.project(node, acked.incarnation, planted);
                        Outcome::Committed { acked }
                    }
                    other => other,
                };
                Done::Ingested(node.clone(), *session, outcome)
            }
            Work::Settle(node, incarnation, decision) => {
                // What has been counted stays counted.
                let stream = state.ledger.stream_mut(node, *incarnation);
                if let Some(stream) = stream.filter(|stream| stream.state != StreamState::Counted) {
                    stream.state = match decision {
                        SettlementDecision::Count => StreamState::Counted,
                        SettlementDecision::Exclude => StreamState::Excluded,
                    };
                }
                state.project(node, *incarnation, planted);
                Done::Nothing
            }
            Work::Correct(of, replacement) => {
                if state.set_aside.contains_key(of) && state.corrected.insert(of.clone()) {
                    state.apply(of, replacement, planted);
                }
                Done::Nothing
            }
            Work::Publish(feed, entry) => {
                let known = state.feeds.entry(feed.clone()).or_default();
                // What it says already is not said again; of what it never told nobody need hear that it is gone.
                let said = known.entries.get(&entry.key).and_then(|(_, body)| body.clone());
                if said != entry.body {
                    known.version += 1;
                    if known.epochs.last().is_none_or(|(_, epoch)| *epoch != state.process) {
                        known.epochs.push((known.version, state.process));
                    }
                    let said = (known.version, entry.body.clone());
                    known.entries.insert(entry.key.clone(), said);
                }
                Done::Published(feed.clone())
            }
        }
    }

    /// Lets everything of an incarnation that has not done so take effect, unless it is set apart.
    fn project(&mut self, node: &NodeId, incarnation: Incarnation, planted: Option<Planted>) {
        let Some(stream) = self.ledger.stream_mut(node, incarnation) else {
            return;
        };
        if stream.state != StreamState::Counted && planted != Some(Planted::SetApartCounts) {
            return;
        }
        let new: Vec<_> = stream
            .behind(stream.projected)
            .map(|(seq, place)| (seq, place.clone()))
            .collect();
        stream.projected = stream.len();
        for (seq, (place, hash)) in new {
            let id = RecordId {
                node: node.clone(),
                incarnation,
                seq,
            };
            match place {
                Place::Record(record) => {
                    let known = hash.is_some_and(|hash| self.rehomed.contains(&(incarnation, seq, hash)));
                    if !known {
                        self.apply(&id, &record, planted);
                    }
                }
                Place::Withheld(reason) => _ = self.set_aside.insert(id, reason),
                Place::Hole => {}
            }
        }
    }

    fn apply(&mut self, id: &RecordId, record: &[u8], planted: Option<Planted>) {
        let fact = match Entry::decode(record) {
            Ok(entry) => entry.fact,
            // Kept in the ledger; an upgrade reads it from there.
            Err(RecordError::UnknownKind { .. }) => return,
            Err(error) => {
                self.set_aside.insert(id.clone(), error.to_string());
                return;
            }
        };
        match fact {
            Fact::Sale(sale) => {
                let amount = sale.totals.total.0;
                let day = sale.business_day.number();
                let moved: Vec<_> = sale
                    .lines
                    .iter()
                    .map(|line| (line.sku.to_string(), -line.quantity.thousandths()))
                    .collect();
                let doc = DocId::Sale(sale.id.clone());
                let receipt = "X-000001".parse().expect("a receipt's number");
                // What was beyond the rights is the node's, like the receipt's number.
                let mut lines = sale.lines.clone();
                for line in &mut lines {
                    line.fulfilment = Fulfilment::InHand { debt: Quantity::ZERO };
                }
                let content = Content::Sale(Box::new(Sale { receipt, lines, ..sale }));
                self.count(doc, id, amount, Some(day), &moved, content, planted);
            }
            Fact::Refund(refund) => {
                let amount = -refund.totals.total.0;
                let day = refund.business_day.number();
                let moved: Vec<_> = refund
                    .lines
                    .iter()
                    .map(|line| (line.sku.to_string(), line.quantity.thousandths()))
                    .collect();
                let doc = DocId::Sale(refund.id.clone());
                let receipt = "X-000001".parse().expect("a receipt's number");
                let content = Content::Refund(Box::new(Refund { receipt, ..refund }));
                self.count(doc, id, amount, Some(day), &moved, content, planted);
            }
            Fact::Movement(movement) => {
                let moved: Vec<_> = movement
                    .lines
                    .iter()
                    .map(|line| (line.sku.to_string(), line.change.thousandths()))
                    .collect();
                let doc = DocId::Movement(movement.reference.unwrap_or_default());
                self.count(doc, id, 0, None, &moved, Content::Movement, planted);
            }
            Fact::Rehomed(rehomed) => {
                let place = (rehomed.incarnation, rehomed.seq, rehomed.hash);
                // What came under an incarnation that does not count has taken no effect, and does with its copy.
                let known = self.rehomed.contains(&place)
                    || self
                        .ledger
                        .took(&id.node, rehomed.incarnation, rehomed.seq, rehomed.hash);
                if !known {
                    self.rehomed.insert(place);
                    self.apply(id, &rehomed.record, planted);
                } else if planted == Some(Planted::RehomedCountsTwice) {
                    // Every document has an identity of its own, which would hide that it came twice.
                    self.apply(id, &rehomed.record, Some(Planted::NoDedupeOfRepeats));
                }
            }
            _ => {}
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one place, three callers, all by name")]
    fn count(
        &mut self,
        doc: DocId,
        id: &RecordId,
        amount: i64,
        day: Option<i32>,
        moved: &[(String, i64)],
        content: Content,
        planted: Option<Planted>,
    ) {
        if let Some(known) = self.counted.get_mut(&doc) {
            if planted == Some(Planted::NoDedupeOfRepeats) {
                known.times += 1;
                self.fresh.push(doc);
            } else if known.content != content {
                self.conflicts.push(doc);
            }
            return;
        }
        if let Some(day) = day {
            *self.totals.entry(day).or_default() += amount;
        }
        for (sku, change) in moved {
            *self.stock.entry(sku.clone()).or_default() += change;
        }
        let source = (id.node.clone(), id.incarnation);
        self.fresh.push(doc.clone());
        self.counted.insert(
            doc,
            Counted {
                source,
                times: 1,
                amount,
                content,
            },
        );
    }
}
