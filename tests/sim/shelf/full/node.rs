//! A node: its disk, its process with the engines, and how it starts, commits and dies.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::{Debug, Display};

use finalmarket::domain::escrow::ReplicaId;
use finalmarket::domain::ids::{NodeId, SiteId};
use finalmarket::operations;
use finalmarket::store::{Device, Failure, IncarnationSeed, StorageError, WriteTransaction, WriterCore};
use finalmarket::sync::carriage::{self, Carrier, CarrierLimits};
use finalmarket::sync::hub::{self, HubEngine, HubLimits};
use finalmarket::sync::node::{self, NodeEngine, NodeLimits};
use finalmarket::sync::rights::{self, RightsEngine};

use super::super::facts::{Item, Life};
use super::super::fault::Rule;
use super::disk::{Disk, furnish, till};
use super::network::Link;
use super::world::{Event, Seat, World};

/// Writes and syncs until a process that is to die in a commit does.
const OPERATIONS_MAX: u64 = 60;

/// A node.
#[derive(Debug)]
pub struct Node {
    pub disk: Disk,
    pub site: usize,
    /// The store's node; none for a store, whose parent is headquarters.
    pub parent: Option<usize>,
    pub children: Vec<usize>,
    pub link: Link,
    /// The last session that its parent may know.
    pub last_session: Option<u64>,
    pub process: Option<Process>,
    /// Its incarnation; none before it has started once.
    pub life: Option<Life>,
    pub starts: u64,
    pub died_ms: u64,
    pub wall_off_ms: i64,
    /// How many records the present incarnation had when it was backed up; none where that was another one's.
    pub backup: Option<(Life, u64)>,
    /// The till's count of its sales.
    pub counter: u64,
    /// Sales that goods can be brought back of: counter, item, parts.
    pub sold: Vec<(u64, Item, u64)>,
}

/// A customer who waits for rights.
#[derive(Debug, Clone)]
pub struct Waiting {
    pub need: u64,
    pub key: String,
    pub lines: Vec<(Item, u64)>,
    pub lifetime_ms: u64,
    pub since_ms: u64,
    /// The least that each process could have spared since, by item; headquarters' is last.
    pub spare: Vec<Vec<u64>>,
}

/// What an engine is to take.
#[derive(Debug)]
pub enum Inner {
    /// The node's own, or a kiosk's that is passed on.
    Engine(Option<NodeId>, node::Input),
    Hub(hub::Input),
    Rights(rights::Input),
    Carriage(carriage::Input),
}

/// The engine that passes a kiosk's records on.
#[derive(Debug)]
pub struct Relay {
    pub engine: NodeEngine,
    pub complete_age_ms: u64,
}

/// The end of a kiosk's connection at its store.
#[derive(Debug)]
pub struct Connection {
    pub child: usize,
    /// Whether it has introduced itself.
    pub greeted: bool,
}

/// Where the carriage of documents to the parent stands.
#[derive(Debug, Default)]
pub struct ParentEnd {
    pub open: Option<u64>,
    pub online: bool,
    pub run: Option<u64>,
}

/// What a process holds in memory.
pub struct Process {
    pub core: WriterCore,
    pub till: Device,
    pub inbox: VecDeque<Inner>,
    pub engine: NodeEngine,
    pub relays: BTreeMap<NodeId, Relay>,
    pub hub: HubEngine,
    pub rights: RightsEngine,
    pub carrier: Carrier,
    /// Its session with the parent, as it believes.
    pub session: Option<u64>,
    pub hub_state: Option<finalmarket::sync::wire::HubState>,
    /// The link's era that it connected in.
    pub connected_era: Option<u64>,
    pub parent_end: ParentEnd,
    /// The parent, as a giver of rights.
    pub parent: Option<ReplicaId>,
    /// By session.
    pub connections: BTreeMap<u64, Connection>,
    pub children: BTreeMap<u64, ReplicaId>,
    pub waiting: Vec<Waiting>,
    pub wake_ms: Option<u64>,
    pub looks_for_holds: bool,
}

impl Debug for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a process in session {:?}", self.session)
    }
}

impl Node {
    pub fn new(name: &str, site: usize, site_id: &SiteId, parent: Option<usize>) -> Self {
        Self {
            disk: Disk::new(name, site_id.as_str()),
            site,
            parent,
            children: Vec::new(),
            link: Link {
                up: true,
                ..Link::default()
            },
            last_session: None,
            process: None,
            life: None,
            starts: 0,
            died_ms: 0,
            wall_off_ms: 0,
            backup: None,
            counter: 0,
            sold: Vec::new(),
        }
    }
}

impl World {
    pub fn new_seed(&mut self) -> IncarnationSeed {
        IncarnationSeed {
            random: self.rng.next(),
            secret_key: self.rng.bytes32(),
        }
    }

    /// Starts a node's process from what is on its disk.
    pub fn start(&mut self, at: usize, starts: u64) {
        let node = &self.nodes[at];
        if node.process.is_some() || node.starts != starts {
            return;
        }
        let (seed, now) = (self.new_seed(), self.now_at(at));
        if self.faults_on && self.rng.chance(self.options.falls) {
            let operations = self.rng.between(1, OPERATIONS_MAX);
            self.nodes[at].disk.power.cut_after(operations);
        }
        let (skus, random) = (self.options.skus, self.rng.next());
        let opened = self.nodes[at].disk.open(seed, now).and_then(|mut core| {
            core.run(|tx| furnish(tx, now, skus, random))
                .map_err(|failure| failure.to_string())?;
            let till = till(&core).map_err(|error| error.to_string())?;
            Ok((core, till))
        });
        if self.nodes[at].disk.power.is_cut() {
            drop(opened);
            let choice = self.rng.next();
            self.nodes[at].disk.ends(true, choice);
            self.at(self.now_ms + 1_000, Event::Start { at, starts });
            return;
        }
        self.nodes[at].disk.power.cut_after(u64::MAX);
        let (core, till) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                let what = format!("{} does not start: {error}", self.name(Seat::Node(at)));
                return self.fail(Rule::Durable, what);
            }
        };
        let config = match self.nodes[at].parent {
            None => self.options.store.clone(),
            Some(_) => self.options.kiosk.clone(),
        };
        let first_request = self.rng.next();
        let site = self.sites[self.nodes[at].site].clone();
        let process = Process {
            core,
            till,
            inbox: VecDeque::new(),
            engine: NodeEngine::new(site, "simulated".into(), NodeLimits::default()),
            relays: BTreeMap::new(),
            hub: HubEngine::new(HubLimits::default()),
            rights: RightsEngine::new(config, first_request),
            carrier: Carrier::new(CarrierLimits::default()),
            session: None,
            hub_state: None,
            connected_era: None,
            parent_end: ParentEnd::default(),
            parent: None,
            connections: BTreeMap::new(),
            children: BTreeMap::new(),
            waiting: Vec::new(),
            wake_ms: None,
            looks_for_holds: false,
        };
        let node = &mut self.nodes[at];
        node.starts += 1;
        node.process = Some(process);
        self.say(|world| format!("{} starts", world.name(Seat::Node(at))));
        self.check_start(at);
        self.wake_relays(at);
        let own = self.reads(at, operations::own_rows).unwrap_or_default();
        for (sku, row) in own {
            let row = self.row_input(at, &sku, &row);
            self.tell(at, Inner::Rights(row));
        }
        self.moved.insert(at);
        self.hold_tick(at);
        self.at(self.now_ms, Event::Connect { child: at });
        for child in self.nodes[at].children.clone() {
            let pause_ms = self.rng.between(1, 1_000);
            self.at(self.now_ms + pause_ms, Event::Connect { child });
        }
    }

    /// What is found on the disk at a start: all that was acknowledged, and nothing that contradicts it.
    fn check_start(&mut self, at: usize) {
        let name = self.name(Seat::Node(at));
        if let Some(life) = self.nodes[at].life.filter(|life| !self.lives[*life].over) {
            let (seq, hash) = (self.lives[life].seq, self.lives[life].hashes.last().copied());
            let incarnation = self.lives[life].replica.incarnation;
            let found = self.reads(at, |snapshot| snapshot.hash_at(incarnation, seq)).flatten();
            if found != hash && self.planted.is_none() {
                self.fail(
                    Rule::Durable,
                    format!("{name} lost record {seq} of life {life}, or what is before it"),
                );
            }
        }
        self.observe_node(at, self.nodes[at].died_ms.max(1));
        if self.planted.is_none() {
            self.verify_node(at);
        }
    }

    /// What `verify` says of a node's disk.
    pub fn verify_node(&mut self, at: usize) {
        let found = self.reads(at, |snapshot| operations::verify(snapshot, |_, _| {}));
        if let Some(difference) = found.and_then(|found| found.differences.into_iter().next()) {
            let what = format!("verify on {}: {difference}", self.name(Seat::Node(at)));
            self.fail(Rule::Verifies, what);
        }
    }

    /// Reads a node's disk; where that fails with its power on, the run is over.
    pub fn reads<T>(
        &mut self,
        at: usize,
        read: impl FnOnce(&finalmarket::store::Snapshot<'_>) -> Result<T, StorageError>,
    ) -> Option<T> {
        let read = self.nodes[at].process.as_ref()?.core.read(read);
        read.inspect_err(|error| {
            let what = format!("{} cannot be read: {error}", self.name(Seat::Node(at)));
            self.broken(&what);
        })
        .ok()
    }

    /// Commits on a node's disk. None where its process dies instead: what was asked for may or may not be there then.
    pub fn write<T, R: Display + Debug>(
        &mut self,
        at: usize,
        work: impl FnOnce(&mut WriteTransaction<'_>) -> Result<T, Failure<R>>,
    ) -> Option<Result<T, R>> {
        self.nodes[at].process.as_ref()?;
        let falls = self.faults_on && self.rng.chance(self.options.falls);
        if falls {
            let operations = self.rng.between(1, OPERATIONS_MAX);
            self.nodes[at].disk.power.cut_after(operations);
        }
        let done = self.nodes[at].process.as_mut()?.core.run(work);
        self.commits += 1;
        if self.nodes[at].disk.power.is_cut() {
            self.say(|world| format!("{} dies in a commit", world.name(Seat::Node(at))));
            self.dies(at);
            return None;
        }
        if falls {
            self.nodes[at].disk.power.cut_after(u64::MAX);
        }
        match done {
            Ok(done) => {
                self.observe_node(at, self.now_ms);
                Some(Ok(done))
            }
            Err(Failure::Refused(refusal)) => Some(Err(refusal)),
            Err(Failure::Storage(error)) => {
                let what = format!("the store of {} fails: {error}", self.name(Seat::Node(at)));
                self.broken(&what);
                None
            }
        }
    }

    /// The process ends, killed or with its machine's power.
    pub fn dies(&mut self, at: usize) {
        if self.nodes[at].process.is_none() {
            return;
        }
        let (power, choice) = (self.rng.chance(self.options.power_cuts), self.rng.next());
        let how = if power { "loses power" } else { "is killed" };
        self.say(|world| format!("{} {how}", world.name(Seat::Node(at))));
        let now_ms = self.now_ms;
        self.breaks(at);
        for child in self.nodes[at].children.clone() {
            self.breaks(child);
        }
        let node = &mut self.nodes[at];
        node.disk.power.cut();
        let waiting = node.process.take().map_or(0, |process| process.waiting.len());
        node.disk.ends(power, choice);
        node.died_ms = now_ms;
        let starts = node.starts;
        self.deaths += 1;
        self.refused += waiting as u64;
        let delay_ms = self.rng.between(200, 6_000);
        self.at(now_ms + delay_ms, Event::Start { at, starts });
        self.moved.insert(at);
    }

    /// Gives an engine something to take.
    pub fn tell(&mut self, at: usize, inner: Inner) {
        if let Some(process) = self.nodes[at].process.as_mut() {
            process.inbox.push_back(inner);
            self.dirty.insert(at);
        }
    }

    /// Has the engines take what is there, and does what they want.
    pub fn work_node(&mut self, at: usize) {
        let now_ms = self.now_ms;
        while let Some(process) = self.nodes[at].process.as_mut() {
            if self.violation.is_some() {
                return;
            }
            let Some(inner) = process.inbox.pop_front() else { break };
            match inner {
                Inner::Engine(whose, input) => self.engine_takes(at, whose, input),
                Inner::Hub(input) => self.children_take(at, input),
                Inner::Rights(input) => {
                    process.rights.handle(now_ms, input);
                    self.do_rights(at);
                }
                Inner::Carriage(input) => {
                    process.carrier.handle(now_ms, input);
                    self.do_carriage(at);
                }
            }
        }
        self.set_wake(at);
    }

    fn set_wake(&mut self, at: usize) {
        let Some(process) = self.nodes[at].process.as_mut() else {
            return;
        };
        let relays = process.relays.values().filter_map(|relay| relay.engine.deadline());
        let engines = process.engine.deadline().into_iter().chain(relays);
        let due_ms = engines
            .map(|(at_ms, _)| at_ms)
            .chain(process.hub.deadline_ms())
            .chain(process.rights.deadline())
            .chain(process.carrier.deadline_ms())
            .min();
        if let Some(due_ms) = due_ms
            && process.wake_ms.is_none_or(|wake_ms| wake_ms > due_ms)
        {
            process.wake_ms = Some(due_ms);
            // What is overdue is due in a moment.
            self.at(due_ms.max(self.now_ms + 1), Event::Wake { at });
        }
    }

    pub fn wake(&mut self, at: usize) {
        let now_ms = self.now_ms;
        let Some(process) = self.nodes[at].process.as_mut() else {
            return;
        };
        if process.wake_ms.is_none_or(|due_ms| due_ms > now_ms) {
            return;
        }
        process.wake_ms = None;
        self.wakes += 1;
        let due = |deadline: Option<u64>| deadline.is_some_and(|due_ms| due_ms <= now_ms);
        let mut inners = Vec::new();
        if due(process.engine.deadline().map(|(at_ms, _)| at_ms)) {
            inners.push(Inner::Engine(None, node::Input::Timeout));
        }
        for (name, relay) in &process.relays {
            if due(relay.engine.deadline().map(|(at_ms, _)| at_ms)) {
                inners.push(Inner::Engine(Some(name.clone()), node::Input::Timeout));
            }
        }
        if due(process.hub.deadline_ms()) {
            inners.push(Inner::Hub(hub::Input::Timeout));
        }
        if due(process.rights.deadline()) {
            inners.push(Inner::Rights(rights::Input::Timeout));
        }
        if due(process.carrier.deadline_ms()) {
            inners.push(Inner::Carriage(carriage::Input::Timeout));
        }
        self.dirty.insert(at);
        for inner in inners {
            self.tell(at, inner);
        }
    }
}
