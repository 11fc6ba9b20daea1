//! The history of shelves: which record moved which item by how much. It follows the journal behind a cursor.

use rusqlite::Row as SqlRow;

use super::keys::{Position, count, row_count};
use super::snapshot::unreadable;
use super::{Snapshot, StorageError, WriteTransaction};
use crate::domain::escrow::Amount;
use crate::domain::ids::Sku;
use crate::domain::quantity::Quantity;
use crate::domain::stock::{Growth, Place, StepKind};

/// One record's step on one shelf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryRow {
    /// The record.
    pub position: Position,
    /// What it was.
    pub kind: StepKind,
    /// When it was recorded, milliseconds since 1970.
    pub at_ms: u64,
    /// What it did.
    pub growth: Growth,
    /// What was there after it, by this disk's journal.
    pub on_hand: Quantity,
    /// What was promised after it, by this disk's journal.
    pub reserved: Quantity,
}

/// How far the history has followed the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryCursor {
    /// The last record that it has whole.
    pub through: Position,
    /// Of the next record it has so many shelves, by their order of place and SKU.
    pub shelves: usize,
}

impl HistoryCursor {
    /// Before the first record.
    pub(crate) const START: Self = Self::through(Position::NONE);

    /// Behind a whole record.
    #[must_use]
    pub const fn through(through: Position) -> Self {
        Self { through, shelves: 0 }
    }
}

/// Many steps of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistorySum {
    /// What they were.
    pub kind: StepKind,
    /// How many; 0 where that is not known any more.
    pub times: u64,
    /// When the first was recorded, milliseconds since 1970.
    pub first_ms: u64,
    /// When the last was.
    pub last_ms: u64,
    /// What they did.
    pub growth: Growth,
}

const ROW: &str = "SELECT position, kind, at_ms, added, removed, held, freed, given, accepted, debt, repaid, on_hand, \
    reserved FROM history";
const SUMS: &str = "sum(added), sum(removed), sum(held), sum(freed), sum(given), sum(accepted), sum(debt), sum(repaid)";

impl Snapshot<'_> {
    /// The last record that the history has whole.
    pub(crate) fn history_through(&self) -> Result<Position, StorageError> {
        Ok(self.history_cursor()?.through)
    }

    /// How far the history has followed.
    pub(crate) fn history_cursor(&self) -> Result<HistoryCursor, StorageError> {
        let found = self.one("SELECT position, shelves FROM history_cursor", (), |row| {
            Ok(HistoryCursor {
                through: Position(row.get(0)?),
                shelves: usize::try_from(row.get::<_, i64>(1)?).unwrap_or_default(),
            })
        })?;
        Ok(found.unwrap_or(HistoryCursor::START))
    }

    /// The last record of all.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn last_position(&self) -> Result<Position, StorageError> {
        let found = self.one("SELECT max(position) FROM journal", (), |row| {
            row.get::<_, Option<i64>>(0)
        })?;
        Ok(found.flatten().map_or(Position::NONE, Position))
    }

    /// Steps of a shelf, the newest first, from before `before` on; at most `limit`.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn history(
        &self,
        place: Place,
        sku: &Sku,
        before: Option<Position>,
        limit: u32,
    ) -> Result<Vec<HistoryRow>, StorageError> {
        let sql = format!("{ROW} WHERE sku = ?1 AND place = ?2 AND position < ?3 ORDER BY position DESC LIMIT ?4");
        let before = before.map_or(i64::MAX, |before| before.0);
        self.all(&sql, (sku.as_str(), place.number(), before, limit), history_row)
    }

    /// The step of one record.
    pub(crate) fn history_row(
        &self,
        place: Place,
        sku: &Sku,
        position: Position,
    ) -> Result<Option<HistoryRow>, StorageError> {
        let sql = format!("{ROW} WHERE sku = ?1 AND place = ?2 AND position = ?3");
        self.one(&sql, (sku.as_str(), place.number(), position.0), history_row)
    }

    /// The newest steps of a shelf between two records that went into debt, the newest first, until they come to `owed`.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn history_debts(
        &self,
        sku: &Sku,
        (first, last): (Position, Position),
        owed: Amount,
    ) -> Result<Vec<HistoryRow>, StorageError> {
        let sql = format!(
            "{ROW} WHERE sku = ?1 AND place = 0 AND position BETWEEN ?2 AND ?3 AND debt > 0 ORDER BY position DESC"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query((sku.as_str(), first.0, last.0))?;
        let (mut found, mut left) = (Vec::new(), owed);
        while !left.is_zero()
            && let Some(row) = rows.next()?
        {
            let row = history_row(row)?;
            left = left.above(row.growth.debt);
            found.push(row);
        }
        Ok(found)
    }

    /// The newest steps of a shelf between two records that made debt or repaid it, the newest first.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn history_settling(
        &self,
        sku: &Sku,
        (first, last): (Position, Position),
        limit: u32,
    ) -> Result<Vec<HistoryRow>, StorageError> {
        let sql = format!(
            "{ROW} WHERE sku = ?1 AND place = 0 AND position BETWEEN ?2 AND ?3 AND (debt > 0 OR repaid > 0) \
             ORDER BY position DESC LIMIT ?4"
        );
        self.all(&sql, (sku.as_str(), first.0, last.0, limit), history_row)
    }

    /// What a shelf's steps come to by kind: those whose records are kept, then those whose records were pruned.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn history_sums(&self, place: Place, sku: &Sku) -> Result<(Vec<HistorySum>, Vec<HistorySum>), StorageError> {
        let kept = format!(
            "SELECT kind, count(*), min(at_ms), max(at_ms), {SUMS} FROM history WHERE sku = ?1 AND place = ?2 \
             GROUP BY kind"
        );
        let pruned = "SELECT kind, times, first_ms, last_ms, added, removed, held, freed, given, accepted, debt, repaid \
            FROM history_base WHERE sku = ?1 AND place = ?2";
        let values = (sku.as_str(), place.number());
        Ok((
            self.all(&kept, values, history_sum)?,
            self.all(pruned, values, history_sum)?,
        ))
    }

    /// By how much what is there changed after a record, but for what counts found: that was so before they were posted.
    pub(crate) fn history_since(&self, place: Place, sku: &Sku, after: Position) -> Result<Quantity, StorageError> {
        let sql = "SELECT coalesce(sum(added - removed), 0) FROM history \
            WHERE sku = ?1 AND place = ?2 AND position > ?3 AND kind NOT IN (?4, ?5)";
        let counts = [StepKind::Count, StepKind::CountLate].map(StepKind::number);
        let found = self.one(
            sql,
            (sku.as_str(), place.number(), after.0, counts[0], counts[1]),
            |row| row.get(0).map(Quantity::from_thousandths),
        )?;
        Ok(found.unwrap_or_default())
    }

    /// How many steps there are.
    pub(crate) fn history_count(&self) -> Result<u64, StorageError> {
        let counted = self.one("SELECT count(*) FROM history", (), |row| row.get(0))?;
        Ok(count(counted.unwrap_or_default()))
    }

    /// An item whose steps do not come to its rows, if there is one.
    pub(crate) fn history_misfit(&self) -> Result<Option<String>, StorageError> {
        let sql = "SELECT sku FROM (\
              SELECT sku, place, sum(added - removed) AS there, sum(held - freed) AS promised, \
                     sum(debt) AS debt, sum(repaid) AS repaid \
              FROM (SELECT sku, place, added, removed, held, freed, debt, repaid FROM history \
                    UNION ALL SELECT sku, place, added, removed, held, freed, debt, repaid FROM history_base \
                    UNION ALL SELECT sku, place, -added, -removed, -held, -freed, -debt, -repaid FROM shelf_followed) \
              GROUP BY sku, place) \
            WHERE there <> 0 OR promised <> 0 OR debt <> 0 OR repaid <> 0 ORDER BY sku LIMIT 1";
        self.one(sql, (), |row| row.get(0))
    }
}

impl WriteTransaction<'_> {
    /// Keeps a step.
    pub(crate) fn put_history(&mut self, place: Place, sku: &Sku, row: &HistoryRow) -> Result<(), StorageError> {
        let sql = "INSERT OR REPLACE INTO history (sku, place, position, kind, at_ms, added, removed, held, freed, \
            given, accepted, debt, repaid, on_hand, reserved) \
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";
        let growth = &row.growth;
        let amount = |amount: Amount| row_count(amount.parts());
        self.write(
            sql,
            (
                sku.as_str(),
                place.number(),
                row.position.0,
                row.kind.number(),
                row_count(row.at_ms),
                amount(growth.added),
                amount(growth.removed),
                amount(growth.held),
                amount(growth.freed),
                amount(growth.given),
                amount(growth.accepted),
                amount(growth.debt),
                amount(growth.repaid),
                row.on_hand.thousandths(),
                row.reserved.thousandths(),
            ),
        )?;
        Ok(())
    }

    /// Says how far the history has followed.
    pub(crate) fn set_history_cursor(&mut self, cursor: HistoryCursor) -> Result<(), StorageError> {
        let sql = "INSERT INTO history_cursor (one, position, shelves) VALUES (1, ?1, ?2) \
            ON CONFLICT (one) DO UPDATE SET position = excluded.position, shelves = excluded.shelves";
        self.write(sql, (cursor.through.0, row_count(cursor.shelves as u64)))?;
        Ok(())
    }

    /// Adds a shelf's steps through a record to the sums of what was pruned, and lets them go.
    pub(crate) fn prune_history(&mut self, place: Place, sku: &Sku, through: Position) -> Result<(), StorageError> {
        let sql = format!(
            "INSERT INTO history_base (sku, place, kind, times, first_ms, last_ms, added, removed, held, freed, given, \
             accepted, debt, repaid) \
             SELECT sku, place, kind, count(*), min(at_ms), max(at_ms), {SUMS} FROM history \
             WHERE sku = ?1 AND place = ?2 AND position <= ?3 GROUP BY sku, place, kind \
             ON CONFLICT (sku, place, kind) DO UPDATE SET times = times + excluded.times, last_ms = excluded.last_ms, \
             added = added + excluded.added, removed = removed + excluded.removed, held = held + excluded.held, \
             freed = freed + excluded.freed, given = given + excluded.given, \
             accepted = accepted + excluded.accepted, debt = debt + excluded.debt, repaid = repaid + excluded.repaid"
        );
        self.write(&sql, (sku.as_str(), place.number(), through.0))?;
        let sql = "DELETE FROM history WHERE sku = ?1 AND place = ?2 AND position <= ?3";
        self.write(sql, (sku.as_str(), place.number(), through.0))?;
        Ok(())
    }

    /// Lets the history begin anew behind what was pruned: what counts of the journal has changed.
    pub(crate) fn restart_history(&mut self) -> Result<(), StorageError> {
        self.write("DELETE FROM history", ())?;
        self.write("DELETE FROM shelf_followed", ())?;
        self.write("INSERT INTO shelf_followed SELECT * FROM shelf_base", ())?;
        self.set_history_cursor(HistoryCursor::START)
    }
}

fn history_row(row: &SqlRow<'_>) -> rusqlite::Result<HistoryRow> {
    Ok(HistoryRow {
        position: Position(row.get(0)?),
        kind: kind(row, 1)?,
        at_ms: count(row.get(2)?),
        growth: growth(row, 3)?,
        on_hand: row.get(11).map(Quantity::from_thousandths)?,
        reserved: row.get(12).map(Quantity::from_thousandths)?,
    })
}

fn history_sum(row: &SqlRow<'_>) -> rusqlite::Result<HistorySum> {
    Ok(HistorySum {
        kind: kind(row, 0)?,
        times: count(row.get(1)?),
        first_ms: count(row.get(2)?),
        last_ms: count(row.get(3)?),
        growth: growth(row, 4)?,
    })
}

fn kind(row: &SqlRow<'_>, column: usize) -> rusqlite::Result<StepKind> {
    StepKind::from_number(row.get(column)?).ok_or_else(|| unreadable(column, "not a kind of step"))
}

/// Eight columns from `first` on.
fn growth(row: &SqlRow<'_>, first: usize) -> rusqlite::Result<Growth> {
    let amount = |column: usize| -> rusqlite::Result<Amount> {
        let number: i64 = row.get(first + column)?;
        Amount::try_from(count(number)).map_err(|error| unreadable(first + column, error))
    };
    Ok(Growth {
        added: amount(0)?,
        removed: amount(1)?,
        held: amount(2)?,
        freed: amount(3)?,
        given: amount(4)?,
        accepted: amount(5)?,
        debt: amount(6)?,
        repaid: amount(7)?,
    })
}
