//! Everything that there is, and one event after the other.

use std::collections::{BTreeMap, BTreeSet};

use finalmarket::domain::escrow::{ReplicaId, Row};
use finalmarket::domain::ids::{SiteId, Sku};
use finalmarket::domain::journal::Hash;
use finalmarket::store::Now;
use finalmarket::sync::rights::ShelfKey;

use super::super::super::rng::Rng;
use super::super::facts::{Item, Life};
use super::super::fault::{Fault, Rule, Violation};
use super::super::model::Model;
use super::calamities::CountJob;
use super::disk::sku;
use super::hq::Hq;
use super::network::Message;
use super::node::Node;
use super::options::Options;

/// The beginning of simulated time, in milliseconds since 1970.
const START_MS: u64 = 1_800_000_000_000;

/// What happens.
#[derive(Debug, Clone)]
pub enum Event {
    Action,
    Deliver {
        child: usize,
        era: u64,
        message: Message,
    },
    Connect {
        child: usize,
    },
    ChildNotices {
        child: usize,
        session: u64,
    },
    ParentNotices {
        child: usize,
        session: u64,
    },
    /// Headquarters' retained state, as the broker shows it to a store.
    HubState {
        child: usize,
        online: bool,
        run: u64,
    },
    Start {
        at: usize,
        starts: u64,
    },
    StartHq {
        starts: u64,
    },
    Wake {
        at: usize,
    },
    WakeHq,
    /// A process looks for holds that have run out.
    Holds {
        at: usize,
        starts: u64,
    },
    HqHolds {
        starts: u64,
    },
    /// Figures follow the ledger.
    Project,
    PostCount(CountJob),
}

/// Whose process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seat {
    Headquarters,
    Node(usize),
}

/// An incarnation, as nobody but the simulator sees it.
#[derive(Debug)]
pub struct LifeRecord {
    pub seat: Seat,
    pub replica: ReplicaId,
    /// The chain's hashes after each record that it committed and that is not lost for ever; none for headquarters'.
    pub hashes: Vec<Hash>,
    /// How many records it committed.
    pub seq: u64,
    /// What the model calls its last one.
    pub model_seq: usize,
    /// Its rows, folded from its journal.
    pub rows: Vec<Row>,
    /// The same after each record, with the model's number of it.
    pub past: Vec<(usize, Vec<Row>)>,
    /// Nobody runs it any more.
    pub over: bool,
}

/// Everything.
#[derive(Debug)]
pub struct World {
    pub options: Options,
    pub planted: Option<Fault>,
    pub rng: Rng,
    pub now_ms: u64,
    pub steps: u64,
    pub messages: u64,
    pub wakes: u64,
    pub commits: u64,
    pub deaths: u64,
    pub committed_ms: u64,
    pub events: BTreeMap<(u64, u64), Event>,
    next_event: u64,
    pub sites: Vec<SiteId>,
    /// By item: one SKU at one site.
    pub keys: Vec<ShelfKey>,
    pub nodes: Vec<Node>,
    pub hq: Hq,
    pub lives: Vec<LifeRecord>,
    pub known: BTreeMap<ReplicaId, Life>,
    pub model: Model,
    /// Lives that a record has retired, or posted something of, and whose rows are to be read again.
    pub closed: BTreeSet<Life>,
    pub actions_left: u64,
    pub faults_on: bool,
    /// Processes whose engines have something to take.
    pub dirty: BTreeSet<usize>,
    /// Those whose rows or customers have changed; headquarters is behind the nodes.
    pub moved: BTreeSet<usize>,
    pub next_name: u64,
    pub held: u64,
    pub refused: u64,
    pub violation: Option<Violation>,
    pub trace: Option<Vec<String>>,
}

impl World {
    pub fn new(options: Options, planted: Option<Fault>, tracing: bool) -> Self {
        let sites: Vec<SiteId> = (1..=options.sites)
            .map(|site| format!("site-{site}").parse().expect("a site"))
            .collect();
        let mut keys = Vec::new();
        for site in &sites {
            for number in 0..options.skus {
                keys.push(ShelfKey {
                    site: site.clone(),
                    sku: sku(number).parse().expect("a SKU"),
                });
            }
        }
        let mut rng = Rng::new(options.seed, 22);
        let mut nodes: Vec<Node> = Vec::new();
        for (site, id) in sites.iter().enumerate() {
            nodes.push(Node::new(&format!("store-{}", site + 1), site, id, None));
        }
        for kiosk in 0..options.kiosks {
            let site = rng.below(sites.len() as u64) as usize;
            let name = format!("kiosk-{}", kiosk + 1);
            nodes.push(Node::new(&name, site, &sites[site], Some(site)));
            let at = nodes.len() - 1;
            nodes[site].children.push(at);
        }
        let mut world = Self {
            rng,
            model: Model::new(keys.len()),
            actions_left: options.actions,
            options,
            planted,
            now_ms: 1,
            steps: 0,
            messages: 0,
            wakes: 0,
            commits: 0,
            deaths: 0,
            committed_ms: 0,
            events: BTreeMap::new(),
            next_event: 0,
            sites,
            keys,
            nodes,
            hq: Hq::new(),
            lives: Vec::new(),
            closed: BTreeSet::new(),
            known: BTreeMap::new(),
            faults_on: false,
            dirty: BTreeSet::new(),
            moved: BTreeSet::new(),
            next_name: 1,
            held: 0,
            refused: 0,
            violation: None,
            trace: tracing.then(Vec::new),
        };
        world.build();
        world
    }

    /// All start, and goods come in at the stores.
    fn build(&mut self) {
        self.start_hq(0);
        for at in 0..self.nodes.len() {
            self.start(at, 0);
        }
        for store in 0..self.options.sites {
            for item in self.items_of(self.nodes[store].site) {
                let parts = self.options.units * 1_000;
                self.goods_come_in(store, item, parts);
            }
        }
        self.faults_on = true;
        self.at(self.now_ms, Event::Action);
        self.work();
        self.check();
    }

    pub fn at(&mut self, ms: u64, event: Event) {
        self.next_event += 1;
        self.events.insert((ms.max(self.now_ms), self.next_event), event);
    }

    /// Takes the next event. False where there is none before `until_ms`.
    pub fn step(&mut self, until_ms: u64) -> bool {
        let Some((&(ms, n), _)) = self.events.first_key_value() else {
            return false;
        };
        if ms > until_ms {
            self.now_ms = until_ms;
            return false;
        }
        let Some(event) = self.events.remove(&(ms, n)) else {
            return false;
        };
        self.now_ms = ms;
        self.take(event);
        self.work();
        self.check();
        true
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Action => {
                if self.actions_left > 0 {
                    self.steps += 1;
                    self.actions_left -= 1;
                    let pause_ms = self.rng.between(1, self.options.pause_ms_max);
                    self.at(self.now_ms + pause_ms, Event::Action);
                    self.act();
                }
            }
            Event::Deliver { child, era, message } => self.deliver(child, era, message),
            Event::Connect { child } => self.connect(child),
            Event::ChildNotices { child, session } => self.child_notices(child, session),
            Event::ParentNotices { child, session } => self.parent_notices(child, session),
            Event::HubState { child, online, run } => self.node_sees_hub(child, online, run),
            Event::Start { at, starts } => self.start(at, starts),
            Event::StartHq { starts } => self.start_hq(starts),
            Event::Wake { at } => self.wake(at),
            Event::WakeHq => self.wake_hq(),
            Event::Holds { at, starts } => self.look_for_holds(at, starts),
            Event::HqHolds { starts } => self.hq_looks_for_holds(starts),
            Event::Project => self.project(),
            Event::PostCount(job) => self.post_count(&job),
        }
    }

    /// Does what the engines want, until they want nothing.
    pub fn work(&mut self) {
        while let Some(at) = self.dirty.pop_first() {
            if at < self.nodes.len() {
                self.work_node(at);
            } else {
                self.work_hq();
            }
        }
    }

    /// A node's clocks.
    pub fn now_at(&self, at: usize) -> Now {
        let off_ms = self.nodes[at].wall_off_ms;
        let by_wall = self.planted == Some(Fault::ExpiryByWallClock);
        Now {
            unix_ms: (START_MS + self.now_ms).saturating_add_signed(off_ms),
            monotonic_ms: self.now_ms.saturating_add_signed(if by_wall { off_ms } else { 0 }),
            utc_offset_minutes: 0,
        }
    }

    /// Headquarters' clock on the wall.
    pub const fn wall_ms(&self) -> u64 {
        START_MS + self.now_ms
    }

    pub const fn items_of(&self, site: usize) -> std::ops::Range<Item> {
        site * self.options.skus..(site + 1) * self.options.skus
    }

    pub fn item_of(&self, site: &SiteId, sku: &Sku) -> Option<Item> {
        self.keys.iter().position(|key| key.site == *site && key.sku == *sku)
    }

    pub fn name(&self, seat: Seat) -> String {
        match seat {
            Seat::Headquarters => "hq".to_owned(),
            Seat::Node(at) => self.nodes[at].disk.node.node.to_string(),
        }
    }

    /// A line of the trace, where one is written.
    pub fn say(&mut self, line: impl FnOnce(&Self) -> String) {
        if self.trace.is_some() {
            let line = format!("{:>9.3} {}", self.now_ms as f64 / 1000.0, line(self));
            self.trace.iter_mut().for_each(|trace| trace.push(line.clone()));
        }
    }

    pub fn fail(&mut self, rule: Rule, what: String) {
        self.violate(Violation { rule, what });
    }

    /// The program did not do what it must.
    pub fn broken(&mut self, what: &str) {
        self.fail(Rule::Works, what.to_owned());
    }

    /// The first violation counts.
    pub fn violate(&mut self, violation: Violation) {
        if self.violation.is_none() {
            self.say(|_| format!("!!! {}: {}", violation.rule, violation.what));
            self.violation = Some(violation);
        }
    }
}
