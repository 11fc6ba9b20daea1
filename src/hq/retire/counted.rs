//! Counts at a site of which headquarters has retired a node: what the node left may be promised again, and what it had
//! recorded before the count, and comes later, is taken back, because the count saw the shelf without it.
//!
//! Promises: each record is taken back once, by its number. Must never: take back what a node may have moved after the count;
//! which records those are the count's mark says, and not a clock.

use std::collections::BTreeMap;

use super::release;
use crate::domain::escrow::Amount;
use crate::domain::fact::Fact;
use crate::domain::ids::Sku;
use crate::domain::journal::RecordId;
use crate::domain::quantity::Quantity;
use crate::domain::stock::{LateLine, LateMove, MovementId, ReleaseCause, StockWork, WorkKind, WorkLine};
use crate::hq::rights;
use crate::hq::storage::{RetiredReplica, StorageError, Writing};

/// Takes in a count: one that names what a retired node had recorded has seen the shelf since. Gives the items of which
/// something may be promised again.
pub(in crate::hq) fn counted(writing: &Writing<'_>, work: &StockWork, now_ms: u64) -> Result<Vec<Sku>, StorageError> {
    let WorkKind::Count { others, .. } = &work.kind else {
        return Ok(Vec::new());
    };
    let mut retired = Vec::new();
    for of in others {
        let found = writing.retired(&of.replica)?;
        retired.extend(
            found
                .filter(|found| found.here.is_some() && found.site == work.site)
                .map(|found| (found, of.mark)),
        );
    }
    // Figures that are made anew meet it again.
    if retired.is_empty() || !writing.note_count_seen(work.id)? {
        return Ok(Vec::new());
    }
    let staff = work.staff.as_ref().map(|staff| format!(", staff {staff}"));
    let by = format!("device {} at {}{}", work.device, work.site, staff.unwrap_or_default());
    let cause = ReleaseCause::Count { by };
    let mut moved = Vec::new();
    for (retired, mark) in &retired {
        let mut left: Vec<(Sku, Amount)> = Vec::new();
        for line in &work.lines {
            let shelf = (&work.site, &line.sku);
            writing.put_count_late(shelf, &retired.replica, work.id, *mark)?;
            let unpromised = writing.unpromised(shelf, &retired.replica)?;
            if !unpromised.is_zero() {
                left.push((line.sku.clone(), unpromised));
            }
        }
        release(writing, retired, &left, &cause, now_ms).map_err(|error| StorageError::Failed(error.to_string()))?;
        moved.extend(left.into_iter().map(|(sku, _)| sku));
    }
    Ok(moved)
}

/// Takes back what a late record moved, of the items that were counted since.
pub(super) fn take_back(
    writing: &Writing<'_>,
    retired: &RetiredReplica,
    (seq, lines): (u64, &[LateLine]),
    now_ms: u64,
) -> Result<(), StorageError> {
    let own = rights::replica(writing)?;
    let mut late: BTreeMap<MovementId, BTreeMap<Sku, i64>> = BTreeMap::new();
    for line in lines {
        let moved = match line.moved {
            LateMove::Out(n) => n,
            LateMove::In(n) => n,
            LateMove::Gave { .. } | LateMove::Came { .. } => continue,
        };
        let parts = i64::try_from(moved.parts()).unwrap_or(i64::MAX);
        let back = if matches!(line.moved, LateMove::Out(_)) {
            parts
        } else {
            -parts
        };
        if let Some(count) = writing.late_for((&retired.site, &line.sku), &retired.replica, seq)? {
            let sum = late.entry(count).or_default().entry(line.sku.clone()).or_default();
            *sum = sum.saturating_add(back);
        }
    }
    for (count, lines) in late {
        let lines = lines
            .into_iter()
            .filter(|(_, back)| *back != 0)
            .map(|(sku, back)| WorkLine {
                sku,
                quantity: Quantity::from_thousandths(back),
                cost: None,
                counted: None,
            });
        let work = StockWork {
            id: MovementId::of(&count.0, &format!("{}/{seq}", retired.replica)),
            site: retired.site.clone(),
            kind: WorkKind::CountLate {
                count,
                of: RecordId {
                    node: retired.replica.node.clone(),
                    incarnation: retired.replica.incarnation,
                    seq,
                },
            },
            device: own.node.to_string(),
            staff: None,
            note: None,
            lines: lines.collect(),
        };
        if !work.lines.is_empty() {
            rights::record(writing, Fact::StockWork(work), now_ms)
                .map_err(|error| StorageError::Failed(error.to_string()))?;
        }
    }
    Ok(())
}
