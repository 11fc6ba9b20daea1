//! Taking in batches: one transaction for a group of them, and an answer for each once that is on disk.
//!
//! What can be done without the ledger (reading, checking signature and chain) is done before the transaction, so
//! that the one writer is not kept waiting.

use std::collections::{BTreeSet, HashMap};

use super::headquarters::{Admission, Headquarters};
use super::projection::unpack;
use super::storage::{NewBatch, NewOrigin, Origin, Reading, StorageError, Writing};
use super::succession;
use crate::domain::ids::{Incarnation, NodeId};
use crate::domain::journal::{Hash, Head};
use crate::sync::hub::Outcome;
use crate::sync::hub_judge::{self, Verdict};
use crate::sync::hub_read;
use crate::sync::wire::StreamState;

/// A batch as it came.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// The node that sent it, named by the transport or by the parent that passes it on.
    pub sender: NodeId,
    /// Whether a parent passes it on.
    pub relayed: bool,
    /// The session in which it did.
    pub session: u64,
    /// The sealed batch.
    pub sealed: Vec<u8>,
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ingested {
    /// The node that sent it.
    pub sender: NodeId,
    /// The session in which it did.
    pub session: u64,
    /// What the sender is to hear.
    pub outcome: Outcome,
    /// How many of its records are new in the ledger: 0 for a batch that was committed before.
    pub taken: u64,
}

/// A batch that could be read.
struct Readable {
    sender: NodeId,
    relayed: bool,
    session: u64,
    sealed: Vec<u8>,
    read: hub_read::Readable,
}

/// A batch on its way through [`Headquarters::ingest`].
enum Prepared {
    Readable(Box<Readable>),
    Answered(Ingested),
}

impl Headquarters {
    /// Commits what is new in a group of batches to the ledger, in one transaction, and says for each what became of
    /// it. Answers stand in the order of the batches.
    ///
    /// # Errors
    /// Where storage fails; nothing of the group is kept then, and it may be offered again.
    pub fn ingest(&self, batches: Vec<Incoming>, now_ms: u64) -> Result<Vec<Ingested>, StorageError> {
        let prepared = self.database.read(|reading| {
            let prepared = batches.into_iter().map(|incoming| prepare(reading, incoming));
            prepared.collect::<Result<Vec<_>, StorageError>>()
        })?;
        let (name, admission) = (self.name.clone(), self.admission);
        let ingested = self.database.write(move |writing| {
            let mut group = Group {
                writing,
                name,
                admission,
                now_ms,
                origins: HashMap::new(),
                successions: BTreeSet::new(),
                position: writing.last_position()?,
            };
            let mut answers = Vec::with_capacity(prepared.len());
            for prepared in prepared {
                answers.push(match prepared {
                    Prepared::Readable(batch) => group.take(*batch)?,
                    Prepared::Answered(answer) => answer,
                });
            }
            group.finish()?;
            Ok::<_, StorageError>(answers)
        })?;
        for batch in &ingested {
            self.note(batch, now_ms);
        }
        Ok(ingested)
    }

    /// Tells of a batch that was not taken, and keeps in mind what is wrong with its sender's batches.
    fn note(&self, batch: &Ingested, now_ms: u64) {
        let sender = &batch.sender;
        match &batch.outcome {
            Outcome::Committed { .. } => self.watch.batch_came_through(sender),
            Outcome::Unreadable { reason, .. } => tracing::warn!(%sender, reason, "a batch cannot be read"),
            Outcome::Unwelcome { reason } => tracing::warn!(%sender, reason, "a batch is not taken"),
            Outcome::Damaged { reason, .. } => {
                tracing::warn!(%sender, reason, "a batch came damaged");
                self.watch.batch_came_damaged(sender, reason, now_ms);
            }
            Outcome::Gap { .. } | Outcome::Branched { .. } => {}
        }
    }
}

/// The hash after a record of the committed chain; none where the ledger does not have that record.
pub(super) fn committed_hash(reading: &Reading<'_>, origin: &Origin, seq: u64) -> Result<Option<Hash>, StorageError> {
    if seq == origin.acked.seq {
        return Ok(Some(origin.acked.hash));
    }
    if seq == 0 {
        return Ok(Some(Hash::genesis(&origin.node, origin.acked.incarnation)));
    }
    if let Some(hash) = reading.hash_at_end(origin.id, seq)? {
        return Ok(Some(hash));
    }
    let Some(kept) = reading.batch_with(origin.id, seq)? else {
        return Ok(None);
    };
    match unpack(&kept) {
        Ok((header, slots)) => Ok(hub_judge::batch_hash_at(&header, &slots, seq)),
        Err(error) => {
            // A batch that rotted on this disk must not stop what else is in its group.
            tracing::error!(node = %origin.node, seq, %error, "a batch of the ledger cannot be read");
            Ok(None)
        }
    }
}

/// Reads a batch and checks what needs no ledger.
fn prepare(reading: &Reading<'_>, incoming: Incoming) -> Result<Prepared, StorageError> {
    let Incoming {
        sender,
        relayed,
        session,
        sealed,
    } = incoming;
    let known = |node: &NodeId, incarnation| {
        let origin = reading.origin(node, incarnation)?;
        Ok::<_, StorageError>(origin.map(|origin| hub_read::Known {
            acked: origin.acked,
            public_key: origin.public_key,
        }))
    };
    Ok(match hub_read::read(&sealed, known)? {
        Ok(read) => Prepared::Readable(Box::new(Readable {
            sender,
            relayed,
            session,
            sealed,
            read,
        })),
        Err(outcome) => Prepared::Answered(Ingested {
            sender,
            session,
            outcome,
            taken: 0,
        }),
    })
}

/// A group of batches in its transaction.
struct Group<'a> {
    writing: &'a Writing<'a>,
    name: NodeId,
    admission: Admission,
    now_ms: u64,
    /// What the group has touched, written once at its end.
    origins: HashMap<(NodeId, Incarnation), Origin>,
    /// The nodes of which a record admitted a standby, or a standby took the place.
    successions: BTreeSet<NodeId>,
    /// The last place given out in the order in which batches take effect.
    position: u64,
}

impl Group<'_> {
    fn take(&mut self, readable: Readable) -> Result<Ingested, StorageError> {
        let (outcome, taken) = self.judge_and_keep(&readable)?;
        Ok(Ingested {
            sender: readable.sender,
            session: readable.session,
            outcome,
            taken,
        })
    }

    fn judge_and_keep(&mut self, readable: &Readable) -> Result<(Outcome, u64), StorageError> {
        let header = &readable.read.batch.header;
        let key = (header.node.clone(), header.incarnation);
        let known = match self.origins.remove(&key) {
            Some(origin) => Some(origin),
            None => self.writing.origin(&header.node, header.incarnation)?,
        };
        let mut origin = match known {
            Some(origin) => origin,
            None => match self.begin(readable)? {
                Ok(origin) => origin,
                Err(outcome) => return Ok((outcome, 0)),
            },
        };
        if readable.read.checked_with != Some(origin.public_key)
            && let Err(reason) = hub_read::verify(&readable.read.batch, &origin.public_key)
        {
            let outcome = hub_read::damaged(Some(origin.acked), Some(header), reason);
            self.origins.insert(key, origin);
            return Ok((outcome, 0));
        }
        origin.last_heard_ms = self.now_ms.max(origin.last_heard_ms);
        let committed = match hub_judge::compared_at(&origin.acked, header) {
            Some(at) => committed_hash(self.writing, &origin, at)?,
            None => None,
        };
        let mut taken = 0;
        let outcome = match hub_judge::judge_batch(&origin.acked, header, &readable.read.slots, committed) {
            Verdict::Take { from } => {
                self.keep(&mut origin, readable, from)?;
                taken = header.last() - from + 1;
                Outcome::Committed { acked: origin.acked }
            }
            Verdict::Repeat => Outcome::Committed { acked: origin.acked },
            Verdict::Gap => Outcome::Gap { acked: origin.acked },
            Verdict::Branch => {
                tracing::warn!(node = %origin.node, incarnation = %origin.acked.incarnation, first = header.first,
                    "another branch of an incarnation was offered");
                origin.branched(readable.session, self.now_ms);
                Outcome::Branched { acked: origin.acked }
            }
            // Headquarters was set back and went on behind records that their node had pruned. Whoever still has them
            // (a copy of that disk) records them anew, and they count by their first place.
            Verdict::InHole => {
                tracing::warn!(node = %origin.node, incarnation = %origin.acked.incarnation, first = header.first,
                    "records came that headquarters had lost and had gone on behind");
                origin.branched(readable.session, self.now_ms);
                Outcome::Branched { acked: origin.acked }
            }
        };
        self.origins.insert(key, origin);
        Ok((outcome, taken))
    }

    /// Begins an origin with the first batch of an incarnation.
    fn begin(&self, readable: &Readable) -> Result<Result<Origin, Outcome>, StorageError> {
        let header = &readable.read.batch.header;
        let genesis = Head {
            incarnation: header.incarnation,
            seq: 0,
            hash: Hash::genesis(&header.node, header.incarnation),
        };
        // Nothing has been checked against a key that is known. A damaged name must not be answered: its node would
        // take the answer for one about its own chain.
        if readable.sender != header.node || readable.relayed || header.node == self.name {
            let reason = format!("{} cannot introduce {}", readable.sender, header.node);
            return Ok(Err(Outcome::Unwelcome { reason }));
        }
        if header.first > 1 {
            return Ok(Err(Outcome::Gap { acked: genesis }));
        }
        // With no key to check it by it may be anything; the node introduces itself before long, and its key with it.
        let Some(opened) = &readable.read.opened else {
            let reason = "its first record does not open the incarnation, and the node has not introduced itself";
            return Ok(Err(hub_read::damaged(None, Some(header), reason.into())));
        };
        let node = super::introduce::admit(self.writing, self.admission, &header.node, &opened.site, self.now_ms)?;
        if node.is_none() {
            let reason = format!("{} is not enrolled", header.node);
            return Ok(Err(Outcome::Unwelcome { reason }));
        }
        let others = self.writing.incarnations_of(&header.node)?;
        let origin = self.writing.add_origin(&NewOrigin {
            node: &header.node,
            public_key: opened.public_key,
            site: &opened.site,
            state: hub_judge::initial_state(others),
            genesis,
        })?;
        Ok(Ok(origin))
    }

    fn keep(&mut self, origin: &mut Origin, readable: &Readable, from: u64) -> Result<(), StorageError> {
        let header = &readable.read.batch.header;
        if let (1, Some(opened)) = (from, &readable.read.opened) {
            origin.site = opened.site.clone();
            origin.opened = Some((opened.reason, opened.predecessor));
            if super::retire::succeeds_retired(self.writing, origin)? {
                origin.state = StreamState::Counted;
            }
        }
        let position = super::introduce::counts(origin.state).then(|| {
            self.position += 1;
            self.position
        });
        self.writing.add_batch(&NewBatch {
            origin: origin.id,
            first: header.first,
            last: header.last(),
            effective_from: from,
            before: header.before,
            after: header.after,
            received_ms: self.now_ms,
            position,
            sealed: &readable.sealed,
        })?;
        if from == 1 && succession::says_it_succeeds(origin) {
            self.successions.insert(origin.node.clone());
        }
        let new = usize::try_from(from.saturating_sub(header.first)).unwrap_or(usize::MAX);
        let slots = readable.read.slots.get(new..).unwrap_or_default();
        if succession::keep_admitted(self.writing, &origin.node, slots)? {
            self.successions.insert(origin.node.clone());
        }
        origin.acked.seq = header.last();
        origin.acked.hash = header.after;
        origin.session = readable.session;
        origin.told_seq = origin.told_seq.max(header.last());
        Ok(())
    }

    fn finish(self) -> Result<(), StorageError> {
        for origin in self.origins.values() {
            self.writing.save_origin(origin)?;
            self.writing.node_heard(&origin.node, self.now_ms)?;
        }
        for node in &self.successions {
            succession::count_lawful(self.writing, node, self.now_ms)?;
        }
        Ok(())
    }
}
