//! The rows that one transaction moves: read once, moved by the facts' effects, written with the record.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::audit::ShelvesFold;
use crate::domain::escrow::{Refusal, ReplicaId, Row, Shelf, Taken};
use crate::domain::fact::{Entry, Fact};
use crate::domain::ids::Sku;
use crate::domain::stock::{Effect, Place, Verb, effects};
use crate::store::{Failure, IncarnationRow, Position, ReplicaIx, Rows, Snapshot, StorageError, WriteTransaction};

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
        let replica = tx.own_replica()?;
        let key = (effect.place, effect.sku.clone());
        let mut row = match self.rows.remove(&key) {
            Some(row) => row,
            None => tx
                .shelf_row(Rows::Now, effect.place, effect.sku, replica)?
                .unwrap_or_default(),
        };
        let known = match effect.verb {
            // Only a promise looks at what others owe.
            Verb::Hold(_) => {
                let mut shelf = tx.shelf(effect.place, effect.sku)?;
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
    let rows = fold_of(tx, row, replica)?;
    tx.remove_rows(Rows::Now, replica)?;
    let touched = row.position(row.offered());
    for (place, sku, shelf) in rows.into_rows() {
        tx.put_shelf_row(Rows::Now, (place, &sku, replica), &shelf, touched)?;
    }
    Ok(())
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
