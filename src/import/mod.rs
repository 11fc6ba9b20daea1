//! Files that people bring: catalogs, stock and baskets as CSV.
//!
//! Columns are found by name, in any order. A bad row is told with its line and column and never stops the rest; what
//! to do about it is the caller's decision. Nothing here writes anything.

mod baskets;
mod catalog;
mod stock;
mod table;

pub use baskets::{Basket, BasketLine, Baskets};
pub use catalog::Catalog;
pub use stock::{StockFile, StockRow};
pub use table::{HeaderError, RowError};
