//! Verify: recomputes everything that follows from the journal and names whatever differs. It changes nothing, and
//! selling goes on beside it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::audit::{Dictionary, Difference, HistoryCheck, Row, ShelvesFold};
use super::shelves::heard_of;
use crate::domain::escrow::ReplicaId;
use crate::domain::fact::{Entry, Fact, RecordError};
use crate::domain::ids::Sku;
use crate::domain::journal::Hash;
use crate::domain::quantity::Quantity;
use crate::domain::stock::{HoldId, Leg, Movement, MovementId, PickupState, StockWork, Transfer, TransferId};
use crate::store::{IncarnationRow, JournalRow, Position, ReplicaIx, Snapshot, StorageError};

/// How many differences are listed; more are only counted.
const LISTED_MAX: usize = 1_000;
/// How many records pass between two reports of progress.
const PROGRESS_STEP: u64 = 1_024;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// How many incarnations the disk has.
    pub incarnations: u64,
    /// How many records were read.
    pub records: u64,
    /// How many of them are sales and refunds.
    pub documents: u64,
    /// How many records are of a kind that only a newer version knows. They move nothing here.
    pub newer: u64,
    /// What differs, as far as it is listed.
    pub differences: Vec<Difference>,
    /// How many differences there are in all.
    pub differences_count: u64,
}

impl Verified {
    /// Whether everything is as the journal says.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.differences_count == 0
    }

    fn differs(&mut self, difference: Difference) {
        self.differences_count += 1;
        if self.differences.len() < LISTED_MAX {
            self.differences.push(difference);
        }
    }
}

/// Checks one consistent state. `progress` hears how many records of how many have been read.
///
/// # Errors
/// Where the database cannot be read.
pub fn verify(snapshot: &Snapshot<'_>, mut progress: impl FnMut(u64, u64)) -> Result<Verified, StorageError> {
    let node = snapshot
        .identity()?
        .ok_or_else(|| StorageError::Inconsistent("the database does not say whose it is".into()))?
        .node;
    let incarnations = snapshot.incarnations()?;
    let kept = |row: &IncarnationRow| (row.head.seq + 1).saturating_sub(row.earliest_seq);
    let total: u64 = incarnations.iter().map(kept).sum();
    let mut check = Check {
        names: Dictionary::read(snapshot)?,
        shelves: ShelvesFold::default(),
        history: HistoryCheck::new(snapshot)?,
        thresholds: BTreeMap::new(),
        pickups: BTreeMap::new(),
        transfers: BTreeMap::new(),
        refunded: BTreeMap::new(),
        found: Verified::default(),
    };
    for row in &incarnations {
        check.found.incarnations += 1;
        if row.earliest_seq == 1 && row.before_earliest != Hash::genesis(&node, row.incarnation) {
            check.found.differs(Difference::Genesis(row.incarnation));
        }
        let replica = ReplicaId {
            node: node.clone(),
            incarnation: row.incarnation,
        };
        let ix = snapshot.replica_ix(&replica)?;
        let ix = ix.ok_or_else(|| StorageError::Inconsistent(format!("{replica} has no short number")))?;
        check.shelves = ShelvesFold::base(snapshot, ix)?;
        check.incarnation(snapshot, row, &mut |done| progress(done, total))?;
        let newest = incarnations.last().is_some_and(|last| last.ix == row.ix);
        check.shelves(snapshot, (ix, &replica), row, newest)?;
    }
    check.documents(snapshot)?;
    check.refunds(snapshot)?;
    for (sku, journal) in std::mem::take(&mut check.thresholds) {
        if snapshot.threshold(&sku)? != journal {
            check.found.differs(Difference::Threshold { sku });
        }
    }
    check.site_work(snapshot)?;
    let found = &mut check.found;
    check.history.finish(snapshot, |difference| found.differs(difference))?;
    progress(check.found.records, total);
    Ok(check.found)
}

struct Check {
    names: Dictionary,
    /// Of the incarnation that is being read.
    shelves: ShelvesFold,
    history: HistoryCheck,
    /// Thresholds as they were set last.
    thresholds: BTreeMap<Sku, Option<Quantity>>,
    /// What was decided here of pickups.
    pickups: BTreeMap<HoldId, PickupState>,
    /// What was done here about transfers.
    transfers: BTreeMap<TransferId, Transfer>,
    /// By sale and line, thousandths back.
    refunded: BTreeMap<(Position, u16), Quantity>,
    found: Verified,
}

impl Check {
    /// A movement is known by its identity.
    fn movement(&mut self, snapshot: &Snapshot<'_>, id: MovementId, position: Position) -> Result<(), StorageError> {
        if snapshot.movement(id)? != Some(position) {
            self.found.differs(Difference::Movement(id));
        }
        Ok(())
    }

    /// Compares pickups and transfers that are kept with what was recorded of them here.
    fn site_work(&mut self, snapshot: &Snapshot<'_>) -> Result<(), StorageError> {
        for (id, state) in std::mem::take(&mut self.pickups) {
            if snapshot.pickup(id)?.is_some_and(|row| row.pickup.state() < state) {
                self.found.differs(Difference::Pickup(id));
            }
        }
        for (id, recorded) in std::mem::take(&mut self.transfers) {
            if let Some(mut row) = snapshot.transfer(id)?
                && row.transfer.merge(&recorded)
            {
                self.found.differs(Difference::Transfer(id));
            }
        }
        Ok(())
    }

    /// An incarnation's chain and its records.
    fn incarnation(
        &mut self,
        snapshot: &Snapshot<'_>,
        row: &IncarnationRow,
        progress: &mut impl FnMut(u64),
    ) -> Result<(), StorageError> {
        let incarnation = row.incarnation;
        let (mut hash, mut next) = (row.before_earliest, row.earliest_seq);
        snapshot.walk_journal(row.position(row.earliest_seq), row.position(row.head.seq), |found| {
            let seq = row.seq(found.position);
            if seq > next {
                let (first, last) = (next, seq - 1);
                self.found.differs(Difference::Missing {
                    incarnation,
                    first,
                    last,
                });
            } else if hash.after(&found.record) != found.hash {
                self.found.differs(Difference::Chain { incarnation, seq });
            }
            if seq == row.acked.seq && found.hash != row.acked.hash {
                self.found.differs(Difference::Acknowledged { incarnation, seq });
            }
            self.record(snapshot, row, &found)?;
            (hash, next) = (found.hash, seq + 1);
            self.found.records += 1;
            if self.found.records.is_multiple_of(PROGRESS_STEP) {
                progress(self.found.records);
            }
            Ok::<_, StorageError>(ControlFlow::Continue(()))
        })?;
        if next <= row.head.seq {
            let (first, last) = (next, row.head.seq);
            self.found.differs(Difference::Missing {
                incarnation,
                first,
                last,
            });
        }
        Ok(())
    }

    fn record(
        &mut self,
        snapshot: &Snapshot<'_>,
        row: &IncarnationRow,
        found: &JournalRow,
    ) -> Result<(), StorageError> {
        let fact = match Entry::decode(&found.record) {
            Ok(entry) => entry.fact,
            Err(RecordError::UnknownKind { .. }) => {
                self.found.newer += 1;
                return Ok(());
            }
            Err(error) => {
                self.found.differs(Difference::Unreadable {
                    incarnation: row.incarnation,
                    seq: row.seq(found.position),
                    reason: error.to_string(),
                });
                return Ok(());
            }
        };
        let verified = &mut self.found;
        self.history
            .record(snapshot, found, |difference| verified.differs(difference))?;
        // What is behind the place where both branches are the same counts where its copy stands.
        if row.seq(found.position) <= row.offered() {
            self.shelves.add_fact(&fact);
        }
        if let Fact::ThresholdSet(set) = &fact {
            self.thresholds.insert(set.sku.clone(), set.threshold);
        }
        if let Fact::PickupStep(step) = &fact {
            let state = self.pickups.entry(step.id).or_insert(PickupState::Requested);
            *state = (*state).max(step.act.state());
        }
        if let Some(transfer) = Transfer::of(&fact) {
            self.transfers
                .entry(transfer.id)
                .or_insert_with(|| Transfer::new(transfer.id))
                .merge(&transfer);
        }
        if let Some(document) = Row::of(&fact) {
            self.found.documents += 1;
            self.document(snapshot, &document, found.position)?;
        }
        let (totals, recomputed) = match &fact {
            Fact::Sale(sale) => (&sale.totals, sale.recompute_totals()),
            Fact::Refund(refund) => {
                self.refund(snapshot, refund)?;
                (&refund.totals, refund.recompute_totals())
            }
            Fact::Movement(Movement { id: Some(id), .. }) | Fact::StockWork(StockWork { id, .. }) => {
                return self.movement(snapshot, *id, found.position);
            }
            Fact::TransferDispatched(sent) => {
                return self.movement(snapshot, sent.id.movement(Leg::Dispatch), found.position);
            }
            Fact::TransferReceived(received) => {
                return self.movement(snapshot, received.id.movement(Leg::Receipt), found.position);
            }
            _ => return Ok(()),
        };
        if recomputed.as_ref() != Some(totals)
            && let Some(document) = Row::of(&fact)
        {
            let receipt = document.receipt.clone();
            self.found.differs(Difference::Totals { receipt });
        }
        Ok(())
    }

    /// A document of the journal against its row.
    fn document(&mut self, snapshot: &Snapshot<'_>, row: &Row<'_>, position: Position) -> Result<(), StorageError> {
        let stored = match self.names.series_of(row.id) {
            Some(series) => snapshot.document(series, row.id.counter)?,
            None => None,
        };
        let found = match (row.document(&self.names, position), stored) {
            (None, _) => "a series that was never given out here",
            (Some(_), None) => "no row",
            (Some(expected), Some(stored)) if expected != stored => "a row that says something else",
            (Some(_), Some(_)) => return Ok(()),
        };
        self.found.differs(Difference::Document {
            id: row.id.clone(),
            receipt: row.receipt.clone(),
            found,
        });
        Ok(())
    }

    fn refund(&mut self, snapshot: &Snapshot<'_>, refund: &crate::domain::sale::Refund) -> Result<(), StorageError> {
        let sale = match self.names.series_of(&refund.of) {
            Some(series) => snapshot.document(series, refund.of.counter)?,
            None => None,
        };
        // The sale may have been pruned before its refund.
        let Some(sale) = sale else { return Ok(()) };
        for line in &refund.lines {
            let sum = self.refunded.entry((sale.position, line.line)).or_default();
            *sum = [*sum, line.quantity].into_iter().sum();
        }
        Ok(())
    }

    /// Rows without a record, and gaps in receipt numbers.
    fn documents(&mut self, snapshot: &Snapshot<'_>) -> Result<(), StorageError> {
        let count = snapshot.documents_count()?;
        if count > self.found.documents {
            let first = snapshot.stray_documents(1)?.first().map_or(0, |stray| stray.number);
            let count = count - self.found.documents;
            self.found.differs(Difference::Strays { count, first });
        }
        for series in snapshot.numbered_series()? {
            let last = series.last.unwrap_or(series.pruned_through);
            let expected = last.saturating_sub(series.pruned_through);
            let expected_first = series.pruned_through + 1;
            if series.documents != expected || series.first.is_some_and(|first| first != expected_first) {
                self.found.differs(Difference::Gap {
                    series: series.name,
                    expected_first,
                    last,
                    expected,
                    found: series.documents,
                });
            }
        }
        Ok(())
    }

    fn refunds(&mut self, snapshot: &Snapshot<'_>) -> Result<(), StorageError> {
        for row in snapshot.all_refunded()? {
            let journal = self.refunded.remove(&(row.sale, row.line.line)).unwrap_or_default();
            self.refunded_differs(row.sale, row.line.line, row.line.quantity, journal);
        }
        for ((sale, line), journal) in std::mem::take(&mut self.refunded) {
            self.refunded_differs(sale, line, Quantity::ZERO, journal);
        }
        Ok(())
    }

    fn refunded_differs(&mut self, sale: Position, line: u16, stored: Quantity, journal: Quantity) {
        if stored != journal {
            let (sale, line) = (sale.get(), line.saturating_add(1));
            self.found.differs(Difference::Refunded {
                sale,
                line,
                stored,
                journal,
            });
        }
    }

    /// The rows of an incarnation, and the holds of the newest one: no other has any.
    fn shelves(
        &mut self,
        snapshot: &Snapshot<'_>,
        (ix, replica): (ReplicaIx, &ReplicaId),
        life: &IncarnationRow,
        newest: bool,
    ) -> Result<(), StorageError> {
        let (mut shelves, found) = (std::mem::take(&mut self.shelves), &mut self.found);
        if newest {
            shelves.compare_holds(snapshot, ix, |difference| found.differs(difference))?;
            shelves.compare_retired(snapshot, (ix, replica), |difference| found.differs(difference))?;
        } else {
            let (rows, _) = heard_of(snapshot, life, ix, shelves)?;
            shelves = ShelvesFold::default().with_rows(rows);
        }
        shelves.compare_rows(snapshot, (ix, replica), |difference| found.differs(difference))
    }
}
