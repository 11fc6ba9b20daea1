//! Holds: goods promised to somebody for a while. A hold is open once and ended once, by its owner alone.
//!
//! Promises: what is held was covered by the owner's rights when it was opened, all lines or none; it runs out by a clock
//! that only counts while its owner runs, so that a restart lengthens it and nothing shortens it. Must never: end twice,
//! or be ended by anybody but the replica that owns it.

use serde::{Deserialize, Serialize};

use super::transfer::TransferId;
use crate::domain::ids::request::{of_request, request_id};
use crate::domain::ids::{ChannelId, CustomerRef, SaleId, SiteId, Sku, StaffId};
use crate::domain::quantity::Quantity;

request_id!(
    /// A hold's identity, made of its client and of what that client calls its request, like a movement's: it stays the same
    /// when the hold is handed over to another replica.
    HoldId,
    "a hold's identity"
);

impl HoldId {
    /// Of a client, in words that no other has, and the key of its request.
    #[must_use]
    pub fn of(client: &[u8], key: &str) -> Self {
        Self(of_request(b"finalmarket hold 1\0", client, key))
    }
}

/// What a hold is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldPurpose {
    /// A cart that somebody is filling, or that was parked.
    Cart,
    /// Goods that wait for a customer: an order for pickup, a reservation by telephone.
    Pickup,
    /// Goods that are to leave for another site.
    Transfer,
}

/// One item of a hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldLine {
    /// The item; a hold names each once.
    pub sku: Sku,
    /// How much of it; over 0.
    pub quantity: Quantity,
}

/// The fact that a hold was opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldOpened {
    /// Its identity.
    pub id: HoldId,
    /// The site whose goods they are.
    pub site: SiteId,
    /// What it is for.
    pub purpose: HoldPurpose,
    /// The sales channel.
    pub channel: ChannelId,
    /// Whom it is for, where known.
    pub customer: Option<CustomerRef>,
    /// Who opened it, where known.
    pub staff: Option<StaffId>,
    /// How long it lasts unless it is extended, in milliseconds of its owner's running time.
    pub lifetime_ms: u64,
    /// What is held; at least one line.
    pub lines: Vec<HoldLine>,
}

/// The fact that an open hold lasts longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldExtended {
    /// Its identity.
    pub id: HoldId,
    /// The site whose goods they are.
    pub site: SiteId,
    /// How long it lasts from now on, in milliseconds of its owner's running time.
    pub lifetime_ms: u64,
}

/// The fact that a hold ended. It says all that was held, so that it needs no other record to be understood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldEnded {
    /// Its identity.
    pub id: HoldId,
    /// The site whose goods they are.
    pub site: SiteId,
    /// How.
    pub end: HoldEnd,
    /// What was held.
    pub lines: Vec<HoldLine>,
}

/// How a hold ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldEnd {
    /// Somebody gave it up.
    Released,
    /// Its time ran out.
    Expired,
    /// It was sold. `sold` says how much of each item, in the order of the hold's lines: weighed goods come out at
    /// another quantity, and what was left in the cart at 0.
    Sold {
        /// The sale.
        sale: SaleId,
        /// How much of each line's item was sold from it.
        sold: Vec<Quantity>,
    },
    /// The customer fetched all of it, and had paid before.
    Collected,
    /// It left for another site. `sent` says how much of each item, in the order of the hold's lines.
    Dispatched {
        /// The transfer.
        transfer: TransferId,
        /// How much of each line's item left.
        sent: Vec<Quantity>,
    },
}

/// An open hold, as its owner keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// What was opened, with the lifetime that was set last.
    pub opened: HoldOpened,
    /// When it runs out, in milliseconds of its owner's running time.
    pub expires_at_ms: u64,
}

impl Hold {
    /// How long it still lasts at a moment of its owner's running time, in milliseconds; 0 where it has run out.
    #[must_use]
    pub const fn remaining_ms(&self, running_ms: u64) -> u64 {
        self.expires_at_ms.saturating_sub(running_ms)
    }

    /// How much of an item it holds.
    #[must_use]
    pub fn quantity_of(&self, sku: &Sku) -> Quantity {
        let line = self.opened.lines.iter().find(|line| line.sku == *sku);
        line.map_or(Quantity::ZERO, |line| line.quantity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_read_as_it_is_written() {
        let id = HoldId::of(b"kiosk 3", "cart-77");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_ne!(id, HoldId::of(b"kiosk ", "3cart-77"));
        for wrong in ["", "12", "00112233445566778", "+011223344556677", "zz11223344556677"] {
            assert!(wrong.parse::<HoldId>().is_err(), "{wrong}");
        }
    }
}
