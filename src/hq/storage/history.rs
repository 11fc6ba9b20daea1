//! The history of shelves: what each journal comes to on a shelf, step by step, and the holds that are open.

use std::ops::ControlFlow;

use rusqlite::types::Type;
use rusqlite::{OptionalExtension as _, Row as SqlRow};
use serde::{Deserialize, Serialize};

use super::value::{damaged, number, unsigned};
use super::{OriginId, Reading, StorageError, Writing};
use crate::domain::escrow::{Registers, Row};
use crate::domain::ids::{SiteId, Sku};
use crate::domain::quantity::Quantity;
use crate::domain::stock::{Growth, HoldId, HoldOpened, Place};

/// How many steps stand in one row of the database: few enough that adding one to them costs little.
const STEPS_MAX: usize = 32;

/// What one journal comes to on one shelf.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::hq) struct Folded {
    /// Its row, as its journal says.
    pub row: Row,
    /// By the number of a kind.
    pub kinds: Vec<FoldedKind>,
}

/// All steps of one kind of one journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::hq) struct FoldedKind {
    /// The kind's number.
    pub kind: u8,
    /// How many there are.
    pub times: u64,
    /// When the first was recorded, milliseconds since 1970.
    pub first_ms: u64,
    /// When the last was.
    pub last_ms: u64,
    /// What they did.
    pub growth: Growth,
}

/// One record's step on one shelf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::hq) struct ToldStep {
    /// Whose journal.
    pub origin: i64,
    /// The record that holds its content: whose, and its number there.
    pub kept: (i64, u64),
    /// The number of its kind.
    pub kind: u8,
    /// When it was recorded, milliseconds since 1970.
    pub at_ms: u64,
    /// What it did.
    pub growth: Growth,
}

/// A step with its place among all of the shelf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::hq) struct PlacedStep {
    /// Its number, from 1.
    pub number: u64,
    /// The step.
    pub step: ToldStep,
    /// What was there after it.
    pub on_hand: Quantity,
    /// What was promised after it.
    pub reserved: Quantity,
}

/// A hold that is open, as far as its owner has told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hq) struct ToldHold {
    /// Whose.
    pub origin: OriginId,
    /// What was opened.
    pub opened: HoldOpened,
    /// When it runs out if its owner runs all the time, milliseconds since 1970.
    pub expires_ms: u64,
}

/// A shelf's key in rows.
type Key<'a> = (&'a SiteId, Place, &'a Sku);

/// Steps that stand together, with the sums before the first of them.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Together {
    on_hand: Quantity,
    reserved: Quantity,
    steps: Vec<ToldStep>,
}

impl Together {
    /// Each step with the sums after it; numbers go up from `first`.
    fn placed(&self, first: u64) -> Vec<PlacedStep> {
        let (mut on_hand, mut reserved) = (self.on_hand, self.reserved);
        let placed = (first..).zip(&self.steps).map(|(number, step)| {
            on_hand = [on_hand, step.growth.on_hand()].into_iter().sum();
            reserved = [reserved, step.growth.reserved()].into_iter().sum();
            PlacedStep {
                number,
                step: *step,
                on_hand,
                reserved,
            }
        });
        placed.collect()
    }

    /// What comes behind it.
    fn next(&self) -> Self {
        let last = self.placed(0).pop();
        let (on_hand, reserved) = last.map_or((self.on_hand, self.reserved), |last| (last.on_hand, last.reserved));
        Self {
            on_hand,
            reserved,
            steps: Vec::new(),
        }
    }
}

impl Reading<'_> {
    /// What one journal comes to on a shelf.
    pub(in crate::hq) fn folded(&self, (site, place, sku): Key<'_>, origin: OriginId) -> Result<Folded, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT folded FROM shelf_journal WHERE site = ?1 AND place = ?2 AND sku = ?3 AND origin = ?4",
        )?;
        let key = (site.as_str(), place.number(), sku.as_str(), origin.0);
        let found = statement.query_row(key, |row| folded(row, 0)).optional()?;
        Ok(found.unwrap_or_default())
    }

    /// What every journal comes to on a shelf.
    pub(in crate::hq) fn all_folded(
        &self,
        (site, place, sku): Key<'_>,
    ) -> Result<Vec<(OriginId, Folded)>, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT origin, folded FROM shelf_journal WHERE site = ?1 AND place = ?2 AND sku = ?3 ORDER BY origin",
        )?;
        let found = statement.query_map((site.as_str(), place.number(), sku.as_str()), |row| {
            Ok((OriginId(row.get(0)?), folded(row, 1)?))
        })?;
        Ok(found.collect::<Result<_, _>>()?)
    }

    /// Walks over the steps of a shelf, the newest first, from before number `before` on, until told to stop.
    pub(in crate::hq) fn walk_steps(
        &self,
        (site, place, sku): Key<'_>,
        before: Option<u64>,
        mut each: impl FnMut(PlacedStep) -> ControlFlow<()>,
    ) -> Result<(), StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT first_step, steps FROM shelf_steps
             WHERE site = ?1 AND place = ?2 AND sku = ?3 AND first_step < ?4 ORDER BY first_step DESC",
        )?;
        let before = before.map_or(Ok(i64::MAX), number)?;
        let mut rows = statement.query((site.as_str(), place.number(), sku.as_str(), before))?;
        while let Some(row) = rows.next()? {
            let together: Together = unpacked(row, 1)?;
            for placed in together.placed(unsigned(row, 0)?).into_iter().rev() {
                if i64::try_from(placed.number).unwrap_or(i64::MAX) < before && each(placed).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Holds that are open at a site as far as their owners have told.
    pub(in crate::hq) fn told_holds(&self, site: &SiteId) -> Result<Vec<ToldHold>, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT origin, opened, expires_ms FROM told_hold WHERE site = ?1 ORDER BY expires_ms, id",
        )?;
        let holds = statement.query_map([site.as_str()], |row| {
            Ok(ToldHold {
                origin: OriginId(row.get(0)?),
                opened: unpacked(row, 1)?,
                expires_ms: unsigned(row, 2)?,
            })
        })?;
        Ok(holds.collect::<Result<_, _>>()?)
    }

    /// What was opened by a hold that its owner has not told the end of.
    pub(in crate::hq) fn told_hold(&self, origin: OriginId, id: HoldId) -> Result<Option<HoldOpened>, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT opened FROM told_hold WHERE origin = ?1 AND id = ?2")?;
        Ok(statement
            .query_row((origin.0, id.0), |row| unpacked(row, 0))
            .optional()?)
    }
}

impl Writing<'_> {
    /// Keeps what one journal comes to on a shelf.
    pub(in crate::hq) fn save_folded(
        &self,
        (site, place, sku): Key<'_>,
        origin: OriginId,
        folded: &Folded,
    ) -> Result<(), StorageError> {
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO shelf_journal (site, place, sku, origin, folded) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (site, place, sku, origin) DO UPDATE SET folded = excluded.folded",
        )?;
        let packed = packed(&(folded.row.registers(), &folded.kinds))?;
        statement.execute((site.as_str(), place.number(), sku.as_str(), origin.0, packed))?;
        Ok(())
    }

    /// Adds steps behind those that a shelf has.
    pub(in crate::hq) fn add_steps(&self, (site, place, sku): Key<'_>, steps: &[ToldStep]) -> Result<(), StorageError> {
        let last = self.connection.prepare_cached(
            "SELECT first_step, steps FROM shelf_steps
             WHERE site = ?1 AND place = ?2 AND sku = ?3 ORDER BY first_step DESC LIMIT 1",
        )?;
        let mut last = last;
        let last = last.query_row((site.as_str(), place.number(), sku.as_str()), |row| {
            Ok((unsigned(row, 0)?, unpacked::<Together>(row, 1)?))
        });
        let (mut first, mut together) = last.optional()?.unwrap_or((1, Together::default()));
        let mut save = self.connection.prepare_cached(
            "INSERT INTO shelf_steps (site, place, sku, first_step, steps) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (site, place, sku, first_step) DO UPDATE SET steps = excluded.steps",
        )?;
        let mut steps = steps.iter().copied().peekable();
        while steps.peek().is_some() {
            let room = STEPS_MAX.saturating_sub(together.steps.len());
            if room == 0 {
                first += together.steps.len() as u64;
                together = together.next();
                continue;
            }
            together.steps.extend(steps.by_ref().take(room));
            let packed = packed(&together)?;
            save.execute((site.as_str(), place.number(), sku.as_str(), number(first)?, packed))?;
        }
        Ok(())
    }

    /// Keeps an open hold of a node.
    pub(in crate::hq) fn save_told_hold(&self, hold: &ToldHold) -> Result<(), StorageError> {
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO told_hold (origin, id, site, opened, expires_ms) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (origin, id) DO UPDATE SET opened = excluded.opened, expires_ms = excluded.expires_ms",
        )?;
        let (opened, expires_ms) = (&hold.opened, number(hold.expires_ms)?);
        statement.execute((
            hold.origin.0,
            opened.id.0,
            opened.site.as_str(),
            packed(opened)?,
            expires_ms,
        ))?;
        Ok(())
    }

    /// Lets a hold of a node go that has ended.
    pub(in crate::hq) fn remove_told_hold(&self, origin: OriginId, id: HoldId) -> Result<(), StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("DELETE FROM told_hold WHERE origin = ?1 AND id = ?2")?;
        statement.execute((origin.0, id.0))?;
        Ok(())
    }

    /// Throws the history away.
    pub(in crate::hq) fn clear_history(&self) -> Result<(), StorageError> {
        for table in ["shelf_journal", "shelf_steps", "told_hold"] {
            self.connection.execute(&format!("DELETE FROM {table}"), [])?;
        }
        Ok(())
    }
}

fn folded(row: &SqlRow<'_>, column: usize) -> rusqlite::Result<Folded> {
    let (registers, kinds) = unpacked::<(Registers, Vec<FoldedKind>)>(row, column)?;
    let row = Row::from(registers);
    Ok(Folded { row, kinds })
}

fn packed(value: &impl Serialize) -> Result<Vec<u8>, StorageError> {
    postcard::to_allocvec(value).map_err(|error| StorageError::Failed(error.to_string()))
}

fn unpacked<T: serde::de::DeserializeOwned>(row: &SqlRow<'_>, column: usize) -> rusqlite::Result<T> {
    let bytes = row.get_ref(column)?.as_blob()?;
    postcard::from_bytes(bytes).map_err(|error| damaged(column, Type::Blob, &error))
}
