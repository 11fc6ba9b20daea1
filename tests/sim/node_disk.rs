//! A node's disk as the pure level models it: a state that changes by whole groups, and what a crash leaves of it.
//!
//! It plays the part of the node's store: what is written here is written by the rules of the domain, one transaction
//! for each operation, one commit for each group.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use finalmarket::domain::fact::{Entry, Fact, Opened, OpenedReason, Rehomed};
use finalmarket::domain::ids::{Incarnation, NodeId, ReceiptNumber, SiteId};
use finalmarket::domain::journal::{Hash, Head};
use finalmarket::domain::sale::{RefundedLine, Sale, decide, decide_refund};
use finalmarket::domain::time::Hlc;
use finalmarket::sync::node::{LoadedBatch, LocalStream};
use finalmarket::sync::wire::{FeedCursor, FeedEntry, FeedPage, SigningKey, Slot, StreamHead, seal};

use super::requests::{Body, DocId, Request, rules};

/// What is asked of the writer.
#[derive(Debug, Clone)]
pub enum Write {
    /// A till's request.
    Request(Rc<Request>),
    /// The parent's acknowledgement.
    SaveAck(Head),
    /// A record that nobody can take.
    SetAside {
        /// The incarnation.
        incarnation: Incarnation,
        /// The record.
        seq: u64,
        /// Why.
        reason: String,
    },
    /// A branch is to be kept under an incarnation of its own.
    Rehome {
        /// The incarnation with two branches.
        incarnation: Incarnation,
        /// Up to here both are the same.
        common: u64,
        /// Whether the disk was simply set back.
        set_back: bool,
        /// What the new incarnation is to be, where one is needed.
        next: NewLife,
    },
    /// A feed's page.
    ApplyFeed(FeedPage),
    /// Forget acknowledged records, all but so many.
    Prune {
        /// How many are kept.
        keep: u64,
        /// Planted: whether it was acknowledged is not asked.
        unacknowledged_too: bool,
    },
    /// A broken record of a document, as a bug would leave it.
    Garbage(Rc<Request>),
}

/// What became of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// The request's answer.
    Answered(Result<(), String>),
    /// The record is set aside.
    SetAside(Incarnation, u64),
    /// The branch is kept.
    Rehomed,
    /// The page is on disk.
    FeedApplied(FeedCursor),
    /// Pruned up to here, by incarnation.
    Pruned(Vec<(Incarnation, u64)>),
    /// Nothing to say.
    Done,
}

/// What makes an incarnation unique.
#[derive(Debug, Clone)]
pub struct NewLife {
    /// Its random bits.
    pub random: u64,
    /// Its key's seed.
    pub key: [u8; 32],
}

/// The disk could not do it; nothing of the group was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskFailed;

/// A record that became durable: who wrote it, where, and which document it holds.
#[derive(Debug, Clone)]
pub struct NewRecord {
    /// Its incarnation.
    pub incarnation: Incarnation,
    /// Its number.
    pub seq: u64,
    /// The chain's hash after it.
    pub hash: Hash,
    /// The document in it, where there is one.
    pub doc: Option<DocId>,
}

#[derive(Debug, Clone)]
struct Row {
    record: Rc<[u8]>,
    hash: Hash,
    withheld: Option<String>,
    doc: Option<DocId>,
}

#[derive(Debug, Clone)]
struct Life {
    incarnation: Incarnation,
    key: Rc<SigningKey>,
    rows: Vec<Row>,
    /// How many of the rows are pruned.
    pruned: u64,
    acked: Head,
    /// How many of the rows are offered under this incarnation, where its branch was left; the rest is kept as copies
    /// in a later one.
    left_behind: Option<u64>,
}

/// What the disk holds of a document besides its record.
#[derive(Debug, Clone)]
struct Document {
    /// The record as it should be.
    record: Rc<[u8]>,
    sale: Option<Rc<Sale>>,
}

/// A request and what it was answered.
type Answer = (Rc<Request>, Result<(), String>);

#[derive(Debug, Clone)]
struct State {
    node: NodeId,
    site: SiteId,
    lives: Vec<Life>,
    documents: BTreeMap<DocId, Document>,
    answers: BTreeMap<(String, u64), Answer>,
    receipts: BTreeMap<String, u64>,
    refunded: BTreeMap<(DocId, u16), Vec<RefundedLine>>,
    stock: BTreeMap<usize, i64>,
    feeds: BTreeMap<String, (u64, BTreeMap<String, Option<String>>)>,
    clock: Hlc,
}

/// A disk.
#[derive(Debug, Clone)]
pub struct NodeDisk {
    state: State,
    /// Planted: states before the last commits, which a power cut may bring back.
    unsynced: VecDeque<State>,
    synchronous: bool,
    forgets_answers: bool,
    full: bool,
    fresh: Vec<NewRecord>,
}

impl NodeDisk {
    /// A new node's disk, without an incarnation yet.
    pub fn new(node: NodeId, site: SiteId, synchronous: bool, forgets_answers: bool) -> Self {
        let feeds = ["catalog", "prices"];
        let feeds = feeds.map(|feed| (feed.to_owned(), (0, BTreeMap::new())));
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

    /// The site that it belongs to.
    pub fn site(&self) -> &SiteId {
        &self.state.site
    }

    /// Opens an incarnation.
    pub fn open_life(&mut self, reason: OpenedReason, next: &NewLife, wall_ms: u64) {
        self.state.open_life(reason, next, wall_ms, &mut self.fresh);
    }

    /// While on, no write succeeds.
    pub fn set_full(&mut self, full: bool) {
        self.full = full;
    }

    /// Commits a group: all of it or, where the disk fails, nothing.
    pub fn commit(&mut self, group: &[Write], wall_ms: u64) -> Result<Vec<Written>, DiskFailed> {
        if self.full {
            return Err(DiskFailed);
        }
        if !self.synchronous {
            self.unsynced.push_back(self.state.clone());
            if self.unsynced.len() > 3 {
                self.unsynced.pop_front();
            }
        }
        let answers = group.iter().map(|write| self.write(write, wall_ms)).collect();
        Ok(answers)
    }

    /// What the power leaves when it goes; `choice` is any number.
    pub fn power_cut(&mut self, choice: u64) {
        let lost = choice as usize % (self.unsynced.len() + 1);
        for _ in 0..lost {
            if let Some(state) = self.unsynced.pop_back() {
                self.state = state;
            }
        }
        self.unsynced.clear();
    }

    /// Records that became durable since the last call.
    pub fn take_fresh(&mut self) -> Vec<NewRecord> {
        std::mem::take(&mut self.fresh)
    }

    /// The head of the incarnation that is being written.
    pub fn head(&self) -> Option<Head> {
        self.state.lives.last().map(Life::head)
    }

    /// Every incarnation that has something to offer, and how far the feeds are.
    pub fn streams(&self) -> (Vec<LocalStream>, Vec<FeedCursor>) {
        let lives = self.state.lives.iter().filter(|life| life.is_offered());
        let cursor = |(feed, (version, _)): (&String, &(u64, _))| FeedCursor {
            feed: feed.clone(),
            version: *version,
        };
        (
            lives.map(|life| life.stream(&self.state.node)).collect(),
            self.state.feeds.iter().map(cursor).collect(),
        )
    }

    /// Packs records for the parent; nothing where they are not there.
    pub fn batch(&self, incarnation: Incarnation, from: u64, records_max: u32, bytes_max: u32) -> Option<LoadedBatch> {
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

    /// Whether the disk holds a document.
    pub fn has(&self, doc: &DocId) -> bool {
        self.state.documents.contains_key(doc)
    }

    /// Every document on the disk.
    pub fn documents(&self) -> impl Iterator<Item = &DocId> {
        self.state.documents.keys()
    }

    /// The stock by item.
    pub fn stock(&self) -> &BTreeMap<usize, i64> {
        &self.state.stock
    }

    /// The content of a feed: its version and what it holds.
    pub fn feed(&self, feed: &str) -> Option<&(u64, BTreeMap<String, Option<String>>)> {
        self.state.feeds.get(feed)
    }

    /// A record as it should have been written: what a person would export to repair it. Another branch of this disk
    /// may have another one in that place. `withheld` says whether headquarters never saw it: then it must still learn
    /// where the record comes from.
    pub fn repair(&self, incarnation: Incarnation, seq: u64, hash: Hash, withheld: bool) -> Option<Rc<[u8]>> {
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

    /// How many records are kept that the parent has not acknowledged.
    pub fn pending(&self) -> u64 {
        let lives = self.state.lives.iter().filter(|life| life.is_offered());
        lives.map(|life| life.offered().saturating_sub(life.acked.seq)).sum()
    }

    /// How many records are kept in all.
    pub fn records_kept(&self) -> u64 {
        let lives = self.state.lives.iter().filter(|life| life.is_offered());
        lives.map(|life| life.offered() - life.pruned).sum()
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
}

impl Life {
    fn head(&self) -> Head {
        Head {
            incarnation: self.incarnation,
            seq: self.rows.len() as u64,
            hash: self.rows.last().map(|row| row.hash).unwrap_or_default(),
        }
    }

    /// How many of its records go up under its own name.
    fn offered(&self) -> u64 {
        self.left_behind.unwrap_or(self.rows.len() as u64)
    }

    fn is_offered(&self) -> bool {
        self.left_behind.is_none_or(|left| left > self.pruned)
    }

    fn hash_at(&self, node: &NodeId, seq: u64) -> Option<Hash> {
        match seq {
            0 => Some(Hash::genesis(node, self.incarnation)),
            seq => self.rows.get(seq as usize - 1).map(|row| row.hash),
        }
    }

    fn stream(&self, node: &NodeId) -> LocalStream {
        LocalStream {
            head: StreamHead {
                head: Head {
                    incarnation: self.incarnation,
                    seq: self.offered(),
                    hash: self.hash_at(node, self.offered()).unwrap_or_default(),
                },
                earliest: self.pruned + 1,
                before_earliest: self.hash_at(node, self.pruned).unwrap_or_default(),
                public_key: self.key.verifying_key().to_bytes(),
            },
            acked: self.acked,
        }
    }
}

impl State {
    fn life(&mut self, incarnation: Incarnation) -> Option<&mut Life> {
        self.lives.iter_mut().find(|life| life.incarnation == incarnation)
    }

    fn open_life(&mut self, reason: OpenedReason, next: &NewLife, wall_ms: u64, fresh: &mut Vec<NewRecord>) {
        let incarnation = Incarnation {
            counter: self.lives.last().map_or(1, |life| life.incarnation.counter + 1),
            random: next.random,
        };
        let key = SigningKey::from_bytes(&next.key);
        let opened = Opened {
            node: self.node.clone(),
            site: self.site.clone(),
            incarnation,
            reason,
            predecessor: self.lives.last().map(Life::head),
            public_key: key.verifying_key().to_bytes(),
        };
        let genesis = Hash::genesis(&self.node, incarnation);
        self.lives.push(Life {
            incarnation,
            key: Rc::new(key),
            rows: Vec::new(),
            pruned: 0,
            acked: Head {
                incarnation,
                seq: 0,
                hash: genesis,
            },
            left_behind: None,
        });
        self.record(Fact::Opened(opened), None, wall_ms, fresh);
    }

    fn entry(&mut self, fact: Fact, wall_ms: u64) -> Rc<[u8]> {
        self.clock = self.clock.next(wall_ms);
        let recorded = self.clock;
        Entry { recorded, fact }.encode().into()
    }

    fn record(&mut self, fact: Fact, doc: Option<DocId>, wall_ms: u64, fresh: &mut Vec<NewRecord>) -> Rc<[u8]> {
        let record = self.entry(fact, wall_ms);
        self.append(record.clone(), doc, fresh);
        record
    }

    fn append(&mut self, record: Rc<[u8]>, doc: Option<DocId>, fresh: &mut Vec<NewRecord>) {
        let node = self.node.clone();
        let Some(life) = self.lives.last_mut() else { return };
        let seq = life.rows.len() as u64;
        let hash = life.hash_at(&node, seq).unwrap_or_default().after(&record);
        life.rows.push(Row {
            record,
            hash,
            withheld: None,
            doc: doc.clone(),
        });
        fresh.push(NewRecord {
            incarnation: life.incarnation,
            seq: seq + 1,
            hash,
            doc,
        });
    }

    fn next_receipt(&self) -> ReceiptNumber {
        let tag = self.lives.last().map(|life| life.incarnation.tag()).unwrap_or_default();
        let series = format!("{}-R1-{tag}", self.site.as_str().to_uppercase());
        ReceiptNumber {
            number: self.receipts.get(&series).copied().unwrap_or_default() + 1,
            series: series.parse().expect("a receipt series"),
        }
    }

    /// Decides a request and records what comes of it.
    fn request(
        &mut self,
        request: &Request,
        garbage: bool,
        wall_ms: u64,
        fresh: &mut Vec<NewRecord>,
    ) -> Result<(), String> {
        let doc = request.doc();
        if self.documents.contains_key(&doc) && !matches!(request.body, Body::Movement(_)) {
            // The key is forgotten, the identity is not: the first answer stands.
            return Ok(());
        }
        let receipt = self.next_receipt();
        let (fact, sale) = match &request.body {
            Body::Sale(asked) => {
                let sale = decide(asked.draft(), receipt.clone(), &rules()).map_err(|refusal| refusal.code())?;
                (Fact::Sale(sale.clone()), Some(Rc::new(sale)))
            }
            Body::Refund(asked) => {
                let of = DocId::Sale(asked.of.clone());
                let sale = self.documents.get(&of).and_then(|document| document.sale.clone());
                let sale = sale.ok_or("unknown-sale")?;
                let line = (of, asked.line);
                let already = self.refunded.get(&line).cloned().unwrap_or_default();
                let refund =
                    decide_refund(&sale, &already, asked.draft(), receipt.clone()).map_err(|refusal| refusal.code())?;
                let lines = refund.lines.iter().map(RefundedLine::from);
                self.refunded.entry(line).or_default().extend(lines);
                (Fact::Refund(refund), None)
            }
            Body::Movement(asked) => (Fact::Movement(asked.movement()), None),
        };
        self.move_stock(&fact);
        if !matches!(fact, Fact::Movement(_)) {
            self.receipts.insert(receipt.series.to_string(), receipt.number);
        }
        let record = self.entry(fact, wall_ms);
        let mut written = record.clone();
        if garbage {
            written = [&record[..], b"?"].concat().into();
        }
        self.append(written, Some(doc.clone()), fresh);
        self.documents.insert(doc, Document { record, sale });
        Ok(())
    }

    fn move_stock(&mut self, fact: &Fact) {
        let moved: Vec<(String, i64)> = match fact {
            Fact::Sale(sale) => {
                let lines = sale.lines.iter();
                lines
                    .map(|line| (line.sku.to_string(), -line.quantity.thousandths()))
                    .collect()
            }
            Fact::Refund(refund) => {
                let lines = refund.lines.iter();
                lines
                    .map(|line| (line.sku.to_string(), line.quantity.thousandths()))
                    .collect()
            }
            Fact::Movement(movement) => {
                let lines = movement.lines.iter();
                lines
                    .map(|line| (line.sku.to_string(), line.change.thousandths()))
                    .collect()
            }
            _ => Vec::new(),
        };
        for (sku, change) in moved {
            let item = sku.trim_start_matches("item-").parse().expect("an item's number");
            *self.stock.entry(item).or_default() += change;
        }
    }

    fn rehome(
        &mut self,
        incarnation: Incarnation,
        common: u64,
        set_back: bool,
        next: &NewLife,
        wall_ms: u64,
        fresh: &mut Vec<NewRecord>,
    ) {
        let is_last = self.lives.last().is_some_and(|life| life.incarnation == incarnation);
        let Some(life) = self.life(incarnation).filter(|life| is_last || common < life.offered()) else {
            return;
        };
        let kept = common.max(life.pruned) as usize;
        let rows = life.rows.iter().enumerate().take(life.offered() as usize).skip(kept);
        let rows: Vec<(u64, Row)> = rows.map(|(at, row)| (at as u64 + 1, row.clone())).collect();
        life.left_behind = Some(common.min(life.offered()));
        if is_last {
            let reason = if set_back {
                OpenedReason::SetBack
            } else {
                OpenedReason::Copied
            };
            self.open_life(reason, next, wall_ms, fresh);
        }
        for (seq, row) in rows {
            let rehomed = Rehomed {
                incarnation,
                seq,
                hash: row.hash,
                record: row.record.to_vec(),
            };
            self.record(Fact::Rehomed(rehomed), row.doc, wall_ms, fresh);
        }
    }

    fn apply_feed(&mut self, page: &FeedPage) -> FeedCursor {
        let (version, entries) = self.feeds.entry(page.feed.clone()).or_default();
        if page.after == *version {
            let bytes = zstd::bulk::decompress(&page.entries, 1 << 20).unwrap_or_default();
            let new: Vec<FeedEntry> = postcard::from_bytes(&bytes).unwrap_or_default();
            entries.extend(new.into_iter().map(|entry| (entry.key, entry.body)));
            *version = page.through;
        }
        FeedCursor {
            feed: page.feed.clone(),
            version: *version,
        }
    }
}
