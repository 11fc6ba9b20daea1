//! Stock on hand by site and item.

use rusqlite::OptionalExtension as _;

use super::value::parsed;
use super::{Reading, StorageError, Writing};
use crate::domain::ids::{SiteId, Sku};
use crate::domain::quantity::Quantity;
use crate::hq::stock::{StockCursor, StockLine};

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

impl Reading<'_> {
    /// Stock lines in the order of site and SKU, of one site or of all, behind `after`.
    pub(in crate::hq) fn stock(
        &self,
        site: Option<&SiteId>,
        after: Option<&StockCursor>,
        limit: u32,
    ) -> Result<Vec<StockLine>, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT site, sku, quantity FROM stock
             WHERE (?1 = '' OR site = ?1) AND (site, sku) > (?2, ?3) ORDER BY site, sku LIMIT ?4",
        )?;
        // Everything of one site lies behind its name with an empty SKU.
        let (after_site, after_sku) = match (after, site) {
            (Some(after), _) => (after.site.as_str(), after.sku.as_str()),
            (None, site) => (site.map_or("", SiteId::as_str), ""),
        };
        let site = site.map_or("", SiteId::as_str);
        let lines = statement.query_map((site, after_site, after_sku, limit), |row| {
            Ok(StockLine {
                site: parsed(row, 0)?,
                sku: parsed(row, 1)?,
                quantity: Quantity::from_thousandths(row.get(2)?),
            })
        })?;
        Ok(lines.collect::<Result<_, _>>()?)
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
        self.connection.execute("DELETE FROM movement", [])?;
        Ok(())
    }
}
