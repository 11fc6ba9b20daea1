//! Repairs: Automerge's sync protocol for documents of which neither end knows the other's heads.

use std::collections::VecDeque;

use super::{CarrierLimits, LinkState, State, Talk};
use crate::sync::carriage::carrier::Output;
use crate::sync::carriage::work::Work;
use crate::sync::shelves::{DocumentId, Heads, RepairState};
use crate::sync::wire::{Repair, ShelfMessage};

/// How many documents of a link may be in repair at once. Others wait.
const TALKS_MAX: usize = 16;

impl LinkState {
    pub(super) fn begin_repair(
        &mut self,
        now_ms: u64,
        limits: &CarrierLimits,
        id: DocumentId,
        outputs: &mut VecDeque<Output>,
    ) {
        if self.talks.len() >= TALKS_MAX || self.talks.contains_key(&id) {
            self.stumble(now_ms, limits, &id);
            return;
        }
        if let Some(progress) = self.documents.get_mut(&id) {
            progress.state = State::Repairing;
        }
        self.talk(now_ms, limits, id, RepairState::default(), None, outputs);
    }

    fn talk(
        &mut self,
        now_ms: u64,
        limits: &CarrierLimits,
        id: DocumentId,
        state: RepairState,
        message: Option<Vec<u8>>,
        outputs: &mut VecDeque<Output>,
    ) {
        let due_ms = now_ms + limits.pause_ms(1);
        self.talks.insert(id.clone(), Talk { state: None, due_ms });
        outputs.push_back(Output::Work(Work::Repair {
            link: self.link.clone(),
            session: self.session,
            id,
            state,
            message,
        }));
    }

    /// The neighbour says something in a repair, and may begin one.
    pub(in crate::sync::carriage) fn on_repair(
        &mut self,
        now_ms: u64,
        limits: &CarrierLimits,
        repair: Repair,
        outputs: &mut VecDeque<Output>,
    ) {
        let id = DocumentId {
            site: repair.site,
            writer: repair.writer,
            bucket: repair.bucket,
            generation: repair.generation,
        };
        let full = self.talks.len() >= TALKS_MAX;
        let state = match self.talks.get_mut(&id) {
            Some(talk) => talk.state.take(),
            None if full => None,
            None => Some(RepairState::default()),
        };
        // Where a step is being made already, the neighbour speaks out of turn; its timer brings the talk again.
        if let Some(state) = state {
            self.talk(now_ms, limits, id, state, Some(repair.sync), outputs);
        }
    }

    /// A step of a repair was made.
    #[expect(clippy::too_many_arguments, reason = "what the work came to, field by field")]
    pub(in crate::sync::carriage) fn on_repaired(
        &mut self,
        now_ms: u64,
        limits: &CarrierLimits,
        id: DocumentId,
        state: RepairState,
        reply: Option<Vec<u8>>,
        heads: Heads,
        refused: Option<String>,
        outputs: &mut VecDeque<Output>,
    ) {
        if let Some(reason) = refused {
            // The next try sends everything: what was left out cannot be left out again.
            if let Some(progress) = self.documents.get_mut(&id) {
                progress.acked = Heads::default();
            }
            self.stumble(now_ms, limits, &id);
            self.report(Some(id), reason, outputs);
            return;
        }
        let agreed = state.theirs().as_ref() == Some(&heads);
        let over = reply.is_none();
        match self.talks.get_mut(&id) {
            Some(_) if over => {
                self.talks.remove(&id);
            }
            Some(talk) => talk.state = Some(state),
            None => return,
        }
        if let Some(sync) = reply {
            let DocumentId {
                site,
                writer,
                bucket,
                generation,
            } = id.clone();
            let repair = Repair {
                site,
                writer,
                bucket,
                generation,
                sync,
            };
            self.send(ShelfMessage::Repair(repair), outputs);
        }
        if let Some(progress) = self.documents.get_mut(&id) {
            progress.have = heads.clone();
            if agreed {
                progress.acked = heads.clone();
                progress.stumbles = 0;
            }
            if agreed || over {
                progress.state = State::Idle;
            }
            if agreed {
                self.save_acked(vec![(id, heads)], outputs);
            }
        }
    }
}
