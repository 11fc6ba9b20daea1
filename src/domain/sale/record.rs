//! What is recorded of a finished sale and of a refund. Once recorded it never changes.
//!
//! Amounts are whole minor units of the document's currency; the totals are recorded as they were decided and can be
//! recomputed from the lines at any time.

use serde::{Deserialize, Serialize};

use super::adjustment::{Adjustment, PriceNote};
use super::words::{RefundReason, TenderReference};
use crate::domain::ids::{ChannelId, CustomerRef, ReceiptNumber, SaleId, Sku, StaffId};
use crate::domain::money::{Currency, Minor, Price};
use crate::domain::quantity::Quantity;
use crate::domain::stock::{HoldId, Place};
use crate::domain::tax::{AppliedTax, TaxPolicy, TaxSum};
use crate::domain::time::{BusinessDay, LocalTime};

/// A finished sale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sale {
    /// The till's own identity of it.
    pub id: SaleId,
    /// The receipt's number.
    pub receipt: ReceiptNumber,
    /// When it was made, at the till.
    pub at: LocalTime,
    /// The business day that it belongs to.
    pub business_day: BusinessDay,
    /// The sales channel.
    pub channel: ChannelId,
    /// The currency of every amount in it.
    pub currency: Currency,
    /// Who bought, where known.
    pub customer: Option<CustomerRef>,
    /// Who sold, where known.
    pub staff: Option<StaffId>,
    /// The version of the price feed that its prices came from; 0 where the till stated them.
    pub price_version: u64,
    /// How tax was computed.
    pub tax_policy: TaxPolicy,
    /// The tax classes that occur, in order of first use; lines name them by position.
    pub taxes: Vec<AppliedTax>,
    /// What was sold; at least one line.
    pub lines: Vec<SaleLine>,
    /// What made the lines' discounts. What none of them tells was stated by the till without more.
    pub adjustments: Vec<Adjustment>,
    /// Lines whose price is not the item's own, and why. Prices that a till stated without more have none.
    pub price_notes: Vec<PriceNote>,
    /// How it was paid; in all at least [`Totals::to_pay`].
    pub tenders: Vec<Tender>,
    /// The sums.
    pub totals: Totals,
}

/// One line of a sale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaleLine {
    /// What was sold.
    pub sku: Sku,
    /// How much of it, over 0.
    pub quantity: Quantity,
    /// The price of one unit.
    pub unit_price: Price,
    /// The line's own discount, promotions included, from 0 to its gross amount.
    pub discount: Minor,
    /// Its share of the discount on the whole basket.
    pub basket_discount: Minor,
    /// The position of its tax class in the sale's `taxes`.
    pub tax: u8,
    /// How the goods left.
    pub fulfilment: Fulfilment,
}

/// How goods left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fulfilment {
    /// The customer had them in hand. `debt` is what was beyond the node's rights.
    InHand {
        /// Beyond the node's rights; 0 where it had them.
        debt: Quantity,
    },
    /// They had been promised by a hold, which ended with the sale.
    Promised {
        /// The hold.
        hold: HoldId,
        /// Beyond what was held and beyond the node's rights: weighed goods come out heavier.
        debt: Quantity,
    },
}

impl Fulfilment {
    /// How much of the line was beyond the node's rights.
    #[must_use]
    pub const fn debt(&self) -> Quantity {
        match self {
            Self::InHand { debt } | Self::Promised { debt, .. } => *debt,
        }
    }
}

/// A means of payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TenderKind {
    /// Notes and coins; the only one that gives change.
    Cash,
    /// A payment card.
    Card,
    /// A gift card.
    GiftCard,
    /// A voucher.
    Voucher,
    /// The customer's account.
    Account,
    /// Anything else.
    Other,
    /// What goods that came back in the same exchange were worth.
    Exchange,
}

/// One payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tender {
    /// The means.
    pub kind: TenderKind,
    /// What was given, over 0.
    pub amount: Minor,
    /// The means' own reference (authorisation, card number's end), where there is one.
    pub reference: Option<TenderReference>,
}

/// The sums of a document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Quantity times price, over all lines.
    pub gross: Minor,
    /// All discounts.
    pub discount: Minor,
    /// The tax by class, in the order of the document's `taxes`.
    pub taxes: Vec<TaxSum>,
    /// What the goods come to, tax and all.
    pub total: Minor,
    /// What was given back in cash.
    pub change: Minor,
    /// What the rounding of a sum paid in coins adds to the total or, negative, takes off it.
    pub rounding: Minor,
    /// What the customer gave beyond the total for the staff; 0 or more.
    pub tip: Minor,
}

impl Totals {
    /// What was to be paid: the total, the tip and the rounding. None where it does not fit.
    #[must_use]
    pub fn to_pay(&self) -> Option<Minor> {
        self.total.checked_add(self.tip)?.checked_add(self.rounding)
    }
}

/// Goods brought back against a receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// The till's own identity of it, from the same count as its sales.
    pub id: SaleId,
    /// The refund's receipt number, from the same series as sales.
    pub receipt: ReceiptNumber,
    /// The sale that it takes back from.
    pub of: SaleId,
    /// When it was made, at the till.
    pub at: LocalTime,
    /// The business day that it belongs to.
    pub business_day: BusinessDay,
    /// The sales channel.
    pub channel: ChannelId,
    /// The currency of every amount in it.
    pub currency: Currency,
    /// Who bought, where known.
    pub customer: Option<CustomerRef>,
    /// Who took it back, where known.
    pub staff: Option<StaffId>,
    /// Why, in words.
    pub reason: Option<RefundReason>,
    /// How tax was computed on the sale.
    pub tax_policy: TaxPolicy,
    /// The tax classes that occur, in order of first use.
    pub taxes: Vec<AppliedTax>,
    /// What came back; at least one line.
    pub lines: Vec<RefundLine>,
    /// How it was paid back; in all exactly the total and its rounding.
    pub tenders: Vec<Tender>,
    /// The sums, as positive amounts paid back. `change` and `tip` are 0.
    pub totals: Totals,
}

/// One line of a refund.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundLine {
    /// The position of the line in the sale, from 0.
    pub line: u16,
    /// What came back.
    pub sku: Sku,
    /// How much of it, over 0.
    pub quantity: Quantity,
    /// What is paid back for it, as priced (with the tax where prices contain it).
    pub amount: Minor,
    /// The tax in it or on it.
    pub tax_amount: Minor,
    /// The position of its tax class in the refund's `taxes`.
    pub tax: u8,
    /// Where it stands now.
    pub place: Place,
}
