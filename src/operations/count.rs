//! Counts: what stood on a shelf when a mark was taken, while the site goes on selling.
//!
//! A mark is the newest record of this node's journal and of each other node's that moves goods at the site. Only the
//! difference to what the journals had at the marks is posted. Where a node could not be asked for its mark, or its records
//! from before it are not all here, the count is provisional; what comes late is compensated
//! ([`super::relay::kiosk_goods`]).

use std::collections::{BTreeMap, BTreeSet};

use super::follow_history::follow_history;
use super::relay::kiosk_goods::moved_between;
use super::stock_work::{WorkEntry, WorkRefusal};
use crate::domain::escrow::ReplicaId;
use crate::domain::fact::{Fact, OpenedReason};
use crate::domain::ids::{NodeId, Sku};
use crate::domain::quantity::Quantity;
use crate::domain::stock::{CountFound, MovementId, NodeMark, Place, StockWork, WorkKind, WorkLine};
use crate::store::{CountMark, Failure, Now, Position, RelayOrigin, Role, Snapshot, StorageError, WriteTransaction};

/// A mark as it was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenMark {
    /// Its number, by which the count names it.
    pub number: u64,
    /// The other nodes that move goods at the site, each with whether it gave its mark.
    pub nodes: Vec<(NodeId, bool)>,
}

/// A count's lines and marks, as they are recorded.
pub(super) struct Counted {
    pub kind: WorkKind,
    pub lines: Vec<WorkLine>,
}

/// What is known of the other nodes of the site while a mark is taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Others {
    /// Kiosks' nodes that can be heard at this moment: what they have told of is what they have.
    pub connected: BTreeSet<NodeId>,
    /// Nodes that cannot be heard and, as whoever counts says, move nothing any more: they burned, or stand there without
    /// power. This node itself stands for its earlier lives.
    pub stopped: BTreeSet<NodeId>,
}

/// Takes the mark of a count that begins now.
///
/// # Errors
/// [`WorkRefusal::NotThere`], or why the store could not keep it.
pub fn count_mark(tx: &mut WriteTransaction<'_>, now: Now, about: &Others) -> Result<TakenMark, Failure<WorkRefusal>> {
    let Others { connected, stopped } = about;
    let life = tx.incarnations()?.pop();
    let position = life.map_or(Position::NONE, |life| life.position(life.head.seq));
    let gone = revoked(tx)?;
    let kiosks: Vec<RelayOrigin> = tx.relay_origins()?;
    let mut others = Vec::new();
    for (origin, at) in kiosks.iter().zip(1..) {
        let heard = connected.contains(&origin.node);
        // An earlier life writes no more: what is known of it is all.
        let ended = kiosks.iter().skip(at).any(|later| later.node == origin.node);
        let retired = tx.retired(&replica(origin))?.is_some();
        let mark = if !heard && stopped.contains(&origin.node) {
            Some(NodeMark::ALL)
        } else {
            let sure = heard || ended || retired || gone.contains(&origin.node);
            sure.then(|| origin.told_seq.max(origin.acked.seq))
        };
        others.push(NodeMark {
            replica: replica(origin),
            mark,
            had: origin.acked.seq,
        });
    }
    others.extend(own_lives(tx, stopped)?);
    others.extend(tx.nodes_not_relayed()?.into_iter().map(|replica| NodeMark {
        mark: stopped.contains(&replica.node).then_some(NodeMark::ALL),
        replica,
        had: 0,
    }));
    let mut nodes: BTreeMap<NodeId, bool> = BTreeMap::new();
    for of in &others {
        let given = nodes.entry(of.replica.node.clone()).or_insert(true);
        *given = *given && of.mark.is_some();
    }
    if let Some(unknown) = stopped.iter().find(|node| !nodes.contains_key(*node)) {
        return Err(Failure::Refused(WorkRefusal::NotThere(unknown.clone())));
    }
    let number = tx.add_count_mark(&CountMark { position, others }, now)?;
    let nodes = nodes.into_iter().collect();
    Ok(TakenMark { number, nodes })
}

/// Earlier lives of this node that headquarters has retired. What they recorded behind the head that they were retired at
/// comes from there. A life that was written on this disk has ended where the disk says; of one that a promoted standby
/// succeeded only a person knows whether it still sells.
fn own_lives(snapshot: &Snapshot<'_>, stopped: &BTreeSet<NodeId>) -> Result<Vec<NodeMark>, StorageError> {
    let lives = snapshot.incarnations()?;
    let mut marks = Vec::new();
    for retired in snapshot.own_lives_retired()? {
        let of = retired.replica.incarnation;
        let at = lives.iter().position(|life| life.incarnation == of);
        let next = match at.and_then(|at| lives.get(at + 1)) {
            Some(next) => snapshot.entry(next.first)?.map(|entry| entry.fact),
            None => None,
        };
        let here = match next {
            Some(Fact::Opened(opened)) if opened.reason != OpenedReason::Promoted => {
                at.and_then(|at| lives.get(at)).map(|life| life.head.seq)
            }
            _ => None,
        };
        let all = stopped.contains(&retired.replica.node).then_some(NodeMark::ALL);
        marks.push(NodeMark {
            mark: here.or(all),
            replica: retired.replica,
            had: retired.seq,
        });
    }
    Ok(marks)
}

/// Counted minus what was on the shelf at the marks.
pub(super) fn counted(
    tx: &mut WriteTransaction<'_>,
    number: u64,
    entries: &[WorkEntry],
) -> Result<Counted, Failure<WorkRefusal>> {
    let unknown = || Failure::Refused(WorkRefusal::Mark(number));
    let life = tx.incarnations()?.pop().ok_or_else(unknown)?;
    let mark = tx.count_mark(number)?.ok_or_else(unknown)?;
    let own = life.seq(mark.position);
    // Steps of records that were pruned are no longer there one by one.
    if mark.position < life.first || own > life.head.seq || own.saturating_add(1) < life.earliest_seq {
        return Err(unknown());
    }
    let last = tx.last_position()?;
    while follow_history(tx, last)? {}
    let (others, since) = others(tx, &mark)?.ok_or_else(unknown)?;
    let mut lines = Vec::with_capacity(entries.len());
    for (entry, line) in entries.iter().zip(1..) {
        let there = on_hand_at(tx, &entry.sku, mark.position)?;
        let there = [there, -since.get(&entry.sku).copied().unwrap_or_default()];
        let difference = entry.quantity.checked_sub(there.into_iter().sum());
        let Some(quantity) = difference else {
            let sku = entry.sku.clone();
            return Err(Failure::Refused(WorkRefusal::Quantity { line, sku }));
        };
        lines.push(WorkLine {
            sku: entry.sku.clone(),
            quantity,
            cost: None,
            counted: Some(entry.quantity),
        });
    }
    let kind = WorkKind::Count { mark: own, others };
    Ok(Counted { kind, lines })
}

/// Keeps what a count found, and what it lacks.
pub(super) fn keep_count(
    tx: &mut WriteTransaction<'_>,
    work: &StockWork,
    position: Position,
) -> Result<(), StorageError> {
    let WorkKind::Count { others, .. } = &work.kind else {
        return Ok(());
    };
    let lacks: Vec<&NodeMark> = others.iter().filter(|of| of.lacks()).collect();
    for of in &lacks {
        tx.put_count_open(work.id, of)?;
    }
    for line in &work.lines {
        let found = CountFound {
            counted: line.counted.unwrap_or_default(),
            difference: line.quantity,
            provisional: work.kind.is_provisional(),
        };
        tx.put_count_found(&line.sku, work.id, found)?;
        if !lacks.is_empty() {
            tx.put_count_line(&line.sku, work.id, position)?;
        }
    }
    Ok(())
}

/// Whether a count was provisional when it was entered, and waits for nothing but what it lacked.
pub(super) fn lacked_records_only(snapshot: &Snapshot<'_>, count: MovementId) -> Result<bool, StorageError> {
    let Some(position) = snapshot.movement(count)? else {
        return Ok(false);
    };
    let fact = snapshot.entry(position)?.map(|entry| entry.fact);
    Ok(match fact {
        Some(Fact::StockWork(work)) => match &work.kind {
            WorkKind::Count { others, .. } => others.iter().all(|of| of.mark.is_some()),
            _ => false,
        },
        _ => false,
    })
}

/// What kiosks moved after their marks, by item.
type Since = BTreeMap<Sku, Quantity>;

/// The marks with what is known of each node, and what was moved after them. None where their records are not kept.
fn others(snapshot: &Snapshot<'_>, mark: &CountMark) -> Result<Option<(Vec<NodeMark>, Since)>, StorageError> {
    let (mut found, mut since) = (Vec::new(), Since::new());
    let origins = snapshot.relay_origins()?;
    for taken in &mark.others {
        let origin = origins.iter().find(|origin| replica(origin) == taken.replica);
        found.push(NodeMark {
            had: origin.map_or(taken.had, |origin| origin.acked.seq),
            ..taken.clone()
        });
    }
    for origin in &origins {
        let of = found.iter().find(|of| of.replica == replica(origin));
        // A life that began after the mark has moved all that it moved after it.
        let through = of.map_or(0, NodeMark::posted_through);
        let head = snapshot
            .retired(&replica(origin))?
            .map_or(u64::MAX, |retired| retired.seq);
        // What came of a retired one since the mark stands in this node's own journal, behind the mark: what of that was
        // done before the mark stood on no shelf that anybody counted.
        let taken = mark.others.iter().find(|taken| taken.replica == replica(origin));
        let late = (taken.map_or(u64::MAX, |taken| taken.had.max(head)), through);
        let after = (through, head.min(origin.acked.seq));
        let needed = [late, after]
            .into_iter()
            .filter(|(first, last)| first < last)
            .map(|(first, _)| first)
            .min();
        if needed.is_some_and(|needed| needed.saturating_add(1) < origin.earliest_seq) {
            return Ok(None);
        }
        moved_between(snapshot, origin, after, &mut since)?;
        let mut before = Since::new();
        moved_between(snapshot, origin, late, &mut before)?;
        for (sku, moved) in before {
            let sum = since.entry(sku).or_default();
            *sum = [*sum, -moved].into_iter().sum();
        }
    }
    Ok(Some((found, since)))
}

/// What was on sale after a record of this node's, with all that other nodes have moved as far as it is known.
fn on_hand_at(snapshot: &Snapshot<'_>, sku: &Sku, at: Position) -> Result<Quantity, StorageError> {
    let now = snapshot.stock(sku)?.unwrap_or_default().on_hand;
    let since = snapshot.history_since(Place::Sellable, sku, at)?;
    Ok([now, -since].into_iter().sum())
}

fn replica(origin: &RelayOrigin) -> ReplicaId {
    ReplicaId {
        node: origin.node.clone(),
        incarnation: origin.acked.incarnation,
    }
}

/// Kiosks' nodes whose token was ended: they are part of the site no more.
fn revoked(snapshot: &Snapshot<'_>) -> Result<BTreeSet<NodeId>, StorageError> {
    let devices = snapshot.devices()?;
    let nodes = |revoked: bool| {
        let of = devices
            .iter()
            .filter(move |device| device.role == Role::Node && device.revoked_ms.is_some() == revoked);
        of.filter_map(|device| device.name.parse::<NodeId>().ok())
            .collect::<BTreeSet<_>>()
    };
    Ok(nodes(true).difference(&nodes(false)).cloned().collect())
}
