//! Why a refund is not made.

use super::{LINES_MAX, TENDERS_MAX};
use crate::domain::money::Money;
use crate::domain::quantity::Quantity;

/// Why a refund is not made, for the person at the till. Lines (of the sale) and tenders are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefundRefusal {
    /// No line at all.
    #[error("a refund needs at least one line")]
    NoLines,
    /// Over [`LINES_MAX`] lines.
    #[error("a refund has at most {LINES_MAX} lines, and this one has {lines}")]
    TooManyLines {
        /// How many it has.
        lines: usize,
    },
    /// Over [`TENDERS_MAX`] tenders.
    #[error("a refund has at most {TENDERS_MAX} tenders, and this one has {tenders}")]
    TooManyTenders {
        /// How many it has.
        tenders: usize,
    },
    /// The sale has no such line.
    #[error("line {line}: the sale has only {lines} lines")]
    NoSuchLine {
        /// The line asked for.
        line: usize,
        /// How many the sale has.
        lines: usize,
    },
    /// A quantity of 0 or less.
    #[error("line {line}: the quantity must be over 0, and it is {quantity}")]
    QuantityNotPositive {
        /// The line.
        line: usize,
        /// The quantity asked for.
        quantity: Quantity,
    },
    /// More than was sold, with what came back before.
    #[error("line {line}: {asked} cannot come back, because {sold} was sold and {already} came back before")]
    MoreThanSold {
        /// The line.
        line: usize,
        /// How much of it was sold.
        sold: Quantity,
        /// How much of it came back in earlier refunds.
        already: Quantity,
        /// How much of it this refund names.
        asked: Quantity,
    },
    /// A tender of 0 or less.
    #[error("tender {tender}: the amount must be over 0, and it is {amount}")]
    TenderNotPositive {
        /// The tender.
        tender: usize,
        /// Its amount.
        amount: Money,
    },
    /// What is given is not the total.
    #[error("the tenders must be exactly the total: {given} is given, and {total} is to be paid back")]
    TendersDiffer {
        /// What is to be paid back.
        total: Money,
        /// What is given.
        given: Money,
    },
    /// The sum of the tenders does not fit.
    #[error("the amount of the tenders is too large")]
    TooLarge,
    /// The sale and its earlier refunds, as recorded, do not add up.
    #[error("what is recorded of the sale does not add up, so nothing can be taken back from it; `verify` says more")]
    RecordsInconsistent,
}

impl RefundRefusal {
    /// A stable name for programs, the last part of the problem type of RFC 9457. Never renamed.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoLines => "no-lines",
            Self::TooManyLines { .. } => "too-many-lines",
            Self::TooManyTenders { .. } => "too-many-tenders",
            Self::NoSuchLine { .. } => "no-such-line",
            Self::QuantityNotPositive { .. } => "quantity-not-positive",
            Self::MoreThanSold { .. } => "more-than-was-sold",
            Self::TenderNotPositive { .. } => "tender-not-positive",
            Self::TendersDiffer { .. } => "tenders-differ-from-total",
            Self::TooLarge => "amount-too-large",
            Self::RecordsInconsistent => "records-inconsistent",
        }
    }
}
