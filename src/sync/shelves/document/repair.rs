//! Repair of one document between two neighbours, by Automerge's own sync protocol.
//!
//! Messages are written in its first version: that one carries changes one by one, and each is held to the same checks
//! as a change that came in a parcel.

use automerge::sync::{Message, MessageFlags, State, SyncDoc as _};

use super::reading::unpanicked;
use super::{Document, DocumentError, Heads};
use crate::domain::ids::Sku;

/// How far two neighbours have come with one document. Kept while they talk and then forgotten.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RepairState(Box<State>);

impl RepairState {
    /// What the neighbour has, as it said; nothing before it has said anything.
    #[must_use]
    pub fn theirs(&self) -> Option<Heads> {
        self.0.their_heads.clone().map(Heads)
    }
}

impl Document {
    /// What to say next; nothing where the neighbour has what is here, or is to speak.
    pub fn repair_message(&mut self, state: &mut RepairState) -> Option<Vec<u8>> {
        let mut message = self.inner.sync().generate_sync_message(&mut state.0)?;
        // Without a word of what this side can read the other one keeps to the first version.
        message.flags = None::<MessageFlags>;
        Some(message.encode())
    }

    /// Takes a neighbour's message in. Gives the items whose rows are new or changed.
    ///
    /// # Errors
    /// As [`apply`](Document::apply). Nothing is taken in then.
    pub fn take_repair(&mut self, state: &mut RepairState, message: &[u8]) -> Result<Vec<Sku>, DocumentError> {
        let mut message =
            unpanicked(|| Message::decode(message))?.map_err(|_| DocumentError::Malformed("sync message"))?;
        let changes: Vec<Vec<u8>> = message.changes.iter().map(<[u8]>::to_vec).collect();
        let touched = if changes.is_empty() {
            Vec::new()
        } else {
            self.apply(&changes)?
        };
        message.changes = Vec::<Vec<u8>>::new().into();
        message.flags = None;
        let (inner, mut after) = (&mut self.inner, state.0.clone());
        unpanicked(|| inner.sync().receive_sync_message(&mut after, message))??;
        state.0 = after;
        Ok(touched)
    }
}
