//! `basket,site,at,customer,sku,quantity,unit_price,discount`: finished baskets, one row a line, to be played again.

use std::io::Read;
use std::iter::Peekable;

use super::table::{HeaderError, RowError, Table};
use crate::domain::ids::{CustomerRef, SiteId, Sku};
use crate::domain::money::Price;
use crate::domain::quantity::Quantity;
use crate::domain::time::LocalTime;

/// A basket: consecutive rows with one number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Basket {
    /// The file's number of it.
    pub basket: String,
    /// The line of its first row, from 1.
    pub line: u64,
    /// Where it was sold.
    pub site: SiteId,
    /// When.
    pub at: LocalTime,
    /// To whom, where known.
    pub customer: Option<CustomerRef>,
    /// What.
    pub lines: Vec<BasketLine>,
}

/// One line of a basket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BasketLine {
    /// The item.
    pub sku: Sku,
    /// How much of it.
    pub quantity: Quantity,
    /// The price of one unit.
    pub unit_price: Price,
    /// Off the whole line.
    pub discount: Price,
}

/// A file of baskets that is being read. A basket with a bad row is not played: the error tells the row, and the
/// basket's other rows are passed over, so that nobody pays for half of what they bought.
pub struct Baskets<R: Read> {
    rows: Peekable<Rows<R>>,
}

impl<R: Read> Baskets<R> {
    /// Reads the first line.
    ///
    /// # Errors
    /// Where a column other than `customer` and `discount` is missing.
    pub fn open(source: R) -> Result<Self, HeaderError> {
        let table = Table::open(source, &["basket", "site", "at", "sku", "quantity", "unit_price"])?;
        Ok(Self {
            rows: Rows { table }.peekable(),
        })
    }
}

impl<R: Read> Iterator for Baskets<R> {
    type Item = Result<Basket, RowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let first = self.rows.next()?;
        let number = first.basket.clone();
        let mut basket = first.content;
        while let Some(row) = self.rows.next_if(|row| row.basket == number && !number.is_empty()) {
            basket = match (basket, row.content) {
                (Ok(mut basket), Ok(more)) => {
                    basket.lines.extend(more.lines);
                    Ok(basket)
                }
                (Err(error), _) | (_, Err(error)) => Err(error),
            };
        }
        Some(basket)
    }
}

struct Rows<R> {
    table: Table<R>,
}

/// One row, as a basket of one line.
struct BasketRow {
    /// Empty where not even that can be read.
    basket: String,
    content: Result<Basket, RowError>,
}

impl<R: Read> Iterator for Rows<R> {
    type Item = BasketRow;

    fn next(&mut self) -> Option<BasketRow> {
        let row = match self.table.next_row()? {
            Ok(row) => row,
            Err(error) => {
                return Some(BasketRow {
                    basket: String::new(),
                    content: Err(error),
                });
            }
        };
        let number = row.text("basket").to_owned();
        let content = || {
            if number.is_empty() {
                return Err(row.error("basket", "the basket has no number".into()));
            }
            let line = BasketLine {
                sku: row.parse("sku")?,
                quantity: row.parse("quantity")?,
                unit_price: row.parse("unit_price")?,
                discount: row.parse_if_any("discount")?.unwrap_or(Price::ZERO),
            };
            Ok(Basket {
                basket: number.clone(),
                line: row.line(),
                site: row.parse("site")?,
                at: row.parse("at")?,
                customer: row.parse_if_any("customer")?,
                lines: vec![line],
            })
        };
        let content = content();
        Some(BasketRow {
            basket: number,
            content,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "basket,site,at,customer,sku,quantity,unit_price,discount\n";

    fn read(rows: &str) -> Vec<Result<Basket, RowError>> {
        Baskets::open(format!("{HEADER}{rows}").as_bytes()).unwrap().collect()
    }

    #[test]
    fn rows_of_one_basket_stay_together() {
        let baskets = read(
            "7,store-1,2017-01-01T12:26:30,household-1,a,1,1.58,0.15\n7,store-1,2017-01-01T12:26:30,household-1,b,2,3.69,0.00\n8,store-1,2017-01-01T12:27:00,,a,0.25,1.58,\n",
        );
        assert_eq!(baskets.len(), 2);
        assert_eq!(baskets[0].as_ref().unwrap().lines.len(), 2);
        assert_eq!(baskets[1].as_ref().unwrap().customer, None);
    }

    #[test]
    fn a_basket_with_a_bad_row_is_told_and_passed_whole() {
        let baskets = read(
            "7,store-1,2017-01-01T12:26:30,,a,1,1.58,\n7,store-1,2017-01-01T12:26:30,,b,x,3.69,\n7,store-1,2017-01-01T12:26:30,,c,1,1,\n8,store-1,2017-01-01T12:27:00,,a,1,1.58,\n",
        );
        assert_eq!(baskets.len(), 2);
        assert_eq!(
            baskets[0].as_ref().unwrap_err().to_string(),
            "line 3, column 6 (quantity): \"x\" is not a decimal number"
        );
        assert_eq!(baskets[1].as_ref().unwrap().basket, "8");
    }
}
