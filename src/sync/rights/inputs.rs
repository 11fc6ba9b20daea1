//! What can happen to the engine.

use super::message::{RightsMessage, ShelfKey};
use crate::domain::escrow::{Amount, ReplicaId, Row};

/// Where a neighbour stands in the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Above: asked first.
    Parent,
    /// Below.
    Child,
}

/// What the own row of a shelf says, as it is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// What may be promised.
    pub rights: Amount,
    /// What is in open holds.
    pub reserved: Amount,
    /// Debt that is not settled.
    pub owed: Amount,
}

impl From<&Row> for Figures {
    /// A broken row has no rights.
    fn from(row: &Row) -> Self {
        let rights = u64::try_from(row.rights().max(0)).ok().and_then(Amount::new);
        Self {
            rights: rights.unwrap_or(Amount::MAX),
            reserved: row.reserved(),
            owed: row.owed(),
        }
    }
}

/// What happens to the engine. Of everything that is committed it is told afterwards, never before.
#[derive(Debug, Clone)]
pub enum Input {
    /// A neighbour can be reached.
    Connected {
        /// Who.
        peer: ReplicaId,
        /// Where it stands.
        place: Place,
    },
    /// A neighbour cannot be reached any more.
    Disconnected {
        /// Who.
        peer: ReplicaId,
    },
    /// A message from a neighbour.
    Received {
        /// From whom.
        from: ReplicaId,
        /// The message.
        message: RightsMessage,
    },
    /// What the row of a shelf says as the engine begins, once for each that owes something or has more rights than none.
    /// The demand that brought them here is forgotten: they count as asked for once, so that a restart sends nothing home.
    Found {
        /// The shelf.
        shelf: ShelfKey,
        /// What the row says.
        figures: Figures,
    },
    /// The own row of a shelf has changed, by whatever it was.
    Row {
        /// The shelf.
        shelf: ShelfKey,
        /// What the row says now.
        figures: Figures,
    },
    /// A customer asked for so much, whether they got it or not: each once. It is what demand is learned from.
    Demand {
        /// The shelf.
        shelf: ShelfKey,
        /// How much.
        amount: Amount,
    },
    /// A hold or an order lacks rights and waits for [`super::Output::Resolved`]. All its lines or none.
    Wanted {
        /// The caller's number of it, not in use.
        need: u64,
        /// What it wants, in all: with what the rights here cover already. Each shelf once.
        lines: Vec<(ShelfKey, Amount)>,
    },
    /// The hold was opened, or given up: the caller is done with it. Also the answer to
    /// [`Resolution::Ready`](super::Resolution::Ready).
    Closed {
        /// The number.
        need: u64,
    },
    /// The answer to [`super::Output::LookUp`].
    Known {
        /// The shelf.
        shelf: ShelfKey,
        /// What the own row says.
        figures: Figures,
        /// By child; one that is not named is taken to have none.
        rights: Vec<(ReplicaId, Amount)>,
    },
    /// A grant to a neighbour is on disk: the answer to [`super::Output::Give`], also where the grant for this request
    /// was there before; or a hold was handed over; or, at the start, what a child has not taken over yet.
    Granted {
        /// To whom.
        to: ReplicaId,
        /// The shelf.
        shelf: ShelfKey,
        /// The request that it answers.
        request: Option<u64>,
        /// What was given to this neighbour in all.
        total: Amount,
        /// What the own row says now.
        figures: Figures,
    },
    /// [`super::Output::Give`] could not be done: the rights were no longer there.
    NotGiven {
        /// To whom.
        to: ReplicaId,
        /// The shelf.
        shelf: ShelfKey,
        /// The request.
        request: Option<u64>,
        /// What the own row says now.
        figures: Figures,
    },
    /// A grant of a neighbour's was taken over, on disk.
    Accepted {
        /// Whose.
        from: ReplicaId,
        /// The shelf.
        shelf: ShelfKey,
        /// The request that it answers.
        request: Option<u64>,
        /// What the own row says now.
        figures: Figures,
    },
    /// A child's journal shows how much it has taken over from here.
    TakenOver {
        /// By whom.
        by: ReplicaId,
        /// The shelf.
        shelf: ShelfKey,
        /// In all.
        total: Amount,
    },
    /// The deadline has passed.
    Timeout,
}
