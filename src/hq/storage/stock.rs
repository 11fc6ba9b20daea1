//! Stock on hand by site and item.

use rusqlite::OptionalExtension as _;

use super::{Reading, StorageError, Writing};
use crate::domain::ids::{SiteId, Sku};
use crate::domain::quantity::Quantity;

impl Reading<'_> {
    /// What is on hand of an item at a site; zero where nothing is known.
    pub(in crate::hq) fn stock_of(&self, site: &SiteId, sku: &Sku) -> Result<Quantity, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT quantity FROM stock WHERE site = ?1 AND sku = ?2")?;
        let quantity = statement.query_row((site.as_str(), sku.as_str()), |row| row.get(0));
        Ok(Quantity::from_thousandths(quantity.optional()?.unwrap_or_default()))
    }
}

impl Writing<'_> {
    /// Writes what is on hand of an item at a site.
    pub(in crate::hq) fn save_stock(&self, site: &SiteId, sku: &Sku, quantity: Quantity) -> Result<(), StorageError> {
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO stock (site, sku, quantity) VALUES (?1, ?2, ?3)
             ON CONFLICT (site, sku) DO UPDATE SET quantity = excluded.quantity",
        )?;
        statement.execute((site.as_str(), sku.as_str(), quantity.thousandths()))?;
        Ok(())
    }

    /// Throws all stock figures away.
    pub(in crate::hq) fn clear_stock(&self) -> Result<(), StorageError> {
        self.connection.execute("DELETE FROM stock", [])?;
        Ok(())
    }
}
