//! What a retired node did behind the head that it was retired at, posted on headquarters' own row.

use std::collections::BTreeMap;

use super::counted::take_back;
use crate::domain::escrow::{Amount, GrantStep, ReplicaId};
use crate::domain::fact::Fact;
use crate::domain::ids::Sku;
use crate::domain::stock::{Granted, LateLine, LateMove, LatePosted, late_moves};
use crate::hq::rights;
use crate::hq::storage::{OriginId, Reading, RetiredReplica, StorageError, Writing};

/// Posts what one record of a retired node did behind the head that it was retired at, once. Gives the items that moved.
pub(in crate::hq) fn post_late(
    writing: &Writing<'_>,
    retired: &RetiredReplica,
    (origin, seq): (OriginId, u64),
    fact: &Fact,
    now_ms: u64,
) -> Result<Vec<Sku>, StorageError> {
    let own = rights::replica(writing)?;
    let mut left: BTreeMap<Sku, Amount> = BTreeMap::new();
    let mut lines = Vec::new();
    for (sku, moved) in late(writing, retired, &own, fact)? {
        let shelf = (&retired.site, &sku);
        let left = match left.get_mut(&sku) {
            Some(left) => left,
            None => left
                .entry(sku.clone())
                .or_insert(writing.unpromised(shelf, &retired.replica)?),
        };
        let wanted = match &moved {
            LateMove::Out(n) => *n,
            LateMove::Gave { grant, .. } => grant.amount(),
            LateMove::In(_) | LateMove::Came { .. } => Amount::ZERO,
        };
        let drawn = wanted.min(*left);
        *left = left.above(drawn);
        lines.push(LateLine { sku, moved, drawn });
    }
    if lines.is_empty() || !writing.note_late_posted(origin, seq)? {
        return Ok(Vec::new());
    }
    take_back(writing, retired, (seq, &lines), now_ms)?;
    post(writing, retired, &own, (seq, lines), now_ms)
}

/// A sale or a refund came again, under another incarnation that counts, after it was posted as a late record of a retired
/// node: goods moved once, and two rows have them. What was posted is taken back, once by the record that came again.
pub(in crate::hq) fn take_back_late(
    writing: &Writing<'_>,
    posted: (OriginId, u64),
    again: (OriginId, u64),
    fact: &Fact,
    now_ms: u64,
) -> Result<Vec<Sku>, StorageError> {
    if !writing.was_late_posted(posted.0, posted.1)? {
        return Ok(Vec::new());
    }
    let Some(first) = writing.origin_by_id(posted.0)? else {
        return Ok(Vec::new());
    };
    let of = ReplicaId {
        node: first.node,
        incarnation: first.acked.incarnation,
    };
    let Some(retired) = writing.retired(&of)? else {
        return Ok(Vec::new());
    };
    let moves = late_moves(fact).into_iter();
    let back = moves.filter_map(|(sku, moved)| {
        let moved = match moved {
            LateMove::Out(n) => LateMove::In(n),
            LateMove::In(n) => LateMove::Out(n),
            LateMove::Gave { .. } | LateMove::Came { .. } => return None,
        };
        let (sku, drawn) = (sku.clone(), Amount::ZERO);
        Some(LateLine { sku, moved, drawn })
    });
    let lines: Vec<LateLine> = back.collect();
    if lines.is_empty() || !writing.note_late_posted(again.0, again.1)? {
        return Ok(Vec::new());
    }
    let own = rights::replica(writing)?;
    post(writing, &retired, &own, (posted.1, lines), now_ms)
}

/// Another replica has handed rights on to a retired one: they join what that left. Met again, they are known by their
/// totals.
pub(in crate::hq) fn came_late(
    writing: &Writing<'_>,
    from: &ReplicaId,
    granted: &Granted,
    now_ms: u64,
) -> Result<Vec<Sku>, StorageError> {
    let own = rights::replica(writing)?;
    let retired = writing.retired(&granted.to)?.filter(|retired| retired.here.is_some());
    let Some(retired) = retired.filter(|_| *from != own) else {
        return Ok(Vec::new());
    };
    let mut lines = Vec::new();
    for line in &granted.lines {
        let row = writing.register_by((&retired.site, &line.sku), &retired.replica)?;
        if matches!(line.grant.step(&row, from), GrantStep::Take(_)) {
            let (from, grant) = (from.clone(), line.grant);
            lines.push(LateLine {
                sku: line.sku.clone(),
                moved: LateMove::Came { from, grant },
                drawn: Amount::ZERO,
            });
        }
    }
    if lines.is_empty() {
        return Ok(Vec::new());
    }
    let seq = retired.seq;
    post(writing, &retired, &own, (seq, lines), now_ms)
}

fn post(
    writing: &Writing<'_>,
    retired: &RetiredReplica,
    own: &ReplicaId,
    (seq, lines): (u64, Vec<LateLine>),
    now_ms: u64,
) -> Result<Vec<Sku>, StorageError> {
    let failed = |error: &dyn std::fmt::Display| StorageError::Failed(error.to_string());
    let posted = LatePosted {
        of: retired.replica.clone(),
        seq,
        site: retired.site.clone(),
        lines: lines.clone(),
    };
    let record = rights::record(writing, Fact::LatePosted(posted), now_ms).map_err(|error| failed(&error))?;
    for line in &lines {
        let shelf = (&retired.site, &line.sku);
        let left = writing.unpromised(shelf, &retired.replica)?.above(line.drawn);
        let mut row = writing.register_by(shelf, &retired.replica)?;
        let left = match &line.moved {
            LateMove::Out(_) | LateMove::In(_) => left,
            LateMove::Gave { to, grant } => {
                row.give_late(own, to, grant.amount()).map_err(|error| failed(&error))?;
                writing.save_kept_row(shelf, retired, &row, record.seq)?;
                left
            }
            LateMove::Came { from, grant } => {
                row.come_late(from, own, grant.amount())
                    .map_err(|error| failed(&error))?;
                writing.save_kept_row(shelf, retired, &row, record.seq)?;
                left.checked_add(grant.amount()).unwrap_or(Amount::MAX)
            }
        };
        writing.set_unpromised(shelf, &retired.replica, left)?;
    }
    Ok(lines.into_iter().map(|line| line.sku).collect())
}

/// What a late record did, item by item. What it handed back to headquarters it had no right to any more.
fn late(
    reading: &Reading<'_>,
    retired: &RetiredReplica,
    own: &ReplicaId,
    fact: &Fact,
) -> Result<Vec<(Sku, LateMove)>, StorageError> {
    let mut moves: Vec<(Sku, LateMove)> = late_moves(fact)
        .into_iter()
        .map(|(sku, moved)| (sku.clone(), moved))
        .collect();
    if let Fact::Granted(granted) = fact
        && granted.to != *own
    {
        for line in &granted.lines {
            let row = reading.register_by((&retired.site, &line.sku), &retired.replica)?;
            if line.grant.after > row.given(&granted.to) {
                let (to, grant) = (granted.to.clone(), line.grant);
                moves.push((line.sku.clone(), LateMove::Gave { to, grant }));
            }
        }
    }
    Ok(moves)
}
