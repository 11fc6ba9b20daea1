//! Escrow: rights to promise a thing, divided among replicas, so that no two of them can promise the same one.
//!
//! Promises: a replica that has a right needs nobody's leave to use it; rights are never made, only moved, but by goods
//! that come in and by debt that says so; every register only grows, so that merging is the maximum, entry by entry,
//! whatever was lost, repeated or reordered on the way. Must never: let a refused operation change anything, write
//! another replica's row, or read a clock.
//!
//! What is held is none of this module's business: thousandths of a unit of goods, minor units of a gift card's value.
//! Goods that a customer has in hand go out even beyond the rights, as *debt* ([`Row::take`]); value has no debt
//! ([`Row::spend`]).
//!
//! Sources. Dividing rights: P. O'Neil, "The Escrow Transactional Method", 1986. Replicas that hand rights on with
//! registers that only grow: V. Balegas et al., "Extending Eventually Consistent Cloud Databases for Enforcing Numeric
//! Invariants" (bounded counter), SRDS 2015. Debt, holds and retirement are this project's own; each rule says why.

mod amount;
mod grant;
mod row;
mod shelf;
mod verbs;

#[cfg(test)]
mod model;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod steps;

pub use amount::Amount;
pub use grant::{Grant, GrantStep};
pub use row::{Broken, Registers, ReplicaId, Row};
pub use shelf::Shelf;
pub use verbs::{Refusal, Taken};
