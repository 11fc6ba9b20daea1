//! What follows from the journal's records, one by one: shared by whoever checks it, rebuilds it or lets it go.

use std::collections::BTreeMap;

use crate::domain::escrow::{Row, Shelf};
use crate::domain::fact::{Entry, Fact};
use crate::domain::ids::Sku;
use crate::domain::stock::{Effect, Place, effects, effects_of_copy};
use crate::store::{ReplicaIx, Rows, Snapshot, StorageError};

/// The rows of one incarnation, from what pruned records had done and the records behind them.
#[derive(Debug, Default)]
pub(in crate::operations) struct RowsFold(BTreeMap<(Sku, Place), Row>);

impl RowsFold {
    /// What the pruned records of an incarnation had done.
    pub(in crate::operations) fn base(snapshot: &Snapshot<'_>, replica: ReplicaIx) -> Result<Self, StorageError> {
        let mut fold = Self::default();
        snapshot.walk_rows(Rows::Base, replica, |place, sku, row| {
            fold.0.insert((sku, place), row);
        })?;
        Ok(fold)
    }

    /// These rows, whatever they came from.
    pub(in crate::operations) fn of(rows: impl IntoIterator<Item = ((Place, Sku), Row)>) -> Self {
        let rows = rows.into_iter();
        Self(rows.map(|((place, sku), row)| ((sku, place), row)).collect())
    }

    /// Goes on with a record. An effect that the row refuses is no effect that this program recorded; the row stays, and
    /// differs.
    pub(in crate::operations) fn add_fact(&mut self, fact: &Fact) {
        if let Fact::Rehomed(copy) = fact {
            // What could not be read when it was copied moved nothing then either.
            if let Ok(entry) = Entry::decode(&copy.record) {
                effects_of_copy(&entry.fact).iter().for_each(|effect| self.add(effect));
            }
        } else {
            effects(fact).iter().for_each(|effect| self.add(effect));
        }
    }

    fn add(&mut self, effect: &Effect<'_>) {
        let row = self.0.entry((effect.sku.clone(), effect.place)).or_default();
        let _refused_differs = effect.verb.apply(row, &Shelf::default());
    }

    pub(in crate::operations) fn take(&mut self, place: Place, sku: &Sku) -> Row {
        self.0.remove(&(sku.clone(), place)).unwrap_or_default()
    }

    /// The rows that are not empty.
    pub(in crate::operations) fn into_rows(self) -> impl Iterator<Item = (Place, Sku, Row)> {
        let rows = self.0.into_iter().filter(|(_, row)| !row.is_empty());
        rows.map(|((sku, place), row)| (place, sku, row))
    }
}
