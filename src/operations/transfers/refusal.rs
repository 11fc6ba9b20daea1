//! Why nothing is done about a transfer: one closed list.

use super::NOTE_MAX;
use crate::domain::ids::{SiteId, Sku};
use crate::domain::quantity::Quantity;
use crate::domain::stock::{HoldId, SITE_LINES_MAX, TransferDifference, TransferId, TransferState};
use crate::operations::Short;

/// Why nothing is done. Lines are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransferRefusal {
    /// This site knows of no such transfer.
    #[error("this site has no transfer {0}")]
    Unknown(TransferId),
    /// No line at all.
    #[error("a transfer needs at least one line")]
    NoLines,
    /// Over [`SITE_LINES_MAX`] lines.
    #[error("a transfer has at most {SITE_LINES_MAX} lines, and this has {0}")]
    TooManyLines(usize),
    /// A quantity that is not one.
    #[error("line {line}: the quantity of {sku} is over 0 and at most {}", Quantity::LINE_MAX)]
    Quantity {
        /// The line.
        line: usize,
        /// The item.
        sku: Sku,
    },
    /// An item on two lines.
    #[error("line {line}: {sku} is on another line already")]
    Repeated {
        /// The line.
        line: usize,
        /// The item.
        sku: Sku,
    },
    /// From a site to the same site.
    #[error("goods go from one site to another, and {0} is this one")]
    SameSite(SiteId),
    /// The transfer is another site's business.
    #[error("the transfer {id} goes from {from} to {to}: this site cannot do that")]
    NotHere {
        /// The transfer.
        id: TransferId,
        /// The site that the goods leave.
        from: String,
        /// The site that they go to.
        to: String,
    },
    /// What it was done before, or comes too late.
    #[error("the transfer {id} is {}", words(*.state))]
    State {
        /// The transfer.
        id: TransferId,
        /// How far it is.
        state: TransferState,
    },
    /// This node has no rights to let so much go.
    #[error("not enough to send: {}", .0.iter().map(|short| format!("{} of {} (line {}), {} wanted", short.promisable, short.sku, short.line, short.wanted)).collect::<Vec<_>>().join("; "))]
    NotEnough(Vec<Short>),
    /// The hold is not open here.
    #[error("this node has no open hold {0}")]
    NotOpen(HoldId),
    /// An item that leaves and is not in the hold.
    #[error("line {line}: the hold does not hold so much of {sku}")]
    NotHeld {
        /// The line.
        line: usize,
        /// The item.
        sku: Sku,
    },
    /// Other goods arrived than left, and nobody says why.
    #[error("other goods arrived than left; the receipt needs a reason: {}", .0.iter().map(|one| format!("{} of {} arrived, {} left", one.arrived, one.sku, one.sent)).collect::<Vec<_>>().join("; "))]
    Unexplained(Vec<TransferDifference>),
    /// `other` without a note.
    #[error("the reason `other` needs a note that says what it is")]
    NoteMissing,
    /// The note is too long or has control characters.
    #[error("a note has at most {NOTE_MAX} characters, none of them control characters")]
    Note,
    /// It was done before, under the same key.
    #[error("this transfer was asked for before, so long ago that its answer is no longer kept")]
    LongMade,
}

impl TransferRefusal {
    /// A stable name for programs, the last part of the problem type of RFC 9457. Never renamed.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unknown(_) => "transfer-not-found",
            Self::NoLines => "no-lines",
            Self::TooManyLines(_) => "too-many-lines",
            Self::Quantity { .. } => "transfer-quantity",
            Self::Repeated { .. } => "item-repeated",
            Self::SameSite(_) => "same-site",
            Self::NotHere { .. } => "transfer-elsewhere",
            Self::State { .. } => "transfer-state",
            Self::NotEnough(_) => "not-enough-to-promise",
            Self::NotOpen(_) => "hold-not-open",
            Self::NotHeld { .. } => "not-in-the-hold",
            Self::Unexplained(_) => "transfer-difference",
            Self::NoteMissing => "note-missing",
            Self::Note => "reference",
            Self::LongMade => "long-made",
        }
    }
}

const fn words(state: TransferState) -> &'static str {
    match state {
        TransferState::Requested => "asked for, and nothing has left",
        TransferState::CalledOff => "called off",
        TransferState::InTransit => "on its way",
        TransferState::ReceivedEarly | TransferState::Received => "received",
    }
}
