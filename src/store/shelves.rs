//! Shelves: every replica's row of each item. Rows of this node's own incarnations are written with the record that moves
//! them, in its transaction; others' as they are heard of.

use rusqlite::Row as SqlRow;

use super::changes::Change;
use super::keys::{Position, count, row_count, signed, unsigned};
use super::snapshot::{parsed, unreadable};
use super::{Snapshot, StorageError, WriteTransaction};
use crate::domain::escrow::{Amount, Registers, ReplicaId, Row, Shelf};
use crate::domain::ids::{Incarnation, Sku};
use crate::domain::quantity::Quantity;
use crate::domain::stock::Place;

/// A replica by its short number in this database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicaIx(pub(super) i64);

/// What there is of an item on sale at this site, over all replicas that are known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StockFigures {
    /// What is there. Below 0 where more was sold in hand than was ever recorded as received.
    pub on_hand: Quantity,
    /// What is promised.
    pub reserved: Quantity,
    /// What was sold beyond rights and is not settled.
    pub owed: Quantity,
    /// What replicas that this node has retired left, and nobody may promise until a count or an override.
    pub unpromised: Quantity,
}

impl StockFigures {
    /// What is there, promised to nobody and may be promised; never under 0.
    #[must_use]
    pub fn available(&self) -> Quantity {
        let left = self.on_hand.checked_sub(self.reserved).unwrap_or_default();
        let left = left.checked_sub(self.unpromised).unwrap_or_default();
        left.max(Quantity::ZERO)
    }
}

/// Which table of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rows {
    /// As they are.
    Now,
    /// As the pruned records left them.
    Base,
    /// As the history has them, which follows behind.
    Followed,
}

impl Rows {
    const fn table(self) -> &'static str {
        match self {
            Self::Now => "shelf",
            Self::Base => "shelf_base",
            Self::Followed => "shelf_followed",
        }
    }

    /// Reads one row. Whole texts, so that no sale writes one together.
    const fn one(self) -> &'static str {
        macro_rules! one {
            ($table:literal) => {
                concat!(
                    "SELECT added, removed, held, freed, debt, repaid, peers FROM ",
                    $table,
                    " WHERE sku = ?1 AND place = ?2 AND replica = ?3"
                )
            };
        }
        match self {
            Self::Now => one!("shelf"),
            Self::Base => one!("shelf_base"),
            Self::Followed => one!("shelf_followed"),
        }
    }

    /// Writes one row.
    const fn put(self) -> &'static str {
        macro_rules! put {
            ($table:literal) => {
                concat!(
                    "INSERT INTO ",
                    $table,
                    " (sku, place, replica, added, removed, held, freed, debt, repaid, peers, touched) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) \
                     ON CONFLICT (sku, place, replica) DO UPDATE SET added = excluded.added, \
                     removed = excluded.removed, held = excluded.held, freed = excluded.freed, debt = excluded.debt, \
                     repaid = excluded.repaid, peers = excluded.peers, touched = excluded.touched"
                )
            };
        }
        match self {
            Self::Now => put!("shelf"),
            Self::Base => put!("shelf_base"),
            Self::Followed => put!("shelf_followed"),
        }
    }
}

/// Changes a row that is there: it is looked for once, not twice.
const CHANGE: &str = "UPDATE shelf SET added = ?4, removed = ?5, held = ?6, freed = ?7, debt = ?8, repaid = ?9, \
    peers = ?10, touched = ?11 WHERE sku = ?1 AND place = ?2 AND replica = ?3";

/// How many rows the writer remembers: what most shops sell in a week, in about 4 MB.
const ROWS_KEPT_MAX: usize = 16_384;

const FIGURES: &str = "sum(added - removed), sum(held - freed), sum(debt - repaid), \
    (SELECT coalesce(sum(amount), 0) FROM unpromised WHERE unpromised.sku = shelf.sku)";
const REGISTERS: &str = "added, removed, held, freed, debt, repaid, peers";

impl Snapshot<'_> {
    /// What there is of an item; none where nothing ever moved.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn stock(&self, sku: &Sku) -> Result<Option<StockFigures>, StorageError> {
        let sql = format!("SELECT {FIGURES} FROM shelf WHERE sku = ?1 AND place = 0 HAVING count(*) > 0");
        self.one(&sql, (sku.as_str(),), |row| figures(row, 0))
    }

    /// Items with what there is of them in the order of their SKUs, after `after`; at most `limit`.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn stock_page(&self, after: Option<&Sku>, limit: u32) -> Result<Vec<(Sku, StockFigures)>, StorageError> {
        let sql =
            format!("SELECT sku, {FIGURES} FROM shelf WHERE sku > ?1 AND place = 0 GROUP BY sku ORDER BY sku LIMIT ?2");
        self.all(&sql, (after.map_or("", Sku::as_str), limit), |row| {
            Ok((parsed(row, 0)?, figures(row, 1)?))
        })
    }

    /// Every replica's row of an item, as far as it is known here.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn shelf(&self, place: Place, sku: &Sku) -> Result<Shelf, StorageError> {
        let sql = format!("SELECT {REGISTERS}, replica FROM shelf WHERE sku = ?1 AND place = ?2");
        let found = self.all(&sql, (sku.as_str(), place.number()), |row| {
            Ok((ReplicaIx(row.get(7)?), stored(row, 0)?))
        })?;
        let mut shelf = Shelf::default();
        for (replica, stored) in found {
            shelf.merge_row(&self.replica(replica)?, &self.row_of(stored)?);
        }
        Ok(shelf)
    }

    /// One replica's row of an item; none where it has none.
    pub(crate) fn shelf_row(
        &self,
        rows: Rows,
        place: Place,
        sku: &Sku,
        replica: ReplicaIx,
    ) -> Result<Option<Row>, StorageError> {
        let found = self.one(rows.one(), (sku.as_str(), place.number(), replica.0), |row| {
            stored(row, 0)
        })?;
        found.map(|stored| self.row_of(stored)).transpose()
    }

    /// What all rows of an item come to: there, promised.
    pub(crate) fn row_sums(&self, rows: Rows, place: Place, sku: &Sku) -> Result<(Quantity, Quantity), StorageError> {
        let sql = format!(
            "SELECT coalesce(sum(added - removed), 0), coalesce(sum(held - freed), 0) FROM {} \
             WHERE sku = ?1 AND place = ?2",
            rows.table()
        );
        let found = self.one(&sql, (sku.as_str(), place.number()), |row| {
            let quantity = |column: usize| row.get(column).map(Quantity::from_thousandths);
            Ok((quantity(0)?, quantity(1)?))
        })?;
        Ok(found.unwrap_or_default())
    }

    /// Every row of a replica.
    pub(crate) fn walk_rows(
        &self,
        rows: Rows,
        replica: ReplicaIx,
        mut each: impl FnMut(Place, Sku, Row),
    ) -> Result<(), StorageError> {
        let table = rows.table();
        let sql = format!("SELECT {REGISTERS}, place, sku FROM {table} WHERE replica = ?1 ORDER BY sku, place");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut found = statement.query((replica.0,))?;
        while let Some(row) = found.next()? {
            let place = Place::from_number(row.get(7)?).ok_or_else(|| unreadable(7, "not a place"))?;
            let stored = stored(row, 0)?;
            each(place, parsed(row, 8)?, self.row_of(stored)?);
        }
        Ok(())
    }

    /// A replica's rows at a place that a record behind a position moved.
    pub(crate) fn rows_touched(
        &self,
        place: Place,
        replica: ReplicaIx,
        behind: Position,
    ) -> Result<Vec<(Sku, Row)>, StorageError> {
        let sql = format!(
            "SELECT {REGISTERS}, sku FROM shelf WHERE place = ?1 AND replica = ?2 AND touched > ?3 ORDER BY sku"
        );
        let found = self.all(&sql, (place.number(), replica.0, behind.0), |row| {
            Ok((parsed(row, 7)?, stored(row, 0)?))
        })?;
        found
            .into_iter()
            .map(|(sku, stored)| Ok((sku, self.row_of(stored)?)))
            .collect()
    }

    /// The short number of a replica; none where nothing was heard of it.
    pub(crate) fn replica_ix(&self, replica: &ReplicaId) -> Result<Option<ReplicaIx>, StorageError> {
        let sql = "SELECT ix FROM replica WHERE node = ?1 AND counter = ?2 AND random = ?3";
        let Incarnation { counter, random } = replica.incarnation;
        self.one(sql, (replica.node.as_str(), counter, signed(random)), |row| {
            row.get(0).map(ReplicaIx)
        })
    }

    /// Whose short number it is.
    pub(crate) fn replica(&self, ix: ReplicaIx) -> Result<ReplicaId, StorageError> {
        let sql = "SELECT node, counter, random FROM replica WHERE ix = ?1";
        let found = self.one(sql, (ix.0,), |row| {
            let incarnation = Incarnation {
                counter: row.get(1)?,
                random: unsigned(row.get(2)?),
            };
            let node = parsed(row, 0)?;
            Ok(ReplicaId { node, incarnation })
        })?;
        found.ok_or_else(|| StorageError::Inconsistent(format!("replica {} has no name", ix.0)))
    }

    /// Whether rows are to be made anew before anything is sold.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn needs_rebuild(&self) -> Result<bool, StorageError> {
        Ok(self.one("SELECT 1 FROM rebuild", (), |_| Ok(()))?.is_some())
    }

    fn row_of(&self, stored: Stored) -> Result<Row, StorageError> {
        let Stored { mut registers, peers } = stored;
        for (replica, given, accepted) in peers {
            let replica = self.replica(ReplicaIx(replica))?;
            if !given.is_zero() {
                registers.given.insert(replica.clone(), given);
            }
            if !accepted.is_zero() {
                registers.accepted.insert(replica, accepted);
            }
        }
        Ok(Row::from(registers))
    }
}

impl WriteTransaction<'_> {
    /// The replica that this node is at present.
    pub(crate) fn own_replica(&mut self) -> Result<ReplicaIx, StorageError> {
        if let Some(known) = self.state.replica {
            return Ok(known);
        }
        let replica = ReplicaId {
            node: self.known_identity()?.node,
            incarnation: self.tip()?.incarnation,
        };
        let ix = self.known_replica(&replica)?;
        self.state.replica = Some(ix);
        Ok(ix)
    }

    /// The short number of a replica; a new one where nothing was heard of it before.
    pub(crate) fn known_replica(&mut self, replica: &ReplicaId) -> Result<ReplicaIx, StorageError> {
        if let Some(ix) = self.replica_ix(replica)? {
            return Ok(ix);
        }
        let sql = "INSERT INTO replica (node, counter, random) VALUES (?1, ?2, ?3)";
        let Incarnation { counter, random } = replica.incarnation;
        self.write(sql, (replica.node.as_str(), counter, signed(random)))?;
        Ok(ReplicaIx(self.inserted()))
    }

    /// The present incarnation's row of an item, from memory where it was moved before; none where it has none.
    pub(crate) fn own_shelf_row(&mut self, place: Place, sku: &Sku) -> Result<Option<Row>, StorageError> {
        let replica = self.own_replica()?;
        if let Some(known) = self.remembered(place, sku, replica) {
            return Ok(Some(known.clone()));
        }
        self.shelf_row(Rows::Now, place, sku, replica)
    }

    /// Keeps a replica's row of an item. `touched` is the record that moved it.
    pub(crate) fn put_shelf_row(
        &mut self,
        rows: Rows,
        (place, sku, replica): (Place, &Sku, ReplicaIx),
        row: &Row,
        touched: Position,
    ) -> Result<(), StorageError> {
        let registers = row.registers();
        let peers = self.packed_peers(registers)?;
        let is_there = rows == Rows::Now && self.remembered(place, sku, replica).is_some();
        let written = self.write(
            if is_there { CHANGE } else { rows.put() },
            (
                sku.as_str(),
                place.number(),
                replica.0,
                amount(registers.added),
                amount(registers.removed),
                amount(registers.held),
                amount(registers.freed),
                amount(registers.debt),
                amount(registers.repaid),
                peers,
                touched.0,
            ),
        )?;
        if written != 1 {
            return Err(StorageError::Inconsistent(format!(
                "the row of {sku} that was read is not there"
            )));
        }
        if rows == Rows::Now && place == Place::Sellable && self.state.replica == Some(replica) {
            if self.state.own_rows.len() >= ROWS_KEPT_MAX {
                self.state.own_rows.clear();
            }
            self.state.own_rows.insert(sku.clone(), (replica, row.clone()));
        }
        Ok(())
    }

    fn remembered(&self, place: Place, sku: &Sku, replica: ReplicaIx) -> Option<&Row> {
        if place != Place::Sellable {
            return None;
        }
        let (of, row) = self.state.own_rows.get(sku)?;
        (*of == replica).then_some(row)
    }

    /// Lets every row of a replica go.
    pub(crate) fn remove_rows(&mut self, rows: Rows, replica: ReplicaIx) -> Result<(), StorageError> {
        let sql = format!("DELETE FROM {} WHERE replica = ?1", rows.table());
        self.write(&sql, (replica.0,))?;
        self.state.own_rows.clear();
        Ok(())
    }

    /// Tells, after the commit, that there is another quantity of an item, or another promised.
    pub(crate) fn stock_changed(&mut self, sku: &Sku) {
        self.changed(Change::Stock(sku.clone()));
    }

    /// Says that rows are made anew.
    pub(crate) fn set_rebuilt(&mut self) -> Result<(), StorageError> {
        self.write("DELETE FROM rebuild", ())?;
        Ok(())
    }

    fn packed_peers(&mut self, registers: &Registers) -> Result<Option<Vec<u8>>, StorageError> {
        if registers.given.is_empty() && registers.accepted.is_empty() {
            return Ok(None);
        }
        let mut names: Vec<&ReplicaId> = registers.given.keys().chain(registers.accepted.keys()).collect();
        names.sort();
        names.dedup();
        let mut peers: Vec<Peer> = Vec::with_capacity(names.len());
        for name in names {
            let of = |amounts: &std::collections::BTreeMap<ReplicaId, Amount>| amounts.get(name).copied();
            let (given, accepted) = (of(&registers.given), of(&registers.accepted));
            let replica = self.known_replica(name)?.0;
            peers.push((replica, given.unwrap_or_default(), accepted.unwrap_or_default()));
        }
        // Writing to a growing vector does not fail for these types.
        Ok(Some(postcard::to_allocvec(&peers).unwrap_or_default()))
    }
}

/// A replica, what was handed on to it and what was taken over from it.
type Peer = (i64, Amount, Amount);

/// A row whose replicas are still short numbers.
struct Stored {
    registers: Registers,
    peers: Vec<Peer>,
}

/// Seven columns from `first` on.
fn stored(row: &SqlRow<'_>, first: usize) -> rusqlite::Result<Stored> {
    let amount = |column: usize| -> rusqlite::Result<Amount> {
        let number: i64 = row.get(first + column)?;
        Amount::try_from(count(number)).map_err(|error| unreadable(first + column, error))
    };
    let peers = match row.get_ref(first + 6)?.as_blob_or_null()? {
        None => Vec::new(),
        Some(bytes) => postcard::from_bytes(bytes).map_err(|error| unreadable(first + 6, error.to_string()))?,
    };
    let registers = Registers {
        added: amount(0)?,
        removed: amount(1)?,
        held: amount(2)?,
        freed: amount(3)?,
        debt: amount(4)?,
        repaid: amount(5)?,
        ..Registers::default()
    };
    Ok(Stored { registers, peers })
}

fn figures(row: &SqlRow<'_>, first: usize) -> rusqlite::Result<StockFigures> {
    let quantity = |column: usize| row.get(first + column).map(Quantity::from_thousandths);
    Ok(StockFigures {
        on_hand: quantity(0)?,
        reserved: quantity(1)?,
        owed: quantity(2)?,
        unpromised: quantity(3)?,
    })
}

fn amount(amount: Amount) -> i64 {
    row_count(amount.parts())
}
