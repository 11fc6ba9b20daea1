//! Everything that there is, and one event after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use finalmarket::domain::escrow::{Amount, Registers, ReplicaId, Row, Shelf};
use finalmarket::domain::ids::Incarnation;
use finalmarket::sync::rights::{Place, ShelfKey};

use super::super::rng::Rng;
use super::calamities::CountJob;
use super::facts::{Fact, HoldId, Item, Life, TransferId};
use super::fault::{Fault, Rule, Violation};
use super::machine::{Machine, Role, Stream};
use super::model::Model;
use super::network::{Link, Message};
use super::options::Options;
use super::policies::{Outcome, Visit};

/// What happens.
#[derive(Debug, Clone)]
pub enum Event {
    Deliver {
        link: usize,
        era: u64,
        from: usize,
        life: Life,
        to: usize,
        message: Message,
    },
    Start {
        at: usize,
        starts: u64,
    },
    Expire {
        at: usize,
        id: HoldId,
    },
    Wake {
        at: usize,
    },
    Resend {
        at: usize,
    },
    Gossip {
        link: usize,
    },
    /// An end notices that the other is not there any more.
    Notice {
        at: usize,
        other: usize,
        era: u64,
    },
    Action,
    /// Goods from another site stand at the door of a store.
    Arrive(Transfer),
    /// Of a trace that policies are measured by.
    Visit(Visit),
    Leave {
        id: HoldId,
    },
    Look,
    Cut {
        link: usize,
    },
    Mend {
        link: usize,
    },
}

/// Goods on their way from one site to another.
#[derive(Debug, Clone, Copy)]
pub struct Transfer {
    pub id: TransferId,
    /// What they are where they arrive.
    pub item: Item,
    pub to: usize,
    pub sent: u64,
}

/// An incarnation, as nobody but the simulator sees it.
#[derive(Debug)]
pub struct LifeRecord {
    pub machine: usize,
    /// All that it committed and that is not lost for ever.
    pub journal: Vec<Rc<Fact>>,
    /// Its rows, as their writer has them now: its own, or its parent's once it is retired.
    pub rows: Vec<Rc<Row>>,
    /// Its rows as it has them itself.
    pub own_rows: Vec<Rc<Row>>,
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
    /// How often engines were woken by time.
    pub wakes: u64,
    pub committed_ms: u64,
    pub events: BTreeMap<(u64, u64), Event>,
    next_event: u64,
    pub machines: Vec<Machine>,
    pub links: Vec<Link>,
    pub lives: Vec<LifeRecord>,
    pub ids: Vec<ReplicaId>,
    pub keys: Vec<ShelfKey>,
    pub model: Model,
    pub actions_left: u64,
    pub faults_on: bool,
    /// Machines to be looked at after this step.
    pub dirty: BTreeSet<usize>,
    /// Of them, those whose rows or customers have changed.
    pub moved: BTreeSet<usize>,
    pub sums: Vec<Sums>,
    pub counts: Vec<CountJob>,
    pub requests_done: BTreeSet<(usize, Life, u64)>,
    pub next_hold: HoldId,
    pub next_transfer: TransferId,
    pub held: u64,
    pub refused: u64,
    pub visits: BTreeMap<HoldId, Visit>,
    pub outcome: Outcome,
    pub violation: Option<Violation>,
    pub trace: Option<Vec<String>>,
}

/// Over all rows of an item.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sums {
    pub quantity: i64,
    pub reserved: i64,
    pub owed: i64,
}

fn figures(row: &Row) -> (i64, i64, i64) {
    let signed = |amount: Amount| i64::try_from(amount.parts()).unwrap_or(i64::MAX);
    let registers = row.registers();
    let quantity = signed(registers.added) - signed(registers.removed);
    let reserved = signed(registers.held) - signed(registers.freed);
    (quantity, reserved, signed(registers.debt) - signed(registers.repaid))
}

/// [`Row::covers`], at once where both are one.
pub fn covers(row: &Rc<Row>, other: &Rc<Row>) -> bool {
    Rc::ptr_eq(row, other) || row.covers(other)
}

/// The planted merge: what came is added.
pub fn added(known: &Row, row: &Row) -> Row {
    let (a, b) = (known.registers(), row.registers());
    let sum = |a: Amount, b: Amount| a.checked_add(b).unwrap_or(Amount::MAX);
    Row::from(Registers {
        added: sum(a.added, b.added),
        removed: sum(a.removed, b.removed),
        held: sum(a.held, b.held),
        freed: sum(a.freed, b.freed),
        ..b.clone()
    })
}

impl World {
    pub fn new(options: Options, planted: Option<Fault>, tracing: bool) -> Self {
        let items = options.items;
        let site = "site".parse().expect("a site");
        let key = |item: usize| ShelfKey {
            site: std::clone::Clone::clone(&site),
            sku: format!("item-{item}").parse().expect("a SKU"),
        };
        let mut world = Self {
            rng: Rng::new(options.seed, 12),
            keys: (0..items).map(key).collect(),
            model: Model::new(items),
            sums: vec![Sums::default(); items],
            actions_left: options.actions,
            options,
            planted,
            now_ms: 1,
            steps: 0,
            messages: 0,
            wakes: 0,
            committed_ms: 0,
            events: BTreeMap::new(),
            next_event: 0,
            machines: Vec::new(),
            links: Vec::new(),
            lives: Vec::new(),
            ids: Vec::new(),
            faults_on: true,
            dirty: BTreeSet::new(),
            moved: BTreeSet::new(),
            counts: Vec::new(),
            requests_done: BTreeSet::new(),
            next_hold: 1,
            next_transfer: 1,
            held: 0,
            refused: 0,
            visits: BTreeMap::new(),
            outcome: Outcome::default(),
            violation: None,
            trace: tracing.then(Vec::new),
        };
        world.build();
        world
    }

    fn build(&mut self) {
        self.add_machine(Role::Headquarters, None);
        for _ in 0..self.options.stores {
            self.add_machine(Role::Store, Some(0));
        }
        while self.machines.len() < self.options.replicas {
            let store = 1 + self.rng.below(self.options.stores as u64) as usize;
            self.add_machine(Role::Kiosk, Some(store));
        }
        for item in 0..self.options.items {
            for store in 1..=self.options.stores {
                let units = self.options.units / self.options.stores as u64;
                let _ = self.commit(store, Fact::GoodsIn { item, n: units * 1_000 });
                self.tell_row(store, item);
            }
        }
        self.at(self.now_ms, Event::Action);
    }

    /// A new machine with an empty disk, which runs.
    pub fn add_machine(&mut self, role: Role, parent: Option<usize>) -> usize {
        let at = self.machines.len();
        let items = self.options.items;
        self.machines.push(Machine {
            role,
            parent,
            children: Vec::new(),
            life: 0,
            journal: Vec::new(),
            streams: Vec::new(),
            books: BTreeMap::new(),
            view: vec![BTreeMap::new(); items],
            changed: BTreeMap::new(),
            version: 0,
            told: BTreeMap::new(),
            memory: None,
            wall_off_ms: 0,
            backup: 0,
            starts: 0,
        });
        self.links.push(Link {
            up: parent.is_some(),
            ..Link::default()
        });
        self.new_life(at);
        if let Some(parent) = parent {
            self.machines[parent].children.push(at);
            let first_ms = self.now_ms + self.rng.between(1, self.options.gossip_ms);
            self.at(first_ms, Event::Gossip { link: at });
        }
        self.start(at);
        at
    }

    /// A machine begins another incarnation: with no rights.
    pub fn new_life(&mut self, at: usize) {
        let life = self.lives.len();
        let counter = self.lives.iter().filter(|life| life.machine == at).count() as u32 + 1;
        self.ids.push(ReplicaId {
            node: format!("n{at}").parse().expect("a node"),
            incarnation: Incarnation {
                counter,
                random: life as u64,
            },
        });
        let rows = vec![Rc::<Row>::default(); self.options.items];
        self.lives.push(LifeRecord {
            machine: at,
            journal: Vec::new(),
            own_rows: rows.clone(),
            rows,
            over: false,
        });
        self.model.born();
        let machine = &mut self.machines[at];
        machine.life = life;
        machine.journal.clear();
        machine.backup = 0;
        machine.streams.push(Stream {
            life,
            acked: 0,
            sent: 0,
        });
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
            Event::Deliver {
                link,
                era,
                from,
                life,
                to,
                message,
            } => {
                if self.links[link].up && self.links[link].era == era {
                    self.steps += 1;
                    self.deliver(from, life, to, message);
                }
            }
            Event::Start { at, starts } => {
                if self.machines[at].starts == starts {
                    self.steps += 1;
                    self.start(at);
                }
            }
            Event::Expire { at, id } => self.expire(at, id),
            Event::Wake { at } => self.wake(at),
            Event::Resend { at } => self.resend(at),
            Event::Gossip { link } => self.gossip(link),
            Event::Notice { at, other, era } => self.notice(at, other, era),
            Event::Arrive(transfer) => self.arrive(transfer),
            Event::Visit(visit) => self.visit(&visit),
            Event::Leave { id } => self.leave(id),
            Event::Look => self.look(),
            Event::Cut { link } => self.cut(link),
            Event::Mend { link } => self.mend(link),
            Event::Action => {
                if self.actions_left > 0 {
                    self.steps += 1;
                    self.actions_left -= 1;
                    let pause_ms = self.rng.between(1, self.options.pause_ms_max);
                    self.at(self.now_ms + pause_ms, Event::Action);
                    self.act();
                }
            }
        }
    }

    pub fn neighbours(&self, at: usize) -> Vec<usize> {
        let machine = &self.machines[at];
        machine
            .parent
            .into_iter()
            .chain(machine.children.iter().copied())
            .collect()
    }

    pub fn place_of(&self, at: usize, other: usize) -> Place {
        if self.machines[at].parent == Some(other) {
            Place::Parent
        } else {
            Place::Child
        }
    }

    /// What a row says now, to whoever sums them up.
    pub fn set_row(&mut self, life: Life, item: Item, row: Rc<Row>) {
        let (old, new) = (figures(&self.lives[life].rows[item]), figures(&row));
        let sums = &mut self.sums[item];
        sums.quantity += new.0 - old.0;
        sums.reserved += new.1 - old.1;
        sums.owed += new.2 - old.2;
        self.lives[life].rows[item] = row;
    }

    /// What a machine knows of an item's rows, as a hold looks at it: only where somebody owes something does it matter.
    pub fn shelf(&self, at: usize, item: Item) -> Shelf {
        let view = &self.machines[at].view[item];
        let mut shelf = Shelf::default();
        if view.values().any(|row| !row.owed().is_zero()) {
            view.iter()
                .for_each(|(life, row)| shelf.merge_row(&self.ids[*life], row));
        }
        shelf
    }

    pub fn name(&self, at: usize) -> String {
        let machine = &self.machines[at];
        let role = match machine.role {
            Role::Headquarters => "hq",
            Role::Store => "store",
            Role::Kiosk => "kiosk",
        };
        format!("{role} {at}")
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

    /// The first violation counts.
    pub fn violate(&mut self, violation: Violation) {
        if self.violation.is_none() {
            self.violation = Some(violation);
        }
    }
}
