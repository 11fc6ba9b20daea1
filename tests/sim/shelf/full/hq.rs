//! Headquarters: its process with the engines, and how it starts, commits and dies.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use finalmarket::domain::escrow::ReplicaId;
use finalmarket::domain::fact::{Settlement, SettlementDecision};
use finalmarket::domain::ids::{NodeId, SiteId};
use finalmarket::hq::{Happening, Headquarters, Incoming, IntroduceError};
use finalmarket::sync::carriage::{self, Carrier, CarrierLimits, Child, Link, Neighbour};
use finalmarket::sync::hub::{HubEngine, HubLimits, Input, Introduction, Output};
use finalmarket::sync::rights::{self, RightsEngine};
use finalmarket::sync::wire::{Down, Hello, StreamState, Up};
use tokio::sync::broadcast::Receiver;

use super::super::facts::Life;
use super::super::fault::Rule;
use super::hq_disk::{HqDisk, Reader};
use super::node::Waiting;
use super::world::{Event, Seat, World};

/// Writes and syncs until a process that is to die in a commit does.
const OPERATIONS_MAX: u64 = 60;

/// Headquarters.
#[derive(Debug)]
pub struct Hq {
    pub disk: HqDisk,
    pub process: Option<Process>,
    pub life: Option<Life>,
    pub starts: u64,
    pub died_ms: u64,
    run: u64,
    /// Whether a projection is due.
    pub projects: bool,
}

/// What an engine is to take.
#[derive(Debug)]
pub enum Inner {
    Hub(Input),
    Rights(SiteId, rights::Input),
    Carriage(carriage::Input),
}

/// How a kiosk's session is reached.
#[derive(Debug, Clone)]
pub struct Route {
    via: usize,
    complete_ms: u64,
}

/// What a process holds in memory. The reader is closed first.
#[derive(Debug)]
pub struct Process {
    pub reader: Reader,
    pub hq: Headquarters,
    elapsed_ms: Arc<AtomicU64>,
    started_ms: u64,
    pub happenings: Receiver<Happening>,
    pub inbox: VecDeque<Inner>,
    pub hub: HubEngine,
    pub engines: BTreeMap<SiteId, RightsEngine>,
    pub peers: BTreeMap<u64, (SiteId, ReplicaId)>,
    pub routes: BTreeMap<(NodeId, u64), Route>,
    pub carrier: Carrier,
    pub own: ReplicaId,
    pub waiting: Vec<Waiting>,
    pub wake_ms: Option<u64>,
}

impl Hq {
    pub fn new() -> Self {
        Self {
            disk: HqDisk::new(),
            process: None,
            life: None,
            starts: 0,
            died_ms: 0,
            run: 0,
            projects: false,
        }
    }

    /// What the broker retains of it.
    pub const fn state(&self) -> (bool, u64) {
        (self.process.is_some(), self.run)
    }
}

impl World {
    pub fn start_hq(&mut self, starts: u64) {
        if self.hq.process.is_some() || self.hq.starts != starts {
            return;
        }
        if self.faults_on && self.rng.chance(self.options.falls) {
            let operations = self.rng.between(1, OPERATIONS_MAX);
            self.hq.disk.power.cut_after(operations);
        }
        let elapsed_ms = Arc::new(AtomicU64::new(0));
        let opened = self.hq.disk.open(self.wall_ms(), Arc::clone(&elapsed_ms));
        if self.hq.disk.power.is_cut() {
            drop(opened);
            let choice = self.rng.next();
            self.hq.disk.ends(true, choice);
            return self.at(self.now_ms + 1_000, Event::StartHq { starts });
        }
        self.hq.disk.power.cut_after(u64::MAX);
        let opened = opened.and_then(|(reader, hq)| {
            let own = hq.replica().map_err(|error| error.to_string())?;
            let rows = hq.own_rows().map_err(|error| error.to_string())?;
            Ok((reader, hq, own, rows))
        });
        let (reader, hq, own, rows) = match opened {
            Ok(opened) => opened,
            Err(error) => return self.fail(Rule::Durable, format!("headquarters does not start: {error}")),
        };
        self.hq.process = Some(Process {
            happenings: hq.watch(),
            reader,
            hq,
            elapsed_ms,
            started_ms: self.now_ms,
            inbox: VecDeque::new(),
            hub: HubEngine::new(HubLimits::default()),
            engines: BTreeMap::new(),
            peers: BTreeMap::new(),
            routes: BTreeMap::new(),
            carrier: Carrier::new(CarrierLimits::default()),
            own,
            waiting: Vec::new(),
            wake_ms: None,
        });
        self.hq.starts += 1;
        self.hq.run = self.rng.next();
        self.say(|_| "hq starts".to_owned());
        self.observe_hq(self.hq.died_ms.max(1));
        if self.planted.is_none()
            && let Err(difference) = self.hq.disk.verify()
        {
            self.fail(Rule::Verifies, format!("verify at headquarters: {difference}"));
        }
        for (site, sku, row) in rows {
            let row = rights::Input::Row {
                shelf: rights::ShelfKey {
                    site: site.clone(),
                    sku,
                },
                figures: (&row).into(),
            };
            self.tell_hq(Inner::Rights(site, row));
        }
        self.moved.insert(self.nodes.len());
        let starts = self.hq.starts;
        self.at(self.now_ms + 1_000, Event::HqHolds { starts });
        self.wants_figures();
        self.shows_state();
    }

    /// The broker shows what it retains of headquarters.
    fn shows_state(&mut self) {
        let (online, run) = self.hq.state();
        for child in 0..self.options.sites {
            let delay_ms = self.rng.between(1, self.options.notice_ms_max);
            self.at(self.now_ms + delay_ms, Event::HubState { child, online, run });
        }
    }

    pub fn hq_dies(&mut self) {
        if self.hq.process.is_none() {
            return;
        }
        let (power, choice) = (self.rng.chance(self.options.power_cuts), self.rng.next());
        self.say(|_| format!("hq {}", if power { "loses power" } else { "is killed" }));
        self.hq.disk.power.cut();
        let waiting = self.hq.process.take().map_or(0, |process| process.waiting.len());
        self.hq.disk.ends(power, choice);
        self.hq.died_ms = self.now_ms;
        self.refused += waiting as u64;
        self.deaths += 1;
        for store in 0..self.options.sites {
            self.nodes[store].link.failed_ms = self.now_ms;
        }
        let (delay_ms, starts) = (self.rng.between(200, 6_000), self.hq.starts);
        self.at(self.now_ms + delay_ms, Event::StartHq { starts });
        self.moved.insert(self.nodes.len());
        self.shows_state();
    }

    /// Asks headquarters for what it commits. None where its process dies instead.
    pub fn hq_does<T>(&mut self, ask: impl FnOnce(&Headquarters) -> T) -> Option<T> {
        let process = self.hq.process.as_ref()?;
        process
            .elapsed_ms
            .store(self.now_ms - process.started_ms, Ordering::Relaxed);
        let falls = self.faults_on && self.rng.chance(self.options.falls);
        if falls {
            let operations = self.rng.between(1, OPERATIONS_MAX);
            self.hq.disk.power.cut_after(operations);
        }
        let done = ask(&self.hq.process.as_ref()?.hq);
        self.commits += 1;
        if self.hq.disk.power.is_cut() {
            self.say(|_| "hq dies in a commit".to_owned());
            self.hq_dies();
            return None;
        }
        if falls {
            self.hq.disk.power.cut_after(u64::MAX);
        }
        self.observe_hq(self.now_ms);
        Some(done)
    }

    pub fn tell_hq(&mut self, inner: Inner) {
        if let Some(process) = self.hq.process.as_mut() {
            process.inbox.push_back(inner);
            self.dirty.insert(self.nodes.len());
        }
    }

    /// A store says something.
    pub fn hq_is_told(&mut self, store: usize, message: Up) {
        let node = self.nodes[store].disk.node.node.clone();
        let now_ms = self.wall_ms();
        let Some(process) = self.hq.process.as_mut() else {
            return;
        };
        match message {
            Up::Children { online, .. } => process.hq.children_present(&node, online),
            Up::Relayed {
                node: child,
                complete_age_ms,
                message,
            } => {
                let Ok(message) = Up::decode(&message) else {
                    return self.broken("a message that a store passes on cannot be read");
                };
                let Some(session) = message.session() else { return };
                let route = Route {
                    via: store,
                    complete_ms: now_ms.saturating_sub(complete_age_ms),
                };
                process.routes.insert((child.clone(), session), route);
                self.tell_hq(Inner::Hub(Input::Received { node: child, message }));
            }
            Up::Shelves { session, message } => {
                let from = Neighbour::Child(node);
                self.tell_hq(Inner::Carriage(carriage::Input::Received { from, session, message }));
            }
            Up::Rights { session, message } => {
                if let Some((site, from)) = process.peers.get(&session).cloned() {
                    self.tell_hq(Inner::Rights(site, rights::Input::Received { from, message }));
                }
            }
            message => self.tell_hq(Inner::Hub(Input::Received { node, message })),
        }
    }

    /// A store's will, or its own word.
    pub fn hq_loses(&mut self, store: usize, session: u64) {
        let node = self.nodes[store].disk.node.node.clone();
        let Some(process) = self.hq.process.as_mut() else {
            return;
        };
        process.routes.retain(|_, route| route.via != store);
        let peer = process.peers.remove(&session);
        let neighbour = Neighbour::Child(node.clone());
        self.tell_hq(Inner::Carriage(carriage::Input::Closed { neighbour, session }));
        if let Some((site, peer)) = peer {
            self.tell_hq(Inner::Rights(site, rights::Input::Disconnected { peer }));
        }
        self.tell_hq(Inner::Hub(Input::Gone { node, session }));
    }

    /// Says something to a node, over its store where it is a kiosk's.
    pub fn hq_says(&mut self, node: &NodeId, message: Down) {
        let Some(process) = self.hq.process.as_ref() else {
            return;
        };
        let route = message
            .session()
            .and_then(|session| process.routes.get(&(node.clone(), session)));
        let (to, message) = match route {
            Some(route) => {
                let (node, message) = (node.clone(), message.encode());
                (Some(route.via), Down::Relayed { node, message })
            }
            None => (self.node_called(node), message),
        };
        if let Some(to) = to.filter(|to| self.nodes[*to].parent.is_none()) {
            self.send_down(to, &message);
        }
    }

    pub fn work_hq(&mut self) {
        let now_ms = self.now_ms;
        while let Some(process) = self.hq.process.as_mut() {
            if self.violation.is_some() {
                return;
            }
            let Some(inner) = process.inbox.pop_front() else { break };
            match inner {
                Inner::Hub(input) => {
                    process.hub.handle(now_ms, input);
                    while let Some(output) = self.hq.process.as_mut().and_then(|process| process.hub.poll()) {
                        self.do_hub(output);
                    }
                }
                Inner::Rights(site, input) => self.hq_rights_take(&site, input),
                Inner::Carriage(input) => {
                    process.carrier.handle(now_ms, input);
                    self.do_hq_carriage();
                }
            }
        }
        let Some(process) = self.hq.process.as_mut() else {
            return;
        };
        let rights = process.engines.values().filter_map(RightsEngine::deadline);
        let others = process
            .hub
            .deadline_ms()
            .into_iter()
            .chain(process.carrier.deadline_ms());
        if let Some(due_ms) = rights.chain(others).min()
            && process.wake_ms.is_none_or(|wake_ms| wake_ms > due_ms)
        {
            process.wake_ms = Some(due_ms);
            self.at(due_ms.max(self.now_ms + 1), Event::WakeHq);
        }
    }

    pub fn wake_hq(&mut self) {
        let now_ms = self.now_ms;
        let Some(process) = self.hq.process.as_mut() else {
            return;
        };
        if process.wake_ms.is_none_or(|due_ms| due_ms > now_ms) {
            return;
        }
        process.wake_ms = None;
        self.wakes += 1;
        let due = |deadline: Option<u64>| deadline.is_some_and(|due_ms| due_ms <= now_ms);
        let mut inners = Vec::new();
        if due(process.hub.deadline_ms()) {
            inners.push(Inner::Hub(Input::Timeout));
        }
        for (site, engine) in &process.engines {
            if due(engine.deadline()) {
                inners.push(Inner::Rights(site.clone(), rights::Input::Timeout));
            }
        }
        if due(process.carrier.deadline_ms()) {
            inners.push(Inner::Carriage(carriage::Input::Timeout));
        }
        self.dirty.insert(self.nodes.len());
        inners.into_iter().for_each(|inner| self.tell_hq(inner));
    }

    fn do_hub(&mut self, output: Output) {
        let now_ms = self.wall_ms();
        match output {
            Output::Send { node, message } => self.hq_says(&node, message),
            Output::Introduce { node, hello } => self.hq_introduces(node, hello),
            Output::Ingest { node, session, sealed } => {
                let Some(process) = self.hq.process.as_ref() else {
                    return;
                };
                let incoming = Incoming {
                    relayed: process.routes.contains_key(&(node.clone(), session)),
                    sender: node.clone(),
                    session,
                    sealed,
                };
                match self.hq_does(|hq| hq.ingest(vec![incoming], now_ms)) {
                    None => {}
                    Some(Ok(ingested)) => {
                        for one in ingested {
                            let outcome = one.outcome;
                            let node = node.clone();
                            self.tell_hq(Inner::Hub(Input::Ingested { node, session, outcome }));
                        }
                        self.tell_hq(Inner::Carriage(carriage::Input::JournalsGrew));
                        self.wants_figures();
                    }
                    Some(Err(error)) => self.broken(&format!("headquarters does not take a batch: {error}")),
                }
            }
            Output::LoadPage {
                node, session, feed, ..
            } => {
                let page = None;
                self.tell_hq(Inner::Hub(Input::PageLoaded {
                    node,
                    session,
                    feed,
                    page,
                }));
            }
        }
    }

    fn hq_introduces(&mut self, node: NodeId, hello: Hello) {
        let (session, now_ms) = (hello.session, self.wall_ms());
        let Some(process) = self.hq.process.as_ref() else {
            return;
        };
        let route = process.routes.get(&(node.clone(), session)).cloned();
        let newest = hello.streams.last().filter(|_| route.is_none());
        let newest = newest.map(|stream| (hello.site.clone(), stream.head.incarnation));
        let name = node.clone();
        let via = route
            .as_ref()
            .map(|route| (self.nodes[route.via].disk.node.node.clone(), route.complete_ms));
        let introduced = self.hq_does(move |hq| match via {
            None => hq.introduce(&name, hello, now_ms),
            Some((via, complete_ms)) => hq.introduce_relayed(&via, &name, hello, complete_ms, now_ms),
        });
        let result = match introduced {
            None => return,
            Some(Ok(result)) => result,
            // Of a kiosk whose store has not introduced itself yet.
            Some(Err(IntroduceError::NotEnrolled(_))) => return,
            Some(Err(error)) => return self.broken(&format!("headquarters does not know {node}: {error}")),
        };
        let known = matches!(result, Introduction::Known(_));
        self.tell_hq(Inner::Hub(Input::Introduced {
            node: node.clone(),
            session,
            result,
        }));
        let Some((site, incarnation)) = newest.filter(|_| known) else {
            return;
        };
        let replica = ReplicaId { node, incarnation };
        let link = Link::Child(Child {
            site: site.clone(),
            replica: replica.clone(),
        });
        self.tell_hq(Inner::Carriage(carriage::Input::Opened { link, session }));
        self.hq_reaches(session, site, replica);
    }

    /// Figures are to follow before long.
    pub fn wants_figures(&mut self) {
        if !self.hq.projects {
            self.hq.projects = true;
            let delay_ms = self.rng.between(1, 20);
            self.at(self.now_ms + delay_ms, Event::Project);
        }
    }

    pub fn project(&mut self) {
        self.hq.projects = false;
        match self.hq_does(Headquarters::project) {
            None => {}
            Some(Ok(_)) => self.hear_happenings(),
            Some(Err(error)) => self.broken(&format!("figures do not follow: {error}")),
        }
    }

    /// An operator decides that what is set apart counts.
    pub fn settle(&mut self) {
        let now_ms = self.wall_ms();
        let Some(process) = self.hq.process.as_ref() else {
            return;
        };
        let nodes = match process.hq.nodes() {
            Ok(nodes) => nodes,
            Err(error) => return self.broken(&format!("headquarters cannot be read: {error}")),
        };
        for node in nodes {
            for life in node
                .incarnations
                .iter()
                .filter(|life| life.state == StreamState::SetApart)
            {
                let settlement = Settlement {
                    node: node.node.clone(),
                    incarnation: life.incarnation,
                    decision: SettlementDecision::Count,
                    reason: "simulated".into(),
                    by: "an operator".into(),
                };
                let name = self.name(Seat::Headquarters);
                self.say(|_| format!("{name} counts {} of {}", life.incarnation, node.node));
                if let Some(Err(error)) = self.hq_does(|hq| hq.settle(settlement, now_ms)) {
                    self.broken(&format!("an incarnation is not settled: {error}"));
                }
                self.wants_figures();
            }
        }
    }
}
