//! Headquarters' disk as the pure level models it: the ledger and what its facts add up to.
//!
//! Everything changes in [`HubDisk::commit`], as a whole; a crash leaves the state before or after it.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use finalmarket::domain::fact::{Entry, Fact, RecordError, SettlementDecision};
use finalmarket::domain::ids::{Incarnation, NodeId};
use finalmarket::domain::journal::{Hash, RecordId};
use finalmarket::domain::sale::{Refund, Sale};
use finalmarket::sync::hub::{Introduction, Outcome};
use finalmarket::sync::wire::{FeedEntry, FeedPage, Hello, StreamState};

use super::ledger::{Ledger, Place};
use super::planted::Planted;
use super::requests::DocId;

/// Work for one commit.
#[derive(Debug, Clone)]
pub enum Work {
    /// A node introduces itself.
    Introduce(NodeId, Hello),
    /// A batch.
    Ingest(NodeId, u64, Vec<u8>),
    /// An operator settles an incarnation.
    Settle(NodeId, Incarnation, SettlementDecision),
    /// An operator repairs a record.
    Correct(RecordId, Rc<[u8]>),
    /// An operator publishes to a feed.
    Publish(String, FeedEntry),
}

/// What became of it.
#[derive(Debug, Clone)]
pub enum Done {
    /// The answer to an introduction.
    Introduced(NodeId, u64, Introduction),
    /// The answer to a batch.
    Ingested(NodeId, u64, Outcome),
    /// A feed has grown.
    Published(String),
    /// Nothing to say.
    Nothing,
}

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
struct Feed {
    version: u64,
    entries: BTreeMap<String, (u64, Option<String>)>,
}

/// Everything on headquarters' disk.
#[derive(Debug, Clone, Default)]
struct State {
    ledger: Ledger,
    counted: BTreeMap<DocId, Counted>,
    totals: BTreeMap<i32, i64>,
    stock: BTreeMap<String, i64>,
    conflicts: Vec<DocId>,
    set_aside: BTreeMap<RecordId, String>,
    corrected: BTreeSet<RecordId>,
    rehomed: BTreeSet<(Incarnation, u64, Hash)>,
    /// What was counted since the checks last looked.
    fresh: Vec<DocId>,
    feeds: BTreeMap<String, Feed>,
}

/// An image of the disk.
#[derive(Debug, Clone)]
pub struct HubImage(State);

/// Headquarters' disk.
#[derive(Debug, Clone, Default)]
pub struct HubDisk {
    state: State,
    full: bool,
    planted: Option<Planted>,
}

impl HubDisk {
    /// An empty disk.
    pub fn new(planted: Option<Planted>) -> Self {
        Self {
            planted,
            ..Self::default()
        }
    }

    /// While on, no commit succeeds.
    pub fn set_full(&mut self, full: bool) {
        self.full = full;
    }

    /// A backup.
    pub fn image(&self) -> HubImage {
        HubImage(self.state.clone())
    }

    /// Restores a backup.
    pub fn set_back(&mut self, image: &HubImage) {
        self.state = image.0.clone();
    }

    /// Commits a group: all of it, or nothing where the disk fails.
    pub fn commit(&mut self, group: &[Work]) -> Option<Vec<Done>> {
        if self.full {
            return None;
        }
        Some(group.iter().map(|work| self.work(work)).collect())
    }

    /// The ledger.
    pub fn ledger(&self) -> &Ledger {
        &self.state.ledger
    }

    /// What is counted.
    pub fn counted(&self) -> &BTreeMap<DocId, Counted> {
        &self.state.counted
    }

    /// What was counted since the last call.
    pub fn take_fresh(&mut self) -> Vec<DocId> {
        std::mem::take(&mut self.state.fresh)
    }

    /// The totals by business day, in cents.
    pub fn totals(&self) -> &BTreeMap<i32, i64> {
        &self.state.totals
    }

    /// How stock has moved, by SKU, in thousandths.
    pub fn stock(&self) -> &BTreeMap<String, i64> {
        &self.state.stock
    }

    /// Documents of one identity and two contents.
    pub fn conflicts(&self) -> &[DocId] {
        &self.state.conflicts
    }

    /// Records set aside that nobody has repaired.
    pub fn set_aside(&self) -> impl Iterator<Item = &RecordId> {
        let state = &self.state;
        state.set_aside.keys().filter(|id| !state.corrected.contains(id))
    }

    /// Incarnations that wait for an operator.
    pub fn set_apart(&self) -> Vec<(NodeId, Incarnation)> {
        let streams = self.state.ledger.streams();
        streams
            .filter(|(_, _, stream)| stream.state == StreamState::SetApart)
            .map(|(node, incarnation, _)| (node.clone(), incarnation))
            .collect()
    }

    /// A feed's next page, where there is more.
    pub fn page(&self, feed: &str, after: u64, bytes_max: u32) -> Option<FeedPage> {
        let known = self.state.feeds.get(feed)?;
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
            feed: feed.to_owned(),
            after,
            through,
            count: entries.len() as u32,
            entries: zstd::bulk::compress(&packed, 1).unwrap_or_default(),
        })
    }

    /// What a feed holds.
    pub fn feed(&self, feed: &str) -> (u64, BTreeMap<String, Option<String>>) {
        let known = self.state.feeds.get(feed).cloned().unwrap_or_default();
        let entries = known.entries.into_iter().map(|(key, (_, body))| (key, body));
        (known.version, entries.collect())
    }

    fn work(&mut self, work: &Work) -> Done {
        let planted = self.planted;
        let compares = planted != Some(Planted::ReusedIncarnation);
        let state = &mut self.state;
        match work {
            Work::Introduce(node, hello) => {
                state.go_beyond(&hello.feeds);
                let result = state.ledger.introduce(node, hello, compares);
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
                if let Some(stream) = state.ledger.stream_mut(node, *incarnation) {
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
                known.version += 1;
                known
                    .entries
                    .insert(entry.key.clone(), (known.version, entry.body.clone()));
                Done::Published(feed.clone())
            }
        }
    }
}

impl State {
    /// A node that has more of a feed than there is says that this disk was set back: what is there now gets versions
    /// that nobody has seen, or nodes would take the old for the new.
    fn go_beyond(&mut self, cursors: &[finalmarket::sync::wire::FeedCursor]) {
        for cursor in cursors {
            let feed = self.feeds.entry(cursor.feed.clone()).or_default();
            if cursor.version <= feed.version {
                continue;
            }
            feed.version = cursor.version;
            for (version, _) in feed.entries.values_mut() {
                feed.version += 1;
                *version = feed.version;
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
                let content = Content::Sale(Box::new(Sale { receipt, ..sale }));
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
                // A movement has no identity of its own: each record of one counts.
                if let Some(counted) = self.counted.get_mut(&doc) {
                    counted.times += 1;
                    self.fresh.push(doc);
                } else {
                    self.count(doc, id, 0, None, &moved, Content::Movement, planted);
                }
            }
            Fact::Rehomed(rehomed) => {
                let place = (rehomed.incarnation, rehomed.seq, rehomed.hash);
                let known = self.rehomed.contains(&place)
                    || self
                        .ledger
                        .has(&id.node, rehomed.incarnation, rehomed.seq, rehomed.hash);
                if !known || planted == Some(Planted::RehomedCountsTwice) {
                    self.rehomed.insert(place);
                    self.apply(id, &rehomed.record, planted);
                }
            }
            Fact::Opened(_) | Fact::Correction(_) | Fact::Settlement(_) => {}
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
