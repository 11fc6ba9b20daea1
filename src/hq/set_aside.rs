//! Records that were set aside: listed, handed out as they are, repaired once.

use serde::Deserialize;

use super::headquarters::Headquarters;
use super::own_journal;
use super::projection::{innermost, kept_slot};
use super::settle::says_something;
use super::storage::{Origin, Reading, SetAside, SetAsideState, StorageError, Writing};
use crate::domain::fact::{Correction, Entry, Fact};
use crate::domain::journal::RecordId;
use crate::domain::sale::{Refund, Sale};
use crate::domain::stock::Movement;
use crate::domain::time::Hlc;
use crate::sync::wire::Slot;

/// A record that at least one projection could not take in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAsideRecord {
    /// Which.
    pub record: RecordId,
    /// Its kind; 0 where that cannot be read.
    pub kind: u32,
    /// When its batch came, in milliseconds since 1970.
    pub found_ms: u64,
    /// By each projection that set it aside: its name, why, and what has become of it.
    pub by: Vec<SetAsideBy>,
}

/// One projection's view of a record that it set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAsideBy {
    /// The projection's name.
    pub projection: String,
    /// Why, in words.
    pub reason: String,
    /// What has become of it.
    pub state: SetAsideState,
}

/// What takes the place of a record that was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replacement {
    /// A fact; it is recorded with the time of its repair.
    Fact(Box<ReplacementFact>),
    /// A whole record's bytes.
    Record(Vec<u8>),
}

/// A fact that can take another's place. JSON: `{"sale": {…}}`, `{"refund": {…}}` or `{"movement": {…}}`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplacementFact {
    /// A sale.
    Sale(Sale),
    /// A refund.
    Refund(Refund),
    /// Goods in, or a correction of stock.
    Movement(Movement),
}

/// Why a record is not repaired.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RepairError {
    /// No projection has set it aside.
    #[error("{0} has not been set aside")]
    NotSetAside(RecordId),
    /// It was repaired before, or could be read since.
    #[error("{0} has been dealt with before")]
    Done(RecordId),
    /// The replacement is not a record, or not of a kind that can take another's place.
    #[error("the replacement cannot be used: {0}")]
    Replacement(String),
    /// Whoever decides must say who they are and why.
    #[error("{0} must have 1 to 500 characters")]
    Words(&'static str),
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Headquarters {
    /// Records that were set aside, in the order of their journals, behind `after`, at most about `limit`. With
    /// `state`, only those that a projection has in that state.
    ///
    /// # Errors
    /// Where storage fails.
    pub fn set_aside(
        &self,
        state: Option<SetAsideState>,
        after: Option<&RecordId>,
        limit: usize,
    ) -> Result<Vec<SetAsideRecord>, StorageError> {
        self.database.read(|reading| {
            let after = match after {
                Some(record) => reading
                    .origin(&record.node, record.incarnation)?
                    .map(|origin| (origin.id, record.seq)),
                None => None,
            };
            gathered(reading, &reading.set_aside_behind(state, after, limit)?)
        })
    }

    /// A record that was set aside.
    ///
    /// # Errors
    /// Where storage fails.
    pub fn set_aside_record(&self, record: &RecordId) -> Result<Option<SetAsideRecord>, StorageError> {
        self.database.read(|reading| {
            let Some(origin) = origin_of(reading, record)? else {
                return Ok(None);
            };
            let found = reading.set_aside_by_all(origin.id, record.seq)?;
            Ok(gathered(reading, &found)?.pop())
        })
    }

    /// A record's bytes as they came; none where this headquarters does not have them: its node withholds it, or it is
    /// lost.
    ///
    /// # Errors
    /// Where storage fails.
    pub fn export(&self, record: &RecordId) -> Result<Option<Vec<u8>>, StorageError> {
        self.database.read(|reading| {
            let Some(origin) = origin_of(reading, record)? else {
                return Ok(None);
            };
            Ok(match kept_slot(reading, origin.id, record.seq)? {
                Some(Slot::Record(bytes)) => Some(bytes),
                Some(Slot::Withheld { .. }) | None => None,
            })
        })
    }

    /// Repairs a record that was set aside: writes what takes its place into headquarters' own journal. It takes
    /// effect once, when the projections follow, in those that set the record aside.
    ///
    /// # Errors
    /// Where the record was not set aside or is repaired already, or the replacement could not take effect.
    pub fn repair(
        &self,
        of: RecordId,
        replacement: Replacement,
        by: String,
        reason: String,
        now_ms: u64,
    ) -> Result<RecordId, RepairError> {
        self.database
            .write(move |writing| repair(writing, of, replacement, by, reason, now_ms))
    }
}

/// Repairs a record, in a transaction.
pub(super) fn repair(
    writing: &Writing<'_>,
    of: RecordId,
    replacement: Replacement,
    by: String,
    reason: String,
    now_ms: u64,
) -> Result<RecordId, RepairError> {
    if !says_something(&by) {
        return Err(RepairError::Words("who decides"));
    }
    if !says_something(&reason) {
        return Err(RepairError::Words("the reason"));
    }
    let replacement = bytes(replacement, now_ms);
    check(&replacement)?;
    let Some(origin) = origin_of(writing, &of)? else {
        return Err(RepairError::NotSetAside(of));
    };
    let found = writing.set_aside_by_all(origin.id, of.seq)?;
    if found.is_empty() {
        return Err(RepairError::NotSetAside(of));
    }
    let to_do = |found: &SetAside| matches!(found.state, SetAsideState::Open | SetAsideState::Waiting);
    if !found.iter().any(to_do) {
        return Err(RepairError::Done(of));
    }
    let correction = Fact::Correction(Correction {
        of,
        replacement,
        reason,
        by,
    });
    Ok(own_journal::append(writing, correction, now_ms)?)
}

/// The record that takes another's place.
fn bytes(replacement: Replacement, now_ms: u64) -> Vec<u8> {
    let fact = match replacement {
        Replacement::Record(bytes) => return bytes,
        Replacement::Fact(fact) => match *fact {
            ReplacementFact::Sale(sale) => Fact::Sale(sale),
            ReplacementFact::Refund(refund) => Fact::Refund(refund),
            ReplacementFact::Movement(movement) => Fact::Movement(movement),
        },
    };
    let recorded = Hlc::default().next(now_ms);
    Entry { recorded, fact }.encode()
}

fn origin_of(reading: &Reading<'_>, record: &RecordId) -> Result<Option<Origin>, StorageError> {
    let origin = reading.origin(&record.node, record.incarnation)?;
    Ok(origin.filter(|origin| record.seq <= origin.acked.seq))
}

/// One entry for each record out of one row for each projection, in the rows' order.
fn gathered(reading: &Reading<'_>, rows: &[SetAside]) -> Result<Vec<SetAsideRecord>, StorageError> {
    let mut records: Vec<SetAsideRecord> = Vec::new();
    let mut last = None;
    for row in rows {
        let by = SetAsideBy {
            projection: row.projection.clone(),
            reason: row.reason.clone(),
            state: row.state,
        };
        match records.last_mut().filter(|_| last == Some((row.origin, row.seq))) {
            Some(record) => record.by.push(by),
            None => {
                let origin = reading.origin_by_id(row.origin)?;
                let origin = origin.ok_or_else(|| StorageError::Damaged("a record without an origin".into()))?;
                records.push(SetAsideRecord {
                    record: RecordId {
                        node: origin.node,
                        incarnation: origin.acked.incarnation,
                        seq: row.seq,
                    },
                    kind: row.kind,
                    found_ms: row.found_ms,
                    by: vec![by],
                });
            }
        }
        last = Some((row.origin, row.seq));
    }
    Ok(records)
}

/// Whether a record can take another's place.
fn check(record: &[u8]) -> Result<(), RepairError> {
    let entry = Entry::decode(record).map_err(|error| RepairError::Replacement(error.to_string()))?;
    // A node that withholds the copy of a record gives out the copy.
    let (_, fact) =
        innermost(entry.recorded, entry.fact).map_err(|unreadable| RepairError::Replacement(unreadable.reason))?;
    let follows = match &fact {
        Fact::Sale(sale) => sale.recompute_totals().as_ref() == Some(&sale.totals),
        Fact::Refund(refund) => refund.recompute_totals().as_ref() == Some(&refund.totals),
        Fact::Movement(_) => true,
        _ => {
            let reason = "only a sale, a refund or a movement can take a record's place";
            return Err(RepairError::Replacement(reason.into()));
        }
    };
    if follows {
        Ok(())
    } else {
        Err(RepairError::Replacement(
            "its totals do not follow from its lines".into(),
        ))
    }
}
