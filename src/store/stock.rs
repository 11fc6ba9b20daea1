//! Stock: one quantity for each item. It may fall below zero, because goods in a customer's hand are always sold.

use super::changes::Change;
use super::snapshot::parsed;
use super::{Snapshot, StorageError, WriteTransaction};
use crate::domain::ids::Sku;
use crate::domain::quantity::Quantity;

impl Snapshot<'_> {
    /// How much there is of an item; none where nothing ever moved.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn stock(&self, sku: &Sku) -> Result<Option<Quantity>, StorageError> {
        self.one("SELECT quantity FROM stock WHERE sku = ?1", (sku.as_str(),), |row| {
            row.get(0).map(Quantity::from_thousandths)
        })
    }

    /// Items with their stock in the order of their SKUs, after `after`; at most `limit`.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn stock_page(&self, after: Option<&Sku>, limit: u32) -> Result<Vec<(Sku, Quantity)>, StorageError> {
        let sql = "SELECT sku, quantity FROM stock WHERE sku > ?1 ORDER BY sku LIMIT ?2";
        self.all(sql, (after.map_or("", Sku::as_str), limit), |row| {
            Ok((parsed(row, 0)?, Quantity::from_thousandths(row.get(1)?)))
        })
    }
}

impl WriteTransaction<'_> {
    /// Moves an item's stock up or down.
    pub(crate) fn move_stock(&mut self, sku: &Sku, by: Quantity) -> Result<(), StorageError> {
        self.write(
            "INSERT INTO stock (sku, quantity) VALUES (?1, ?2) \
             ON CONFLICT (sku) DO UPDATE SET quantity = quantity + excluded.quantity",
            (sku.as_str(), by.thousandths()),
        )?;
        self.changed(Change::Stock(sku.clone()));
        Ok(())
    }
}
