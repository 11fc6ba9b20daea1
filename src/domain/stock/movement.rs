//! Movements of stock that are neither sales nor refunds.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::domain::ids::Sku;
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

/// A movement's identity, made of its client and of what that client calls its request.
///
/// A client that repeats a movement, also to a node that was restored and has forgotten it, is recognised by it. Eight
/// bytes: among a million movements two have the same one with a probability of 1 in 37 million, and then the second
/// is set aside, not lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MovementId(pub [u8; 8]);

impl MovementId {
    /// Of a client, in words that no other has, and the key of its request.
    #[must_use]
    pub fn of(client: &[u8], key: &str) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(b"finalmarket movement 1\0");
        hasher.update((client.len() as u64).to_le_bytes());
        hasher.update(client);
        hasher.update(key);
        let [a, b, c, d, e, f, g, h, ..] = <[u8; 32]>::from(hasher.finalize());
        Self([a, b, c, d, e, f, g, h])
    }
}

impl fmt::Display for MovementId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
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
