//! What the engine wants done.

use super::message::{RightsMessage, ShelfKey};
use crate::domain::escrow::{Amount, ReplicaId};

/// What became of a need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// The rights are here, and are kept for it until [`super::Input::Closed`].
    Ready,
    /// What is here, and what neighbours could spare, does not suffice. The need is forgotten.
    Refused,
}

/// What the engine wants done. The caller does it and answers with the input named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send a message to a neighbour. No answer.
    Send {
        /// To whom.
        to: ReplicaId,
        /// The message.
        message: RightsMessage,
    },
    /// Commit a grant. Where one to this neighbour for this request is on disk already, nothing more is given. Answer
    /// with [`super::Input::Granted`] or [`super::Input::NotGiven`].
    Give {
        /// To whom.
        to: ReplicaId,
        /// Of which shelf.
        shelf: ShelfKey,
        /// How much.
        amount: Amount,
        /// The request that it answers; none where surplus goes home.
        request: Option<u64>,
    },
    /// Send a child every grant of this shelf to it that lies behind this total. Where its journal shows that it has
    /// taken them all over, say so with [`super::Input::TakenOver`] instead. Grants to a parent stand in the journal,
    /// which reaches it by itself.
    SendGrants {
        /// To whom.
        to: ReplicaId,
        /// Of which shelf.
        shelf: ShelfKey,
        /// What it has taken over already.
        after: Amount,
    },
    /// Say what the own row of a shelf says, and what is known of the rights of children there; answer with
    /// [`super::Input::Known`].
    LookUp {
        /// The shelf.
        shelf: ShelfKey,
    },
    /// A need has an end. After [`Resolution::Ready`] answer with [`super::Input::Closed`].
    Resolved {
        /// Which.
        need: u64,
        /// Its end.
        resolution: Resolution,
    },
}
