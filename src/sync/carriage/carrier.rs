//! The engine: all links of one replica.

use std::collections::{BTreeMap, VecDeque};

use super::link::{CarrierLimits, LinkState};
use super::pace::Pace;
use super::routes::{Link, Neighbour};
use super::work::{Changed, Done, Work};
use crate::domain::ids::Sku;
use crate::sync::shelves::DocumentId;
use crate::sync::wire::{ShelfMessage, Taken};

/// What happens to the engine.
#[derive(Debug, Clone)]
pub enum Input {
    /// A neighbour is there, in a session. Told again of the same session, and the same run of it, it means nothing
    /// unless the link was left alone.
    Opened {
        /// The link.
        link: Link,
        /// Its session, which messages carry.
        session: u64,
    },
    /// A session is over.
    Closed {
        /// Whose.
        neighbour: Neighbour,
        /// Which.
        session: u64,
    },
    /// A message of a neighbour.
    Received {
        /// From whom.
        from: Neighbour,
        /// In which session.
        session: u64,
        /// What it says.
        message: ShelfMessage,
    },
    /// Rows of this replica may have been touched.
    Touched,
    /// Journals of other replicas have grown: rows may have waited for that.
    JournalsGrew,
    /// A work is done and committed.
    Done(Done),
    /// The disk could not do a work.
    Failed(Work),
    /// The deadline has passed.
    Timeout,
}

/// What the engine wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Send a message. No answer; what is lost is repeated.
    Send {
        /// To whom.
        to: Neighbour,
        /// In which session.
        session: u64,
        /// What to say.
        message: ShelfMessage,
    },
    /// Do this with [`perform`](super::perform), commit what is to be kept, then answer with [`Input::Done`], or with
    /// [`Input::Failed`]. Works are done one at a time, in the order in which they were given.
    Work(Work),
    /// Something that people should know: told once for each document and session.
    Report {
        /// Over which link.
        neighbour: Neighbour,
        /// The document; none where a whole parcel cannot be read.
        id: Option<DocumentId>,
        /// What is wrong.
        reason: String,
    },
    /// A row of this replica that no document takes; the others are in. For people.
    Refused {
        /// The item.
        sku: Sku,
        /// Why.
        reason: String,
    },
}

/// The engine of one replica.
#[derive(Debug)]
pub struct Carrier {
    limits: CarrierLimits,
    links: BTreeMap<Neighbour, LinkState>,
    pace: Pace,
    merging: bool,
    journals_grew: bool,
    outputs: VecDeque<Output>,
}

impl Carrier {
    /// An engine that has no links yet.
    #[must_use]
    pub const fn new(limits: CarrierLimits) -> Self {
        Self {
            pace: Pace::new(limits.sync_point_pause_ms),
            limits,
            links: BTreeMap::new(),
            merging: false,
            // What waited when the process ended may have come with what was committed last.
            journals_grew: true,
            outputs: VecDeque::new(),
        }
    }

    /// Takes one input at `now_ms` (monotonic milliseconds). Drain [`poll`](Self::poll) afterwards.
    pub fn handle(&mut self, now_ms: u64, input: Input) {
        match input {
            Input::Opened { link, session } => self.open(link, session),
            Input::Closed { neighbour, session } => {
                if self.of_session(&neighbour, session).is_some() {
                    self.links.remove(&neighbour);
                }
            }
            Input::Received { from, session, message } => self.on_message(now_ms, &from, session, message),
            Input::Touched => self.pace.touched(),
            Input::JournalsGrew => self.journals_grew = true,
            Input::Done(done) => self.on_done(now_ms, done),
            Input::Failed(work) => self.on_failed(now_ms, &work),
            Input::Timeout => {
                for link in self.links.values_mut() {
                    link.on_timeout(now_ms, &self.limits, &mut self.outputs);
                }
            }
        }
        self.pump(now_ms);
    }

    /// The next thing to do, until there is none.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Timeout`] is due.
    #[must_use]
    pub fn deadline_ms(&self) -> Option<u64> {
        let links = self.links.values().filter_map(LinkState::deadline_ms);
        let pace = self.pace.deadline_ms().filter(|_| self.is_linked());
        links.chain(pace).min()
    }

    fn is_linked(&self) -> bool {
        self.links.values().any(|link| !link.is_dead())
    }

    fn open(&mut self, link: Link, session: u64) {
        let neighbour = link.neighbour();
        let same = self
            .links
            .get(&neighbour)
            .is_some_and(|known| known.session == session && known.link == link && !known.is_dead());
        if !same {
            let state = LinkState::new(link, session, &mut self.outputs);
            self.links.insert(neighbour, state);
        }
    }

    fn on_message(&mut self, now_ms: u64, from: &Neighbour, session: u64, message: ShelfMessage) {
        let Some(link) = self.links.get_mut(from).filter(|link| link.session == session) else {
            return;
        };
        let (limits, outputs) = (&self.limits, &mut self.outputs);
        match message {
            ShelfMessage::Offer(offer) => outputs.push_back(Output::Work(Work::Compare {
                neighbour: from.clone(),
                session,
                offer,
            })),
            ShelfMessage::Holds(holds) => link.on_holds(now_ms, limits, holds.groups, outputs),
            ShelfMessage::Parcel { number, sealed } => outputs.push_back(Output::Work(Work::Take {
                link: link.link.clone(),
                session,
                number,
                sealed,
            })),
            ShelfMessage::Taken(Taken { number, group }) => link.on_taken(now_ms, limits, number, group, outputs),
            ShelfMessage::Repair(repair) => link.on_repair(now_ms, limits, repair, outputs),
        }
    }

    /// The link of a session, unless it was closed meanwhile.
    fn of_session(&mut self, neighbour: &Neighbour, session: u64) -> Option<&mut LinkState> {
        self.links.get_mut(neighbour).filter(|link| link.session == session)
    }

    fn on_done(&mut self, now_ms: u64, done: Done) {
        match done {
            Done::Written { changed, gone, refused } => {
                self.pace.ended();
                self.tell(&changed, &gone);
                for (sku, reason) in refused {
                    self.outputs.push_back(Output::Refused { sku, reason });
                }
            }
            Done::Surveyed {
                neighbour,
                session,
                documents,
            } => {
                let Some(link) = self.links.get_mut(&neighbour).filter(|link| link.session == session) else {
                    return;
                };
                link.on_surveyed(now_ms, &self.limits, documents, &mut self.outputs);
            }
            Done::Compared {
                neighbour,
                session,
                holds,
            } => {
                if let Some(link) = self.links.get(&neighbour).filter(|link| link.session == session) {
                    link.send(ShelfMessage::Holds(holds), &mut self.outputs);
                }
            }
            Done::Packed {
                neighbour,
                session,
                parcels,
                passed,
            } => {
                if let Some(link) = self.links.get_mut(&neighbour).filter(|link| link.session == session) {
                    link.on_packed(now_ms, &self.limits, parcels, passed, &mut self.outputs);
                }
            }
            Done::Taken {
                neighbour,
                session,
                number,
                group,
                changed,
                gone,
                refused,
            } => {
                self.tell(&changed, &gone);
                let Some(link) = self.links.get_mut(&neighbour).filter(|link| link.session == session) else {
                    return;
                };
                for (id, reason) in refused {
                    link.report(id, reason, &mut self.outputs);
                }
                if let Some(group) = group {
                    link.send(ShelfMessage::Taken(Taken { number, group }), &mut self.outputs);
                }
            }
            Done::Repaired {
                neighbour,
                session,
                id,
                state,
                reply,
                heads,
                changed,
                gone,
                refused,
            } => {
                self.tell(changed.as_slice(), &gone);
                if let Some(link) = self.links.get_mut(&neighbour).filter(|link| link.session == session) {
                    let (limits, outputs) = (&self.limits, &mut self.outputs);
                    link.on_repaired(now_ms, limits, id, state, reply, heads, refused, outputs);
                }
            }
            Done::Merged => self.merging = false,
            Done::Noted => {}
        }
    }

    /// Tells every link what is other than before.
    fn tell(&mut self, changed: &[Changed], gone: &[DocumentId]) {
        for link in self.links.values_mut() {
            changed.iter().for_each(|changed| link.on_changed(changed));
            gone.iter().for_each(|id| link.on_gone(id));
        }
    }

    fn on_failed(&mut self, now_ms: u64, work: &Work) {
        let limits = self.limits.clone();
        match work {
            Work::SyncPoint => self.pace.failed(),
            Work::MergeWaiting => self.merging = false,
            Work::Survey { link, session } | Work::Repair { link, session, .. } | Work::Take { link, session, .. } => {
                if let Some(link) = self.of_session(&link.neighbour(), *session) {
                    link.on_failed(now_ms, &limits, work);
                }
            }
            Work::Compare { neighbour, session, .. } | Work::Pack { neighbour, session, .. } => {
                if let Some(link) = self.of_session(neighbour, *session) {
                    link.on_failed(now_ms, &limits, work);
                }
            }
            // What was not noted is offered again when the link opens next.
            Work::SaveAcked { .. } => {}
        }
    }

    fn pump(&mut self, now_ms: u64) {
        if self.is_linked() && self.pace.begins(now_ms) {
            self.outputs.push_back(Output::Work(Work::SyncPoint));
        }
        if self.journals_grew && !self.merging {
            self.journals_grew = false;
            self.merging = true;
            self.outputs.push_back(Output::Work(Work::MergeWaiting));
        }
        for link in self.links.values_mut() {
            link.pump(now_ms, &self.limits, &mut self.outputs);
        }
    }
}
