//! Headquarters' ledger as the pure level models it: what it has of every incarnation, record by record.

use std::collections::BTreeMap;

use finalmarket::domain::ids::{Incarnation, NodeId};
use finalmarket::domain::journal::{Hash, Head};
use finalmarket::sync::hub::{Introduction, Outcome};
use finalmarket::sync::wire::{Batch, Hello, Slot, StreamHead, StreamState, StreamStatus, VerifyingKey};

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
    pub fn introduce(&mut self, node: &NodeId, hello: &Hello, compares: bool) -> Introduction {
        let mut statuses = Vec::new();
        for (at, theirs) in hello.streams.iter().enumerate() {
            let incarnation = theirs.head.incarnation;
            let is_last = at + 1 == hello.streams.len();
            let first_of_node = !self.streams.keys().any(|(known, _)| known == node);
            let Ok(key) = VerifyingKey::from_bytes(&theirs.public_key) else {
                continue;
            };
            let stream = self.streams.entry((node.clone(), incarnation)).or_insert_with(|| Stream {
                key,
                state: if first_of_node { StreamState::Counted } else { StreamState::SetApart },
                places: Vec::new(),
                projected: 0,
            });
            stream.take_note_of_hole(theirs);
            let ours = stream.head(node, incarnation);
            let branched = |set_back| Introduction::Branched { acked: ours, set_back };
            if !compares {
                let acked = if theirs.head.seq <= ours.seq { theirs.head } else { ours };
                statuses.push(StreamStatus { acked, state: stream.state });
                continue;
            }
            let acked = if theirs.head.seq > ours.seq {
                if theirs.earliest == ours.seq + 1 && theirs.before_earliest != ours.hash {
                    return branched(false);
                }
                ours
            } else if stream.hash_at(node, incarnation, theirs.head.seq) != Some(theirs.head.hash) {
                return branched(false);
            } else if is_last && theirs.head.seq < ours.seq {
                return branched(true);
            } else {
                theirs.head
            };
            statuses.push(StreamStatus { acked, state: stream.state });
        }
        Introduction::Known(statuses)
    }

    /// Takes a batch in where it continues what is there.
    pub fn ingest(&mut self, node: &NodeId, sealed: &[u8], compares: bool) -> Outcome {
        let unreadable = |batch: Option<&Batch>, reason: String| Outcome::Unreadable {
            incarnation: batch.map(|batch| batch.header.incarnation),
            first: batch.map_or(0, |batch| batch.header.first),
            count: batch.map_or(0, |batch| batch.header.count),
            reason,
        };
        let batch = match Batch::open(sealed) {
            Ok(batch) if batch.header.node == *node => batch,
            Ok(_) => return unreadable(None, "another node's batch".to_owned()),
            Err(error) => return unreadable(None, error.to_string()),
        };
        let header = &batch.header;
        let incarnation = header.incarnation;
        let Some(stream) = self.streams.get_mut(&(node.clone(), incarnation)) else {
            let hash = Hash::genesis(node, incarnation);
            return Outcome::Gap {
                acked: Head { incarnation, seq: 0, hash },
            };
        };
        if let Err(error) = batch.verify(&stream.key) {
            return unreadable(None, error.to_string());
        }
        let acked = stream.head(node, incarnation);
        if header.first > acked.seq + 1 {
            return Outcome::Gap { acked };
        }
        if compares && stream.hash_at(node, incarnation, header.first - 1) != Some(header.before) {
            return Outcome::Branched { acked };
        }
        let slots = match batch.slots() {
            Ok(slots) => slots,
            Err(error) => return unreadable(Some(&batch), error.to_string()),
        };
        let mut hash = header.before;
        for (seq, slot) in (header.first..).zip(slots) {
            hash = slot.chain(hash);
            if seq <= acked.seq {
                if compares && stream.hash_at(node, incarnation, seq) != Some(hash) {
                    return Outcome::Branched { acked };
                }
                continue;
            }
            let place = match slot {
                Slot::Record(record) => Place::Record(record),
                Slot::Withheld { reason, .. } => Place::Withheld(reason),
            };
            stream.places.push((place, Some(hash)));
        }
        Outcome::Committed {
            acked: stream.head(node, incarnation),
        }
    }

    /// Whether the ledger has exactly this record.
    pub fn has(&self, node: &NodeId, incarnation: Incarnation, seq: u64, hash: Hash) -> bool {
        let stream = self.streams.get(&(node.clone(), incarnation));
        stream.is_some_and(|stream| seq > 0 && stream.hash_at(node, incarnation, seq) == Some(hash))
    }

    /// Whether the ledger has exactly this record, and itself rather than only a hole's end.
    pub fn has_record(&self, node: &NodeId, incarnation: Incarnation, seq: u64, hash: Hash) -> bool {
        let stream = self.streams.get(&(node.clone(), incarnation));
        stream
            .and_then(|stream| stream.places.get((seq as usize).checked_sub(1)?))
            .is_some_and(|(place, known)| *place != Place::Hole && *known == Some(hash))
    }

    /// One incarnation.
    pub fn stream_mut(&mut self, node: &NodeId, incarnation: Incarnation) -> Option<&mut Stream> {
        self.streams.get_mut(&(node.clone(), incarnation))
    }

    /// All of them.
    pub fn streams(&self) -> impl Iterator<Item = (&NodeId, Incarnation, &Stream)> {
        self.streams.iter().map(|((node, incarnation), stream)| (node, *incarnation, stream))
    }
}

impl Stream {
    /// How many places there are.
    pub fn len(&self) -> u64 {
        self.places.len() as u64
    }

    /// A place and the chain's hash after it.
    pub fn place(&self, seq: u64) -> Option<&(Place, Option<Hash>)> {
        self.places.get((seq as usize).checked_sub(1)?)
    }

    /// The places behind `seq`, with their numbers.
    pub fn behind(&self, seq: u64) -> impl Iterator<Item = (u64, &(Place, Option<Hash>))> {
        (seq + 1..).zip(self.places.iter().skip(seq as usize))
    }

    fn head(&self, node: &NodeId, incarnation: Incarnation) -> Head {
        let hash = self.hash_at(node, incarnation, self.len()).unwrap_or_default();
        Head {
            incarnation,
            seq: self.len(),
            hash,
        }
    }

    fn hash_at(&self, node: &NodeId, incarnation: Incarnation, seq: u64) -> Option<Hash> {
        match seq {
            0 => Some(Hash::genesis(node, incarnation)),
            seq => self.place(seq).and_then(|(_, hash)| *hash),
        }
    }

    /// A ledger that was set back may miss what the node has pruned since. That is said, and the rest goes on.
    fn take_note_of_hole(&mut self, theirs: &StreamHead) {
        while self.len() + 1 < theirs.earliest {
            let ends = self.len() + 2 == theirs.earliest;
            self.places.push((Place::Hole, ends.then_some(theirs.before_earliest)));
        }
    }
}
