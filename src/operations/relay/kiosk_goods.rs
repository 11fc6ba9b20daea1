//! What kiosks' records do to the goods of the site, so that a count can be posted against what was on the shelf at their
//! marks, and what comes late is compensated.
//!
//! Promises: a record from before a mark that comes after its count was entered is compensated once, in the transaction that
//! takes it in; once all have come the count is said to be settled. Must never: refuse a kiosk's batch.

use std::collections::BTreeMap;

use crate::domain::escrow::ReplicaId;
use crate::domain::fact::{Entry, Fact};
use crate::domain::ids::Sku;
use crate::domain::journal::RecordId;
use crate::domain::quantity::Quantity;
use crate::domain::stock::{
    CountSettled, MovementId, Place, StockWork, WorkKind, WorkLine, effects, effects_of_copy, goods_moved,
};
use crate::operations::count::lacked_records_only;
use crate::operations::stock_work::post;
use crate::store::{Now, RelayOrigin, Snapshot, StorageError, WriteTransaction};
use crate::sync::wire::{Batch, Slot};

/// Takes in what new records of a kiosk did: `slots` are its records from number `first` on.
pub(super) fn follow_kiosk(
    tx: &mut WriteTransaction<'_>,
    now: Now,
    kiosk: &ReplicaId,
    first: u64,
    slots: &[Slot],
) -> Result<(), StorageError> {
    let mut last = first;
    for (seq, slot) in (first..).zip(slots) {
        last = seq;
        let mut late: BTreeMap<MovementId, Vec<WorkLine>> = BTreeMap::new();
        for (sku, change) in moved_by(slot) {
            if let Some(count) = tx.late_for(&sku, kiosk, seq)? {
                late.entry(count).or_default().push(WorkLine {
                    sku,
                    quantity: -change,
                    cost: None,
                    counted: None,
                });
            }
        }
        for (count, lines) in late {
            compensate(tx, now, count, (kiosk, seq), lines)?;
        }
    }
    for count in tx.counts_reached(kiosk, last)? {
        tx.close_count(count, kiosk)?;
        if !tx.count_is_open(count)? && lacked_records_only(tx, count)? {
            tx.settle_count(count)?;
            let site = tx.known_identity()?.site;
            let (recorded, fact) = (tx.stamp(now), Fact::CountSettled(CountSettled { site, count }));
            tx.append(&Entry { recorded, fact })?;
        }
    }
    Ok(())
}

/// Adds what a kiosk's records behind `after` did, up to `through` and as far as they are here.
///
/// # Errors
/// Where they cannot be read, or were let go.
pub(in crate::operations) fn moved_between(
    snapshot: &Snapshot<'_>,
    origin: &RelayOrigin,
    (after, through): (u64, u64),
    sums: &mut BTreeMap<Sku, Quantity>,
) -> Result<(), StorageError> {
    let mut at = after;
    let last = through.min(origin.acked.seq);
    while at < last {
        let missing = || {
            let (node, seq) = (&origin.node, at + 1);
            StorageError::Inconsistent(format!("the batch with record {seq} of {node} is not here"))
        };
        let kept = snapshot.relay_batch_with(origin.ix, at + 1)?.ok_or_else(missing)?;
        let slots = Batch::open(&kept.sealed)
            .and_then(|batch| batch.slots())
            .map_err(|error| {
                StorageError::Inconsistent(format!("a batch of {} cannot be read: {error}", origin.node))
            })?;
        for (seq, slot) in (kept.first..).zip(&slots) {
            if seq > at && seq <= last {
                for (sku, change) in moved_by(slot) {
                    let sum = sums.entry(sku).or_default();
                    *sum = [*sum, change].into_iter().sum();
                }
            }
        }
        at = kept.last.max(at + 1);
    }
    Ok(())
}

/// By how much a record changes what is there of each item on sale. What this version cannot read moves nothing here.
fn moved_by(slot: &Slot) -> Vec<(Sku, Quantity)> {
    let Slot::Record(record) = slot else { return Vec::new() };
    let Ok(Entry { fact, .. }) = Entry::decode(record) else {
        return Vec::new();
    };
    match &fact {
        Fact::Rehomed(copy) => match Entry::decode(&copy.record) {
            Ok(Entry { fact, .. }) => goods_moved(Place::Sellable, &effects_of_copy(&fact)),
            Err(_) => Vec::new(),
        },
        fact => goods_moved(Place::Sellable, &effects(fact)),
    }
}

/// Posts against a count what a record from before its mark moved.
fn compensate(
    tx: &mut WriteTransaction<'_>,
    now: Now,
    count: MovementId,
    (kiosk, seq): (&ReplicaId, u64),
    lines: Vec<WorkLine>,
) -> Result<(), StorageError> {
    let identity = tx.known_identity()?;
    for line in &lines {
        tx.add_to_count_found(&line.sku, count, line.quantity)?;
    }
    let work = StockWork {
        id: MovementId::of(&count.0, &format!("{kiosk}/{seq}")),
        site: identity.site,
        kind: WorkKind::CountLate {
            count,
            of: RecordId {
                node: kiosk.node.clone(),
                incarnation: kiosk.incarnation,
                seq,
            },
        },
        device: identity.node.to_string(),
        staff: None,
        note: None,
        lines,
    };
    post(tx, now, work).map(drop)
}
