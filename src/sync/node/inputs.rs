//! What can happen to a node's engine.

use super::super::wire::{Down, FeedCursor, HubState, StreamHead};
use crate::domain::ids::Incarnation;
use crate::domain::journal::{Hash, Head};

/// What happens to the engine.
#[derive(Debug, Clone)]
pub enum Input {
    /// The transport is connected and its subscriptions stand. `session` is a fresh random number.
    Connected {
        /// The session's number.
        session: u64,
    },
    /// The transport is gone.
    Disconnected,
    /// The parent's retained state.
    Hub(HubState),
    /// A message from the parent.
    Received(Down),
    /// The transport cannot carry this batch: it is over the broker's limit.
    TooLarge {
        /// The incarnation.
        incarnation: Incarnation,
        /// Its first record.
        first: u64,
        /// How many records it has.
        count: u32,
    },
    /// The answer to [`super::Output::LoadStreams`].
    Streams {
        /// Every incarnation on this disk that has records to offer under its own name, oldest first; the last is the
        /// one being written. One whose branch was left is told up to where both branches are the same: a parent that
        /// is set back may ask for that again.
        streams: Vec<LocalStream>,
        /// How far each feed is on disk.
        feeds: Vec<FeedCursor>,
    },
    /// The journal has grown; its present head.
    Appended(Head),
    /// The answer to [`super::Output::LoadBatch`].
    BatchLoaded(LoadedBatch),
    /// The record is set aside; the answer to [`super::Output::SetAside`].
    SetAside {
        /// The incarnation.
        incarnation: Incarnation,
        /// The record.
        seq: u64,
    },
    /// The branch is settled on this disk, or the batch is given back; the answer to [`super::Output::Rehome`] and to
    /// [`super::Output::GiveBack`].
    Rehomed,
    /// A feed's page is on disk; the answer to [`super::Output::ApplyFeed`].
    FeedApplied(FeedCursor),
    /// Storage could not do what an output asked. The engine pauses, then starts over from what is on disk.
    StorageFailed,
    /// The deadline has passed.
    Timeout,
}

/// One incarnation as it stands on this disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalStream {
    /// What the parent is told.
    pub head: StreamHead,
    /// The last acknowledgement that was saved.
    pub acked: Head,
}

/// A batch as the caller packed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedBatch {
    /// The incarnation.
    pub incarnation: Incarnation,
    /// Its first record.
    pub first: u64,
    /// How many records it has; at least 1.
    pub count: u32,
    /// The chain's hash before its first record.
    pub before: Hash,
    /// The chain's hash after its last record.
    pub after: Hash,
    /// The sealed bytes.
    pub sealed: Vec<u8>,
}
