//! `site,sku,quantity`: the stock that sites open with.

use std::io::Read;

use super::table::{HeaderError, RowError, Table};
use crate::domain::ids::{SiteId, Sku};
use crate::domain::quantity::Quantity;

/// One row of a stock file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockRow {
    /// The line in the file, from 1.
    pub line: u64,
    /// The site.
    pub site: SiteId,
    /// The item.
    pub sku: Sku,
    /// What is there.
    pub quantity: Quantity,
}

/// A stock file that is being read.
pub struct StockFile<R> {
    table: Table<R>,
}

impl<R: Read> StockFile<R> {
    /// Reads the first line.
    ///
    /// # Errors
    /// Where `site`, `sku` or `quantity` is not a column.
    pub fn open(source: R) -> Result<Self, HeaderError> {
        Ok(Self {
            table: Table::open(source, &["site", "sku", "quantity"])?,
        })
    }
}

impl<R: Read> Iterator for StockFile<R> {
    type Item = Result<StockRow, RowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = match self.table.next_row()? {
            Ok(row) => row,
            Err(error) => return Some(Err(error)),
        };
        let stock = || {
            let quantity: Quantity = row.parse("quantity")?;
            if quantity < Quantity::ZERO || quantity > Quantity::LINE_MAX {
                let reason = format!("{quantity} is not from 0 to {}", Quantity::LINE_MAX);
                return Err(row.error("quantity", reason));
            }
            Ok(StockRow {
                line: row.line(),
                site: row.parse("site")?,
                sku: row.parse("sku")?,
                quantity,
            })
        };
        Some(stock())
    }
}
