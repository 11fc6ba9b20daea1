//! Stock: what moves it.

use serde::{Deserialize, Serialize};

use super::ids::Sku;
use super::quantity::Quantity;

/// Why stock moved other than by a sale or a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MovementKind {
    /// The stock that a site opens with.
    Opening,
    /// Goods that came in.
    Receipt,
    /// A correction by a person, up or down.
    Adjustment,
}

/// Goods that came in, went out or were corrected: one document with one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Movement {
    /// Why.
    pub kind: MovementKind,
    /// The document's own reference (delivery note, file name), in words.
    pub reference: Option<String>,
    /// What moved, by item; negative where it went out.
    pub lines: Vec<MovementLine>,
}

/// One item of a movement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovementLine {
    /// The item.
    pub sku: Sku,
    /// By how much its quantity changes; not 0.
    pub change: Quantity,
}
