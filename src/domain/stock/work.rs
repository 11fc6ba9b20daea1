//! Work that a store does on its stock: goods in with their cost, losses and corrections with a reason, moves between
//! places, counts. Each is one fact with who, why and when.

use serde::{Deserialize, Serialize};

use super::count::NodeMark;
use super::movement::MovementId;
use super::place::Place;
use crate::domain::ids::{SiteId, Sku, StaffId};
use crate::domain::journal::RecordId;
use crate::domain::money::{Currency, Price};
use crate::domain::quantity::Quantity;

/// One piece of work: one document with one reason. Its identity is a movement's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockWork {
    /// Its identity.
    pub id: MovementId,
    /// The site whose goods they are.
    pub site: SiteId,
    /// What was done, and why.
    pub kind: WorkKind,
    /// What people call the device that it was entered at.
    pub device: String,
    /// Who did it, where known.
    pub staff: Option<StaffId>,
    /// In words, where somebody said more.
    pub note: Option<String>,
    /// What it was done to; at least one line, each item once.
    pub lines: Vec<WorkLine>,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkKind {
    /// Goods came in and are on sale.
    GoodsIn {
        /// Who delivered them, where known.
        supplier: Option<String>,
        /// The supplier's document, such as a delivery note.
        reference: Option<String>,
        /// The currency of the lines' costs.
        currency: Currency,
    },
    /// Goods are gone.
    Loss {
        /// Why.
        reason: WorkReason,
        /// Where they stood.
        place: Place,
    },
    /// The figure was wrong: goods are there that nobody recorded, or are not there.
    Correction {
        /// Why.
        reason: WorkReason,
        /// Where they stand.
        place: Place,
    },
    /// Goods went from one place to another.
    Move {
        /// Why.
        reason: WorkReason,
        /// Where they stood.
        from: Place,
        /// Where they stand.
        to: Place,
    },
    /// Goods on sale were counted, reserved ones included, as they stood at the mark; the site went on selling.
    Count {
        /// The last record that the count includes, by its number in the writer's incarnation.
        mark: u64,
        /// The marks of the other nodes that move goods at the site.
        others: Vec<NodeMark>,
    },
    /// What a record from before a count's mark moved, which came after the count was entered: it is taken back, because
    /// what was counted contained it.
    CountLate {
        /// The count.
        count: MovementId,
        /// The record.
        of: RecordId,
    },
}

impl WorkKind {
    /// Whether it is a count that was entered without all from before its marks.
    #[must_use]
    pub fn is_provisional(&self) -> bool {
        matches!(self, Self::Count { others, .. } if !others.iter().all(NodeMark::was_reached))
    }
}

/// Why, out of a closed list; what it does not have is `other` with a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkReason {
    /// Broken or spoilt.
    Damaged,
    /// Past its date.
    Expired,
    /// Stolen.
    Stolen,
    /// Gone, nobody knows how.
    Lost,
    /// Used by the store itself, or given away.
    OwnUse,
    /// The delivery was not what its document says.
    WrongDelivery,
    /// Somebody entered it wrong.
    EntryError,
    /// Found again.
    Found,
    /// Whole again, or not damaged after all.
    Repaired,
    /// Something else; the note says what.
    Other,
}

impl WorkReason {
    /// In words, for people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Damaged => "damaged",
            Self::Expired => "expired",
            Self::Stolen => "stolen",
            Self::Lost => "lost",
            Self::OwnUse => "own use",
            Self::WrongDelivery => "wrong delivery",
            Self::EntryError => "entry error",
            Self::Found => "found again",
            Self::Repaired => "repaired",
            Self::Other => "another reason",
        }
    }
}

/// One item of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkLine {
    /// The item.
    pub sku: Sku,
    /// How much of it. Over 0 for goods in, losses and moves; by how much the figure changes for a correction, a count
    /// and what came late for one, not 0 but for a count.
    pub quantity: Quantity,
    /// What one unit cost, of goods in, where known.
    pub cost: Option<Price>,
    /// What was counted, of a count: `quantity` is by how much that differs from what was on the shelf at the mark.
    pub counted: Option<Quantity>,
}
