//! Compares the history of shelves with what the journal says, as far as it has followed.

use super::difference::Difference;
use crate::operations::follow_history::{ALL_SHELVES, HistoryFold, Lives};
use crate::store::{HistoryCursor, JournalRow, Rows, Snapshot, StorageError};

/// The history as the journal says, over all incarnations.
pub(in crate::operations) struct HistoryCheck {
    /// How far the stored one has followed; it says nothing of what is behind.
    cursor: HistoryCursor,
    lives: Lives,
    fold: HistoryFold,
    steps: u64,
}

impl HistoryCheck {
    /// From what the pruned records had done.
    pub(in crate::operations) fn new(snapshot: &Snapshot<'_>) -> Result<Self, StorageError> {
        Ok(Self {
            cursor: snapshot.history_cursor()?,
            lives: Lives::read(snapshot)?,
            fold: HistoryFold::over(Rows::Base),
            steps: 0,
        })
    }

    /// A record's steps against the stored ones.
    pub(in crate::operations) fn record(
        &mut self,
        snapshot: &Snapshot<'_>,
        found: &JournalRow,
        mut differs: impl FnMut(Difference),
    ) -> Result<(), StorageError> {
        let shelves = if found.position <= self.cursor.through {
            ALL_SHELVES
        } else {
            // Of the record that it is at it may have some.
            0..std::mem::take(&mut self.cursor.shelves)
        };
        if shelves.is_empty() {
            return Ok(());
        }
        for (place, sku, step) in self.fold.record(snapshot, &self.lives, found, shelves)?.steps {
            self.steps += 1;
            if snapshot.history_row(place, &sku, found.position)? != Some(step) {
                let position = found.position.get();
                differs(Difference::Step { sku, position });
            }
        }
        Ok(())
    }

    /// Steps without a record, and what all steps of an item come to.
    pub(in crate::operations) fn finish(
        self,
        snapshot: &Snapshot<'_>,
        mut differs: impl FnMut(Difference),
    ) -> Result<(), StorageError> {
        let (stored, journal) = (snapshot.history_count()?, self.steps);
        if stored != journal {
            differs(Difference::Steps { stored, journal });
        }
        if let Some(sku) = snapshot.history_misfit()? {
            differs(Difference::StepSums { sku });
        }
        for ((replica, place, sku), row) in self.fold.into_rows() {
            if snapshot.shelf_row(Rows::Followed, place, &sku, replica)?.as_ref() != Some(&row) {
                let sku = sku.to_string();
                differs(Difference::StepSums { sku });
            }
        }
        Ok(())
    }
}
