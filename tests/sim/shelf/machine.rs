//! A machine: what is on its disk, what it holds in memory, and how it commits.

use std::collections::BTreeMap;
use std::rc::Rc;

use finalmarket::domain::escrow::{Refusal, Row};
use finalmarket::sync::rights::{RightsConfig, RightsEngine};

use super::facts::{Fact, Hold, HoldId, Item, Life, Rows};
use super::fault::{Fault, Rule};
use super::world::{Event, World, covers};

/// What a machine is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Headquarters,
    Store,
    Kiosk,
}

/// Records that go up.
#[derive(Debug, Clone)]
pub struct Stream {
    pub life: Life,
    pub acked: usize,
    pub sent: usize,
}

/// A child as its parent's disk knows it.
#[derive(Debug, Clone, Default)]
pub struct ChildBook {
    /// How many of its records are here.
    pub received: usize,
    /// The fold of them.
    pub rows: Rows,
    /// An operator has retired it, at so many records.
    pub retired: Option<usize>,
    /// Everything that it did behind that head is posted.
    pub posted: bool,
}

/// A customer who waits for rights.
#[derive(Debug, Clone)]
pub struct Waiting {
    pub need: u64,
    pub lines: Vec<(Item, u64)>,
    pub lifetime_ms: u64,
    pub since_ms: u64,
    /// The least that each machine could have spared since, by item; none where it could not be reached throughout.
    pub spare: Vec<Vec<u64>>,
    /// What there was here, by item, and since when.
    pub own: Vec<(u64, Vec<u64>)>,
}

/// What a process holds in memory.
#[derive(Debug)]
pub struct Memory {
    pub engine: RightsEngine,
    pub rows: Rows,
    pub holds: BTreeMap<HoldId, Hold>,
    /// By the machine's own clock that never jumps; by the wall in a planted fault.
    pub expires_ms: BTreeMap<HoldId, u64>,
    /// Who can be reached, as this end believes, by machine; with their lives.
    pub connected: BTreeMap<usize, (Life, u64)>,
    pub waiting: Vec<Waiting>,
    pub wake_ms: Option<u64>,
    /// Records that nobody acknowledges will be sent again.
    pub resends: bool,
}

/// When a row changed here, in versions, and whose word that was.
#[derive(Debug, Clone, Copy)]
pub struct Change {
    pub version: u64,
    pub from: Option<usize>,
}

/// A machine.
#[derive(Debug)]
pub struct Machine {
    pub role: Role,
    pub parent: Option<usize>,
    pub children: Vec<usize>,
    pub life: Life,
    /// On disk: the records of this life, and what goes up.
    pub journal: Vec<Rc<Fact>>,
    pub streams: Vec<Stream>,
    pub books: BTreeMap<Life, ChildBook>,
    /// What is known of all rows, by item, with the version of each change.
    pub view: Vec<BTreeMap<Life, Rc<Row>>>,
    pub changed: BTreeMap<(Life, Item), Change>,
    pub version: u64,
    pub told: BTreeMap<usize, u64>,
    pub memory: Option<Memory>,
    /// What the clock on the wall is off.
    pub wall_off_ms: i64,
    /// A backup: how many records it has.
    pub backup: usize,
    /// How often it was started.
    pub starts: u64,
}

/// Why a transaction did not come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    Refused(Refusal),
    Crashed,
}

impl Machine {
    pub fn is_running(&self) -> bool {
        self.memory.is_some()
    }

    /// The own row, where the process runs.
    pub fn row(&self, item: Item) -> Option<&Row> {
        self.memory.as_ref().map(|memory| &*memory.rows.own[item])
    }

    /// The journal's fold, in the way that a start reads it.
    pub fn fold(&self, items: usize, world: &World) -> (Rows, BTreeMap<HoldId, Hold>) {
        let mut rows = Rows::empty(items);
        let mut holds = BTreeMap::new();
        for fact in &self.journal {
            if let Fact::Retired { life, .. } = &**fact
                && let Some(book) = self.books.get(life)
            {
                rows.retired.insert(*life, book.rows.own.clone());
            }
            // What was committed applied then, so it applies now; a difference shows in the comparison.
            let _ = fact.apply(self.life, &world.ids, &mut rows);
            fact.apply_to_holds(&mut holds);
        }
        (rows, holds)
    }
}

impl World {
    pub fn config_of(&self, role: Role) -> RightsConfig {
        match role {
            Role::Headquarters => self.options.headquarters.clone(),
            Role::Store => self.options.store.clone(),
            Role::Kiosk => self.options.kiosk.clone(),
        }
    }

    /// Commits a fact: all of it or nothing, and perhaps the process does not live to see it.
    ///
    /// # Errors
    /// Where a row refuses, or the process died before or after.
    pub fn commit(&mut self, at: usize, fact: Fact) -> Result<(), Stop> {
        let me = self.machines[at].life;
        let Some(memory) = self.machines[at].memory.as_ref() else {
            return Err(Stop::Crashed);
        };
        let mut rows = memory.rows.clone();
        if let Fact::Retired { life, .. } = &fact
            && let Some(book) = self.machines[at].books.get(life)
        {
            rows.retired.insert(*life, book.rows.own.clone());
        }
        if let Err(refusal) = fact.apply(me, &self.ids, &mut rows) {
            return Err(Stop::Refused(refusal));
        }
        self.plant_in_rows(&fact, &memory.rows, &mut rows);
        let falls = self.faults_on && self.rng.chance(self.options.falls);
        if falls && self.rng.chance(500) {
            self.say(|world| format!("{} dies before it commits {fact:?}", world.name(at)));
            self.crash(at);
            return Err(Stop::Crashed);
        }
        let fact = Rc::new(fact);
        self.say(|world| format!("{} commits {fact:?}", world.name(at)));
        self.committed_ms = self.now_ms;
        let machine = &mut self.machines[at];
        machine.journal.push(Rc::clone(&fact));
        let seq = machine.journal.len();
        self.lives[me].journal.truncate(seq - 1);
        self.lives[me].journal.push(Rc::clone(&fact));
        if let Err(violation) = self.model.commit(self.now_ms, me, seq, &fact) {
            self.violate(violation);
        }
        self.send_goods(&fact);
        if let Some(memory) = self.machines[at].memory.as_mut() {
            memory.rows = rows;
            fact.apply_to_holds(&mut memory.holds);
        }
        self.note_rows(at, &fact);
        if falls {
            self.say(|world| format!("{} dies after that commit", world.name(at)));
            self.crash(at);
            return Err(Stop::Crashed);
        }
        self.flush_soon(at);
        Ok(())
    }

    /// Shows what a commit has changed to whoever reads rows, and to the checks.
    fn note_rows(&mut self, at: usize, fact: &Fact) {
        let me = self.machines[at].life;
        let Some(memory) = self.machines[at].memory.as_ref() else {
            return;
        };
        let mut changed: Vec<(Life, Item, Rc<Row>)> = Vec::new();
        for item in fact.items() {
            changed.push((me, item, memory.rows.own[item].clone()));
        }
        if let Fact::Retired { life, .. } = fact {
            for (item, row) in memory.rows.retired.get(life).into_iter().flatten().enumerate() {
                changed.push((*life, item, row.clone()));
            }
        }
        for (life, item, row) in changed {
            if life == me {
                self.check_row(life, item, &row);
                self.lives[me].own_rows[item] = row.clone();
            }
            // What a retired one still writes is not its row any more.
            if life != me || !self.model.is_retired(me) {
                self.set_row(life, item, row.clone());
            }
            self.take_in_row(at, life, item, &row, None);
        }
        self.dirty.insert(at);
        self.moved.insert(at);
    }

    /// Merges a row into what is known at a machine.
    pub fn take_in_row(&mut self, at: usize, life: Life, item: Item, row: &Rc<Row>, from: Option<usize>) {
        let machine = &mut self.machines[at];
        let me = machine.life;
        // Whoever writes a row needs no copy of it; that of a child comes with its journal.
        if from.is_some()
            && (life == me
                || machine
                    .memory
                    .as_ref()
                    .is_some_and(|memory| memory.rows.retired.contains_key(&life)))
        {
            return;
        }
        let known = machine.view[item].entry(life).or_default();
        if self.planted == Some(Fault::CounterIncrements) && from.is_some() {
            *known = Rc::new(super::world::added(known, row));
        } else if covers(known, row) {
            return;
        } else if covers(row, known) {
            *known = Rc::clone(row);
        } else {
            Rc::make_mut(known).merge(row);
        }
        machine.version += 1;
        machine.changed.insert(
            (life, item),
            Change {
                version: machine.version,
                from,
            },
        );
        if from.is_some() {
            self.check_copy(at, life, item);
        }
    }

    /// Kills the process. What was not committed is gone.
    pub fn crash(&mut self, at: usize) {
        let Some(memory) = self.machines[at].memory.take() else {
            return;
        };
        self.refused += memory.waiting.len() as u64;
        let others: Vec<usize> = self.neighbours(at);
        for other in others {
            let link = self.link_of(at, other);
            self.links[link].era += 1;
            self.links[link].failed_ms = self.now_ms;
            self.notice_loss_later(other, at);
        }
        let delay_ms = self.rng.between(200, 6_000);
        let starts = self.machines[at].starts;
        self.at(self.now_ms + delay_ms, Event::Start { at, starts });
        self.dirty.insert(at);
        self.moved.insert(at);
    }

    /// Starts the process from what is on disk.
    pub fn start(&mut self, at: usize) {
        if self.machines[at].is_running() {
            return;
        }
        let items = self.options.items;
        let (rows, holds) = self.machines[at].fold(items, self);
        let me = self.machines[at].life;
        for item in 0..items {
            if rows.own[item] != self.lives[me].own_rows[item] && self.planted.is_none() {
                let what = format!(
                    "{}: item {item}: the journal says {:?}, the row was {:?}",
                    self.name(at),
                    rows.own[item],
                    self.lives[me].own_rows[item]
                );
                self.fail(Rule::RowIsFold, what);
            }
        }
        self.machines[at].starts += 1;
        let now_ms = self.now_ms;
        // What a hold had left is not known to the millisecond: it gets its whole time again.
        let wall_ms = self.wall_ms(at);
        let expires_ms = holds
            .iter()
            .map(|(id, hold)| (*id, wall_ms + hold.lifetime_ms))
            .collect();
        let first_request = self.rng.next();
        let engine = RightsEngine::new(self.config_of(self.machines[at].role), first_request);
        let expirations: Vec<(HoldId, u64)> = holds.iter().map(|(id, hold)| (*id, hold.lifetime_ms)).collect();
        self.machines[at].memory = Some(Memory {
            engine,
            rows,
            holds,
            expires_ms,
            connected: BTreeMap::new(),
            waiting: Vec::new(),
            wake_ms: None,
            resends: false,
        });
        for stream in &mut self.machines[at].streams {
            stream.sent = stream.acked;
        }
        for (id, lifetime_ms) in expirations {
            self.at(now_ms + lifetime_ms, Event::Expire { at, id });
        }
        self.say(|world| format!("{} starts as life {me}", world.name(at)));
        self.introduce(at);
        for other in self.neighbours(at) {
            self.connect(at, other);
        }
        self.dirty.insert(at);
        self.moved.insert(at);
    }

    /// Holds run by this clock: it never jumps, except where the fault is planted.
    pub fn wall_ms(&self, at: usize) -> u64 {
        if self.planted == Some(Fault::ExpiryByWallClock) {
            self.now_ms.saturating_add_signed(self.machines[at].wall_off_ms)
        } else {
            self.now_ms
        }
    }
}
