//! What can differ between the journal and what follows from it, named so that a person finds it.

use crate::domain::escrow::ReplicaId;
use crate::domain::ids::{Incarnation, ReceiptNumber, ReceiptSeries, SaleId, Sku};
use crate::domain::quantity::Quantity;
use crate::domain::stock::{HoldId, MovementId, TransferId};

/// One thing that is not as the journal says, or a place where the journal itself is damaged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    /// The chain does not begin as the incarnation's name says.
    #[error("incarnation {0} does not begin with its own hash")]
    Genesis(Incarnation),
    /// A record does not give the chain's hash that is stored with it.
    #[error("record {seq} of incarnation {incarnation} does not give its hash: it or its hash was changed")]
    Chain {
        /// The incarnation.
        incarnation: Incarnation,
        /// The record.
        seq: u64,
    },
    /// Records are not there.
    #[error("records {first} to {last} of incarnation {incarnation} are missing")]
    Missing {
        /// The incarnation.
        incarnation: Incarnation,
        /// The first that is missing.
        first: u64,
        /// The last that is missing.
        last: u64,
    },
    /// A record cannot be read.
    #[error("record {seq} of incarnation {incarnation} cannot be read: {reason}")]
    Unreadable {
        /// The incarnation.
        incarnation: Incarnation,
        /// The record.
        seq: u64,
        /// Why.
        reason: String,
    },
    /// Headquarters acknowledged another record than the one that is here.
    #[error("headquarters acknowledged record {seq} of incarnation {incarnation} with another hash")]
    Acknowledged {
        /// The incarnation.
        incarnation: Incarnation,
        /// The record.
        seq: u64,
    },
    /// A document's sums do not follow from its lines.
    #[error("the sums of {receipt} do not follow from its lines")]
    Totals {
        /// The document's receipt.
        receipt: ReceiptNumber,
    },
    /// A document has no row, or its row says something else.
    #[error("{id} ({receipt}) has {found}")]
    Document {
        /// The document's identity.
        id: SaleId,
        /// Its receipt.
        receipt: ReceiptNumber,
        /// What is wrong with its row.
        found: &'static str,
    },
    /// Rows of documents that the journal does not have.
    #[error("{count} documents have a row but no record; the first is number {first} of its series")]
    Strays {
        /// How many.
        count: u64,
        /// The receipt number of one of them.
        first: u64,
    },
    /// Receipt numbers with a gap.
    #[error("receipts {expected_first} to {last} of {series} should be {expected}, and there are {found}")]
    Gap {
        /// The series.
        series: ReceiptSeries,
        /// Where it should begin.
        expected_first: u64,
        /// Its last number.
        last: u64,
        /// How many there should be.
        expected: u64,
        /// How many there are.
        found: u64,
    },
    /// What came back of a sale's line.
    #[error(
        "of line {line} of the sale at position {sale}, {stored} came back by the row and {journal} by the journal"
    )]
    Refunded {
        /// The sale's position in the journal.
        sale: i64,
        /// Its line, from 1.
        line: u16,
        /// By the row.
        stored: Quantity,
        /// By the journal.
        journal: Quantity,
    },
    /// A movement has no row, or its row points elsewhere.
    #[error("the movement {0} is not known by its identity")]
    Movement(MovementId),
    /// A register of an incarnation's row.
    #[error("the stock of {sku}: `{register}` of {replica} is {stored}, and {journal} by the journal")]
    Stock {
        /// The item.
        sku: Sku,
        /// Whose row.
        replica: ReplicaId,
        /// Which register.
        register: &'static str,
        /// As stored.
        stored: Quantity,
        /// As the journal says.
        journal: Quantity,
    },
    /// The journal says that a replica was retired here, and no row does.
    #[error("{0} was retired by the journal, and is not")]
    NotRetired(ReplicaId),
    /// A hold.
    #[error("the hold {id} {found}")]
    Hold {
        /// The hold.
        id: HoldId,
        /// What is wrong with it.
        found: &'static str,
    },
    /// What an item's open holds come to.
    #[error("the open holds of {sku} come to {holds}, and {reserved} is reserved")]
    Reserved {
        /// The item.
        sku: Sku,
        /// By the open holds.
        holds: Quantity,
        /// By the row.
        reserved: Quantity,
    },
    /// A step of an item's history.
    #[error("the history of {sku} does not have what the record at position {position} did")]
    Step {
        /// The item.
        sku: Sku,
        /// The record's position.
        position: i64,
    },
    /// How many steps the history has.
    #[error("the history has {stored} steps, and {journal} by the journal")]
    Steps {
        /// As stored.
        stored: u64,
        /// By the journal.
        journal: u64,
    },
    /// From how much left an item counts as low.
    #[error("the threshold of {sku} is not the one that was set last")]
    Threshold {
        /// The item.
        sku: Sku,
    },
    /// A pickup of which more was decided here than is kept.
    #[error("the pickup {0} is not as far as the journal says")]
    Pickup(HoldId),
    /// A transfer of which more was done here than is kept.
    #[error("the transfer {0} lacks what the journal says of it")]
    Transfer(TransferId),
    /// An item's steps in all.
    #[error("the history of {sku} does not come to its shelf")]
    StepSums {
        /// The item.
        sku: String,
    },
}
