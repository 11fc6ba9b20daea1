//! Compares headquarters' own rows and open holds, and what replicas that it has retired left, with what its own journal
//! says.

use std::collections::{BTreeMap, BTreeSet};

use super::projection::{slot_content, unpack};
use super::rights::replica;
use super::storage::{Reading, StorageError};
use super::verify::HqDifference;
use crate::domain::escrow::{Amount, ReplicaId, Row, Shelf};
use crate::domain::fact::Fact;
use crate::domain::ids::{SiteId, Sku};
use crate::domain::stock::{HoldId, RetiredFold, effects, quantity};

/// Names what differs.
pub(super) fn compare(reading: &Reading<'_>, differences: &mut Vec<HqDifference>) -> Result<(), StorageError> {
    let own = replica(reading)?;
    let Some(origin) = reading.origin(&own.node, own.incarnation)? else {
        return Ok(());
    };
    let mut rows: BTreeMap<(SiteId, Sku), Row> = BTreeMap::new();
    let mut open: BTreeSet<HoldId> = BTreeSet::new();
    let mut retired = RetiredFold::default();
    let mut next = 1;
    while next <= origin.acked.seq {
        // What is missing or damaged is named where the ledger is walked.
        let Some((header, slots)) = reading.batch_with(origin.id, next)?.and_then(|kept| unpack(&kept).ok()) else {
            next += 1;
            continue;
        };
        let skip = usize::try_from(next.saturating_sub(header.first)).unwrap_or(usize::MAX);
        for slot in slots.iter().skip(skip) {
            if let super::projection::Content::Fact(_, fact) = slot_content(slot) {
                fold(&mut rows, &mut open, &fact);
                retired.add_fact(&fact);
            }
        }
        next = header.last().max(next) + 1;
    }
    for (site, sku, stored) in reading.own_rows()? {
        let ledger = rows.remove(&(site.clone(), sku.clone())).unwrap_or_default();
        if stored != ledger {
            differences.push(HqDifference::OwnShelf { site, sku });
        }
    }
    for ((site, sku), _) in rows.into_iter().filter(|(_, row)| !row.is_empty()) {
        differences.push(HqDifference::OwnShelf { site, sku });
    }
    let stored: BTreeSet<HoldId> = reading
        .own_holds(None, u32::MAX)?
        .into_iter()
        .map(|hold| hold.opened.id)
        .collect();
    let holds = stored.symmetric_difference(&open);
    differences.extend(holds.map(|id| HqDifference::OwnHold(*id)));
    compare_left(reading, retired, differences)
}

/// What retired replicas left and nobody may promise yet. What was left to an earlier life of headquarters is let go.
fn compare_left(
    reading: &Reading<'_>,
    fold: RetiredFold,
    differences: &mut Vec<HqDifference>,
) -> Result<(), StorageError> {
    let mut left: BTreeMap<(Sku, ReplicaId), (Amount, Amount)> = BTreeMap::new();
    for (key, amount) in fold.unpromised {
        left.entry(key).or_default().1 = Amount::new(amount).unwrap_or(Amount::MAX);
    }
    for retired in reading.retired_here()? {
        for (sku, amount) in reading.unpromised_of(&retired.replica)? {
            left.entry((sku, retired.replica.clone())).or_default().0 = amount;
        }
    }
    let differ = left.into_iter().filter(|(_, (stored, ledger))| stored != ledger);
    differences.extend(
        differ.map(|((sku, replica), (stored, ledger))| HqDifference::Unpromised {
            replica,
            sku,
            stored: quantity(stored),
            ledger: quantity(ledger),
        }),
    );
    Ok(())
}

fn fold(rows: &mut BTreeMap<(SiteId, Sku), Row>, open: &mut BTreeSet<HoldId>, fact: &Fact) {
    for effect in effects(fact) {
        if let Some(site) = effect.site {
            let row = rows.entry((site.clone(), effect.sku.clone())).or_default();
            // One that the row refuses is none that this program recorded: the row differs then.
            let _ = effect.verb.apply(row, &Shelf::default());
        }
    }
    match fact {
        Fact::HoldOpened(opened) => {
            open.insert(opened.id);
        }
        Fact::HoldEnded(ended) => {
            open.remove(&ended.id);
        }
        Fact::Granted(granted) => {
            if let Some(handed) = &granted.hold {
                open.remove(&handed.opened.id);
            }
        }
        _ => {}
    }
}
