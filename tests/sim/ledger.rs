//! Headquarters' ledger as the pure level models it: what it has of every incarnation, record by record.
//!
//! What a batch or an introduction means is not decided here but by the product's own rule, `sync::hub_judge`.

use std::collections::{BTreeMap, BTreeSet};

use finalmarket::domain::fact::{Entry, Fact, Opened};
use finalmarket::domain::ids::{Incarnation, NodeId};
use finalmarket::domain::journal::{Hash, Head, RecordId};
use finalmarket::sync::hub::{Introduction, Outcome};
use finalmarket::sync::hub_judge::{self, HeadVerdict, Verdict};
use finalmarket::sync::wire::{Batch, BatchHeader, Hello, Slot, StreamState, StreamStatus, VerifyingKey};

use super::hub_disk::Claim;

/// A place in an incarnation's journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The record.
    Record(Vec<u8>),
    /// The node keeps it.
    Withheld(String),
    /// The node had pruned it before this ledger, set back, could ask for it again.
    Hole,
}

/// What the ledger has of one incarnation.
#[derive(Debug, Clone)]
pub struct Stream {
    key: VerifyingKey,
    /// How its facts are seen.
    pub state: StreamState,
    acked: Head,
    session: u64,
    /// The highest number that the node has told of, and when it said so.
    told_seq: u64,
    told_ms: u64,
    /// Every head that was told.
    told: BTreeSet<(u64, Hash)>,
    /// When the newest record that is here was recorded, in milliseconds since 1970.
    recorded_ms: u64,
    places: Vec<(Place, Option<Hash>)>,
    /// How many of the places have taken effect.
    pub projected: u64,
}

/// All incarnations of all nodes.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    streams: BTreeMap<(NodeId, Incarnation), Stream>,
}

impl Ledger {
    /// Compares what a node says of itself with the ledger, and takes note of incarnations it did not know.
    /// `compares` is false for a planted fault.
    pub fn introduce(&mut self, node: &NodeId, hello: &Hello, compares: bool, now_ms: u64) -> Introduction {
        let mut statuses = Vec::new();
        let mut branched = None;
        for (at, told) in hello.streams.iter().enumerate() {
            let incarnation = told.head.incarnation;
            let newest = at + 1 == hello.streams.len();
            let Some(stream) = self.known_or_new(node, incarnation, &told.public_key) else {
                continue;
            };
            if told.head.seq >= stream.told_seq {
                (stream.told_seq, stream.told_ms) = (told.head.seq, now_ms);
            }
            stream.told.insert((told.head.seq, told.head.hash));
            if !compares {
                let known = told.head.seq <= stream.acked.seq;
                let acked = if known { told.head } else { stream.acked };
                statuses.push(StreamStatus {
                    acked,
                    common: acked.seq,
                    state: stream.state,
                });
                continue;
            }
            let committed = stream.hash_at(node, incarnation, told.head.seq);
            let same_session = stream.session == hello.session;
            let verdict = hub_judge::judge_head(&stream.acked, told, committed, same_session);
            if let HeadVerdict::Hole { last, after, .. } = verdict {
                stream.accept_hole(last, after);
            }
            let common = hub_judge::comparable(told, hello.acked.get(at))
                .into_iter()
                .find(|(seq, hash)| stream.hash_at(node, incarnation, *seq) == Some(*hash))
                .map_or(0, |(seq, _)| seq);
            match verdict {
                HeadVerdict::Agrees | HeadVerdict::Hole { .. } => {}
                verdict if newest => {
                    branched = Some(Introduction::Branched {
                        acked: stream.acked,
                        common,
                        set_back: verdict == HeadVerdict::SetBack,
                    });
                }
                _ => {}
            }
            statuses.push(StreamStatus {
                acked: stream.acked,
                common,
                state: stream.state,
            });
        }
        branched.unwrap_or(Introduction::Known(statuses))
    }

    /// Takes a batch in where it continues what is there.
    pub fn ingest(&mut self, node: &NodeId, session: u64, sealed: &[u8], compares: bool) -> Outcome {
        let batch = match Batch::open(sealed) {
            Ok(batch) if batch.header.node == *node => batch,
            Ok(_) => {
                let reason = "another node's batch".to_owned();
                return Outcome::Unwelcome { reason };
            }
            Err(error) => return damaged(None, 0, 0, error.to_string()),
        };
        let header = &batch.header;
        let incarnation = header.incarnation;
        if let Some(opened) = opening(&batch) {
            self.known_or_new(node, incarnation, &opened.public_key);
        }
        let Some(stream) = self.streams.get_mut(&(node.clone(), incarnation)) else {
            let hash = Hash::genesis(node, incarnation);
            let acked = Head {
                incarnation,
                seq: 0,
                hash,
            };
            return Outcome::Gap { acked };
        };
        // Nothing in it can be believed, not even what it says of itself.
        if let Err(error) = batch.verify(&stream.key) {
            return damaged(Some(stream.acked), header.first, header.count, error.to_string());
        }
        let slots = match batch.slots() {
            Ok(slots) => slots,
            Err(error) => return unreadable(header, error.to_string()),
        };
        let acked = stream.acked;
        let mut committed = hub_judge::compared_at(&acked, header).and_then(|at| stream.hash_at(node, incarnation, at));
        if !compares && let Some(at) = hub_judge::compared_at(&acked, header) {
            committed = hub_judge::batch_hash_at(header, &slots, at);
        }
        match hub_judge::judge_batch(&acked, header, &slots, committed) {
            Verdict::Take { from } => {
                stream.take(header, slots, from);
                stream.session = session;
                Outcome::Committed { acked: stream.acked }
            }
            Verdict::Repeat => Outcome::Committed { acked },
            Verdict::Gap => Outcome::Gap { acked },
            Verdict::Branch | Verdict::InHole => Outcome::Branched { acked },
        }
    }

    /// Whether the ledger has this record or, where records were lost, goes on behind it.
    pub fn has(&self, node: &NodeId, incarnation: Incarnation, seq: u64, hash: Hash) -> bool {
        let stream = self.streams.get(&(node.clone(), incarnation));
        stream.is_some_and(|stream| stream.hash_at(node, incarnation, seq) == Some(hash))
    }

    /// Whether this record itself has taken effect.
    pub fn took(&self, node: &NodeId, incarnation: Incarnation, seq: u64, hash: Hash) -> bool {
        let stream = self.streams.get(&(node.clone(), incarnation));
        stream.is_some_and(|stream| {
            let counts = stream.state == StreamState::Counted && seq <= stream.projected;
            counts && stream.hash_at(node, incarnation, seq) == Some(hash)
        })
    }

    /// The chain's hash after a record, where it is known.
    pub fn hash_at(&self, node: &NodeId, incarnation: Incarnation, seq: u64) -> Option<Hash> {
        let stream = self.streams.get(&(node.clone(), incarnation));
        stream.and_then(|stream| stream.hash_at(node, incarnation, seq))
    }

    /// Whether the node keeps this record to itself.
    pub fn is_withheld(&self, of: &RecordId) -> bool {
        let stream = self.streams.get(&(of.node.clone(), of.incarnation));
        let place = stream.and_then(|stream| stream.places.get((of.seq as usize).checked_sub(1)?));
        matches!(place, Some((Place::Withheld(_), _)))
    }

    /// Where a record stands: in its own place, in that of which it is a copy, and in those of all other copies. Of one
    /// that its node keeps to itself nobody knows what it is a copy of.
    pub fn places_of_same(&self, of: &RecordId) -> Vec<(Incarnation, u64, Hash)> {
        let Some(hash) = self.hash_at(&of.node, of.incarnation, of.seq) else {
            return Vec::new();
        };
        let own = (of.incarnation, of.seq, hash);
        let records = || {
            let streams = self.streams.iter().filter(|((node, _), _)| *node == of.node);
            streams.flat_map(|((_, incarnation), stream)| {
                stream.behind(0).filter_map(|(seq, (place, hash))| match place {
                    Place::Record(record) => Some(((*incarnation, seq, (*hash)?), copied_from(record))),
                    Place::Withheld(_) | Place::Hole => None,
                })
            })
        };
        let first = records().find(|(place, _)| *place == own).and_then(|(_, first)| first);
        let first = first.unwrap_or(own);
        let copies = records()
            .filter(|(_, copied)| *copied == Some(first))
            .map(|(place, _)| place);
        [own, first].into_iter().chain(copies).collect()
    }

    /// Whether the ledger has something of this record's place.
    pub fn reaches(&self, node: &NodeId, incarnation: Incarnation, seq: u64) -> bool {
        let stream = self.streams.get(&(node.clone(), incarnation));
        stream.is_some_and(|stream| stream.acked.seq >= seq)
    }

    /// One incarnation.
    pub fn stream_mut(&mut self, node: &NodeId, incarnation: Incarnation) -> Option<&mut Stream> {
        self.streams.get_mut(&(node.clone(), incarnation))
    }

    /// What can be said of each node: up to when everything that it has told of is here.
    pub fn claims(&self) -> Vec<Claim> {
        let mut claims: BTreeMap<&NodeId, Claim> = BTreeMap::new();
        for ((node, _), stream) in &self.streams {
            if stream.state != StreamState::Counted {
                continue;
            }
            let pending = stream.told_seq.saturating_sub(stream.acked.seq);
            let through_ms = if pending == 0 {
                stream.told_ms
            } else {
                stream.recorded_ms
            };
            let claim = claims.entry(node).or_insert_with(|| Claim {
                node: node.clone(),
                through_ms,
                pending: 0,
            });
            claim.pending += pending;
            claim.through_ms = claim.through_ms.min(through_ms);
        }
        claims.into_values().collect()
    }

    /// All of them.
    pub fn streams(&self) -> impl Iterator<Item = (&NodeId, Incarnation, &Stream)> {
        let streams = self.streams.iter();
        streams.map(|((node, incarnation), stream)| (node, *incarnation, stream))
    }

    fn known_or_new(&mut self, node: &NodeId, incarnation: Incarnation, public_key: &[u8; 32]) -> Option<&mut Stream> {
        let others = self.streams.keys().filter(|(known, _)| known == node).count();
        let key = VerifyingKey::from_bytes(public_key).ok()?;
        let new = || Stream {
            key,
            state: hub_judge::initial_state(others),
            acked: Head {
                incarnation,
                seq: 0,
                hash: Hash::genesis(node, incarnation),
            },
            session: 0,
            told_seq: 0,
            told_ms: 0,
            told: BTreeSet::new(),
            recorded_ms: 0,
            places: Vec::new(),
            projected: 0,
        };
        Some(self.streams.entry((node.clone(), incarnation)).or_insert_with(new))
    }
}

impl Stream {
    /// The heads behind what is here that its node has told of, on whatever branch.
    pub fn told_behind(&self) -> impl Iterator<Item = (u64, Hash)> {
        let behind = self.told.iter().filter(|(seq, _)| *seq > self.acked.seq);
        behind.copied()
    }

    /// How many places there are.
    pub fn len(&self) -> u64 {
        self.places.len() as u64
    }

    /// What is acknowledged.
    pub fn acked(&self) -> Head {
        self.acked
    }

    /// The places behind `seq`, with their numbers and the chain's hash after each where it is known.
    pub fn behind(&self, seq: u64) -> impl Iterator<Item = (u64, &(Place, Option<Hash>))> {
        (seq + 1..).zip(self.places.iter().skip(seq as usize))
    }

    fn hash_at(&self, node: &NodeId, incarnation: Incarnation, seq: u64) -> Option<Hash> {
        match seq.checked_sub(1) {
            None => Some(Hash::genesis(node, incarnation)),
            Some(at) => self.places.get(at as usize).and_then(|(_, hash)| *hash),
        }
    }

    fn take(&mut self, header: &BatchHeader, slots: Vec<Slot>, from: u64) {
        let mut hash = header.before;
        for (seq, slot) in (header.first..).zip(slots) {
            hash = slot.chain(hash);
            if seq >= from {
                let place = match slot {
                    Slot::Record(record) => {
                        let recorded = Entry::decode(&record).ok().map(|entry| entry.recorded.milliseconds());
                        self.recorded_ms = self.recorded_ms.max(recorded.unwrap_or_default());
                        Place::Record(record)
                    }
                    Slot::Withheld { reason, .. } => Place::Withheld(reason),
                };
                self.places.push((place, Some(hash)));
            }
        }
        self.acked.seq = header.last();
        self.acked.hash = header.after;
        self.told_seq = self.told_seq.max(self.acked.seq);
    }

    fn accept_hole(&mut self, last: u64, after: Hash) {
        while self.len() < last {
            let ends = self.len() + 1 == last;
            self.places.push((Place::Hole, ends.then_some(after)));
        }
        self.acked.seq = last;
        self.acked.hash = after;
    }
}

/// The first place of a record that is a copy.
fn copied_from(record: &[u8]) -> Option<(Incarnation, u64, Hash)> {
    match Entry::decode(record).ok()?.fact {
        Fact::Rehomed(copy) => Some((copy.incarnation, copy.seq, copy.hash)),
        _ => None,
    }
}

/// The opening of an incarnation, where a batch begins with it: then the node need not have introduced it.
fn opening(batch: &Batch) -> Option<Opened> {
    if batch.header.first != 1 {
        return None;
    }
    let Slot::Record(record) = batch.slots().ok()?.into_iter().next()? else {
        return None;
    };
    let Fact::Opened(opened) = Entry::decode(&record).ok()?.fact else {
        return None;
    };
    let key = VerifyingKey::from_bytes(&opened.public_key).ok()?;
    let header = &batch.header;
    let its_own = opened.node == header.node && opened.incarnation == header.incarnation;
    (its_own && batch.verify(&key).is_ok()).then_some(opened)
}

fn unreadable(header: &BatchHeader, reason: String) -> Outcome {
    Outcome::Unreadable {
        incarnation: header.incarnation,
        first: header.first,
        count: header.count,
        reason,
    }
}

fn damaged(acked: Option<Head>, first: u64, count: u32, reason: String) -> Outcome {
    Outcome::Damaged {
        acked,
        first,
        count,
        reason,
    }
}
