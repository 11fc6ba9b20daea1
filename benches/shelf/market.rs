//! A trace played through this project: its rows, its engine of rights and its documents, on the tree of a store.
//! Disks and sockets are not there: what is committed stands in memory, what is sent arrives after a moment unless
//! the link is cut.

mod engine;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};

use finalmarket::domain::escrow::{Amount, Grant, GrantStep, ReplicaId, Row, Shelf};
use finalmarket::domain::ids::Incarnation;
use finalmarket::sync::rights::{
    Figures, Input, Output, Place, Resolution, RightsConfig, RightsEngine, RightsMessage, ShelfKey,
};
use serde::Serialize;

use crate::Outcome;
use crate::papers::Papers;
use crate::trace::{Event, HEADQUARTERS, REPLICAS, STORE, Trace, Visit};

/// How long a message is on its way.
const WAY_MS: u64 = 20;
/// The pause between two sync points, as the product's configuration has it.
const SYNC_PAUSE_MS: u64 = 2_000;
/// The shelf's site.
pub const SITE: &str = "store-1";

/// What a trace came to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Result {
    pub asked: u64,
    /// Customers who were refused.
    pub refused: u64,
    /// Of them, those for whom there was enough, unpromised, somewhere.
    pub refused_beside_goods: u64,
    /// Units promised that were not there.
    pub oversold: u64,
    /// Units that customers went home with.
    pub sold: u64,
    /// Bytes over all links: documents.
    pub document_bytes: u64,
    /// Bytes over all links: requests for rights, grants, and that they were taken over.
    pub rights_bytes: u64,
}

#[derive(Debug)]
enum Happens {
    Trace(usize),
    Leaves {
        visit: usize,
    },
    Wakes {
        at: usize,
    },
    Arrives {
        link: usize,
        era: u64,
        to: usize,
        what: What,
    },
    Syncs {
        at: usize,
    },
}

#[derive(Debug)]
enum What {
    Rights(RightsMessage),
    /// From a parent to its child.
    Granted(Step),
    /// A child's journal: what a record did to its row, and a grant to the parent or that one of it was taken over.
    Record {
        item: usize,
        row: Row,
        grant: Option<Step>,
        taken_over: bool,
    },
}

/// A grant of one shelf, as it travels.
#[derive(Debug, Clone, Serialize)]
struct Step {
    shelf: ShelfKey,
    before: Amount,
    after: Amount,
    request: Option<u64>,
}

struct Replica {
    id: ReplicaId,
    parent: Option<usize>,
    children: Vec<usize>,
    engine: RightsEngine,
    rows: Vec<Row>,
    wakes_ms: Option<u64>,
    /// What its journal says that the parent has not got: in order.
    unsent: Vec<What>,
    /// What each child's journal has told of its rows.
    of_children: BTreeMap<usize, Vec<Row>>,
    /// All that it granted to each child, by shelf.
    granted: BTreeMap<(usize, usize), Vec<Step>>,
    /// Requests that were answered by a grant.
    answered: BTreeMap<(usize, u64), ()>,
    syncs: bool,
}

/// A market, while a trace is played in it.
pub struct Market<'a> {
    trace: &'a Trace,
    now_ms: u64,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    happens: HashMap<u64, Happens>,
    next: u64,
    replicas: Vec<Replica>,
    links_up: Vec<bool>,
    eras: Vec<u64>,
    keys: Vec<ShelfKey>,
    items: HashMap<ShelfKey, usize>,
    /// By event of the trace, customers who wait or have a promise: at which replica.
    waiting: HashMap<u64, usize>,
    promised: HashMap<usize, Visit>,
    /// Units there and promised to nobody, as nobody in the market knows them.
    free: Vec<i64>,
    papers: Option<Papers>,
    result: Result,
}

impl<'a> Market<'a> {
    /// A market whose replicas follow these policies: headquarters, the store, kiosks. Without papers no documents are
    /// written, for policies alone.
    pub fn new(trace: &'a Trace, [headquarters, store, kiosk]: [RightsConfig; 3], with_papers: bool) -> Outcome<Self> {
        let items = trace.size.items;
        let site: finalmarket::domain::ids::SiteId = SITE.parse()?;
        let mut keys = Vec::with_capacity(items);
        for item in 0..items {
            let sku = format!("{:07}", 1_000_000 + item * 37).parse()?;
            let site = site.clone();
            keys.push(ShelfKey { site, sku });
        }
        let mut replicas = Vec::new();
        for at in 0..REPLICAS {
            let (name, config) = match at {
                HEADQUARTERS => ("hq".to_owned(), &headquarters),
                STORE => (SITE.to_owned(), &store),
                _ => (format!("kiosk-{}", at - STORE), &kiosk),
            };
            let random = 0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(at as u64 + 1);
            let incarnation = Incarnation { counter: 1, random };
            replicas.push(Replica {
                id: ReplicaId {
                    node: name.parse()?,
                    incarnation,
                },
                parent: parent(at),
                children: (0..REPLICAS).filter(|child| parent(*child) == Some(at)).collect(),
                engine: RightsEngine::new(config.clone(), random),
                rows: vec![Row::default(); items],
                wakes_ms: None,
                unsent: Vec::new(),
                of_children: BTreeMap::new(),
                granted: BTreeMap::new(),
                answered: BTreeMap::new(),
                syncs: false,
            });
        }
        for replica in &mut replicas {
            let of_child = |child: &usize| (*child, vec![Row::default(); items]);
            replica.of_children = replica.children.iter().map(of_child).collect();
        }
        let ids = replicas.iter().map(|replica| replica.id.clone()).collect();
        let mut market = Self {
            trace,
            now_ms: 0,
            queue: BinaryHeap::new(),
            happens: HashMap::new(),
            next: 0,
            replicas,
            links_up: vec![false; REPLICAS],
            eras: vec![0; REPLICAS],
            items: keys.iter().cloned().zip(0..).collect(),
            papers: with_papers.then(|| Papers::new(ids, &keys)),
            keys,
            waiting: HashMap::new(),
            promised: HashMap::new(),
            free: vec![0; items],
            result: Result::default(),
        };
        for link in 1..REPLICAS {
            market.mend(link)?;
        }
        for (n, (ms, _)) in trace.events.iter().enumerate() {
            market.at(*ms, Happens::Trace(n));
        }
        Ok(market)
    }

    /// Plays it to its end.
    pub fn play(mut self) -> Outcome<(Result, Option<Papers>)> {
        let end_ms = self.trace.events.last().map_or(0, |(ms, _)| ms + 3_600_000);
        while let Some(Reverse((ms, n))) = self.queue.pop() {
            if ms > end_ms {
                break;
            }
            self.now_ms = ms;
            if let Some(happens) = self.happens.remove(&n) {
                self.take(happens)?;
            }
        }
        if let Some(papers) = &self.papers {
            self.result.document_bytes = papers.bytes;
        }
        Ok((self.result, self.papers))
    }

    fn at(&mut self, ms: u64, happens: Happens) {
        self.next += 1;
        self.queue.push(Reverse((ms, self.next)));
        self.happens.insert(self.next, happens);
    }

    fn take(&mut self, happens: Happens) -> Outcome<()> {
        match happens {
            Happens::Trace(n) => match self.trace.events[n].1 {
                Event::Visit(visit) => self.visit(n, visit),
                Event::Deliver { item, units } => {
                    self.free[item] += units as i64;
                    self.replicas[STORE].rows[item].add(amount(units)?)?;
                    self.touched(STORE, item, None, false)
                }
                Event::Cut { link } => self.cut(link),
                Event::Mend { link } => self.mend(link),
            },
            Happens::Leaves { visit } => self.leave(visit),
            Happens::Wakes { at } => {
                if self.replicas[at].wakes_ms.is_some_and(|due_ms| due_ms <= self.now_ms) {
                    self.replicas[at].wakes_ms = None;
                    self.feed(at, Input::Timeout)?;
                }
                Ok(())
            }
            Happens::Arrives { link, era, to, what } => {
                if self.links_up[link] && self.eras[link] == era {
                    self.arrives(link, to, what)?;
                }
                Ok(())
            }
            Happens::Syncs { at } => {
                self.replicas[at].syncs = false;
                self.sync(at)
            }
        }
    }

    fn visit(&mut self, n: usize, visit: Visit) -> Outcome<()> {
        self.result.asked += 1;
        let (shelf, units) = (self.keys[visit.item].clone(), amount(visit.units)?);
        let at = visit.at;
        let demand = Input::Demand {
            shelf: shelf.clone(),
            amount: units,
        };
        self.feed(at, demand)?;
        if !self.hold(n, visit)? {
            self.waiting.insert(n as u64, at);
            let wanted = Input::Wanted {
                need: n as u64,
                lines: vec![(shelf, units)],
            };
            self.feed(at, wanted)?;
        }
        Ok(())
    }

    fn hold(&mut self, n: usize, visit: Visit) -> Outcome<bool> {
        let units = amount(visit.units)?;
        let row = &mut self.replicas[visit.at].rows[visit.item];
        if row.hold(units, &Shelf::default()).is_err() {
            return Ok(false);
        }
        let free = &mut self.free[visit.item];
        let beyond = (visit.units as i64 - (*free).max(0)).max(0);
        self.result.oversold += u64::try_from(beyond)?;
        *free -= visit.units as i64;
        self.promised.insert(n, visit);
        self.at(self.now_ms + visit.stays_ms, Happens::Leaves { visit: n });
        self.touched(visit.at, visit.item, None, false)?;
        Ok(true)
    }

    fn leave(&mut self, n: usize) -> Outcome<()> {
        let Some(visit) = self.promised.remove(&n) else {
            return Ok(());
        };
        let row = &mut self.replicas[visit.at].rows[visit.item];
        if visit.buys {
            row.sell_held(amount(visit.units)?)?;
            self.result.sold += visit.units;
        } else {
            row.release(amount(visit.units)?)?;
            self.free[visit.item] += visit.units as i64;
        }
        self.touched(visit.at, visit.item, None, false)
    }

    /// A row was moved by a record, which may be a grant to the parent or the answer to one of its.
    fn touched(&mut self, at: usize, item: usize, grant: Option<Step>, taken_over: bool) -> Outcome<()> {
        let row = self.replicas[at].rows[item].clone();
        let (shelf, figures) = (self.keys[item].clone(), Figures::from(&row));
        if self.replicas[at].parent.is_some() {
            self.replicas[at].unsent.push(What::Record {
                item,
                row,
                grant,
                taken_over,
            });
            self.send_journal(at)?;
        }
        if let Some(papers) = &mut self.papers {
            papers.touch(at, item);
            if !self.replicas[at].syncs {
                self.replicas[at].syncs = true;
                self.at(self.now_ms + SYNC_PAUSE_MS, Happens::Syncs { at });
            }
        }
        self.feed(at, Input::Row { shelf, figures })
    }

    fn send_journal(&mut self, at: usize) -> Outcome<()> {
        if !self.links_up[at] {
            return Ok(());
        }
        let Some(parent) = self.replicas[at].parent else {
            return Ok(());
        };
        for what in std::mem::take(&mut self.replicas[at].unsent) {
            if let What::Record { grant, taken_over, .. } = &what
                && let Some(step) = grant
            {
                let answer_bytes = if *taken_over { 2 } else { 0 };
                self.result.rights_bytes += size(step)? + answer_bytes;
            }
            self.send(at, parent, what);
        }
        Ok(())
    }

    fn send(&mut self, from: usize, to: usize, what: What) {
        // The link is numbered as its lower end.
        let link = from.max(to);
        let era = self.eras[link];
        self.at(self.now_ms + WAY_MS, Happens::Arrives { link, era, to, what });
    }

    fn cut(&mut self, link: usize) -> Outcome<()> {
        self.links_up[link] = false;
        self.eras[link] += 1;
        let parent = parent(link).unwrap_or_default();
        for (at, other) in [(link, parent), (parent, link)] {
            let peer = self.replicas[other].id.clone();
            self.feed(at, Input::Disconnected { peer })?;
        }
        // What was on its way is sent again: the journal is told anew from where the parent has it.
        let lost: Vec<u64> = self.lost(link);
        let mut records = Vec::new();
        for n in lost {
            if let Some(Happens::Arrives { what, to, .. }) = self.happens.remove(&n)
                && to != link
                && matches!(what, What::Record { .. })
            {
                records.push(what);
            }
        }
        records.append(&mut self.replicas[link].unsent);
        self.replicas[link].unsent = records;
        Ok(())
    }

    fn lost(&self, link: usize) -> Vec<u64> {
        let on_it = |happens: &Happens| matches!(happens, Happens::Arrives { link: over, .. } if *over == link);
        let lost = self.happens.iter().filter(|(_, happens)| on_it(happens));
        let mut lost: Vec<u64> = lost.map(|(n, _)| *n).collect();
        lost.sort_unstable();
        lost
    }

    fn mend(&mut self, link: usize) -> Outcome<()> {
        self.links_up[link] = true;
        self.eras[link] += 1;
        let parent = parent(link).unwrap_or_default();
        for (at, other, place) in [(link, parent, Place::Parent), (parent, link, Place::Child)] {
            let peer = self.replicas[other].id.clone();
            self.feed(at, Input::Connected { peer, place })?;
        }
        self.send_journal(link)?;
        for at in [link, parent] {
            self.sync(at)?;
        }
        Ok(())
    }

    fn arrives(&mut self, link: usize, to: usize, what: What) -> Outcome<()> {
        let from = if to == link {
            parent(link).unwrap_or_default()
        } else {
            link
        };
        match what {
            What::Rights(message) => {
                let from = self.replicas[from].id.clone();
                self.feed(to, Input::Received { from, message })
            }
            What::Granted(step) => self.accept(to, from, step),
            What::Record {
                item,
                row,
                grant,
                taken_over,
            } => {
                if let Some(rows) = self.replicas[to].of_children.get_mut(&from) {
                    rows[item] = row;
                }
                match grant {
                    Some(step) if taken_over => {
                        let (by, shelf, total) = (self.replicas[from].id.clone(), step.shelf, step.after);
                        self.feed(to, Input::TakenOver { by, shelf, total })
                    }
                    Some(step) => self.accept(to, from, step),
                    None => Ok(()),
                }
            }
        }
    }

    /// Tells an engine what has happened and does what it wants.
    fn feed(&mut self, at: usize, input: Input) -> Outcome<()> {
        self.replicas[at].engine.handle(self.now_ms, input);
        while let Some(output) = self.replicas[at].engine.poll() {
            self.do_output(at, output)?;
        }
        let replica = &mut self.replicas[at];
        if let Some(due_ms) = replica.engine.deadline()
            && replica.wakes_ms.is_none_or(|wakes_ms| wakes_ms > due_ms)
        {
            replica.wakes_ms = Some(due_ms);
            self.at(due_ms.max(self.now_ms), Happens::Wakes { at });
        }
        Ok(())
    }

    /// A sync point, where anybody can be reached; what is new goes over every link that is up.
    fn sync(&mut self, at: usize) -> Outcome<()> {
        let Some(papers) = &mut self.papers else {
            return Ok(());
        };
        let replica = &self.replicas[at];
        let reached = replica.parent.is_some_and(|_| self.links_up[at])
            || replica.children.iter().any(|child| self.links_up[*child]);
        if reached {
            papers.write(at, &replica.rows)?;
            papers.spread(at, &self.links_up)?;
        }
        Ok(())
    }
}

/// Whom a replica hangs on.
pub const fn parent(at: usize) -> Option<usize> {
    match at {
        HEADQUARTERS => None,
        STORE => Some(HEADQUARTERS),
        _ => Some(STORE),
    }
}

fn amount(units: u64) -> Outcome<Amount> {
    Ok(Amount::new(units * 1_000).ok_or("too many units")?)
}

fn size(message: &impl Serialize) -> Outcome<u64> {
    Ok(postcard::to_allocvec(message)?.len() as u64)
}
