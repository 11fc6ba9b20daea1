//! The rows that one transaction moves: read once, moved by the facts' effects, written with the record.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::audit::ShelvesFold;
use crate::domain::escrow::{Refusal, ReplicaId, Row, Shelf, Taken};
use crate::domain::fact::{Entry, Fact};
use crate::domain::ids::Sku;
use crate::domain::stock::{Effect, Place, Verb, effects};
use crate::store::{Failure, IncarnationRow, Position, ReplicaIx, Rows, Snapshot, StorageError, WriteTransaction};
use crate::sync::carriage::{Archive, Kept};

/// The rows of this node's present incarnation that a transaction has moved so far.
#[derive(Debug, Default)]
pub(super) struct Shelves {
    rows: BTreeMap<(Place, Sku), Row>,
}

impl Shelves {
    /// Moves a row. A refused effect changes nothing.
    pub(super) fn apply(
        &mut self,
        tx: &mut WriteTransaction<'_>,
        effect: &Effect<'_>,
    ) -> Result<Taken, Failure<Refusal>> {
        let key = (effect.place, effect.sku.clone());
        let mut row = match self.rows.remove(&key) {
            Some(row) => row,
            None => tx.own_shelf_row(effect.place, effect.sku)?.unwrap_or_default(),
        };
        let known = match effect.verb {
            // Only a promise looks at what others owe.
            Verb::Hold(_) => {
                let mut shelf = tx.shelf(effect.place, effect.sku)?;
                let replica = tx.own_replica()?;
                shelf.merge_row(&tx.replica(replica)?, &row);
                shelf
            }
            _ => Shelf::default(),
        };
        let done = effect.verb.apply(&mut row, &known);
        self.rows.insert(key, row);
        done.map_err(Failure::Refused)
    }

    /// Moves rows by something that has happened and cannot be refused.
    pub(super) fn apply_fact(&mut self, tx: &mut WriteTransaction<'_>, fact: &Fact) -> Result<(), StorageError> {
        for effect in effects(fact) {
            self.apply(tx, &effect)
                .map_err(|failure| impossible(&effect, failure))?;
        }
        Ok(())
    }

    /// Writes the rows that were moved by the record at `position`, and tells of them.
    pub(super) fn save(self, tx: &mut WriteTransaction<'_>, position: Position) -> Result<(), StorageError> {
        let replica = tx.own_replica()?;
        for ((place, sku), row) in self.rows {
            tx.put_shelf_row(Rows::Now, (place, &sku, replica), &row, position)?;
            tx.stock_changed(&sku);
        }
        Ok(())
    }
}

/// Makes the rows of one of this disk's incarnations anew, from what its pruned records had done and those that count
/// under its own name.
pub(super) fn rebuild_rows(tx: &mut WriteTransaction<'_>, row: &IncarnationRow) -> Result<(), StorageError> {
    let replica = ReplicaId {
        node: tx.known_identity()?.node,
        incarnation: row.incarnation,
    };
    let replica = tx.known_replica(&replica)?;
    let fold = fold_of(tx, row, replica)?;
    tx.remove_rows(Rows::Now, replica)?;
    let touched = row.position(row.offered());
    let (rows, closed) = heard_of(tx, row, replica, fold)?;
    for ((place, sku), shelf) in rows {
        let key = (place, &sku, replica);
        if closed {
            tx.put_closed_row(key, &shelf)?;
        } else {
            tx.put_shelf_row(Rows::Now, key, &shelf, touched)?;
        }
    }
    Ok(())
}

/// The rows of an incarnation by place and item.
pub(super) type RowsOfLife = BTreeMap<(Place, Sku), Row>;

/// What an incarnation's rows are, from its journal on this disk and from what its documents say beyond that: a disk that
/// was restored has lost the end of it, and of one that was retired its parent writes the rows. True with those.
pub(super) fn heard_of(
    snapshot: &Snapshot<'_>,
    life: &IncarnationRow,
    replica: ReplicaIx,
    fold: ShelvesFold,
) -> Result<(RowsOfLife, bool), StorageError> {
    let mut rows: RowsOfLife = fold.into_rows().map(|(place, sku, row)| ((place, sku), row)).collect();
    let newest = snapshot.incarnations()?.pop();
    if newest.is_some_and(|newest| newest.ix == life.ix) {
        return Ok((rows, false));
    }
    let (name, mut kept) = (snapshot.replica(replica)?, RowsOfLife::new());
    let is_of_it = |document: &Kept| document.id.writer == name;
    for Kept { id, .. } in Archive::documents(snapshot, None)?.into_iter().filter(is_of_it) {
        let Some(loaded) = Archive::document(snapshot, &id)?.filter(|loaded| !loaded.waits) else {
            continue;
        };
        let into = match () {
            () if id.is_kept() => &mut kept,
            () if loaded.document.through() > life.head.seq => &mut rows,
            () => continue,
        };
        for (sku, row) in loaded.document.rows() {
            into.entry((Place::Sellable, sku.clone())).or_default().merge(row);
        }
    }
    let closed = !kept.is_empty();
    if closed {
        rows.retain(|(place, _), _| *place != Place::Sellable);
        rows.extend(kept);
    }
    Ok((rows, closed))
}

/// What an incarnation's journal comes to.
pub(super) fn fold_of(
    snapshot: &Snapshot<'_>,
    row: &IncarnationRow,
    replica: ReplicaIx,
) -> Result<ShelvesFold, StorageError> {
    let mut fold = ShelvesFold::base(snapshot, replica)?;
    snapshot.walk_journal(row.position(row.earliest_seq), row.position(row.offered()), |found| {
        // What cannot be read moved nothing.
        if let Ok(entry) = Entry::decode(&found.record) {
            fold.add_fact(&entry.fact);
        }
        Ok::<_, StorageError>(ControlFlow::Continue(()))
    })?;
    Ok(fold)
}

/// What has happened is refused only where a register would exceed what it can hold.
pub(super) fn impossible(effect: &Effect<'_>, failure: Failure<Refusal>) -> StorageError {
    match failure {
        Failure::Storage(error) => error,
        Failure::Refused(refusal) => {
            StorageError::Inconsistent(format!("the shelf of {} cannot be moved: {refusal}", effect.sku))
        }
    }
}
