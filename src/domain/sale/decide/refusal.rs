//! Why a sale is not made.

use super::{LINES_MAX, TENDERS_MAX};
use crate::domain::ids::TaxClass;
use crate::domain::money::Money;
use crate::domain::quantity::Quantity;

/// Why a sale is not made, for the person at the till. Lines and tenders are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SaleRefusal {
    /// No line at all.
    #[error("a sale needs at least one line")]
    NoLines,
    /// Over [`LINES_MAX`] lines.
    #[error("a sale has at most {LINES_MAX} lines, and this one has {lines}")]
    TooManyLines {
        /// How many it has.
        lines: usize,
    },
    /// Over [`TENDERS_MAX`] tenders.
    #[error("a sale has at most {TENDERS_MAX} tenders, and this one has {tenders}")]
    TooManyTenders {
        /// How many it has.
        tenders: usize,
    },
    /// A quantity of 0 or less.
    #[error("line {line}: the quantity must be over 0, and it is {quantity}")]
    QuantityNotPositive {
        /// The line.
        line: usize,
        /// Its quantity.
        quantity: Quantity,
    },
    /// Over [`Quantity::LINE_MAX`].
    #[error("line {line}: the quantity is at most {}, and it is {quantity}", Quantity::LINE_MAX)]
    QuantityTooLarge {
        /// The line.
        line: usize,
        /// Its quantity.
        quantity: Quantity,
    },
    /// No rate is known for the class.
    #[error("line {line}: the tax class {class} has no rate")]
    UnknownTaxClass {
        /// The line.
        line: usize,
        /// Its class.
        class: TaxClass,
    },
    /// Over 256 tax classes.
    #[error("line {line}: a sale has at most 256 tax classes, and this line has one more")]
    TooManyTaxClasses {
        /// The line with the first class too many.
        line: usize,
    },
    /// A line's discount is negative or more than the line.
    #[error("line {line}: the discount must be from 0 to {gross}, and it is {discount}")]
    LineDiscountOutOfRange {
        /// The line.
        line: usize,
        /// Its discount.
        discount: Money,
        /// Quantity times price, less promotions.
        gross: Money,
    },
    /// The basket's discount is negative or more than the basket.
    #[error("the basket's discount must be from 0 to {basket}, and it is {discount}")]
    BasketDiscountOutOfRange {
        /// The discount.
        discount: Money,
        /// What the lines' own discounts leave.
        basket: Money,
    },
    /// What promotions take off a line is negative, more than the line, or of a line that is not there.
    #[error("line {line}: promotions take more off it than it costs")]
    PromotionOutOfRange {
        /// The line.
        line: usize,
    },
    /// A tip where none are taken.
    #[error("this site takes no tips")]
    TipNotTaken,
    /// A tip of less than 0.
    #[error("a tip is 0 or more, and this one is {tip}")]
    TipNegative {
        /// The tip.
        tip: Money,
    },
    /// A sum of the sale does not fit.
    #[error("the amount of the sale is too large")]
    TooLarge,
    /// A tender of 0 or less.
    #[error("tender {tender}: the amount must be over 0, and it is {amount}")]
    TenderNotPositive {
        /// The tender.
        tender: usize,
        /// Its amount.
        amount: Money,
    },
    /// The tenders do not cover the total.
    #[error("the tenders do not cover the total: {given} is given, and {total} is to be paid")]
    TendersShort {
        /// What is to be paid.
        total: Money,
        /// What is given.
        given: Money,
    },
    /// Other means than cash give no change.
    #[error("only cash gives change: {not_cash} is given by other means, and {total} is to be paid")]
    ChangeWithoutCash {
        /// What is given by other means than cash.
        not_cash: Money,
        /// What is to be paid.
        total: Money,
    },
}

impl SaleRefusal {
    /// A stable name for programs, the last part of the problem type of RFC 9457. Never renamed.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoLines => "no-lines",
            Self::TooManyLines { .. } => "too-many-lines",
            Self::TooManyTenders { .. } => "too-many-tenders",
            Self::QuantityNotPositive { .. } => "quantity-not-positive",
            Self::QuantityTooLarge { .. } => "quantity-too-large",
            Self::UnknownTaxClass { .. } => "unknown-tax-class",
            Self::TooManyTaxClasses { .. } => "too-many-tax-classes",
            Self::LineDiscountOutOfRange { .. } => "line-discount-out-of-range",
            Self::BasketDiscountOutOfRange { .. } => "basket-discount-out-of-range",
            Self::PromotionOutOfRange { .. } => "promotion-out-of-range",
            Self::TipNotTaken => "tip-not-taken",
            Self::TipNegative { .. } => "tip-negative",
            Self::TooLarge => "amount-too-large",
            Self::TenderNotPositive { .. } => "tender-not-positive",
            Self::TendersShort { .. } => "tenders-do-not-cover-total",
            Self::ChangeWithoutCash { .. } => "change-without-cash",
        }
    }
}
