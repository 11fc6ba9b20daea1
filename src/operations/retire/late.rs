//! What a retired kiosk did behind the head that it was retired at, posted on this node's own row.

use std::collections::BTreeMap;

use super::record;
use crate::domain::escrow::{Amount, ReplicaId};
use crate::domain::fact::{Entry, Fact};
use crate::domain::ids::Sku;
use crate::domain::stock::{LateLine, LateMove, LatePosted, Place, late_moves};
use crate::operations::rights::own_replica;
use crate::store::{Now, RetiredRow, Rows, Snapshot, StorageError, WriteTransaction};

/// Posts what one record of a retired kiosk did behind the head that it was retired at.
pub(in crate::operations) fn post_late(
    tx: &mut WriteTransaction<'_>,
    now: Now,
    retired: &RetiredRow,
    seq: u64,
    fact: &Fact,
) -> Result<Vec<Sku>, StorageError> {
    let own = own_replica(tx)?;
    let mut left: BTreeMap<Sku, Amount> = BTreeMap::new();
    let mut lines = Vec::new();
    for (sku, moved) in late(tx, retired, &own, fact)? {
        let left = match left.get_mut(&sku) {
            Some(left) => left,
            None => left.entry(sku.clone()).or_insert(tx.unpromised(&sku, retired.ix)?),
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
    if lines.is_empty() {
        return Ok(Vec::new());
    }
    let site = tx.known_identity()?.site;
    let posted = LatePosted {
        of: retired.replica.clone(),
        seq,
        site,
        lines,
    };
    let position = record(tx, now, Fact::LatePosted(posted.clone()))?;
    for (sku, left) in &left {
        tx.set_unpromised(sku, retired.ix, *left)?;
    }
    for line in &posted.lines {
        if let LateMove::Gave { to, grant } = &line.moved {
            let row = tx.shelf_row(Rows::Now, Place::Sellable, &line.sku, retired.ix)?;
            let mut row = row.unwrap_or_default();
            row.give_late(&own, to, grant.amount())
                .map_err(|refusal| StorageError::Inconsistent(format!("the row of {}: {refusal}", retired.replica)))?;
            tx.put_shelf_row(Rows::Now, (Place::Sellable, &line.sku, retired.ix), &row, position)?;
        }
    }
    Ok(posted.lines.into_iter().map(|line| line.sku).collect())
}

/// What a late record did, item by item. What the kiosk handed back to this node behind its head it had no right to any
/// more: this node has that already.
fn late(
    snapshot: &Snapshot<'_>,
    retired: &RetiredRow,
    own: &ReplicaId,
    fact: &Fact,
) -> Result<Vec<(Sku, LateMove)>, StorageError> {
    let copied;
    let fact = match fact {
        Fact::Rehomed(copy) => match Entry::decode(&copy.record) {
            Ok(entry) => {
                copied = entry.fact;
                &copied
            }
            // What cannot be read moved nothing that is known.
            Err(_) => return Ok(Vec::new()),
        },
        fact => fact,
    };
    let mut moves: Vec<(Sku, LateMove)> = late_moves(fact)
        .into_iter()
        .map(|(sku, moved)| (sku.clone(), moved))
        .collect();
    if let Fact::Granted(granted) = fact
        && granted.to != *own
    {
        for line in &granted.lines {
            let row = snapshot.shelf_row(Rows::Now, Place::Sellable, &line.sku, retired.ix)?;
            if line.grant.after > row.unwrap_or_default().given(&granted.to) {
                let (to, grant) = (granted.to.clone(), line.grant);
                moves.push((line.sku.clone(), LateMove::Gave { to, grant }));
            }
        }
    }
    Ok(moves)
}
