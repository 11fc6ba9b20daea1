//! Carts: what a customer is about to buy, shared by the tills of a shop until it is paid or given up.
//!
//! A cart promises that no edit of one till undoes another's: every line has an identity that its till made, and a
//! quantity is changed by so much, not set over somebody else's. It holds no price of the catalog: what a cart comes to
//! is worked out anew whenever it is looked at, and only the sale that it ends in records it.

mod edit;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use edit::{CartEdit, EditRefusal};

use super::ids::{CustomerRef, IdError, Sku, check, text_id};
use super::money::Price;
use super::quantity::Quantity;
use super::sale::{ByHand, Discount};

const PLAIN: &str = "letters, digits, '-' and '_'";

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_')
}

const SHOWN: &str = "characters that can be shown";

fn is_shown(c: char) -> bool {
    !c.is_control()
}

text_id!(
    /// A cart's identity, made by the till that begins it, such as a UUID: 1 to 64 letters, digits, `-` and `_`.
    CartId, "cart", 64, PLAIN, is_plain
);
text_id!(
    /// A line's identity within its cart, made by the till that adds it: 1 to 64 letters, digits, `-` and `_`.
    CartLineId, "cart line", 64, PLAIN, is_plain
);
text_id!(
    /// What staff call a parked cart: 1 to 60 characters.
    CartName, "cart's name", 60, SHOWN, is_shown
);

/// What a customer is about to buy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cart {
    /// Its lines, in the order in which they were added.
    pub lines: Vec<CartLine>,
    /// Off the whole basket, after the lines' own discounts, and who gave it.
    pub discount: Option<(Discount, ByHand)>,
    /// Who buys, where known.
    pub customer: Option<CustomerRef>,
    /// What staff call it.
    pub name: Option<CartName>,
}

/// One line of a cart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CartLine {
    /// Its identity.
    pub id: CartLineId,
    /// What is to be sold.
    pub sku: Sku,
    /// How much of it, over 0.
    pub quantity: Quantity,
    /// A price of one unit that a person set, and who.
    pub price: Option<(Price, ByHand)>,
    /// Off this line, and who gave it.
    pub discount: Option<(Discount, ByHand)>,
}

/// What has become of a cart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CartState {
    /// A till is at it.
    Open,
    /// It waits for any till to take it up.
    Parked,
    /// It was paid: a sale says what it came to.
    Paid,
    /// It was given up.
    Void,
}

impl CartState {
    /// Whether it may still be changed and paid.
    #[must_use]
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Open | Self::Parked)
    }
}
