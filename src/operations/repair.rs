//! Repair: rebuilds everything that follows from the journal, in one transaction, and sets damaged records aside.
//!
//! The journal itself is never changed. What it cannot give back (a record that is damaged) is listed for a correction.
//!
//! Rows of others are not in this journal, and are left as they stand: their writers' documents bring them again, but a
//! register that somebody has raised on this disk stays raised, because a row that comes never lowers one. Of a replica
//! that was retired here this node is the writer, and its rows are made anew from the documents and records in which it
//! wrote them down ([`kept_rows`]); between the retirement and the next sync point, which follows within seconds, there is
//! no document yet, and the row stands as it is.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::audit::{Dictionary, Row, kept_rows, left_by};
use super::pickups::restore_step;
use super::rights::rebuild_granted;
use super::shelves::{fold_of, rebuild_rows};
use super::transfers::restore_transfer;
use crate::domain::escrow::{Amount, ReplicaId};
use crate::domain::fact::{Entry, Fact, RecordError};
use crate::domain::sale::{Refund, RefundedLine};
use crate::domain::stock::{Accepted, Hold, HoldId, Leg, Movement, Place, StockWork, Transfer};
use crate::store::{HoldRow, JournalRow, Now, Position, RetiredRow, Rows, Snapshot, StorageError, WriteTransaction};

/// How many records are held in memory at once.
const STEP: u64 = 1_000;

/// What was rebuilt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Repaired {
    /// How many records were read.
    pub records: u64,
    /// How many sales and refunds have rows again.
    pub documents: u64,
    /// How many records are damaged and were set aside.
    pub set_aside: u64,
}

/// Rebuilds documents, refunded lines, shelves and holds. Nothing else is written meanwhile.
///
/// # Errors
/// Why the store could not keep it; everything is as before then.
pub fn repair(
    tx: &mut WriteTransaction<'_>,
    now: Now,
    mut progress: impl FnMut(u64),
) -> Result<Repaired, StorageError> {
    let mut rebuild = Rebuild::new(tx)?;
    tx.clear_derived()?;
    for row in tx.incarnations()? {
        // Only the present incarnation hands its steps on.
        tx.forget_all_granted()?;
        let (mut hash, mut next) = (row.before_earliest, row.earliest_seq);
        while next <= row.head.seq {
            let last = row.head.seq.min(next.saturating_add(STEP - 1));
            let mut rows: Vec<JournalRow> = Vec::new();
            tx.walk_journal(row.position(next), row.position(last), |found| {
                rows.push(found);
                Ok::<_, StorageError>(ControlFlow::Continue(()))
            })?;
            for found in rows {
                if hash.after(&found.record) != found.hash {
                    let reason = "the record on the node's disk does not give the chain's hash";
                    tx.set_journal_aside(found.position, reason, &found.record, now)?;
                    rebuild.done.set_aside += 1;
                }
                hash = found.hash;
                rebuild.record(tx, &found)?;
            }
            next = last + 1;
            progress(rebuild.done.records);
        }
    }
    for row in tx.incarnations()? {
        rebuild_rows(tx, &row)?;
    }
    rebuild_retired(tx)?;
    rebuild_holds(tx, now)?;
    // It follows the journal by itself from here.
    tx.restart_history()?;
    tx.set_rebuilt()?;
    tx.catalog_changed();
    Ok(rebuild.done)
}

/// Makes the rows that one record gives, but for those of shelves and holds.
pub(super) struct Rebuild {
    names: Dictionary,
    done: Repaired,
}

impl Rebuild {
    /// For records whose series this disk has.
    pub(super) fn new(snapshot: &Snapshot<'_>) -> Result<Self, StorageError> {
        Ok(Self {
            names: Dictionary::read(snapshot)?,
            done: Repaired::default(),
        })
    }

    fn record(&mut self, tx: &mut WriteTransaction<'_>, found: &JournalRow) -> Result<(), StorageError> {
        self.done.records += 1;
        let fact = match Entry::decode(&found.record) {
            Ok(entry) => entry.fact,
            // A newer version's record moves nothing that this version knows.
            Err(RecordError::Malformed { .. } | RecordError::UnknownKind { .. }) => return Ok(()),
        };
        self.fact(tx, &fact, found.position)
    }

    /// Makes the rows of the fact that stands at a position.
    pub(super) fn fact(
        &mut self,
        tx: &mut WriteTransaction<'_>,
        fact: &Fact,
        position: Position,
    ) -> Result<(), StorageError> {
        if let Fact::Movement(Movement { id: Some(id), .. }) | Fact::StockWork(StockWork { id, .. }) = fact {
            tx.put_movement(*id, position)?;
        }
        if let Some(document) = Row::of(fact).and_then(|row| row.document(&self.names, position)) {
            tx.insert_document(&document)?;
            self.done.documents += 1;
        }
        match fact {
            Fact::Refund(refund) => self.refund(tx, refund)?,
            Fact::Granted(granted) => rebuild_granted(tx, granted, position)?,
            Fact::ThresholdSet(set) => tx.put_threshold(&set.sku, set.threshold)?,
            Fact::PickupStep(step) => restore_step(tx, step)?,
            Fact::TransferDispatched(sent) => tx.put_movement(sent.id.movement(Leg::Dispatch), position)?,
            Fact::TransferReceived(received) => {
                tx.put_movement(received.id.movement(Leg::Receipt), position)?;
            }
            _ => {}
        }
        if let Some(transfer) = Transfer::of(fact) {
            restore_transfer(tx, &transfer)?;
        }
        Ok(())
    }

    fn refund(&self, tx: &mut WriteTransaction<'_>, refund: &Refund) -> Result<(), StorageError> {
        let sale = match self.names.series_of(&refund.of) {
            Some(series) => tx.document(series, refund.of.counter)?,
            None => None,
        };
        // The sale may have been pruned before its refund.
        let Some(sale) = sale else { return Ok(()) };
        for line in &refund.lines {
            tx.add_refunded(sale.position, &RefundedLine::from(line))?;
        }
        Ok(())
    }
}

/// Says again which kiosks this node has retired, and what they left: the rights from the present incarnation's records
/// alone, because only that one may still take them over.
pub(super) fn rebuild_retired(tx: &mut WriteTransaction<'_>) -> Result<(), StorageError> {
    for life in tx.incarnations()? {
        let mut said = Vec::new();
        tx.walk_journal(
            life.position(life.earliest_seq),
            life.position(life.head.seq),
            |found| {
                if let Ok(Fact::Retired(retired)) = Entry::decode(&found.record).map(|entry| entry.fact) {
                    said.push((retired.replica, retired.seq, found.position));
                }
                Ok::<_, StorageError>(ControlFlow::Continue(()))
            },
        )?;
        for (replica, seq, position) in said {
            let ix = tx.known_replica(&replica)?;
            tx.put_retired(ix, seq, Some(position))?;
        }
    }
    let Some(newest) = tx.incarnations()?.pop() else {
        return Ok(());
    };
    let own = tx.own_replica()?;
    let name = tx.replica(own)?;
    let fold = fold_of(tx, &newest, own)?;
    tx.remove_unpromised()?;
    for retired in tx.retired_here()? {
        rebuild_kept_rows(tx, &name, &retired)?;
        let mut left = left_by(tx, (own, &name), &retired)?;
        // The record that retired it may have been pruned: its row, which only this node writes, says the same.
        if fold.retired().retired.contains_key(&retired.replica) {
            let of_it = fold.retired().unpromised.iter();
            let of_it = of_it.filter(|((_, replica), _)| *replica == retired.replica);
            left = of_it
                .map(|((sku, _), left)| (sku.clone(), Amount::new(*left).unwrap_or(Amount::MAX)))
                .collect();
        }
        for (sku, left) in left {
            tx.set_unpromised(&sku, retired.ix, left)?;
        }
    }
    Ok(())
}

/// Makes the rows of a retired replica anew, as far as this node has written down what they are.
fn rebuild_kept_rows(tx: &mut WriteTransaction<'_>, own: &ReplicaId, retired: &RetiredRow) -> Result<(), StorageError> {
    let touched = retired.position.unwrap_or(Position::NONE);
    for (sku, row) in kept_rows(tx, own, retired)? {
        let known = tx.shelf_row(Rows::Now, Place::Sellable, &sku, retired.ix)?;
        if known.as_ref() != Some(&row) {
            tx.put_shelf_row(Rows::Now, (Place::Sellable, &sku, retired.ix), &row, touched)?;
        }
    }
    Ok(())
}

/// Makes the table of open holds anew: those that the journal opened and did not end. One that was known keeps its time;
/// one that was not begins its time again, which only lengthens it.
fn rebuild_holds(tx: &mut WriteTransaction<'_>, now: Now) -> Result<(), StorageError> {
    let mut known = BTreeMap::new();
    tx.walk_holds(|row| {
        known.insert(row.hold.opened.id, row);
    })?;
    let Some(newest) = tx.incarnations()?.pop() else {
        return Ok(());
    };
    let replica = tx.own_replica()?;
    let open = fold_of(tx, &newest, replica)?;
    let mut rebuilt: BTreeMap<HoldId, HoldRow> = BTreeMap::new();
    let running_ms = tx.running_ms(now);
    tx.walk_journal(
        newest.position(newest.earliest_seq),
        newest.position(newest.head.seq),
        |found| {
            let fact = Entry::decode(&found.record).map(|entry| entry.fact);
            let opened = match fact {
                Ok(Fact::HoldOpened(opened)) => Some(opened),
                Ok(Fact::Accepted(Accepted { hold: Some(hold), .. })) => Some(hold.opened),
                Ok(Fact::HoldExtended(extended)) => {
                    if let Some(row) = rebuilt.get_mut(&extended.id) {
                        row.hold.opened.lifetime_ms = extended.lifetime_ms;
                        row.hold.expires_at_ms = running_ms.saturating_add(extended.lifetime_ms);
                    }
                    None
                }
                _ => None,
            };
            if let Some(opened) = opened.filter(|opened| open.open().contains(&opened.id)) {
                let expires_at_ms = running_ms.saturating_add(opened.lifetime_ms);
                let (id, position) = (opened.id, found.position);
                let hold = Hold { opened, expires_at_ms };
                let device = None;
                rebuilt.insert(id, HoldRow { hold, device, position });
            }
            Ok::<_, StorageError>(ControlFlow::Continue(()))
        },
    )?;
    tx.remove_holds()?;
    for (id, row) in rebuilt {
        tx.put_hold(known.get(&id).unwrap_or(&row))?;
    }
    // Those whose opening was pruned are known by their rows alone.
    for row in known
        .into_values()
        .filter(|row| row.position < newest.position(newest.earliest_seq))
    {
        tx.put_hold(&row)?;
    }
    Ok(())
}
