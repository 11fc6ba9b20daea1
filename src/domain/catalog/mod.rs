//! The catalog: items, their numbers and their prices.

mod gtin;
mod item;

pub(super) use gtin::check_digit;
pub use gtin::{Gtin, GtinError};
pub use item::{Item, ItemText, ItemTextError};
