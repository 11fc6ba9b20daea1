//! Retiring a node: an operator decides that it will not come back, or must not count on what it had. What it left is
//! headquarters', unpromised until a count or an override; what it still recorded is posted on headquarters' row.
//!
//! Promises: whatever a retired node recorded takes effect on shelves once, under its own name up to the head that it was
//! retired at, on headquarters' row behind that. Must never: promise what it left before somebody says that it is there.

mod closing;
mod counted;
mod late;

use super::happenings::{Happening, RightsMoved};
use super::headquarters::Headquarters;
use super::introduce::counts;
use super::projection::Projection;
use super::rights::{self, RightsError};
use super::storage::{Origin, Reading, RetiredReplica, StorageError, Writing};
use crate::domain::escrow::{Amount, Grant, Refusal, ReplicaId, Row};
use crate::domain::fact::{Fact, OpenedReason};
use crate::domain::ids::{Incarnation, NodeId, SiteId, Sku};
use crate::domain::stock::{
    Closed, GrantLine, LeftLine, LookLine, ReleaseCause, Retired, RetirementLook, RightsReleased, says_something,
};
use crate::sync::wire::{RetiredWord, StreamState};
use closing::closings;
pub(in crate::hq) use counted::counted;
pub(in crate::hq) use late::{came_late, post_late, take_back_late};

/// How many items one record names.
const LINES_MAX: usize = 500;
/// How often the figures are brought up to the ledger before a decision gives up waiting for them.
const TRIES_MAX: usize = 20;

/// Why a node is not retired, or what it left is not released.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RetireError {
    /// Headquarters does not know it.
    #[error("{0} is not known here")]
    UnknownNode(NodeId),
    /// It never came in that incarnation.
    #[error("{node} has no incarnation {incarnation} here")]
    UnknownIncarnation {
        /// The node.
        node: NodeId,
        /// The incarnation.
        incarnation: Incarnation,
    },
    /// A store's kiosk: its store retires it.
    #[error("{node} hangs on {parent}, which is to retire it")]
    NotItsParent {
        /// The kiosk.
        node: NodeId,
        /// Its store's node.
        parent: NodeId,
    },
    /// Headquarters itself.
    #[error("{0} is headquarters itself")]
    Own(NodeId),
    /// What it did does not count, so that it has nothing that could be left.
    #[error("{0} is set apart or excluded: settle it first")]
    NotCounted(ReplicaId),
    /// It was retired before.
    #[error("{replica} is retired already, at its record {seq}")]
    Already {
        /// The replica.
        replica: ReplicaId,
        /// The last of its records that was here then.
        seq: u64,
    },
    /// It was not retired by headquarters.
    #[error("{0} is not retired")]
    NotRetired(ReplicaId),
    /// Not everything that is here has been taken in yet.
    #[error("what came last is still being counted: ask again in a moment")]
    Behind,
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
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<RightsError> for RetireError {
    fn from(error: RightsError) -> Self {
        match error {
            RightsError::Refused { sku, refusal, .. } => Self::Row { sku, refusal },
            RightsError::Storage(error) => Self::Storage(error),
            other => Self::Storage(StorageError::Failed(other.to_string())),
        }
    }
}

/// What is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetireAsk {
    /// The node.
    pub node: NodeId,
    /// In which of its incarnations; in its newest where none is named.
    pub incarnation: Option<Incarnation>,
    /// Who decides.
    pub by: String,
    /// Why, in words.
    pub reason: String,
}

impl Headquarters {
    /// What retiring a node would do, or, of one that is retired, what is left unpromised.
    ///
    /// # Errors
    /// A [`RetireError`].
    pub fn look_at(&self, node: &NodeId, incarnation: Option<Incarnation>) -> Result<RetirementLook, RetireError> {
        self.database.read(|reading| look_at(reading, node, incarnation))
    }

    /// Retires a node at the last of its records that is in the ledger. Figures are brought up to the ledger first.
    ///
    /// # Errors
    /// A [`RetireError`]; nothing is done then.
    pub fn retire(&self, ask: RetireAsk, now_ms: u64) -> Result<RetirementLook, RetireError> {
        let mut tries = 0;
        let look = loop {
            self.project()?;
            let ask = ask.clone();
            match self.database.write(move |writing| retire(writing, &ask, now_ms)) {
                Err(RetireError::Behind) if tries < TRIES_MAX => tries += 1,
                done => break done?,
            }
        };
        self.tell_retired(&look.replica);
        Ok(look)
    }

    /// An operator says that what a retired node left is there. `skus` names the items; all of them where none is named.
    ///
    /// # Errors
    /// A [`RetireError`]; nothing is done then.
    pub fn release_left(&self, ask: RetireAsk, skus: Vec<Sku>, now_ms: u64) -> Result<Vec<(Sku, Amount)>, RetireError> {
        let (site, released) = self
            .database
            .write(move |writing| release_left(writing, &ask, &skus, now_ms))?;
        self.tell_posted(site, released.iter().map(|(sku, _)| sku.clone()).collect());
        Ok(released)
    }

    /// What a node is told in its session that was retired in this incarnation; nothing where it was not.
    ///
    /// # Errors
    /// Where storage fails.
    pub(super) fn retired_word(&self, replica: &ReplicaId, session: u64) -> Result<Option<RetiredWord>, StorageError> {
        let retired = self.database.read(|reading| reading.retired(replica))?;
        Ok(retired.map(|retired| RetiredWord {
            session,
            incarnation: replica.incarnation,
            seq: retired.seq,
            by: retired.by,
            reason: retired.reason,
        }))
    }

    /// Tells whoever moves rights, and whoever watches, after the commit.
    pub(super) fn tell_retired(&self, replica: &ReplicaId) {
        let replica = replica.clone();
        self.watch.tell(Happening::Rights(RightsMoved::Retired { replica }));
        self.watch.tell(Happening::Nodes);
        self.own_rows.notify_one();
    }

    /// Tells whoever moves rights that own rows have moved.
    pub(super) fn tell_posted(&self, site: SiteId, skus: Vec<Sku>) {
        self.watch.tell(Happening::Rights(RightsMoved::Posted { site, skus }));
        self.own_rows.notify_one();
    }
}

/// The look, in a transaction or beside it.
pub(super) fn look_at(
    reading: &Reading<'_>,
    node: &NodeId,
    incarnation: Option<Incarnation>,
) -> Result<RetirementLook, RetireError> {
    let origin = known(reading, node, incarnation)?;
    let replica = replica_of(&origin);
    let Some(retired) = reading.retired(&replica)? else {
        let closings = closings(reading, &origin)?;
        return Ok(look_of(&origin, &closings));
    };
    let left = reading.unpromised_of(&replica)?.into_iter();
    let lines = left.map(|(sku, unpromised)| LookLine {
        sku,
        unpromised,
        held: Amount::ZERO,
        debt: Amount::ZERO,
    });
    Ok(RetirementLook {
        retired: true,
        seq: retired.seq,
        lines: lines.collect(),
        ..look_of(&origin, &[])
    })
}

fn look_of(origin: &Origin, closings: &[(Sku, Row, Closed)]) -> RetirementLook {
    let lines = closings.iter();
    RetirementLook {
        replica: replica_of(origin),
        site: origin.site.clone(),
        seq: origin.acked.seq,
        hash: origin.acked.hash,
        told_seq: origin.told_seq,
        last_heard_ms: origin.last_heard_ms,
        retired: false,
        lines: lines
            .filter_map(|(sku, row, closed)| LookLine::of(sku.clone(), row, closed))
            .collect(),
    }
}

/// Retires a node, in a transaction. The caller tells of it after the commit.
pub(super) fn retire(writing: &Writing<'_>, ask: &RetireAsk, now_ms: u64) -> Result<RetirementLook, RetireError> {
    said(ask)?;
    let origin = known(writing, &ask.node, ask.incarnation)?;
    let replica = replica_of(&origin);
    if let Some(RetiredReplica { seq, .. }) = writing.retired(&replica)? {
        return Err(RetireError::Already { replica, seq });
    }
    // What it handed on to headquarters before the head must be taken over before its rows are closed.
    if writing.projected(Projection::Stock.name())? < writing.last_position()? {
        return Err(RetireError::Behind);
    }
    let closings = closings(writing, &origin)?;
    let mut look = look_of(&origin, &closings);
    let line = |(sku, _, closed): &(Sku, Row, Closed)| LeftLine {
        sku: sku.clone(),
        left: closed.left,
        debt: closed.debt,
    };
    let moves = |line: &LeftLine| !line.left.amount().is_zero() || !line.debt.is_zero();
    let lines: Vec<LeftLine> = closings.iter().map(line).filter(moves).collect();
    // One record at least says that it is retired.
    let mut chunks: Vec<&[LeftLine]> = lines.chunks(LINES_MAX).collect();
    if chunks.is_empty() {
        chunks.push(&[]);
    }
    let mut retired = RetiredReplica {
        replica: replica.clone(),
        site: origin.site.clone(),
        seq: origin.acked.seq,
        by: ask.by.clone(),
        reason: ask.reason.clone(),
        here: None,
    };
    let mut last = 0;
    for lines in chunks {
        let fact = Fact::Retired(Retired {
            replica: replica.clone(),
            site: origin.site.clone(),
            seq: origin.acked.seq,
            hash: origin.acked.hash,
            reason: ask.reason.clone(),
            by: ask.by.clone(),
            lines: lines.to_vec(),
        });
        last = rights::record(writing, fact, now_ms)?.seq;
    }
    retired.here = Some(last);
    writing.put_retired(&retired)?;
    for (sku, _, closed) in closings {
        let shelf = (&origin.site, &sku);
        writing.save_kept_row(shelf, &retired, &closed.row, last)?;
        writing.set_unpromised(shelf, &replica, closed.left.amount())?;
        let given = writing.own_row(&origin.site, &sku)?.given(&replica);
        writing.forget_granted(&replica, shelf, given)?;
    }
    look.retired = true;
    Ok(look)
}

/// Releases what a retired node left, in a transaction.
pub(super) fn release_left(
    writing: &Writing<'_>,
    ask: &RetireAsk,
    skus: &[Sku],
    now_ms: u64,
) -> Result<(SiteId, Vec<(Sku, Amount)>), RetireError> {
    said(ask)?;
    let of_node = writing.retired_here()?.into_iter();
    let meant = |retired: &RetiredReplica| {
        let incarnation = retired.replica.incarnation;
        retired.replica.node == ask.node && ask.incarnation.is_none_or(|asked| asked == incarnation)
    };
    let Some(retired) = of_node.filter(meant).max_by_key(|retired| retired.here) else {
        let origin = known(writing, &ask.node, ask.incarnation)?;
        return Err(RetireError::NotRetired(replica_of(&origin)));
    };
    let mut left = writing.unpromised_of(&retired.replica)?;
    left.retain(|(sku, _)| skus.is_empty() || skus.contains(sku));
    let cause = ReleaseCause::Override {
        by: ask.by.clone(),
        reason: ask.reason.clone(),
    };
    release(writing, &retired, &left, &cause, now_ms)?;
    Ok((retired.site, left))
}

/// Says that what a retired replica left may be promised again.
fn release(
    writing: &Writing<'_>,
    retired: &RetiredReplica,
    left: &[(Sku, Amount)],
    cause: &ReleaseCause,
    now_ms: u64,
) -> Result<(), RightsError> {
    for left in left.chunks(LINES_MAX) {
        let mut lines = Vec::with_capacity(left.len());
        for (sku, amount) in left {
            let before = writing.own_row(&retired.site, sku)?.accepted(&retired.replica);
            let after = before.checked_add(*amount).unwrap_or(Amount::MAX);
            let grant = Grant { before, after };
            let sku = sku.clone();
            lines.push(GrantLine { sku, grant });
        }
        let released = RightsReleased {
            of: retired.replica.clone(),
            site: retired.site.clone(),
            cause: cause.clone(),
            lines,
        };
        rights::record(writing, Fact::RightsReleased(released), now_ms)?;
        for (sku, _) in left {
            writing.set_unpromised((&retired.site, sku), &retired.replica, Amount::ZERO)?;
        }
    }
    Ok(())
}

/// A store has retired its kiosk, as the store's journal says.
pub(super) fn retired_elsewhere(writing: &Writing<'_>, retired: &Retired) -> Result<(), StorageError> {
    writing.put_retired(&RetiredReplica {
        replica: retired.replica.clone(),
        site: retired.site.clone(),
        seq: retired.seq,
        by: retired.by.clone(),
        reason: retired.reason.clone(),
        here: None,
    })?;
    for mut origin in writing.origins()? {
        if origin.node == retired.replica.node && succeeds_retired(writing, &origin)? {
            origin.state = StreamState::Counted;
            writing.save_origin(&origin)?;
            writing.place_batches(origin.id)?;
        }
    }
    Ok(())
}

/// Whether an incarnation that is set apart is the one that a node went on under because its parent had retired the one
/// before: that is no other branch, and counts at once. Of several copies of the retired disk only the first.
pub(super) fn succeeds_retired(reading: &Reading<'_>, origin: &Origin) -> Result<bool, StorageError> {
    let Some((OpenedReason::Retired, Some(before))) = origin.opened else {
        return Ok(false);
    };
    let predecessor = ReplicaId {
        node: origin.node.clone(),
        incarnation: before.incarnation,
    };
    if origin.state != StreamState::SetApart || reading.retired(&predecessor)?.is_none() {
        return Ok(false);
    }
    let same = |other: &Origin| {
        let after = other
            .opened
            .and_then(|(reason, before)| Some((reason, before?.incarnation)));
        other.node == origin.node && counts(other.state) && after == Some((OpenedReason::Retired, before.incarnation))
    };
    Ok(!reading.origins()?.iter().any(same))
}

fn said(ask: &RetireAsk) -> Result<(), RetireError> {
    if !says_something(&ask.by) {
        return Err(RetireError::Words("who decides"));
    }
    if !says_something(&ask.reason) {
        return Err(RetireError::Words("the reason"));
    }
    Ok(())
}

fn replica_of(origin: &Origin) -> ReplicaId {
    ReplicaId {
        node: origin.node.clone(),
        incarnation: origin.acked.incarnation,
    }
}

/// A node of headquarters', in one of its incarnations.
fn known(reading: &Reading<'_>, node: &NodeId, incarnation: Option<Incarnation>) -> Result<Origin, RetireError> {
    if *node == rights::replica(reading)?.node {
        return Err(RetireError::Own(node.clone()));
    }
    if let Some(parent) = reading.node(node)?.and_then(|known| known.parent) {
        return Err(RetireError::NotItsParent {
            node: node.clone(),
            parent,
        });
    }
    let of_node = reading.origins()?.into_iter().filter(|origin| origin.node == *node);
    let mut origins: Vec<Origin> = of_node.collect();
    if origins.is_empty() {
        return Err(RetireError::UnknownNode(node.clone()));
    }
    if let Some(incarnation) = incarnation {
        origins.retain(|origin| origin.acked.incarnation == incarnation);
        if origins.is_empty() {
            let node = node.clone();
            return Err(RetireError::UnknownIncarnation { node, incarnation });
        }
    }
    let origin = origins.pop();
    let origin = origin.ok_or_else(|| RetireError::UnknownNode(node.clone()))?;
    if !counts(origin.state) {
        return Err(RetireError::NotCounted(replica_of(&origin)));
    }
    Ok(origin)
}
