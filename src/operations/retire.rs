//! Retire: a manager decides that a kiosk's node will not come back, or must not count on what it had. What it left is
//! unpromised until a count or an override; what it still did is posted here when it comes.

mod late;

use std::collections::BTreeMap;

pub(super) use late::post_late;

use super::retired_myself::Retirement;
use super::rights::{own_replica, own_row};
use super::shelves::Shelves;
use crate::domain::escrow::{Amount, Grant, Refusal, ReplicaId, Row};
use crate::domain::fact::{Entry, Fact};
use crate::domain::ids::{Incarnation, NodeId, Sku};
use crate::domain::stock::{
    Closed, GrantLine, LeftLine, LookLine, Place, ReleaseCause, Retired, RetirementLook, RightsReleased, close,
    says_something,
};
use crate::store::{
    Failure, Now, Position, RelayOrigin, ReplicaIx, RetiredRow, Rows, Snapshot, StorageError, WriteTransaction,
};

/// How many items one record names, so that it fits a batch.
const LINES_MAX: usize = 500;

/// Why a kiosk is not retired, or what it left is not released.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RetireRefusal {
    /// This node is no parent of it.
    #[error("{0} is no kiosk of this node")]
    UnknownNode(NodeId),
    /// It never came here in that incarnation.
    #[error("{node} was never here in incarnation {incarnation}")]
    UnknownIncarnation {
        /// The kiosk.
        node: NodeId,
        /// The incarnation.
        incarnation: Incarnation,
    },
    /// It was retired before.
    #[error("{replica} is retired already, at its record {seq}")]
    Already {
        /// The kiosk.
        replica: ReplicaId,
        /// The last of its records that was here then.
        seq: u64,
    },
    /// It was not retired by this node.
    #[error("{0} is not retired")]
    NotRetired(ReplicaId),
    /// Whoever decides must say who they are and why.
    #[error("{0} must have 1 to 500 characters, none of them control characters")]
    Words(&'static str),
    /// A row cannot be closed.
    #[error("{sku}: {refusal}")]
    Row {
        /// The item.
        sku: Sku,
        /// Why.
        refusal: Refusal,
    },
}

impl RetireRefusal {
    /// A stable name for programs, the last part of the problem type of RFC 9457. Never renamed.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownNode(_) => "node-not-found",
            Self::UnknownIncarnation { .. } => "incarnation-not-found",
            Self::Already { .. } => "already-retired",
            Self::NotRetired(_) => "not-retired",
            Self::Words(_) => "words-missing",
            Self::Row { .. } => "retirement-row",
        }
    }
}

/// What is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The kiosk's node.
    pub node: NodeId,
    /// In which of its incarnations; in its newest where none is named.
    pub incarnation: Option<Incarnation>,
    /// Who decides.
    pub by: String,
    /// Why, in words.
    pub reason: String,
}

/// What retiring a kiosk would do, or, of one that is retired, what is left unpromised.
///
/// # Errors
/// A [`RetireRefusal`], or where it cannot be read.
pub fn look_at_kiosk(
    snapshot: &Snapshot<'_>,
    node: &NodeId,
    incarnation: Option<Incarnation>,
) -> Result<RetirementLook, Failure<RetireRefusal>> {
    let (origin, replica) = known(snapshot, node, incarnation)?;
    let mut look = RetirementLook {
        replica: replica.clone(),
        site: snapshot.known_identity()?.site,
        seq: origin.acked.seq,
        hash: origin.acked.hash,
        told_seq: origin.told_seq,
        last_heard_ms: origin.told_ms,
        retired: false,
        lines: Vec::new(),
    };
    if let Some(retired) = snapshot.retired(&replica)? {
        look.retired = true;
        look.seq = retired.seq;
        look.lines = snapshot
            .unpromised_of(retired.ix)?
            .into_iter()
            .map(still_left)
            .collect();
        return Ok(look);
    }
    for (sku, row, closed) in closings(snapshot, &replica)? {
        look.lines.extend(LookLine::of(sku, &row, &closed));
    }
    Ok(look)
}

/// Retires a kiosk at the last of its records that is here: its holds end, what it left is this node's, unpromised, and
/// so is what it owes. What it recorded behind that is posted here when it comes.
///
/// # Errors
/// A [`RetireRefusal`], or why the store could not keep it. Nothing is done then.
pub fn retire_kiosk(
    tx: &mut WriteTransaction<'_>,
    now: Now,
    decision: &Decision,
) -> Result<RetirementLook, Failure<RetireRefusal>> {
    said(decision)?;
    let mut look = look_at_kiosk(tx, &decision.node, decision.incarnation)?;
    let replica = look.replica.clone();
    if let Some(RetiredRow { seq, .. }) = tx.retired(&replica)? {
        return Err(Failure::Refused(RetireRefusal::Already { replica, seq }));
    }
    let closings = closings(tx, &replica)?;
    let ix = tx.known_replica(&replica)?;
    let line = |(sku, _, closed): &(Sku, Row, Closed)| LeftLine {
        sku: sku.clone(),
        left: closed.left,
        debt: closed.debt,
    };
    let lines: Vec<LeftLine> = closings
        .iter()
        .map(line)
        .filter(|line| !line.left.amount().is_zero() || !line.debt.is_zero())
        .collect();
    // One record at least says that it is retired.
    let chunks: Vec<Vec<LeftLine>> = match lines.chunks(LINES_MAX).map(<[LeftLine]>::to_vec).collect::<Vec<_>>() {
        chunks if chunks.is_empty() => vec![Vec::new()],
        chunks => chunks,
    };
    let mut last = Position::NONE;
    for lines in chunks {
        let fact = Fact::Retired(Retired {
            replica: replica.clone(),
            site: look.site.clone(),
            seq: look.seq,
            hash: look.hash,
            reason: decision.reason.clone(),
            by: decision.by.clone(),
            lines,
        });
        last = record(tx, now, fact)?;
        tx.put_retired(ix, look.seq, Some(last))?;
    }
    for (sku, _, closed) in closings {
        tx.put_shelf_row(Rows::Now, (Place::Sellable, &sku, ix), &closed.row, last)?;
        tx.set_unpromised(&sku, ix, closed.left.amount())?;
        // What was under way to it is on its row now: nobody sends it again.
        let given = own_row(tx, &sku)?.given(&replica);
        tx.forget_granted(ix, &sku, given)?;
    }
    look.retired = true;
    Ok(look)
}

/// An operator says that what a retired kiosk left is there: this node may promise it from now on. `skus` names the items;
/// all of them where none is named. Gives what is released.
///
/// # Errors
/// A [`RetireRefusal`], or why the store could not keep it.
pub fn release_left(
    tx: &mut WriteTransaction<'_>,
    now: Now,
    decision: &Decision,
    skus: &[Sku],
) -> Result<Vec<(Sku, Amount)>, Failure<RetireRefusal>> {
    said(decision)?;
    let (_, replica) = match decision.incarnation {
        Some(_) => known(tx, &decision.node, decision.incarnation)?,
        // One that was retired and came back has a newer incarnation, which is not meant.
        None => newest_retired(tx, &decision.node)?,
    };
    let Some(retired) = tx.retired(&replica)?.filter(|retired| retired.position.is_some()) else {
        return Err(Failure::Refused(RetireRefusal::NotRetired(replica)));
    };
    let mut left = tx.unpromised_of(retired.ix)?;
    left.retain(|(sku, _)| skus.is_empty() || skus.contains(sku));
    let cause = ReleaseCause::Override {
        by: decision.by.clone(),
        reason: decision.reason.clone(),
    };
    release(tx, now, (&replica, retired.ix), &left, &cause)?;
    Ok(left)
}

/// What a kiosk is told that was retired in this incarnation; nothing where it was not.
///
/// # Errors
/// Where it cannot be read.
pub fn retirement_word(snapshot: &Snapshot<'_>, replica: &ReplicaId) -> Result<Option<Retirement>, StorageError> {
    let Some(retired) = snapshot.retired(replica)? else {
        return Ok(None);
    };
    let said = match retired.position {
        Some(position) => snapshot.entry(position)?.map(|entry| entry.fact),
        None => None,
    };
    let (by, reason) = match said {
        Some(Fact::Retired(said)) => (said.by, said.reason),
        // The record was pruned, or stands in another journal.
        _ => (String::new(), String::new()),
    };
    Ok(Some(Retirement {
        incarnation: replica.incarnation,
        seq: retired.seq,
        by,
        reason,
    }))
}

/// Somebody counts items: what retired kiosks left of them may be promised again, because what is not there any more the
/// count takes off next.
pub(super) fn release_counted<'s>(
    tx: &mut WriteTransaction<'_>,
    now: Now,
    skus: impl Iterator<Item = &'s Sku>,
    by: &str,
) -> Result<(), StorageError> {
    let mut left: BTreeMap<ReplicaId, Vec<(Sku, Amount)>> = BTreeMap::new();
    for sku in skus {
        for (replica, amount) in tx.unpromised_at(sku)? {
            left.entry(replica).or_default().push((sku.clone(), amount));
        }
    }
    let cause = ReleaseCause::Count { by: by.to_owned() };
    for (replica, left) in left {
        let ix = tx.known_replica(&replica)?;
        release(tx, now, (&replica, ix), &left, &cause)?;
    }
    Ok(())
}

fn said(decision: &Decision) -> Result<(), Failure<RetireRefusal>> {
    if !says_something(&decision.by) {
        return Err(Failure::Refused(RetireRefusal::Words("who decides")));
    }
    if !says_something(&decision.reason) {
        return Err(Failure::Refused(RetireRefusal::Words("the reason")));
    }
    Ok(())
}

/// A kiosk of this node, in one of its incarnations.
fn known(
    snapshot: &Snapshot<'_>,
    node: &NodeId,
    incarnation: Option<Incarnation>,
) -> Result<(RelayOrigin, ReplicaId), Failure<RetireRefusal>> {
    let mut origins = snapshot.relay_origins_of(node)?;
    if origins.is_empty() {
        return Err(Failure::Refused(RetireRefusal::UnknownNode(node.clone())));
    }
    let origin = match incarnation {
        None => origins.pop(),
        Some(incarnation) => origins
            .into_iter()
            .find(|origin| origin.acked.incarnation == incarnation),
    };
    let node = node.clone();
    match (origin, incarnation) {
        (Some(origin), _) => {
            let incarnation = origin.acked.incarnation;
            Ok((origin, ReplicaId { node, incarnation }))
        }
        (None, Some(incarnation)) => Err(Failure::Refused(RetireRefusal::UnknownIncarnation {
            node,
            incarnation,
        })),
        (None, None) => Err(Failure::Refused(RetireRefusal::UnknownNode(node))),
    }
}

/// The newest incarnation of a kiosk that was retired; its newest at all where none was.
fn newest_retired(snapshot: &Snapshot<'_>, node: &NodeId) -> Result<(RelayOrigin, ReplicaId), Failure<RetireRefusal>> {
    for origin in snapshot.relay_origins_of(node)?.into_iter().rev() {
        let replica = ReplicaId {
            node: node.clone(),
            incarnation: origin.acked.incarnation,
        };
        if snapshot.retired(&replica)?.is_some() {
            return Ok((origin, replica));
        }
    }
    known(snapshot, node, None)
}

fn still_left((sku, unpromised): (Sku, Amount)) -> LookLine {
    LookLine {
        sku,
        held: Amount::ZERO,
        unpromised,
        debt: Amount::ZERO,
    }
}

/// A kiosk's rows on sale, and what closing each comes to. What this node has handed on to it on a shelf that it has no
/// row of is on its way to it.
fn closings(snapshot: &Snapshot<'_>, replica: &ReplicaId) -> Result<Vec<(Sku, Row, Closed)>, Failure<RetireRefusal>> {
    let own = own_replica(snapshot)?;
    let mut rows: BTreeMap<Sku, Row> = BTreeMap::new();
    if let Some(ix) = snapshot.replica_ix(replica)? {
        for (sku, ..) in snapshot.grants_outstanding(ix)? {
            rows.insert(sku, Row::default());
        }
        snapshot.walk_rows(Rows::Now, ix, |place, sku, row| {
            if place == Place::Sellable {
                rows.insert(sku, row);
            }
        })?;
    }
    let closed = rows.into_iter().map(|(sku, row)| {
        let parents = own_row(snapshot, &sku)?;
        match close(replica, &row, (&own, &parents)) {
            Ok(closed) => Ok((sku, row, closed)),
            Err(refusal) => Err(Failure::Refused(RetireRefusal::Row { sku, refusal })),
        }
    });
    closed.collect()
}

/// Writes a record and moves this node's own rows by it.
fn record(tx: &mut WriteTransaction<'_>, now: Now, fact: Fact) -> Result<Position, StorageError> {
    let mut shelves = Shelves::default();
    shelves.apply_fact(tx, &fact)?;
    let recorded = tx.stamp(now);
    let position = tx.append(&Entry { recorded, fact })?.position;
    shelves.save(tx, position)?;
    Ok(position)
}

fn release(
    tx: &mut WriteTransaction<'_>,
    now: Now,
    (replica, ix): (&ReplicaId, ReplicaIx),
    left: &[(Sku, Amount)],
    cause: &ReleaseCause,
) -> Result<(), StorageError> {
    for left in left.chunks(LINES_MAX) {
        let mut lines = Vec::with_capacity(left.len());
        for (sku, amount) in left {
            let before = own_row(tx, sku)?.accepted(replica);
            let after = before.checked_add(*amount).unwrap_or(Amount::MAX);
            let grant = Grant { before, after };
            let sku = sku.clone();
            lines.push(GrantLine { sku, grant });
        }
        let site = tx.known_identity()?.site;
        let released = RightsReleased {
            of: replica.clone(),
            site,
            cause: cause.clone(),
            lines,
        };
        record(tx, now, Fact::RightsReleased(released))?;
        for (sku, _) in left {
            tx.set_unpromised(sku, ix, Amount::ZERO)?;
        }
    }
    Ok(())
}
