//! What engines say to each other. Grants are not among it: they are facts, and travel as facts do.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::escrow::Amount;
use crate::domain::ids::{SiteId, Sku};

/// The sellable goods of one item at one site: the only ones that carry rights.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ShelfKey {
    /// The site.
    pub site: SiteId,
    /// The item.
    pub sku: Sku,
}

impl fmt::Display for ShelfKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.site, self.sku)
    }
}

/// What rights are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Purpose {
    /// A customer waits. What lies above the floor is given.
    Customer,
    /// Goods went out beyond the rights, and this settles it. Nothing is kept back: a right that is kept while goods are
    /// gone has nothing behind it.
    Debt,
    /// Customers are expected. Only what is to spare is given, and part of it.
    Stock,
}

/// Rights are asked for. It is repeated under the same number until it is answered: by a grant that names it, or by an
/// [`Answer`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Of which shelf.
    pub shelf: ShelfKey,
    /// The asker's number of it.
    pub id: u64,
    /// What for.
    pub purpose: Purpose,
    /// How much is needed now; none for stock.
    pub needed: Amount,
    /// The least that helps: less than this would only be stranded at the asker.
    pub least: Amount,
    /// How much more is welcome, for customers that are expected.
    pub extra: Amount,
    /// How long the asker waits, in milliseconds, from when it sent this.
    pub wait_ms: u32,
}

/// Nothing was given. Where something was given, the grant itself is the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Of which shelf.
    pub shelf: ShelfKey,
    /// The request's number.
    pub id: u64,
}

/// A message between two neighbours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RightsMessage {
    /// Rights are asked for.
    Request(Request),
    /// There are none to give.
    Nothing(Answer),
}
