//! What a modelled disk holds, and how each write changes it.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use finalmarket::domain::fact::{Entry, Fact, Opened, OpenedReason, Rehomed};
use finalmarket::domain::ids::{Incarnation, NodeId, ReceiptNumber, SiteId};
use finalmarket::domain::journal::{Hash, Head};
use finalmarket::domain::quantity::Quantity;
use finalmarket::domain::sale::{Fulfilment, RefundedLine, Sale, decide, decide_refund};
use finalmarket::domain::time::Hlc;
use finalmarket::sync::node::LocalStream;
use finalmarket::sync::wire::{FeedCursor, FeedEntry, FeedPage, SigningKey, StreamHead};

use crate::sim::node_disk::{NewLife, NewRecord};
use crate::sim::requests::{Body, DocId, Request, rules};

#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) record: Rc<[u8]>,
    pub(super) hash: Hash,
    pub(super) withheld: Option<String>,
    pub(super) doc: Option<DocId>,
}

#[derive(Debug, Clone)]
pub(super) struct Life {
    pub(super) incarnation: Incarnation,
    pub(super) key: Rc<SigningKey>,
    pub(super) rows: Vec<Row>,
    /// How many of the rows are pruned.
    pub(super) pruned: u64,
    pub(super) acked: Head,
    /// How many of the rows are offered under this incarnation, where its branch was left; the rest is kept as copies
    /// in a later one.
    pub(super) left_behind: Option<u64>,
}

/// What the disk holds of a document besides its record.
#[derive(Debug, Clone)]
pub(super) struct Document {
    /// The record as it should be.
    pub(super) record: Rc<[u8]>,
    pub(super) sale: Option<Rc<Sale>>,
}

/// A request and what it was answered.
pub(super) type Answer = (Rc<Request>, Result<(), String>);

/// A feed as far as it came.
#[derive(Debug, Clone, Default)]
pub(super) struct Feed {
    pub(super) version: u64,
    pub(super) epoch: u64,
    pub(super) entries: BTreeMap<String, Option<String>>,
    /// What has come since it began afresh.
    came: Option<BTreeSet<String>>,
}

#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) node: NodeId,
    pub(super) site: SiteId,
    pub(super) lives: Vec<Life>,
    pub(super) documents: BTreeMap<DocId, Document>,
    pub(super) answers: BTreeMap<(String, u64), Answer>,
    pub(super) receipts: BTreeMap<String, u64>,
    pub(super) refunded: BTreeMap<(DocId, u16), Vec<RefundedLine>>,
    pub(super) stock: BTreeMap<usize, i64>,
    /// What the present life may promise of each item; below zero what it owes.
    pub(super) rights: BTreeMap<String, i64>,
    pub(super) feeds: BTreeMap<String, Feed>,
    pub(super) clock: Hlc,
}

impl Life {
    pub(super) fn head(&self) -> Head {
        Head {
            incarnation: self.incarnation,
            seq: self.rows.len() as u64,
            hash: self.rows.last().map(|row| row.hash).unwrap_or_default(),
        }
    }

    /// How many of its records go up under its own name.
    pub(super) fn offered(&self) -> u64 {
        self.left_behind.unwrap_or(self.rows.len() as u64)
    }

    pub(super) fn is_offered(&self) -> bool {
        self.left_behind.is_none_or(|left| left > self.pruned)
    }

    pub(super) fn hash_at(&self, node: &NodeId, seq: u64) -> Option<Hash> {
        match seq {
            0 => Some(Hash::genesis(node, self.incarnation)),
            seq => self.rows.get(seq as usize - 1).map(|row| row.hash),
        }
    }

    pub(super) fn stream(&self, node: &NodeId) -> LocalStream {
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
    pub(super) fn life(&mut self, incarnation: Incarnation) -> Option<&mut Life> {
        self.lives.iter_mut().find(|life| life.incarnation == incarnation)
    }

    pub(super) fn open_life(&mut self, reason: OpenedReason, next: &NewLife, wall_ms: u64, fresh: &mut Vec<NewRecord>) {
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
        self.rights.clear();
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
        let before = life.hash_at(&node, seq).unwrap_or_default();
        let hash = before.after(&record);
        life.rows.push(Row {
            record,
            hash,
            withheld: None,
            doc: doc.clone(),
        });
        let recorded_ms = self.clock.milliseconds();
        fresh.push(NewRecord {
            recorded_ms,
            incarnation: life.incarnation,
            seq: seq + 1,
            before,
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
    pub(super) fn request(
        &mut self,
        request: &Request,
        garbage: bool,
        wall_ms: u64,
        fresh: &mut Vec<NewRecord>,
    ) -> Result<(), String> {
        let doc = request.doc();
        if self.documents.contains_key(&doc) {
            // The key is forgotten, the identity is not: the first answer stands.
            return Ok(());
        }
        let receipt = self.next_receipt();
        let (fact, sale) = match &request.body {
            Body::Sale(asked) => {
                let mut draft = asked.draft();
                let mut rights = self.rights.clone();
                for line in &mut draft.lines {
                    let right = rights.entry(line.sku.to_string()).or_default();
                    let quantity = line.quantity.thousandths();
                    let debt = Quantity::from_thousandths(quantity - quantity.min((*right).max(0)));
                    line.fulfilment = Fulfilment::InHand { debt };
                    *right -= quantity;
                }
                let sale = decide(draft, receipt.clone(), &rules()).map_err(|refusal| refusal.code())?;
                (Fact::Sale(sale.clone()), Some(Rc::new(sale)))
            }
            Body::Refund(asked) => {
                let of = DocId::Sale(asked.of.clone());
                let sale = self.documents.get(&of).and_then(|document| document.sale.clone());
                let sale = sale.ok_or("unknown-sale")?;
                let line = (of, asked.line);
                let already = self.refunded.get(&line).cloned().unwrap_or_default();
                let refund = decide_refund(
                    &sale,
                    &already,
                    asked.draft(),
                    receipt.clone(),
                    finalmarket::domain::money::CashRounding::NONE,
                )
                .map_err(|refusal| refusal.code())?;
                let lines = refund.lines.iter().map(RefundedLine::from);
                self.refunded.entry(line).or_default().extend(lines);
                (Fact::Refund(refund), None)
            }
            Body::Movement(asked) => (Fact::Movement(asked.movement()), None),
        };
        self.move_stock(&fact);
        self.move_rights(&fact);
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

    fn move_rights(&mut self, fact: &Fact) {
        for (sku, moved) in moves(fact) {
            *self.rights.entry(sku).or_default() += moved;
        }
    }

    fn move_stock(&mut self, fact: &Fact) {
        for (sku, change) in moves(fact) {
            let item = sku.trim_start_matches("item-").parse().expect("an item's number");
            *self.stock.entry(item).or_default() += change;
        }
    }

    pub(super) fn rehome(
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
            let moved = Entry::decode(&row.record);
            self.record(Fact::Rehomed(rehomed), row.doc, wall_ms, fresh);
            if let Ok(entry) = moved {
                self.move_rights(&entry.fact);
            }
        }
    }

    pub(super) fn apply_feed(&mut self, page: &FeedPage) -> FeedCursor {
        let feed = self.feeds.entry(page.feed.clone()).or_default();
        if (page.after, page.after_epoch) == (feed.version, feed.epoch) {
            let bytes = zstd::bulk::decompress(&page.entries, 1 << 20).unwrap_or_default();
            let new: Vec<FeedEntry> = postcard::from_bytes(&bytes).unwrap_or_default();
            if page.afresh {
                feed.came = Some(BTreeSet::new());
            }
            for entry in new {
                feed.came.as_mut().map(|came| came.insert(entry.key.clone()));
                feed.entries.insert(entry.key, entry.body);
            }
            (feed.version, feed.epoch) = (page.through, page.epoch);
            if page.last
                && let Some(came) = feed.came.take()
            {
                feed.entries.retain(|key, _| came.contains(key));
            }
        }
        feed.cursor(&page.feed)
    }
}

impl Feed {
    pub(super) fn cursor(&self, name: &str) -> FeedCursor {
        FeedCursor {
            feed: name.to_owned(),
            version: self.version,
            epoch: self.epoch,
        }
    }
}

/// How a fact moves stock, by item and in thousandths.
fn moves(fact: &Fact) -> Vec<(String, i64)> {
    match fact {
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
        Fact::Rehomed(copy) => Entry::decode(&copy.record).map_or(Vec::new(), |entry| moves(&entry.fact)),
        _ => Vec::new(),
    }
}
