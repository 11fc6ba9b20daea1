//! Prune: lets acknowledged records go once they are old enough, a few at a time, so that selling never waits.
//!
//! What they moved stays in the stock base, so that every figure can still be recomputed; their receipt numbers are
//! never given again. The newest record always stays, and so does everything that headquarters has not acknowledged.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::audit::{Dictionary, Row, RowsFold};
use super::follow_history::follow_history;
use crate::domain::escrow::ReplicaId;
use crate::domain::fact::{Entry, Fact, RecordError};
use crate::domain::ids::Sku;
use crate::domain::journal::Hash;
use crate::domain::stock::{Effect, Place, effects, effects_of_copy};
use crate::store::{IDEMPOTENCY_DAYS, IncarnationRow, JournalRow, Now, Position, Rows, StorageError, WriteTransaction};

/// How many records go in one step.
const STEP: u64 = 500;
const DAY_MS: u64 = 86_400_000;

/// Lets the oldest records go that are acknowledged and were recorded more than `keep_days` ago; never less than the
/// time for which answers are kept, because answers are made from records. Gives how many went; 0 when there is nothing
/// more to do.
///
/// # Errors
/// Why the store could not keep it.
pub fn prune(tx: &mut WriteTransaction<'_>, now: Now, keep_days: u32) -> Result<u64, StorageError> {
    let days = u64::from(keep_days).max(IDEMPOTENCY_DAYS.unsigned_abs() + 1);
    // By the journal's clock, which does not follow the machine's at once when that jumps ahead.
    let before_ms = tx.stamp(now).milliseconds().saturating_sub(days.saturating_mul(DAY_MS));
    prune_before(tx, before_ms)
}

/// The same for records that the journal's clock stamped before `before_ms` (milliseconds since 1970), however young
/// they are: for whoever keeps a calendar of its own.
///
/// # Errors
/// Why the store could not keep it.
pub fn prune_before(tx: &mut WriteTransaction<'_>, before_ms: u64) -> Result<u64, StorageError> {
    let incarnations = tx.incarnations()?;
    let Some(oldest) = incarnations.iter().find(|row| row.earliest_seq <= row.head.seq) else {
        return Ok(0);
    };
    let limit = acknowledged_through(oldest, &incarnations).min(last_to_go(oldest, &incarnations));
    if oldest.earliest_seq > limit {
        return Ok(0);
    }
    let last = limit.min(oldest.earliest_seq.saturating_add(STEP - 1));
    let mut rows: Vec<JournalRow> = Vec::new();
    tx.walk_journal(oldest.position(oldest.earliest_seq), oldest.position(last), |found| {
        rows.push(found);
        Ok::<_, StorageError>(ControlFlow::Continue(()))
    })?;
    let names = Dictionary::read(tx)?;
    let replica = ReplicaId {
        node: tx.known_identity()?.node,
        incarnation: oldest.incarnation,
    };
    let replica = tx.known_replica(&replica)?;
    let mut shelves = RowsFold::base(tx, replica)?;
    let mut moved = BTreeSet::new();
    let mut through: Option<(u64, Hash)> = None;
    let mut gone = 0;
    for found in rows {
        match Entry::decode(&found.record) {
            Ok(entry) if entry.recorded.milliseconds() >= before_ms => break,
            Ok(entry) => {
                if oldest.seq(found.position) <= oldest.offered() {
                    shelves.add_fact(&entry.fact);
                    moved.extend(shelves_of(&entry.fact));
                }
                if let Some(document) = Row::of(&entry.fact).and_then(|row| row.document(&names, found.position)) {
                    tx.prune_document(&document)?;
                }
            }
            // What a newer version wrote may move something; it waits for that version.
            Err(RecordError::UnknownKind { .. }) => break,
            // It moved nothing, and was set aside where anybody could not read it.
            Err(RecordError::Malformed { .. }) => {}
        }
        through = Some((oldest.seq(found.position), found.hash));
        gone += 1;
    }
    if let Some((seq, hash)) = through {
        for (place, sku, row) in shelves.into_rows() {
            tx.put_shelf_row(Rows::Base, (place, &sku, replica), &row, oldest.position(seq))?;
        }
        let through = oldest.position(seq);
        // What the history has not seen yet it could not see any more.
        while tx.history_through()? < through && follow_history(tx, through)? {}
        for (place, sku) in &moved {
            tx.prune_history(*place, sku, through)?;
        }
        tx.prune_records(oldest, seq, hash)?;
    }
    Ok(gone)
}

/// The shelves that a record moves.
fn shelves_of(fact: &Fact) -> Vec<(Place, Sku)> {
    let of = |effects: Vec<Effect<'_>>| {
        let shelves = effects.into_iter().map(|effect| (effect.place, effect.sku.clone()));
        shelves.collect()
    };
    match fact {
        Fact::Rehomed(copy) => Entry::decode(&copy.record)
            .map(|copied| of(effects_of_copy(&copied.fact)))
            .unwrap_or_default(),
        fact => of(effects(fact)),
    }
}

/// The last record that headquarters has, under its own name or as an acknowledged copy.
fn acknowledged_through(row: &IncarnationRow, all: &[IncarnationRow]) -> u64 {
    let own = row.acked.seq.min(row.offered());
    let copies_acked = match row.left.map(|left| left.copies) {
        None => false,
        Some(Position::NONE) => true,
        Some(last_copy) => all
            .iter()
            .find(|later| (later.first..=later.position(later.head.seq)).contains(&last_copy))
            .is_some_and(|later| later.acked.seq >= later.seq(last_copy)),
    };
    if copies_acked && own == row.offered() {
        row.head.seq
    } else {
        own
    }
}

/// The newest record of all stays: it tells where the journal stands.
fn last_to_go(row: &IncarnationRow, all: &[IncarnationRow]) -> u64 {
    let newest = all.last().is_some_and(|last| last.ix == row.ix);
    row.head.seq - u64::from(newest && row.head.seq > 0)
}
