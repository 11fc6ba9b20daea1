//! One link: what goes over it, what is under way, and what is wrong.

mod answers;
mod limits;
mod repairs;

use std::collections::{BTreeMap, VecDeque};

pub use self::limits::CarrierLimits;
use super::carrier::Output;
use super::routes::{Link, Neighbour};
use super::work::{Changed, PackedParcel, Passed, Work};
use crate::sync::shelves::{DocumentId, Heads, RepairState};
use crate::sync::wire::{Offer, OfferedGroup, ShelfMessage};

/// Where a link stands.
#[derive(Debug)]
enum Phase {
    /// What goes over it is being listed; again at `due_ms` where the disk failed.
    Surveying { due_ms: Option<u64> },
    /// The offer is not answered yet.
    Offering { due_ms: u64 },
    /// Changes go over.
    Open,
    /// Nobody answers.
    Dead,
}

/// Where a document stands on its way over a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    /// In the parcel of this number.
    Flying(u64),
    /// It was not taken: tried again at this time.
    Waiting(u64),
    Repairing,
}

#[derive(Debug)]
struct Progress {
    have: Heads,
    acked: Heads,
    state: State,
    /// How often in a row it was not taken.
    stumbles: u32,
}

impl Progress {
    fn is_due(&self) -> bool {
        self.state == State::Idle && self.have != self.acked
    }
}

#[derive(Debug)]
struct Flight {
    due_ms: u64,
}

#[derive(Debug)]
struct Talk {
    /// None while a step is being made.
    state: Option<RepairState>,
    due_ms: u64,
}

/// A link and its session.
#[derive(Debug)]
pub(in crate::sync::carriage) struct LinkState {
    pub(in crate::sync::carriage) link: Link,
    pub(in crate::sync::carriage) session: u64,
    phase: Phase,
    documents: BTreeMap<DocumentId, Progress>,
    flights: BTreeMap<u64, Flight>,
    talks: BTreeMap<DocumentId, Talk>,
    packing: bool,
    /// Storage failed: nothing is packed before this.
    paused_until_ms: u64,
    parcels: u64,
    tries: u32,
    reported: Vec<Option<DocumentId>>,
}

impl LinkState {
    pub(in crate::sync::carriage) fn new(link: Link, session: u64, outputs: &mut VecDeque<Output>) -> Self {
        let state = Self {
            link,
            session,
            phase: Phase::Surveying { due_ms: None },
            documents: BTreeMap::new(),
            flights: BTreeMap::new(),
            talks: BTreeMap::new(),
            packing: false,
            paused_until_ms: 0,
            parcels: 0,
            tries: 0,
            reported: Vec::new(),
        };
        state.survey(outputs);
        state
    }

    pub(in crate::sync::carriage) const fn is_dead(&self) -> bool {
        matches!(self.phase, Phase::Dead)
    }

    fn neighbour(&self) -> Neighbour {
        self.link.neighbour()
    }

    fn survey(&self, outputs: &mut VecDeque<Output>) {
        outputs.push_back(Output::Work(Work::Survey {
            link: self.link.clone(),
            session: self.session,
        }));
    }

    pub(in crate::sync::carriage) fn send(&self, message: ShelfMessage, outputs: &mut VecDeque<Output>) {
        outputs.push_back(Output::Send {
            to: self.neighbour(),
            session: self.session,
            message,
        });
    }

    /// The disk failed to do what this link asked for.
    pub(in crate::sync::carriage) fn on_failed(&mut self, now_ms: u64, limits: &CarrierLimits, work: &Work) {
        let due_ms = now_ms + limits.answer_timeout_ms;
        match work {
            Work::Survey { .. } => self.phase = Phase::Surveying { due_ms: Some(due_ms) },
            Work::Pack { .. } => {
                self.packing = false;
                self.paused_until_ms = due_ms;
            }
            Work::Repair { id, .. } => self.stumble(now_ms, limits, id),
            // The neighbour repeats what it hears no answer to; what was not saved is offered again some day.
            Work::Take { .. } | Work::Compare { .. } | Work::SaveAcked { .. } => {}
            Work::SyncPoint | Work::MergeWaiting => {}
        }
    }

    /// What goes over the link is known: it is offered.
    pub(in crate::sync::carriage) fn on_surveyed(
        &mut self,
        now_ms: u64,
        limits: &CarrierLimits,
        documents: Vec<(DocumentId, Heads, Heads)>,
        outputs: &mut VecDeque<Output>,
    ) {
        if !matches!(self.phase, Phase::Surveying { .. }) {
            return;
        }
        let progress = |(id, have, acked)| {
            let progress = Progress {
                have,
                acked,
                state: State::Idle,
                stumbles: 0,
            };
            (id, progress)
        };
        self.documents = documents.into_iter().map(progress).collect();
        self.offer(now_ms, limits, outputs);
    }

    fn offer(&mut self, now_ms: u64, limits: &CarrierLimits, outputs: &mut VecDeque<Output>) {
        let complete = self.documents.len() <= limits.offer_documents_max;
        let mut groups: Vec<OfferedGroup> = Vec::new();
        for (id, progress) in self.documents.iter().take(limits.offer_documents_max) {
            let entry = (id.bucket, id.generation, progress.acked.short());
            match groups.last_mut() {
                Some(group) if group.site == id.site && group.writer == id.writer => group.documents.push(entry),
                _ => groups.push(OfferedGroup {
                    site: id.site.clone(),
                    writer: id.writer.clone(),
                    documents: vec![entry],
                }),
            }
        }
        self.send(ShelfMessage::Offer(Offer { complete, groups }), outputs);
        let due_ms = now_ms + limits.pause_ms(self.tries);
        self.phase = Phase::Offering { due_ms };
    }

    fn save_acked(&self, acked: Vec<(DocumentId, Heads)>, outputs: &mut VecDeque<Output>) {
        if !acked.is_empty() {
            outputs.push_back(Output::Work(Work::SaveAcked {
                neighbour: self.neighbour(),
                acked,
            }));
        }
    }

    /// A document was not taken: it is left alone for a while, and the others go on.
    fn stumble(&mut self, now_ms: u64, limits: &CarrierLimits, id: &DocumentId) {
        self.talks.remove(id);
        if let Some(progress) = self.documents.get_mut(id) {
            progress.state = State::Waiting(now_ms + limits.pause_ms(progress.stumbles));
            progress.stumbles += 1;
        }
    }

    /// Tells people of a document, once a session.
    pub(in crate::sync::carriage) fn report(
        &mut self,
        id: Option<DocumentId>,
        reason: String,
        outputs: &mut VecDeque<Output>,
    ) {
        if !self.reported.contains(&id) {
            self.reported.push(id.clone());
            outputs.push_back(Output::Report {
                neighbour: self.neighbour(),
                id,
                reason,
            });
        }
    }

    /// Parcels are packed: they go.
    pub(in crate::sync::carriage) fn on_packed(
        &mut self,
        now_ms: u64,
        limits: &CarrierLimits,
        parcels: Vec<PackedParcel>,
        passed: Vec<(DocumentId, Passed)>,
        outputs: &mut VecDeque<Output>,
    ) {
        self.packing = false;
        for parcel in parcels {
            self.parcels += 1;
            let number = self.parcels;
            for (id, heads, whole) in parcel.documents {
                if let Some(progress) = self.documents.get_mut(&id) {
                    progress.state = State::Flying(number);
                    if whole {
                        progress.have = heads;
                    }
                }
            }
            let due_ms = now_ms + limits.pause_ms(self.tries);
            self.flights.insert(number, Flight { due_ms });
            self.send(
                ShelfMessage::Parcel {
                    number,
                    sealed: parcel.sealed,
                },
                outputs,
            );
        }
        let mut acked = Vec::new();
        for (id, why) in passed {
            match why {
                Passed::Gone => {
                    self.documents.remove(&id);
                }
                Passed::Unknown => self.begin_repair(now_ms, limits, id, outputs),
                Passed::Complete(heads) => {
                    if let Some(progress) = self.documents.get_mut(&id) {
                        progress.have = heads.clone();
                        progress.acked = heads.clone();
                        acked.push((id, heads));
                    }
                }
                Passed::TooLarge(bytes) => {
                    self.stumble(now_ms, limits, &id);
                    self.report(
                        Some(id),
                        format!("a change of {bytes} bytes is larger than a parcel"),
                        outputs,
                    );
                }
            }
        }
        self.save_acked(acked, outputs);
    }

    /// A document is other than before, here. Where the neighbour itself has brought it, it has it.
    pub(in crate::sync::carriage) fn on_changed(&mut self, changed: &Changed) {
        if matches!(self.phase, Phase::Surveying { .. } | Phase::Dead) {
            return;
        }
        if !self.link.carries(&changed.id, changed.source.as_ref()) {
            return;
        }
        let from_there = changed.source == Some(self.neighbour());
        let progress = self.documents.entry(changed.id.clone()).or_insert(Progress {
            have: Heads::default(),
            acked: Heads::default(),
            state: State::Idle,
            stumbles: 0,
        });
        progress.have = changed.heads.clone();
        if from_there {
            progress.acked = changed.heads.clone();
        }
    }

    pub(in crate::sync::carriage) fn on_gone(&mut self, id: &DocumentId) {
        self.documents.remove(id);
        self.talks.remove(id);
    }

    pub(in crate::sync::carriage) fn on_timeout(
        &mut self,
        now_ms: u64,
        limits: &CarrierLimits,
        outputs: &mut VecDeque<Output>,
    ) {
        match &self.phase {
            Phase::Surveying { due_ms: Some(due_ms) } if now_ms >= *due_ms => {
                self.phase = Phase::Surveying { due_ms: None };
                self.survey(outputs);
            }
            Phase::Offering { due_ms } if now_ms >= *due_ms => {
                self.tries += 1;
                self.offer(now_ms, limits, outputs);
            }
            _ => {}
        }
        let late = self.flights.iter().filter(|(_, flight)| now_ms >= flight.due_ms);
        let late: Vec<u64> = late.map(|(number, _)| *number).collect();
        if !late.is_empty() {
            self.tries += 1;
        }
        for number in late {
            self.flights.remove(&number);
            self.land(number);
        }
        let silent = self.talks.iter().filter(|(_, talk)| now_ms >= talk.due_ms);
        let silent: Vec<DocumentId> = silent.map(|(id, _)| id.clone()).collect();
        for id in silent {
            self.stumble(now_ms, limits, &id);
        }
        for progress in self.documents.values_mut() {
            if matches!(progress.state, State::Waiting(due_ms) if now_ms >= due_ms) {
                progress.state = State::Idle;
            }
        }
        if self.tries > limits.tries_max {
            self.phase = Phase::Dead;
            self.documents.clear();
            self.flights.clear();
            self.talks.clear();
            self.tries = 0;
        }
    }

    pub(in crate::sync::carriage) fn deadline_ms(&self) -> Option<u64> {
        let phase = match self.phase {
            Phase::Surveying { due_ms } => due_ms,
            Phase::Offering { due_ms } => Some(due_ms),
            Phase::Open => {
                let paused = self.paused_until_ms > 0 && !self.packing && self.documents.values().any(Progress::is_due);
                paused.then_some(self.paused_until_ms)
            }
            Phase::Dead => return None,
        };
        let waiting = self.documents.values().filter_map(|progress| match progress.state {
            State::Waiting(due_ms) if progress.have != progress.acked => Some(due_ms),
            _ => None,
        });
        let flights = self.flights.values().map(|flight| flight.due_ms);
        let talks = self.talks.values().map(|talk| talk.due_ms);
        phase.into_iter().chain(waiting).chain(flights).chain(talks).min()
    }

    /// Asks for the next parcels where some may go.
    pub(in crate::sync::carriage) fn pump(
        &mut self,
        now_ms: u64,
        limits: &CarrierLimits,
        outputs: &mut VecDeque<Output>,
    ) {
        let room = limits.in_flight_max.saturating_sub(self.flights.len());
        if !matches!(self.phase, Phase::Open) || self.packing || room == 0 || now_ms < self.paused_until_ms {
            return;
        }
        self.paused_until_ms = 0;
        let due = self.documents.iter().filter(|(_, progress)| progress.is_due());
        let wanted: Vec<_> = due
            .take(limits.pack_documents_max)
            .map(|(id, progress)| (id.clone(), progress.acked.clone()))
            .collect();
        if wanted.is_empty() {
            return;
        }
        self.packing = true;
        outputs.push_back(Output::Work(Work::Pack {
            neighbour: self.neighbour(),
            session: self.session,
            wanted,
            bytes_max: limits.parcel_bytes_max,
            parcels_max: room,
        }));
    }
}
