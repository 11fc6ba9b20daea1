//! Movements of stock that are neither sales nor refunds.

use serde::{Deserialize, Serialize};

use crate::domain::ids::Sku;
use crate::domain::ids::request::{of_request, request_id};
use crate::domain::quantity::Quantity;

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

request_id!(
    /// A movement's identity, made of its client and of what that client calls its request.
    ///
    /// A client that repeats a movement, also to a node that was restored and has forgotten it, is recognised by it. Eight
    /// bytes: among a million movements two have the same one with a probability of 1 in 37 million, and then the second
    /// is set aside, not lost.
    MovementId,
    "a movement's identity"
);

impl MovementId {
    /// Of a client, in words that no other has, and the key of its request.
    #[must_use]
    pub fn of(client: &[u8], key: &str) -> Self {
        Self(of_request(b"finalmarket movement 1\0", client, key))
    }
}

/// Goods that came in, went out or were corrected: one document with one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Movement {
    /// Its identity, where its client gave it one. It stands beside the body in a record, whose kind tells whether
    /// there is one.
    #[serde(skip)]
    pub id: Option<MovementId>,
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
