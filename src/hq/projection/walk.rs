//! One projection's way through records: what takes effect, what is skipped, what is set aside.
//!
//! The same for every projection, so that a rehomed record, a correction and an unreadable record mean the same to
//! each. Records come in the order of the ledger's positions; that order alone decides the result. A record takes
//! effect once, by its first place (incarnation, number, hash), whether it comes itself or as another branch's copy
//! first.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::record::{Content, DecodedBatch, DecodedRecord, Unreadable, content, unpack};
use crate::domain::fact::{Correction, Entry, Fact, Rehomed};
use crate::domain::ids::{Incarnation, NodeId, SiteId};
use crate::domain::journal::Hash;
use crate::domain::time::Hlc;
use crate::hq::happenings::Happening;
use crate::hq::storage::{Origin, OriginId, Reading, SetAside, SetAsideState, StorageError, Writing};
use crate::sync::wire::Slot;

/// How often a record may have been taken over from branch to branch.
const REHOMED_DEPTH_MAX: usize = 64;

/// The tables of one projection.
pub(super) trait Figures: Default {
    /// The projection's name.
    const NAME: &'static str;

    /// Takes a fact into the figures.
    fn apply(&mut self, writing: &Writing<'_>, place: &Place<'_>, fact: &Fact) -> Result<Effect, StorageError>;

    /// Writes what is still in memory at the end of a transaction. Gives what is worth telling of it.
    fn finish(self, writing: &Writing<'_>) -> Result<Vec<Happening>, StorageError>;
}

/// What became of a fact.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// It is in the figures, or means nothing to them.
    Applied,
    /// It cannot be taken in, and is set aside.
    Refused(String),
}

/// Where a fact stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// Whose journal.
    pub origin: OriginId,
    /// Its number there.
    pub seq: u64,
    /// The record that holds its content: itself, or the correction that replaced it.
    pub kept: (OriginId, u64),
    /// Its node.
    pub node: &'a NodeId,
    /// The incarnation in which it recorded it.
    pub incarnation: Incarnation,
    /// Its site.
    pub site: &'a SiteId,
    /// When it was recorded.
    pub recorded: Hlc,
    /// When its batch came, in milliseconds since 1970.
    pub received_ms: u64,
    /// Whether it is another branch's record, which the incarnation recorded anew.
    pub copied: bool,
}

/// Takes batches into a projection, in one transaction.
pub(super) fn walk<F: Figures>(
    writing: &Writing<'_>,
    headquarters: &NodeId,
    batches: &[Arc<DecodedBatch>],
) -> Result<Vec<Happening>, StorageError> {
    let mut walk = Walk {
        writing,
        headquarters,
        figures: F::default(),
        position: 0,
        compared: None,
    };
    for batch in batches {
        walk.position = batch.position;
        walk.batch(batch)?;
    }
    walk.figures.finish(writing)
}

/// Takes in records that an older version of this program could not read and this one can.
pub(super) fn read_waiting<F: Figures>(
    writing: &Writing<'_>,
    headquarters: &NodeId,
) -> Result<Vec<Happening>, StorageError> {
    let mut walk = Walk {
        writing,
        headquarters,
        figures: F::default(),
        position: u64::MAX,
        compared: None,
    };
    for waiting in writing.set_aside_waiting(F::NAME)? {
        let Some(origin) = writing.origin_by_id(waiting.origin)? else {
            continue;
        };
        let Some(Content::Fact(recorded, fact)) = kept_content(writing, waiting.origin, waiting.seq)? else {
            continue;
        };
        let copied = matches!(fact, Fact::Rehomed(_));
        // The place of a record that was taken over was noted when it was set aside.
        let Ok((recorded, fact)) = innermost(recorded, fact) else {
            continue;
        };
        let place = Place {
            origin: waiting.origin,
            seq: waiting.seq,
            kept: (waiting.origin, waiting.seq),
            node: &origin.node,
            incarnation: origin.acked.incarnation,
            site: &origin.site,
            recorded,
            received_ms: waiting.found_ms,
            copied,
        };
        walk.writing.set_aside(&SetAside {
            state: SetAsideState::Read,
            ..waiting
        })?;
        walk.fact(&place, &fact)?;
    }
    walk.figures.finish(writing)
}

/// What a record of the ledger says; none where the ledger does not have it.
fn kept_content(reading: &Reading<'_>, origin: OriginId, seq: u64) -> Result<Option<Content>, StorageError> {
    Ok(kept_slot(reading, origin, seq)?.map(|slot| content(&slot)))
}

/// A record of the ledger as it came; none where the ledger does not have it.
pub(in crate::hq) fn kept_slot(
    reading: &Reading<'_>,
    origin: OriginId,
    seq: u64,
) -> Result<Option<Slot>, StorageError> {
    let Some(kept) = reading.batch_with(origin, seq)? else {
        return Ok(None);
    };
    let (header, slots) = unpack(&kept).map_err(|error| StorageError::Damaged(error.to_string()))?;
    let index = usize::try_from(seq.saturating_sub(header.first)).unwrap_or(usize::MAX);
    Ok(slots.into_iter().nth(index))
}

/// The fact inside a record that was taken over from another branch, and when it was recorded there.
pub(in crate::hq) fn innermost(mut recorded: Hlc, mut fact: Fact) -> Result<(Hlc, Fact), Unreadable> {
    for _ in 0..REHOMED_DEPTH_MAX {
        let Fact::Rehomed(rehomed) = fact else {
            return Ok((recorded, fact));
        };
        Entry { recorded, fact } = Entry::decode(&rehomed.record)?;
    }
    Err(Unreadable {
        kind: 0,
        reason: format!("it was taken over from branch to branch more than {REHOMED_DEPTH_MAX} times"),
        newer: false,
    })
}

struct Walk<'a, F> {
    writing: &'a Writing<'a>,
    headquarters: &'a NodeId,
    figures: F,
    /// The place of the batch that is taken in, in the order in which batches take effect.
    position: u64,
    /// The chain over the batch of the ledger that was compared with last: rehomed records come in a row.
    compared: Option<Chain>,
}

/// The hashes after the records of a batch.
struct Chain {
    origin: OriginId,
    /// The batch's place in the order in which batches take effect; none while its origin does not count.
    position: Option<u64>,
    first: u64,
    hashes: Vec<Hash>,
}

impl Chain {
    fn at(&self, origin: OriginId, seq: u64) -> Option<Hash> {
        let index = usize::try_from(seq.checked_sub(self.first)?).ok()?;
        self.hashes.get(index).copied().filter(|_| self.origin == origin)
    }
}

impl<F: Figures> Walk<'_, F> {
    fn batch(&mut self, batch: &DecodedBatch) -> Result<(), StorageError> {
        let origin = &batch.origin;
        let mut latest = Hlc::default();
        let met = self.met_as_copies(batch)?;
        for record in &batch.records {
            if let Content::Fact(recorded, _) = record.content {
                latest = latest.max(recorded);
            }
            if !met.contains(&record.seq) {
                self.record(batch, record)?;
            }
        }
        if let Some(last) = batch.records.last() {
            self.writing.save_reach(F::NAME, origin.id, last.seq, latest)?;
        }
        Ok(())
    }

    /// Those of a batch's records that this projection has met before, as copies under a later incarnation.
    fn met_as_copies(&self, batch: &DecodedBatch) -> Result<BTreeSet<u64>, StorageError> {
        let (Some(first), Some(last)) = (batch.records.first(), batch.records.last()) else {
            return Ok(BTreeSet::new());
        };
        let origin = &batch.origin;
        let met = self
            .writing
            .rehomed(F::NAME, &origin.node, origin.acked.incarnation, first.seq..=last.seq)?;
        if met.is_empty() {
            return Ok(BTreeSet::new());
        }
        let chain = chain_with(self.writing, origin.id, first.seq)?;
        let same = |(seq, hash): &(u64, Hash)| {
            let chain = chain.as_ref();
            chain.and_then(|chain| chain.at(origin.id, *seq)) == Some(*hash)
        };
        Ok(met.into_iter().filter(same).map(|(seq, _)| seq).collect())
    }

    fn record(&mut self, batch: &DecodedBatch, record: &DecodedRecord) -> Result<(), StorageError> {
        let origin = &batch.origin;
        let place = Place {
            origin: origin.id,
            seq: record.seq,
            kept: (origin.id, record.seq),
            node: &origin.node,
            incarnation: origin.acked.incarnation,
            site: &origin.site,
            recorded: Hlc::default(),
            received_ms: batch.received_ms,
            copied: false,
        };
        match &record.content {
            Content::Unreadable(unreadable) => self.set_aside(&place, unreadable),
            Content::Fact(recorded, fact) => {
                let recorded = *recorded;
                self.fact(&Place { recorded, ..place }, fact)
            }
        }
    }

    fn fact(&mut self, place: &Place<'_>, fact: &Fact) -> Result<(), StorageError> {
        match fact {
            Fact::Rehomed(rehomed) => self.rehomed(place, rehomed),
            Fact::Correction(correction) if place.node == self.headquarters => self.correction(place, correction),
            Fact::Correction(_) | Fact::Settlement(_) if place.node != self.headquarters => {
                let reason = "only headquarters decides this".into();
                self.set_aside(place, &refused(reason))
            }
            fact => match self.figures.apply(self.writing, place, fact)? {
                Effect::Applied => Ok(()),
                Effect::Refused(reason) => self.set_aside(place, &refused(reason)),
            },
        }
    }

    /// A record of another branch. It counts unless it has taken effect itself, or was met before. What came under an
    /// incarnation that does not count has taken no effect: it counts with the first incarnation that does.
    fn rehomed(&mut self, place: &Place<'_>, outermost: &Rehomed) -> Result<(), StorageError> {
        let mut rehomed = outermost.clone();
        for _ in 0..REHOMED_DEPTH_MAX {
            if !self.meet(place.node, &rehomed)? {
                return Ok(());
            }
            match Entry::decode(&rehomed.record) {
                Err(error) => return self.set_aside(place, &error.into()),
                Ok(Entry {
                    fact: Fact::Rehomed(inner),
                    ..
                }) => rehomed = inner,
                Ok(Entry { recorded, fact }) => {
                    let place = Place {
                        recorded,
                        copied: true,
                        ..*place
                    };
                    return self.fact(&place, &fact);
                }
            }
        }
        let unreadable = innermost(place.recorded, Fact::Rehomed(rehomed)).err();
        unreadable.map_or(Ok(()), |unreadable| self.set_aside(place, &unreadable))
    }

    /// Notes where a copy comes from; false where that record has taken effect or was met before.
    fn meet(&mut self, node: &NodeId, copy: &Rehomed) -> Result<bool, StorageError> {
        Ok(!self.took(node, copy)?
            && self
                .writing
                .add_rehomed(F::NAME, node, copy.incarnation, copy.seq, copy.hash)?)
    }

    /// Whether this projection has taken in the record itself that a copy was made of.
    fn took(&mut self, node: &NodeId, rehomed: &Rehomed) -> Result<bool, StorageError> {
        let origin = match self.writing.origin(node, rehomed.incarnation)? {
            Some(origin) if rehomed.seq <= origin.acked.seq => origin,
            _ => return Ok(false),
        };
        let known = self
            .compared
            .as_ref()
            .and_then(|chain| chain.at(origin.id, rehomed.seq));
        if known.is_none() {
            self.compared = chain_with(self.writing, origin.id, rehomed.seq)?;
        }
        let known = self
            .compared
            .as_ref()
            .and_then(|chain| chain.at(origin.id, rehomed.seq));
        let before = self.compared.as_ref().and_then(|chain| chain.position);
        Ok(known == Some(rehomed.hash) && before.is_some_and(|before| before < self.position))
    }

    /// Takes what replaces a record that this projection has set aside; a second time it changes nothing.
    fn correction(&mut self, place: &Place<'_>, correction: &Correction) -> Result<(), StorageError> {
        let of = &correction.of;
        let Some(origin) = self.writing.origin(&of.node, of.incarnation)? else {
            return self.set_aside(place, &refused(format!("it corrects {of}, which is not here")));
        };
        if of.seq > origin.acked.seq {
            return self.set_aside(place, &refused(format!("it corrects {of}, which is not here")));
        }
        let Some(found) = self.writing.set_aside_record(F::NAME, origin.id, of.seq)? else {
            return Ok(());
        };
        if !matches!(found.state, SetAsideState::Open | SetAsideState::Waiting) {
            return Ok(());
        }
        let Entry { recorded, fact } = match Entry::decode(&correction.replacement) {
            Ok(entry) => entry,
            Err(error) => return self.set_aside(place, &error.into()),
        };
        let copied = matches!(fact, Fact::Rehomed(_));
        let counts = match &fact {
            Fact::Rehomed(copy) => self.copy_counts(&origin, of.seq, copy)?,
            _ => true,
        };
        let (recorded, fact) = match innermost(recorded, fact) {
            Ok(content) => content,
            Err(unreadable) => return self.set_aside(place, &unreadable),
        };
        let replaced = Place {
            origin: origin.id,
            seq: of.seq,
            kept: place.kept,
            node: &origin.node,
            incarnation: origin.acked.incarnation,
            site: &origin.site,
            recorded,
            received_ms: place.received_ms,
            copied,
        };
        let effect = if counts {
            self.figures.apply(self.writing, &replaced, &fact)?
        } else {
            Effect::Applied
        };
        let (state, reason) = match effect {
            Effect::Applied => (SetAsideState::Repaired, found.reason),
            Effect::Refused(reason) => (SetAsideState::Open, format!("its correction was refused: {reason}")),
        };
        self.writing.set_aside(&SetAside { state, reason, ..found })
    }

    /// Whether a copy that takes the place of a record that was set aside is still to take effect. Where that record
    /// was the same copy, unreadable, its place was noted when it was set aside.
    fn copy_counts(&mut self, origin: &Origin, seq: u64, copy: &Rehomed) -> Result<bool, StorageError> {
        if let Some(Content::Fact(_, Fact::Rehomed(kept))) = kept_content(self.writing, origin.id, seq)? {
            let place = |of: &Rehomed| (of.incarnation, of.seq, of.hash);
            if place(&kept) == place(copy) {
                return Ok(true);
            }
        }
        self.meet(&origin.node, copy)
    }

    fn set_aside(&self, place: &Place<'_>, unreadable: &Unreadable) -> Result<(), StorageError> {
        tracing::warn!(projection = F::NAME, node = %place.node, seq = place.seq, reason = %unreadable.reason,
            "a record was set aside");
        self.writing.set_aside(&SetAside {
            projection: F::NAME.into(),
            origin: place.origin,
            seq: place.seq,
            kind: unreadable.kind,
            reason: unreadable.reason.clone(),
            state: if unreadable.newer {
                SetAsideState::Waiting
            } else {
                SetAsideState::Open
            },
            found_ms: place.received_ms,
        })
    }
}

/// The chain over the batch with a record; none where the ledger does not have it.
fn chain_with(reading: &Reading<'_>, origin: OriginId, seq: u64) -> Result<Option<Chain>, StorageError> {
    let Some(kept) = reading.batch_with(origin, seq)? else {
        return Ok(None);
    };
    // A batch that cannot be read was reported when it was taken in.
    let Ok((header, slots)) = unpack(&kept) else {
        return Ok(None);
    };
    let mut hash = header.before;
    let hashes = slots.iter().map(|slot| {
        hash = slot.chain(hash);
        hash
    });
    Ok(Some(Chain {
        origin,
        position: kept.position,
        first: header.first,
        hashes: hashes.collect(),
    }))
}

/// A record that could be read and not taken in.
fn refused(reason: String) -> Unreadable {
    Unreadable {
        kind: 0,
        reason,
        newer: false,
    }
}
