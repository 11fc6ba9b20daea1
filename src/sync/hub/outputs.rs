//! What a parent's engine wants done.

use super::super::wire::{Down, Hello};
use crate::domain::ids::NodeId;

/// What the engine wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send a message to a node. No answer.
    Send {
        /// The node.
        node: NodeId,
        /// What to say.
        message: Down,
    },
    /// Look a node up in the ledger; answer with [`Input::Introduced`](super::Input::Introduced).
    Introduce {
        /// The node.
        node: NodeId,
        /// What it said.
        hello: Hello,
    },
    /// Put a batch into the ledger; answer with [`Input::Ingested`](super::Input::Ingested) after the commit. Where storage fails there is no
    /// answer, and the node will offer it again.
    Ingest {
        /// The node that sent it, named by the transport.
        node: NodeId,
        /// The session.
        session: u64,
        /// The batch.
        sealed: Vec<u8>,
    },
    /// Read a feed's next page; answer with [`Input::PageLoaded`](super::Input::PageLoaded).
    LoadPage {
        /// The node.
        node: NodeId,
        /// Its session.
        session: u64,
        /// The feed.
        feed: String,
        /// Behind this version of the node's.
        after: u64,
        /// The epoch of that version.
        epoch: u64,
        /// At most about so many bytes.
        bytes_max: u32,
    },
}
