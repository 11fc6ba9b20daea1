//! One link: what goes over it, what is under way, and what is wrong.

use std::collections::{BTreeMap, VecDeque};

use super::carrier::Output;
use super::routes::{Link, Neighbour};
use super::work::{Changed, PackedParcel, Passed, Work};
use crate::sync::shelves::{DocumentId, Heads, RepairState};
use crate::sync::wire::{Offer, OfferedGroup, Repair, ShelfMessage, Standing, StandingGroup};

/// What bounds a carrier.
#[derive(Debug, Clone)]
pub struct CarrierLimits {
    /// How many parcels may be under way on a link.
    pub in_flight_max: usize,
    /// The most bytes of a sealed parcel.
    pub parcel_bytes_max: usize,
    /// The most documents that are asked for at once to be packed.
    pub pack_documents_max: usize,
    /// The most documents in an offer.
    pub offer_documents_max: usize,
    /// How long an answer may take before the question is repeated, in milliseconds; doubled each time.
    pub answer_timeout_ms: u64,
    /// How often in a row nobody may answer before the link is left alone until it is opened again.
    pub tries_max: u32,
    /// The longest that a document which is refused is left alone, in milliseconds.
    pub refused_pause_max_ms: u64,
    /// The least time between two sync points while rows are touched all the time, in milliseconds.
    pub sync_point_pause_ms: u64,
}

impl Default for CarrierLimits {
    fn default() -> Self {
        Self {
            in_flight_max: 4,
            parcel_bytes_max: 60 << 10,
            pack_documents_max: 256,
            offer_documents_max: 4_000,
            answer_timeout_ms: 5_000,
            tries_max: 6,
            refused_pause_max_ms: 600_000,
            sync_point_pause_ms: 2_000,
        }
    }
}

impl CarrierLimits {
    /// How long to wait the `tries`-th time.
    fn pause_ms(&self, tries: u32) -> u64 {
        (self.answer_timeout_ms << tries.min(16)).min(self.refused_pause_max_ms)
    }
}

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

/// How many documents of a link may be in repair at once. Others wait.
const TALKS_MAX: usize = 16;
/// So often a document may stumble before it is repaired by the sync protocol.
const STUMBLES_BEFORE_REPAIR: u32 = 3;

/// A link and its session.
#[derive(Debug)]
pub(super) struct LinkState {
    pub(super) link: Link,
    pub(super) session: u64,
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
    pub(super) fn new(link: Link, session: u64, outputs: &mut VecDeque<Output>) -> Self {
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

    pub(super) const fn is_dead(&self) -> bool {
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

    pub(super) fn send(&self, message: ShelfMessage, outputs: &mut VecDeque<Output>) {
        outputs.push_back(Output::Send {
            to: self.neighbour(),
            session: self.session,
            message,
        });
    }

    /// The disk failed to do what this link asked for.
    pub(super) fn on_failed(&mut self, now_ms: u64, limits: &CarrierLimits, work: &Work) {
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
    pub(super) fn on_surveyed(
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

    /// The offer is answered: the link is open.
    pub(super) fn on_holds(
        &mut self,
        now_ms: u64,
        limits: &CarrierLimits,
        groups: Vec<StandingGroup>,
        outputs: &mut VecDeque<Output>,
    ) {
        if !matches!(self.phase, Phase::Offering { .. }) {
            return;
        }
        for (id, held) in groups.iter().flat_map(held) {
            // What is held and not known here is found out by the sync protocol.
            self.documents.entry(id).or_insert(Progress {
                have: Heads::default(),
                acked: held,
                state: State::Idle,
                stumbles: 0,
            });
        }
        self.tries = 0;
        self.phase = Phase::Open;
        for group in groups {
            self.on_group(now_ms, limits, group, outputs);
        }
    }

    /// A parcel is answered.
    pub(super) fn on_taken(
        &mut self,
        now_ms: u64,
        limits: &CarrierLimits,
        number: u64,
        group: StandingGroup,
        outputs: &mut VecDeque<Output>,
    ) {
        self.tries = 0;
        self.on_group(now_ms, limits, group, outputs);
        if self.flights.remove(&number).is_some() {
            self.land(number);
        }
    }

    /// What was in a parcel and was not answered for is due again.
    fn land(&mut self, number: u64) {
        for progress in self.documents.values_mut() {
            if progress.state == State::Flying(number) {
                progress.state = State::Idle;
            }
        }
    }

    fn on_group(&mut self, now_ms: u64, limits: &CarrierLimits, group: StandingGroup, outputs: &mut VecDeque<Output>) {
        let StandingGroup {
            site,
            writer,
            documents,
        } = group;
        let mut acked = Vec::new();
        for (bucket, generation, standing) in documents {
            let id = DocumentId {
                site: site.clone(),
                writer: writer.clone(),
                bucket,
                generation,
            };
            let Some(progress) = self.documents.get_mut(&id) else {
                continue;
            };
            match standing {
                Standing::Holds(heads) => {
                    progress.acked = heads.into_iter().collect();
                    progress.stumbles = 0;
                    if !matches!(progress.state, State::Repairing) {
                        progress.state = State::Idle;
                    }
                    acked.push((id, progress.acked.clone()));
                }
                Standing::Newer(_) => {
                    progress.acked = progress.have.clone();
                    progress.state = State::Idle;
                    acked.push((id, progress.acked.clone()));
                }
                Standing::Lacks(heads) => {
                    progress.acked = heads.into_iter().collect();
                    progress.stumbles += 1;
                    progress.state = State::Idle;
                    acked.push((id.clone(), progress.acked.clone()));
                    if progress.stumbles >= STUMBLES_BEFORE_REPAIR {
                        self.begin_repair(now_ms, limits, id, outputs);
                    }
                }
                Standing::Refused(reason) => {
                    self.stumble(now_ms, limits, &id);
                    self.report(Some(id), format!("the neighbour refuses it: {reason}"), outputs);
                }
            }
        }
        self.save_acked(acked, outputs);
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
    pub(super) fn report(&mut self, id: Option<DocumentId>, reason: String, outputs: &mut VecDeque<Output>) {
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
    pub(super) fn on_packed(
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
    pub(super) fn on_changed(&mut self, changed: &Changed) {
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

    pub(super) fn on_gone(&mut self, id: &DocumentId) {
        self.documents.remove(id);
        self.talks.remove(id);
    }

    fn begin_repair(&mut self, now_ms: u64, limits: &CarrierLimits, id: DocumentId, outputs: &mut VecDeque<Output>) {
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
    pub(super) fn on_repair(
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
    pub(super) fn on_repaired(
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

    pub(super) fn on_timeout(&mut self, now_ms: u64, limits: &CarrierLimits, outputs: &mut VecDeque<Output>) {
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

    pub(super) fn deadline_ms(&self) -> Option<u64> {
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
    pub(super) fn pump(&mut self, now_ms: u64, limits: &CarrierLimits, outputs: &mut VecDeque<Output>) {
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

/// The documents of a group that a neighbour has something of.
fn held(group: &StandingGroup) -> impl Iterator<Item = (DocumentId, Heads)> {
    group.documents.iter().filter_map(|(bucket, generation, standing)| {
        let Standing::Holds(heads) = standing else { return None };
        let id = DocumentId {
            site: group.site.clone(),
            writer: group.writer.clone(),
            bucket: *bucket,
            generation: *generation,
        };
        (!heads.is_empty()).then(|| (id, heads.iter().copied().collect()))
    })
}
