//! What earlier incarnations of this node handed on and its receiver has not taken over.
//!
//! Promises: such rights reach their receiver, or, where that is retired, join what it left. Must never: hand them on as
//! the present incarnation's, which has not given them: they would be taken over twice.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::domain::escrow::{Amount, ReplicaId};
use crate::domain::fact::{Entry, Fact};
use crate::domain::ids::Sku;
use crate::domain::stock::{Granted, Place};
use crate::store::{IncarnationRow, Rows, Snapshot, StorageError};

/// How many records are sent at once.
const RECORDS_MAX: usize = 64;

/// What an earlier incarnation handed on to one receiver and that has not taken over.
pub(super) struct UnderWay {
    life: IncarnationRow,
    /// The earlier incarnation.
    pub giver: ReplicaId,
    /// By item: what was handed on in all, and what of it was taken over.
    pub items: BTreeMap<Sku, (Amount, Amount)>,
}

/// The records by which earlier incarnations of this node handed on to `to` what that has not taken over, with the
/// incarnation that wrote them, a message's worth each, oldest first. They are to be sent under that incarnation's name,
/// under which they are taken over once, whoever sends them. What stands behind the place where an incarnation has another
/// branch is not among them: that branch may have handed on the same.
///
/// # Errors
/// Where they cannot be read.
pub fn grants_of_earlier(
    snapshot: &Snapshot<'_>,
    to: &ReplicaId,
) -> Result<Vec<(ReplicaId, Vec<Granted>)>, StorageError> {
    let mut found = Vec::new();
    for UnderWay { life, giver, items } in under_way(snapshot, to)? {
        let mut records = Vec::new();
        snapshot.walk_journal(life.position(life.earliest_seq), life.position(life.offered()), |row| {
            if let Ok(Fact::Granted(granted)) = Entry::decode(&row.record).map(|entry| entry.fact) {
                let lacks = granted
                    .lines
                    .iter()
                    .any(|line| items.get(&line.sku).is_some_and(|(_, taken)| line.grant.after > *taken));
                if granted.to == *to && lacks {
                    records.push(granted);
                }
            }
            Ok::<_, StorageError>(ControlFlow::Continue(()))
        })?;
        let messages = records.chunks(RECORDS_MAX);
        found.extend(messages.map(|records| (giver.clone(), records.to_vec())));
    }
    Ok(found)
}

/// What earlier incarnations handed on to a receiver and, by its journal here, it has not taken over.
pub(super) fn under_way(snapshot: &Snapshot<'_>, to: &ReplicaId) -> Result<Vec<UnderWay>, StorageError> {
    let Some(receiver) = snapshot.replica_ix(to)? else {
        return Ok(Vec::new());
    };
    let node = snapshot.known_identity()?.node;
    let mut lives = snapshot.incarnations()?;
    let _present = lives.pop();
    let mut found = Vec::new();
    for life in lives {
        let giver = ReplicaId {
            node: node.clone(),
            incarnation: life.incarnation,
        };
        let Some(ix) = snapshot.replica_ix(&giver)? else {
            continue;
        };
        let mut given = Vec::new();
        snapshot.walk_rows(Rows::Now, ix, |place, sku, row| {
            if place == Place::Sellable && !row.given(to).is_zero() {
                given.push((sku, row.given(to)));
            }
        })?;
        let mut items = BTreeMap::new();
        for (sku, given) in given {
            let row = snapshot.shelf_row(Rows::Now, Place::Sellable, &sku, receiver)?;
            let taken = row.unwrap_or_default().accepted(&giver);
            if given > taken {
                items.insert(sku, (given, taken));
            }
        }
        if !items.is_empty() {
            found.push(UnderWay { life, giver, items });
        }
    }
    Ok(found)
}
