//! Why a line costs what it costs: the promotions and people behind its price and its discount.
//!
//! Adjustments explain discounts, they do not add to them: over a sale, what they take off a line is at most the line's
//! discounts.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::domain::ids::{IdError, StaffId, check, text_id};
use crate::domain::money::{Minor, Price};
use crate::domain::quantity::Quantity;

const SHOWN: &str = "characters that can be shown";

fn is_shown(c: char) -> bool {
    !c.is_control()
}

const PLAIN: &str = "letters, digits, '-', '_' and '.'";

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

text_id!(
    /// A promotion's identity: 1 to 64 letters, digits, `-`, `_` and `.`.
    PromotionId, "promotion", 64, PLAIN, is_plain
);
text_id!(
    /// A coupon's code as it is printed or scanned: 1 to 64 letters, digits, `-`, `_` and `.`.
    CouponCode, "coupon", 64, PLAIN, is_plain
);
text_id!(
    /// What customers read of a promotion: 1 to 80 characters.
    PromotionName, "promotion's name", 80, SHOWN, is_shown
);
text_id!(
    /// Why a person changed a price or gave a discount, in words: 1 to 100 characters.
    ByHandReason, "reason", 100, SHOWN, is_shown
);

/// One cause of discounts, with what it took off each line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adjustment {
    /// What made it.
    pub cause: AdjustmentCause,
    /// What it took off each line that it concerns.
    pub shares: Vec<LineShare>,
}

/// What made a discount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdjustmentCause {
    /// A promotion.
    Promotion {
        /// Which.
        promotion: PromotionId,
        /// What customers read of it.
        name: PromotionName,
        /// The coupon that it took.
        coupon: Option<CouponCode>,
    },
    /// A person, on a line.
    LineByHand(ByHand),
    /// A person, on the whole basket.
    BasketByHand(ByHand),
}

/// Who decided something by hand, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByHand {
    /// Why, in words.
    pub reason: Option<ByHandReason>,
    /// Who did it, where known.
    pub by: Option<StaffId>,
    /// Who allowed it, where somebody else had to.
    pub approved_by: Option<StaffId>,
}

/// What something took off one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineShare {
    /// The line's position, from 0.
    pub line: u16,
    /// What it took off, 0 or more.
    pub amount: Minor,
}

/// Why a line's price is not the item's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceNote {
    /// The line's position, from 0.
    pub line: u16,
    /// The item's own price of one unit on the channel.
    pub list: Price,
    /// Why the line has another.
    pub cause: PriceCause,
}

/// Why a price is not the item's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PriceCause {
    /// The price book has another for that time or that quantity.
    Book {
        /// From how much on it holds.
        from_quantity: Quantity,
    },
    /// A person set it.
    ByHand(ByHand),
    /// The label in the code says what is to be paid.
    Label,
}

impl Adjustment {
    /// All that it took off. None where the sum does not fit.
    #[must_use]
    pub fn amount(&self) -> Option<Minor> {
        let mut shares = self.shares.iter();
        shares.try_fold(Minor(0), |sum, share| sum.checked_add(share.amount))
    }
}
