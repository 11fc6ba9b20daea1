//! Follow history: lets the history of shelves catch up with the journal, a few records at a time.
//!
//! Promises: a step is kept once, in the order of the journal, and says what the record did to its writer's row; records
//! that count under no name of this disk any more have none. Must never: move a shelf itself, or be part of a sale.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};

use crate::domain::escrow::{ReplicaId, Row, Shelf};
use crate::domain::fact::{Entry, Fact};
use crate::domain::ids::{NodeId, Sku};
use crate::domain::quantity::Quantity;
use crate::domain::stock::{Growth, Place, StepKind, effects, effects_of_copy};
use crate::store::{
    HistoryCursor, HistoryRow, IncarnationRow, JournalRow, Position, ReplicaIx, Rows, Snapshot, StorageError,
    WriteTransaction,
};

/// How many records one step reads, so that no sale waits long behind it: a sale's three items cost it about as much as
/// the sale itself did.
const STEP: usize = 16;
/// How many shelves one step follows. A delivery of a thousand lines takes many steps.
const STEP_SHELVES: usize = 64;

/// Reads the next records up to `to` into the history. Gives whether there are more of them: whoever waits for it does
/// not wait for what is sold meanwhile.
///
/// # Errors
/// Why the store could not keep it.
pub fn follow_history(tx: &mut WriteTransaction<'_>, to: Position) -> Result<bool, StorageError> {
    let cursor = tx.history_cursor()?;
    let through = cursor.through;
    let mut found: Vec<JournalRow> = Vec::new();
    tx.walk_journal(through, to, |row| {
        if row.position > through {
            found.push(row);
        }
        let full = found.len() >= STEP;
        Ok::<_, StorageError>(if full {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    })?;
    if found.is_empty() {
        return Ok(false);
    }
    let lives = Lives::read(tx)?;
    let mut fold = HistoryFold::over(Rows::Followed);
    let mut reached = cursor;
    let mut left = STEP_SHELVES;
    for row in &found {
        let shelves = reached.shelves..reached.shelves.saturating_add(left);
        let followed = fold.record(tx, &lives, row, shelves.clone())?;
        for (place, sku, step) in followed.steps {
            tx.put_history(place, &sku, &step)?;
            tx.put_alert_due(&sku)?;
        }
        if followed.shelves > shelves.end {
            reached.shelves = shelves.end;
            break;
        }
        left -= followed.shelves.saturating_sub(shelves.start).min(left);
        reached = HistoryCursor::through(row.position);
    }
    for ((replica, place, sku), row) in fold.rows {
        tx.put_shelf_row(Rows::Followed, (place, &sku, replica), &row, reached.through)?;
    }
    tx.set_history_cursor(reached)?;
    Ok(reached.through < to)
}

/// The last record, where the history lacks it.
///
/// # Errors
/// Where it cannot be read.
pub fn history_is_behind(snapshot: &Snapshot<'_>) -> Result<Option<Position>, StorageError> {
    let last = snapshot.last_position()?;
    Ok((snapshot.history_through()? < last).then_some(last))
}

/// The incarnations of this disk with their short numbers.
pub(super) struct Lives(Vec<(IncarnationRow, ReplicaIx)>);

impl Lives {
    pub(super) fn read(snapshot: &Snapshot<'_>) -> Result<Self, StorageError> {
        let node: NodeId = snapshot.known_identity()?.node;
        let lives = snapshot.incarnations()?.into_iter().map(|row| {
            let replica = ReplicaId {
                node: node.clone(),
                incarnation: row.incarnation,
            };
            let ix = snapshot.replica_ix(&replica)?;
            let ix = ix.ok_or_else(|| StorageError::Inconsistent(format!("{replica} has no short number")))?;
            Ok((row, ix))
        });
        Ok(Self(lives.collect::<Result<_, StorageError>>()?))
    }

    /// Whose row a record moves; none where it counts where its copy stands.
    fn of(&self, position: Position) -> Option<ReplicaIx> {
        let (row, replica) = self.0.iter().rev().find(|(row, _)| row.first <= position)?;
        (row.seq(position) <= row.offered()).then_some(*replica)
    }
}

/// All shelves of a record.
pub(super) const ALL_SHELVES: Range<usize> = 0..usize::MAX;

/// What following a record came to.
#[derive(Default)]
pub(super) struct Followed {
    pub steps: Vec<(Place, Sku, HistoryRow)>,
    /// How many shelves the record names in all.
    pub shelves: usize,
}

/// Rows as the history goes through the journal, and what they come to.
pub(super) struct HistoryFold {
    /// Where a row stands that was not met before.
    from: Rows,
    rows: BTreeMap<(ReplicaIx, Place, Sku), Row>,
    /// Over all incarnations: there, promised.
    sums: BTreeMap<(Place, Sku), (Quantity, Quantity)>,
}

impl HistoryFold {
    /// From rows as they are stored.
    pub(super) const fn over(from: Rows) -> Self {
        Self {
            from,
            rows: BTreeMap::new(),
            sums: BTreeMap::new(),
        }
    }

    /// The steps of one record on some of its shelves, by their order of place and SKU. What cannot be read, and what a
    /// row refuses, moves nothing.
    pub(super) fn record(
        &mut self,
        snapshot: &Snapshot<'_>,
        lives: &Lives,
        found: &JournalRow,
        some: Range<usize>,
    ) -> Result<Followed, StorageError> {
        let (Some(replica), Ok(entry)) = (lives.of(found.position), Entry::decode(&found.record)) else {
            return Ok(Followed::default());
        };
        let copied = match &entry.fact {
            Fact::Rehomed(copy) => match Entry::decode(&copy.record) {
                Ok(copied) => Some(copied.fact),
                Err(_) => return Ok(Followed::default()),
            },
            _ => None,
        };
        let (fact, effects) = match &copied {
            Some(fact) => (fact, effects_of_copy(fact)),
            None => (&entry.fact, effects(&entry.fact)),
        };
        let Some(kind) = StepKind::of(fact) else {
            return Ok(Followed::default());
        };
        // A record may name an item on many lines; it has one step of it.
        let mut grown: BTreeMap<(Place, &Sku), Growth> = BTreeMap::new();
        for effect in &effects {
            grown.insert((effect.place, effect.sku), Growth::default());
        }
        let shelves = grown.len();
        if some != ALL_SHELVES {
            let among = |at: &usize| some.contains(at);
            grown = grown
                .into_iter()
                .enumerate()
                .filter(|(at, _)| among(at))
                .map(|(_, shelf)| shelf)
                .collect();
        }
        for effect in &effects {
            let Some(sum) = grown.get_mut(&(effect.place, effect.sku)) else {
                continue;
            };
            let row = self.row(snapshot, replica, effect.place, effect.sku)?;
            let before = Growth::of(row);
            let _refused_moves_nothing = effect.verb.apply(row, &Shelf::default());
            let growth = Growth::of(row).since(before);
            *sum = sum.and(growth);
        }
        let mut steps = Vec::with_capacity(grown.len());
        for ((place, sku), growth) in grown {
            if growth == Growth::default() {
                continue;
            }
            let sums = match self.sums.entry((place, sku.clone())) {
                std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
                std::collections::btree_map::Entry::Vacant(new) => {
                    new.insert(snapshot.row_sums(self.from, place, sku)?)
                }
            };
            sums.0 = [sums.0, growth.on_hand()].into_iter().sum();
            sums.1 = [sums.1, growth.reserved()].into_iter().sum();
            let step = HistoryRow {
                position: found.position,
                kind,
                at_ms: entry.recorded.milliseconds(),
                growth,
                on_hand: sums.0,
                reserved: sums.1,
            };
            steps.push((place, sku.clone(), step));
        }
        Ok(Followed { steps, shelves })
    }

    /// The rows that were met, which are not empty.
    pub(super) fn into_rows(self) -> impl Iterator<Item = ((ReplicaIx, Place, Sku), Row)> {
        self.rows.into_iter().filter(|(_, row)| !row.is_empty())
    }

    fn row(
        &mut self,
        snapshot: &Snapshot<'_>,
        replica: ReplicaIx,
        place: Place,
        sku: &Sku,
    ) -> Result<&mut Row, StorageError> {
        Ok(match self.rows.entry((replica, place, sku.clone())) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(new) => {
                let stored = snapshot.shelf_row(self.from, place, sku, replica)?;
                new.insert(stored.unwrap_or_default())
            }
        })
    }
}
