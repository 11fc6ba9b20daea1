//! What a node's engine wants done, and what it tells of itself.

use super::super::wire::{FeedPage, Up};
use crate::domain::ids::Incarnation;
use crate::domain::journal::Head;

/// What the engine wants done. The caller does it and answers with the input named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send a message to the parent. No answer.
    Send(Up),
    /// Read the incarnations and feeds; answer with [`super::Input::Streams`].
    LoadStreams,
    /// Read and seal records; answer with [`super::Input::BatchLoaded`].
    LoadBatch {
        /// The incarnation.
        incarnation: Incarnation,
        /// The first record.
        from: u64,
        /// At most so many records.
        records_max: u32,
        /// At most about so many bytes when sealed; one record may be larger.
        bytes_max: u32,
    },
    /// The parent's acknowledgement, to be saved. It may be lower than the last where the parent was set back. No
    /// answer.
    SaveAck(Head),
    /// What headquarters has committed, as a parent that is not headquarters passes it on: only this lets records go.
    /// To be saved like [`Output::SaveAck`]. No answer.
    SaveTopAck(Head),
    /// Only where another node's records are passed on. The parent cannot take this batch as that node sealed it: forget it
    /// and what is behind it, have that node send it again in smaller parts, and answer with [`super::Input::Rehomed`].
    GiveBack {
        /// The incarnation.
        incarnation: Incarnation,
        /// The batch's first record.
        first: u64,
        /// How many records it has.
        count: u32,
        /// Why, for people.
        reason: String,
    },
    /// The parent cannot take this record: keep it, withhold it; answer with [`super::Input::SetAside`].
    SetAside {
        /// The incarnation.
        incarnation: Incarnation,
        /// The record.
        seq: u64,
        /// Why, for people.
        reason: String,
    },
    /// The parent knows another branch of this incarnation. Keep every record behind `common` under an incarnation of
    /// its own, write no more to this one and offer no more of it than `common`; answer with [`super::Input::Rehomed`]. It may
    /// come again with a lower `common`: then what lies between is kept in the same way.
    Rehome {
        /// The incarnation that has two branches.
        incarnation: Incarnation,
        /// Up to here both branches are the same for certain.
        common: u64,
        /// True where this disk was simply set back.
        set_back: bool,
    },
    /// Put a feed's page on disk with its cursor; answer with [`super::Input::FeedApplied`].
    ApplyFeed(FeedPage),
}

/// Why the engine wants to be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WakeReason {
    /// The parent has not answered an introduction.
    HelloUnanswered,
    /// The parent has not acknowledged a batch.
    BatchUnacknowledged,
    /// Storage failed and is tried again.
    StoragePause,
    /// Nothing is wanting; the node shows that it is there.
    Refresh,
}

/// Where the link stands, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkState {
    /// No connection to the broker.
    Offline,
    /// Connected, but the parent is not there.
    WaitingForParent,
    /// Introducing itself.
    Introducing,
    /// Sending and receiving.
    Online,
}
