//! What `verify`, `repair` and `prune` share.

mod difference;
mod fold;
mod rows;

pub use difference::Difference;
pub(super) use fold::StockFold;
pub(super) use rows::{Dictionary, Row};
