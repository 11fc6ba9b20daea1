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

/// Takes the mark of a count that begins now. `connected` are the kiosks' nodes that can be heard at this moment: what they
/// have told of is what they have.
///
/// # Errors
/// Why the store could not keep it.
pub fn count_mark(
    tx: &mut WriteTransaction<'_>,
    now: Now,
    connected: &BTreeSet<NodeId>,
) -> Result<TakenMark, StorageError> {
    let life = tx.incarnations()?.pop();
    let position = life.map_or(Position::NONE, |life| life.position(life.head.seq));
    let gone = revoked(tx)?;
    let kiosks: Vec<RelayOrigin> = tx.relay_origins()?;
    let mut others = Vec::new();
    for (origin, at) in kiosks.iter().zip(1..) {
        // An earlier life writes no more: what is known of it is all.
        let ended = kiosks.iter().skip(at).any(|later| later.node == origin.node);
        let retired = tx.retired(&replica(origin))?.is_some();
        let sure = ended || retired || connected.contains(&origin.node) || gone.contains(&origin.node);
        others.push((replica(origin), sure.then(|| origin.told_seq.max(origin.acked.seq))));
    }
    others.extend(tx.nodes_not_relayed()?.into_iter().map(|unknown| (unknown, None)));
    let mut nodes: BTreeMap<NodeId, bool> = BTreeMap::new();
    for (of, mark) in &others {
        let given = nodes.entry(of.node.clone()).or_insert(true);
        *given = *given && mark.is_some();
    }
    let number = tx.add_count_mark(&CountMark { position, others }, now)?;
    let nodes = nodes.into_iter().collect();
    Ok(TakenMark { number, nodes })
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
    let lacks = others.iter().filter(|of| of.mark.is_some() && !of.was_reached());
    let lacks: Vec<&NodeMark> = lacks.collect();
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
        Some(crate::domain::fact::Fact::StockWork(work)) => match &work.kind {
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
    for (of, seq) in &mark.others {
        let origin = origins.iter().find(|origin| replica(origin) == *of);
        found.push(NodeMark {
            replica: of.clone(),
            mark: *seq,
            had: origin.map_or(0, |origin| origin.acked.seq),
        });
    }
    for origin in &origins {
        // What a retired one did since stands in this node's own journal.
        if snapshot.retired(&replica(origin))?.is_some() {
            continue;
        }
        let of = found.iter().find(|of| of.replica == replica(origin));
        // A life that began after the mark has moved all that it moved after it.
        let through = of.map_or(0, NodeMark::posted_through);
        if through.saturating_add(1) < origin.earliest_seq && through < origin.acked.seq {
            return Ok(None);
        }
        moved_between(snapshot, origin, through, &mut since)?;
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
