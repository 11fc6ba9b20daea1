//! What can happen to a parent's engine, and what the ledger says of batches and introductions.

use super::super::wire::{FeedPage, StreamStatus, Up};
use crate::domain::ids::{Incarnation, NodeId};
use crate::domain::journal::Head;

/// What happens to the engine.
#[derive(Debug, Clone)]
pub enum Input {
    /// A message from a node, named by the transport.
    Received {
        /// The node.
        node: NodeId,
        /// What it says.
        message: Up,
    },
    /// The node has left, by its will or by its own word. Copies of its disk that are still there introduce themselves
    /// again when they notice that nobody answers.
    Gone {
        /// The node.
        node: NodeId,
        /// The session that ended.
        session: u64,
    },
    /// The answer to [`Output::Introduce`](super::Output::Introduce).
    Introduced {
        /// The node.
        node: NodeId,
        /// Its session.
        session: u64,
        /// What the ledger says.
        result: Introduction,
    },
    /// The answer to [`Output::Ingest`](super::Output::Ingest), after the commit.
    Ingested {
        /// The node that sent the batch.
        node: NodeId,
        /// The session in which it did.
        session: u64,
        /// What became of it.
        outcome: Outcome,
    },
    /// The answer to [`Output::LoadPage`](super::Output::LoadPage); nothing where the node has everything.
    PageLoaded {
        /// The node.
        node: NodeId,
        /// Its session.
        session: u64,
        /// The feed.
        feed: String,
        /// The page; its `session` is filled in by the engine.
        page: Option<FeedPage>,
    },
    /// A feed has a new version.
    Published {
        /// The feed.
        feed: String,
    },
    /// The deadline has passed.
    Timeout,
}

/// What the ledger says of a node that introduces itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Introduction {
    /// What it has of each incarnation that the node named.
    Known(Vec<StreamStatus>),
    /// One of them has two branches, or the node was set back.
    Branched {
        /// What the ledger has of it.
        acked: Head,
        /// Up to here the ledger's chain is the node's, by what the node told; 0 for nothing.
        common: u64,
        /// True where the node's head is in the ledger, and not its last.
        set_back: bool,
    },
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is in the ledger, now or since earlier.
    Committed {
        /// What the ledger has.
        acked: Head,
    },
    /// Something is missing before it.
    Gap {
        /// What the ledger has.
        acked: Head,
    },
    /// It belongs to another branch of its incarnation.
    Branched {
        /// What the ledger has.
        acked: Head,
    },
    /// Its node sealed it so, and it cannot be read here.
    Unreadable {
        /// The incarnation.
        incarnation: Incarnation,
        /// Its first record.
        first: u64,
        /// How many records it said it had.
        count: u32,
        /// Why.
        reason: String,
    },
    /// It is not what its node sealed: damaged on its way, or sealed by somebody else. Nothing in it can be believed,
    /// not even what it says of itself, and the node is to send it again.
    Damaged {
        /// What the ledger has of the incarnation that it names; none where that is not known, and nothing can be said
        /// to its node then.
        acked: Option<Head>,
        /// Its first record, as it says.
        first: u64,
        /// How many records it says it has.
        count: u32,
        /// What is wrong with it, for people.
        reason: String,
    },
    /// Its sender has no business sending it here. There is no answer.
    Unwelcome {
        /// Why, for people.
        reason: String,
    },
}
