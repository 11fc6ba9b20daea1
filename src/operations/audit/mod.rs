//! What `verify`, `repair` and `prune` share.

mod difference;
mod fold;
mod history;
mod kept;
mod rows;
mod shelves;

pub use difference::Difference;
pub(super) use fold::RowsFold;
pub(super) use history::HistoryCheck;
pub(super) use kept::kept_rows;
pub(super) use rows::{Dictionary, Row};
pub(super) use shelves::{ShelvesFold, left_by};
