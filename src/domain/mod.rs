//! Nouns and rules of the business. Pure: no disk, no socket, no clock, no randomness.

pub mod barcode;
pub mod cart;
pub mod catalog;
pub mod escrow;
pub mod fact;
pub mod ids;
pub mod journal;
pub mod money;
mod percent;
pub mod quantity;
pub mod sale;
pub mod stock;
pub mod tax;
pub mod time;
