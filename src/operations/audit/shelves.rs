//! Compares the rows and holds of an incarnation with what its journal says.

use std::collections::{BTreeMap, BTreeSet};

use super::difference::Difference;
use super::fold::RowsFold;
use crate::domain::escrow::{Amount, ReplicaId, Row};
use crate::domain::fact::Fact;
use crate::domain::ids::Sku;
use crate::domain::quantity::Quantity;
use crate::domain::stock::{HoldId, Place, RetiredFold};
use crate::store::{ReplicaIx, RetiredRow, Rows, Snapshot, StorageError};

/// What the journal of one incarnation says of its shelves.
#[derive(Debug, Default)]
pub(in crate::operations) struct ShelvesFold {
    rows: RowsFold,
    /// Of replicas that this one has retired.
    retired: RetiredFold,
    /// Holds that a kept record opened and none ended.
    open: BTreeSet<HoldId>,
    /// Holds that a kept record ended.
    ended: BTreeSet<HoldId>,
}

impl ShelvesFold {
    /// What its pruned records had done.
    pub(in crate::operations) fn base(snapshot: &Snapshot<'_>, replica: ReplicaIx) -> Result<Self, StorageError> {
        Ok(Self {
            rows: RowsFold::base(snapshot, replica)?,
            ..Self::default()
        })
    }

    /// Goes on with a record.
    pub(in crate::operations) fn add_fact(&mut self, fact: &Fact) {
        self.rows.add_fact(fact);
        self.retired.add_fact(fact);
        match fact {
            Fact::HoldOpened(opened) => {
                self.open.insert(opened.id);
            }
            Fact::Accepted(accepted) => self.open.extend(accepted.hold.as_ref().map(|hold| hold.opened.id)),
            Fact::HoldEnded(ended) => self.ends(ended.id),
            Fact::Granted(granted) => {
                if let Some(hold) = &granted.hold {
                    self.ends(hold.opened.id);
                }
            }
            _ => {}
        }
    }

    fn ends(&mut self, id: HoldId) {
        self.open.remove(&id);
        self.ended.insert(id);
    }

    /// The rows that the journal comes to.
    pub(in crate::operations) fn into_rows(self) -> impl Iterator<Item = (Place, Sku, Row)> {
        self.rows.into_rows()
    }

    /// What else is known of the rows: the documents of an incarnation that is over.
    pub(in crate::operations) fn with_rows(self, rows: impl IntoIterator<Item = ((Place, Sku), Row)>) -> Self {
        Self {
            rows: RowsFold::of(rows),
            ..self
        }
    }

    /// The holds that are open by the journal, as far as it is kept.
    pub(in crate::operations) const fn open(&self) -> &BTreeSet<HoldId> {
        &self.open
    }

    /// What it says of replicas that it has retired.
    pub(in crate::operations) const fn retired(&self) -> &RetiredFold {
        &self.retired
    }

    /// Names what differs of replicas that it has retired. What they left and nobody may promise is what their closed rows
    /// have handed on to this replica, `own`, beyond what it has taken over; and where the journal still has the record
    /// that retired them, what it says.
    pub(in crate::operations) fn compare_retired(
        &self,
        snapshot: &Snapshot<'_>,
        (own, name): (ReplicaIx, &ReplicaId),
        mut differs: impl FnMut(Difference),
    ) -> Result<(), StorageError> {
        for replica in self.retired.retired.keys() {
            if snapshot
                .retired(replica)?
                .is_none_or(|retired| retired.position.is_none())
            {
                differs(Difference::NotRetired(replica.clone()));
            }
        }
        for retired in snapshot.retired_here()? {
            let replica = &retired.replica;
            let left = left_by(snapshot, (own, name), &retired)?;
            let by_journal = self.retired.retired.contains_key(replica);
            let mut skus: BTreeSet<Sku> = left.keys().cloned().collect();
            skus.extend(snapshot.unpromised_of(retired.ix)?.into_iter().map(|(sku, _)| sku));
            for sku in skus {
                let stored = snapshot.unpromised(&sku, retired.ix)?.parts();
                let key = (sku.clone(), replica.clone());
                let journal = self.retired.unpromised.get(&key).copied().unwrap_or_default();
                let of_row = left.get(&sku).copied().unwrap_or_default().parts();
                let wrong = [(by_journal, journal), (true, of_row)]
                    .into_iter()
                    .find(|(asked, expected)| *asked && *expected != stored);
                if let Some((_, expected)) = wrong {
                    differs(unpromised(&sku, replica, stored, expected));
                }
            }
        }
        Ok(())
    }

    /// Names what differs from the rows as stored.
    pub(in crate::operations) fn compare_rows(
        mut self,
        snapshot: &Snapshot<'_>,
        (replica, name): (ReplicaIx, &ReplicaId),
        mut differs: impl FnMut(Difference),
    ) -> Result<(), StorageError> {
        snapshot.walk_rows(Rows::Now, replica, |place, sku, stored| {
            let journal = self.rows.take(place, &sku);
            if let Some(difference) = difference(name, &sku, &stored, &journal) {
                differs(difference);
            }
        })?;
        for (_, sku, journal) in self.rows.into_rows() {
            if let Some(difference) = difference(name, &sku, &Row::default(), &journal) {
                differs(difference);
            }
        }
        Ok(())
    }

    /// Names what differs from the open holds as stored: those that are not by the journal, and what they hold in all.
    pub(in crate::operations) fn compare_holds(
        &self,
        snapshot: &Snapshot<'_>,
        replica: ReplicaIx,
        mut differs: impl FnMut(Difference),
    ) -> Result<(), StorageError> {
        let mut known = BTreeSet::new();
        let mut held: BTreeMap<Sku, Quantity> = BTreeMap::new();
        snapshot.walk_holds(|hold| {
            let opened = &hold.hold.opened;
            known.insert(opened.id);
            if self.ended.contains(&opened.id) {
                let (id, found) = (opened.id, "is open, and ended by the journal");
                differs(Difference::Hold { id, found });
            }
            for line in &opened.lines {
                let sum = held.entry(line.sku.clone()).or_default();
                *sum = [*sum, line.quantity].into_iter().sum();
            }
        })?;
        for id in self.open.difference(&known) {
            let (id, found) = (*id, "is not open, and was never ended by the journal");
            differs(Difference::Hold { id, found });
        }
        snapshot.walk_rows(Rows::Now, replica, |place, sku, row| {
            let holds = held.remove(&sku).unwrap_or_default();
            let reserved = Quantity::from_thousandths(i64::try_from(row.reserved().parts()).unwrap_or(i64::MAX));
            if place == Place::Sellable && holds != reserved {
                differs(Difference::Reserved { sku, holds, reserved });
            }
        })?;
        for (sku, holds) in held {
            let reserved = Quantity::ZERO;
            differs(Difference::Reserved { sku, holds, reserved });
        }
        Ok(())
    }
}

/// What a retired replica's rows have handed on to this node's present incarnation and that has not taken over.
pub(in crate::operations) fn left_by(
    snapshot: &Snapshot<'_>,
    (own, name): (ReplicaIx, &ReplicaId),
    retired: &RetiredRow,
) -> Result<BTreeMap<Sku, Amount>, StorageError> {
    let mut rows = Vec::new();
    snapshot.walk_rows(Rows::Now, retired.ix, |place, sku, row| {
        if place == Place::Sellable {
            rows.push((sku, row));
        }
    })?;
    let mut left = BTreeMap::new();
    for (sku, row) in rows {
        let parents = snapshot.shelf_row(Rows::Now, Place::Sellable, &sku, own)?;
        let amount = row.left_by(&retired.replica, (name, &parents.unwrap_or_default()));
        if !amount.is_zero() {
            left.insert(sku, amount);
        }
    }
    Ok(left)
}

fn unpromised(sku: &Sku, replica: &ReplicaId, stored: u64, journal: u64) -> Difference {
    let quantity = |parts: u64| Quantity::from_thousandths(i64::try_from(parts).unwrap_or(i64::MAX));
    Difference::Stock {
        sku: sku.clone(),
        replica: replica.clone(),
        register: "unpromised",
        stored: quantity(stored),
        journal: quantity(journal),
    }
}

/// The first register that differs.
fn difference(replica: &ReplicaId, sku: &Sku, stored: &Row, journal: &Row) -> Option<Difference> {
    let (have, want) = (stored.registers(), journal.registers());
    let sum = |amounts: &BTreeMap<ReplicaId, Amount>| amounts.values().map(|n| n.parts()).sum::<u64>();
    let registers = [
        ("added", have.added.parts(), want.added.parts()),
        ("removed", have.removed.parts(), want.removed.parts()),
        ("held", have.held.parts(), want.held.parts()),
        ("freed", have.freed.parts(), want.freed.parts()),
        ("debt", have.debt.parts(), want.debt.parts()),
        ("repaid", have.repaid.parts(), want.repaid.parts()),
        ("given", sum(&have.given), sum(&want.given)),
        ("accepted", sum(&have.accepted), sum(&want.accepted)),
    ];
    let found = registers.into_iter().find(|(_, stored, journal)| stored != journal);
    let quantity = |parts: u64| Quantity::from_thousandths(i64::try_from(parts).unwrap_or(i64::MAX));
    found.map(|(register, stored, journal)| Difference::Stock {
        sku: sku.clone(),
        replica: replica.clone(),
        register,
        stored: quantity(stored),
        journal: quantity(journal),
    })
}
