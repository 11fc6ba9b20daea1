//! Headquarters' process around its engine: groups of batches in one commit, answers after it.

use std::rc::Rc;

use finalmarket::domain::ids::NodeId;
use finalmarket::sync::hub::{HubEngine, HubLimits, Input, Outcome, Output};
use finalmarket::sync::wire::{Batch, FeedCursor, HubState, Slot, Up, WIRE_VERSION};

use super::events::Event;
use super::hub_disk::{Done, HubDisk, Work};
use super::network::{HUB, Packet};
use super::node_shell::START_MS;
use super::planted::Planted;
use super::promise::Checked;
use super::trace;
use super::world::World;

/// A record with these bytes in it is one that headquarters cannot even unpack.
pub const UNREADABLE: &[u8] = b"unreadable";

/// Headquarters.
#[derive(Debug)]
pub struct Hub {
    /// Its disk.
    pub disk: HubDisk,
    /// The engine, while the process runs.
    pub engine: Option<HubEngine>,
    /// Counts its processes.
    pub life: u64,
    /// The number that it tells everybody at each start.
    run: u64,
    work: Vec<Work>,
    committing: Option<Vec<Work>>,
    timer_ms: Option<u64>,
}

impl Hub {
    /// A headquarters that does not run yet.
    pub fn new(planted: Option<Planted>, real: bool) -> Self {
        Self {
            disk: HubDisk::new(planted, real),
            engine: None,
            life: 0,
            run: 0,
            work: Vec::new(),
            committing: None,
            timer_ms: None,
        }
    }

    /// Whether it has nothing in hand.
    pub fn is_idle(&self) -> bool {
        self.work.is_empty() && self.committing.is_none()
    }
}

impl World {
    /// Headquarters starts.
    pub fn hub_boots(&mut self) -> Checked {
        if self.hub.engine.is_some() {
            return Ok(());
        }
        let power_goes_after = self.cut_at_start();
        let choice = self.rng.next();
        if !self.hub.disk.start(START_MS + self.now_ms, power_goes_after, choice)? {
            self.note(|| "headquarters does not get started".to_owned());
            let at_ms = self.now_ms + self.rng.between(300, 10_000);
            self.schedule(at_ms, Event::HubBoot);
            return Ok(());
        }
        let limits = HubLimits {
            batch_bytes_max: 3_000,
            page_bytes_max: 600,
            ..HubLimits::default()
        };
        self.hub.engine = Some(HubEngine::new(limits));
        self.hub.life += 1;
        self.hub.run = self.rng.next();
        self.hub.timer_ms = None;
        self.note(|| "headquarters starts".to_owned());
        self.check_headquarters(true)?;
        let at_ms = self.now_ms + self.rng.between(10, 1_000);
        self.schedule(at_ms, Event::Connect(HUB));
        Ok(())
    }

    /// Headquarters dies.
    pub fn hub_dies(&mut self, power: bool) -> Checked {
        if self.hub.engine.take().is_none() {
            return Ok(());
        }
        let death = self.death(power);
        let group = self.hub.committing.take().unwrap_or_default();
        self.hub.disk.dies(&group, START_MS + self.now_ms, death)?;
        let waiting = std::mem::take(&mut self.hub.work);
        for work in group.into_iter().chain(waiting) {
            if let Work::Ingest(node, session, sealed) = work {
                let bytes: Rc<[u8]> = Up::Batch { session, sealed }.encode().into();
                self.return_to_broker(Packet::Up(node, bytes));
            }
        }
        self.hub.life += 1;
        self.note(|| format!("headquarters dies: {death:?}"));
        self.drop_client(HUB);
        Ok(())
    }

    /// A message from a node.
    pub fn hub_receives(&mut self, node: NodeId, message: Up) {
        let life = self.hub.life;
        self.hub_hears(life, Input::Received { node, message });
    }

    /// A node has left.
    pub fn hub_hears_gone(&mut self, node: NodeId, session: u64) {
        let life = self.hub.life;
        self.hub_hears(life, Input::Gone { node, session });
    }

    /// Headquarters' engine hears something.
    pub fn hub_hears(&mut self, life: u64, input: Input) {
        if self.hub.life != life {
            return;
        }
        self.note(|| format!("headquarters <- {}", trace::hub_input(&input)));
        if let Some(engine) = &mut self.hub.engine {
            engine.handle(self.now_ms, input);
        }
        while let Some(output) = self.hub.engine.as_mut().and_then(HubEngine::poll) {
            self.note(|| format!("headquarters -> {}", trace::hub_output(&output)));
            self.hub_does(output);
        }
        if let Some(at_ms) = self.hub.engine.as_ref().and_then(HubEngine::deadline_ms)
            && self.hub.timer_ms != Some(at_ms)
        {
            self.hub.timer_ms = Some(at_ms);
            self.schedule(at_ms.max(self.now_ms + 1), Event::HubTimer(life));
        }
    }

    /// A timer rings.
    pub fn hub_wakes(&mut self, life: u64) {
        let due_ms = self.hub.engine.as_ref().and_then(HubEngine::deadline_ms);
        if self.hub.life == life && due_ms.is_some_and(|at_ms| at_ms <= self.now_ms) {
            self.hub.timer_ms = None;
            self.hub_hears(life, Input::Timeout);
        }
    }

    /// A group commit ends.
    pub fn hub_committed(&mut self, life: u64) -> Checked {
        if self.hub.life != life {
            return Ok(());
        }
        let Some(group) = self.hub.committing.take() else {
            return Ok(());
        };
        let projects = !self.options.full.is_some_and(|full| self.rng.chance(full.lag));
        let done = self.hub.disk.commit(&group, START_MS + self.now_ms, projects)?;
        let worked = done.iter().flatten().count();
        self.note(|| format!("headquarters commits {worked} of {}", group.len()));
        if worked > 0 {
            self.check_headquarters(false)?;
        }
        if self.planted != Some(Planted::EarlyAcknowledgement) {
            self.answer_nodes(life, done.into_iter().flatten().collect());
        }
        self.start_hub_commit();
        Ok(())
    }

    /// An operator's work.
    pub fn hub_works(&mut self, work: Work) {
        if self.hub.engine.is_some() {
            self.hub.work.push(work);
            self.start_hub_commit();
        }
    }

    /// What headquarters tells everybody of itself.
    pub fn hub_state(&self, online: bool) -> HubState {
        HubState {
            online,
            run: self.hub.run,
            wire: WIRE_VERSION,
        }
    }

    fn hub_does(&mut self, output: Output) {
        let life = self.hub.life;
        match output {
            Output::Send { node, message } => {
                let bytes: Rc<[u8]> = message.encode().into();
                self.publish(HUB, Packet::Down(node, bytes));
            }
            Output::Introduce { node, hello } => self.hub_works(Work::Introduce(node, hello)),
            Output::Ingest { node, session, sealed } => match self.unreadable(&sealed) {
                None => self.hub_works(Work::Ingest(node, session, sealed)),
                Some(_) if self.planted == Some(Planted::BadRecordBlocks) => {}
                Some(outcome) => {
                    let input = Input::Ingested { node, session, outcome };
                    self.schedule(self.now_ms + 1, Event::HubInput(life, Box::new(input)));
                }
            },
            Output::LoadPage {
                node,
                session,
                feed,
                after,
                epoch,
                bytes_max,
            } => {
                let cursor = FeedCursor {
                    feed: feed.clone(),
                    version: after,
                    epoch,
                };
                let page = self.hub.disk.page(&cursor, bytes_max);
                let at_ms = self.now_ms + self.rng.between(1, 30);
                let input = Input::PageLoaded {
                    node,
                    session,
                    feed,
                    page,
                };
                self.schedule(at_ms, Event::HubInput(life, Box::new(input)));
            }
        }
    }

    fn start_hub_commit(&mut self) {
        if self.hub.committing.is_some() || self.hub.work.is_empty() {
            return;
        }
        let group = std::mem::take(&mut self.hub.work);
        let life = self.hub.life;
        let at_ms = self.now_ms + self.rng.between(1, self.options.commit_ms_max);
        self.schedule(at_ms, Event::HubCommitted(life));
        if self.planted == Some(Planted::EarlyAcknowledgement) {
            let done = self.hub.disk.foretell(&group, START_MS + self.now_ms);
            self.hub.committing = Some(group);
            self.answer_nodes(life, done);
        } else {
            self.hub.committing = Some(group);
        }
    }

    fn answer_nodes(&mut self, life: u64, done: Vec<Done>) {
        for done in done {
            let input = match done {
                Done::Introduced(node, session, result) => Input::Introduced { node, session, result },
                Done::Ingested(node, session, outcome) => Input::Ingested { node, session, outcome },
                Done::Published(feed) => Input::Published { feed },
                Done::Nothing => continue,
            };
            self.hub_hears(life, input);
        }
    }

    /// What headquarters says of a batch with a record that it cannot even unpack: a fault of its own, of one version.
    fn unreadable(&self, sealed: &[u8]) -> Option<Outcome> {
        if !self.watch.oversized {
            return None;
        }
        let batch = Batch::open(sealed).ok()?;
        let holds = |slot: &Slot| match slot {
            Slot::Record(record) => record.windows(UNREADABLE.len()).any(|window| window == UNREADABLE),
            Slot::Withheld { .. } => false,
        };
        batch.slots().ok()?.iter().any(holds).then(|| Outcome::Unreadable {
            incarnation: batch.header.incarnation,
            first: batch.header.first,
            count: batch.header.count,
            reason: "cannot be unpacked".to_owned(),
        })
    }
}
