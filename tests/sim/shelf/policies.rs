//! Policies against each other, on the same customers and the same cut links: how many are refused, and how much lies
//! idle where only one seller can promise it.
//!
//! A trace is drawn before any policy plays it, so that what a policy does cannot change who comes, when, what links
//! are there, or what a customer does with the hold. Nothing else happens in it.

use std::fmt;

use finalmarket::sync::rights::{RightsConfig, Surplus};

use super::super::rng::Rng;
use super::facts::HoldId;
use super::options::Options;
use super::world::{Event, World};

/// How long a trace lasts.
const TRACE_MS: u64 = 2 * 3_600_000;

/// A policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Ours: stock follows demand, surplus goes home.
    Demand,
    /// All rights at the store; whoever sells asks it, and gives back what is left at once.
    AtTheStore,
    /// Antidote's: whoever lacks rights asks for exactly what it lacks, and keeps what it has.
    ExactShortfall,
}

impl Policy {
    /// All, ours first.
    pub const ALL: [Self; 3] = [Self::Demand, Self::AtTheStore, Self::ExactShortfall];

    fn config(self, ours: RightsConfig) -> RightsConfig {
        let mut config = ours;
        match self {
            Self::Demand => {}
            Self::AtTheStore => {
                config.shelf.stock.horizon_ms = 0;
                config.return_after_ms = 0;
            }
            Self::ExactShortfall => {
                config.shelf.stock.horizon_ms = 0;
                config.surplus = Surplus::Keep;
            }
        }
        config
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Demand => "demand-led (ours)",
            Self::AtTheStore => "everything at the store",
            Self::ExactShortfall => "exact shortfall (Antidote)",
        })
    }
}

/// What a customer does.
#[derive(Debug, Clone)]
pub struct Visit {
    at: usize,
    parts: u64,
    stays_ms: u64,
    buys: bool,
}

/// What a trace came to under a policy.
#[derive(Debug, Clone, Copy, Default)]
pub struct Outcome {
    /// Customers.
    pub asked: u64,
    /// Those who were refused.
    pub refused: u64,
    /// Of them, those for whom there was enough on the shelf, unpromised.
    pub refused_beside_stock: u64,
    /// Units that lay idle outside the store, where only one seller can promise them: a sum over all minutes.
    pub stranded_units: u64,
    /// Minutes that were looked at.
    pub minutes: u64,
    /// Messages between engines and grants down.
    pub messages: u64,
}

/// Plays the trace of a seed under a policy.
///
/// # Panics
/// Where a rule is broken: there is nothing in a trace that could break one.
pub fn play(seed: u64, policy: Policy) -> Outcome {
    let mut options = quiet(Options::of_seed(seed));
    options.headquarters = policy.config(RightsConfig::headquarters());
    options.store = policy.config(RightsConfig::store());
    options.kiosk = policy.config(RightsConfig::kiosk());
    let mut world = World::new(options, None, false);
    world.faults_on = false;
    let rng = &mut Rng::new(seed, 21);
    draw_links(&mut world, rng);
    draw_visits(&mut world, rng);
    for minute in 1..TRACE_MS / 60_000 {
        world.at(minute * 60_000, Event::Look);
    }
    while world.step(TRACE_MS + 60_000) {}
    assert!(
        world.violation.is_none(),
        "seed {seed}, {policy}: {:?}",
        world.violation
    );
    let mut outcome = world.outcome;
    outcome.messages = world.messages;
    outcome
}

/// A shelf where nothing happens but what the trace says.
fn quiet(options: Options) -> Options {
    Options {
        stores: 1,
        items: 1,
        actions: 0,
        weighed: false,
        in_hand: 0,
        losses: 0,
        counts: 0,
        loss: 0,
        duplication: 0,
        reordering: 0,
        falls: 0,
        delay_ms: (5, 40),
        notice_ms_max: 4_000,
        gossip_ms: 5_000,
        ..options
    }
}

/// Each link is up and down by turns, some more than others.
fn draw_links(world: &mut World, rng: &mut Rng) {
    for link in 1..world.links.len() {
        let mut ms = rng.between(0, 600_000);
        let down_ms_max = *rng.pick(&[60_000, 600_000, 1_800_000]).unwrap_or(&600_000);
        while ms < TRACE_MS {
            let down_ms = rng.between(5_000, down_ms_max);
            world.at(ms, Event::Cut { link });
            world.at(ms + down_ms, Event::Mend { link });
            ms += down_ms + rng.between(120_000, 1_800_000);
        }
    }
}

/// Customers come more often to some than to others, and that changes with the hour. In all they want about what there
/// is.
fn draw_visits(world: &mut World, rng: &mut Rng) {
    let weight = |rng: &mut Rng, at: usize| match at {
        0 => rng.between(2, 12),
        1 => rng.between(10, 30),
        _ => *rng.pick(&[0, 1, 1, 2, 6]).unwrap_or(&1),
    };
    let mut wanted_parts = world.options.units * rng.between(900, 1_500);
    let mut visits = Vec::new();
    for hour in 0..2 {
        let weights: Vec<u64> = (0..world.machines.len()).map(|at| weight(rng, at)).collect();
        let all: u64 = weights.iter().sum();
        let mut left = if hour == 0 { wanted_parts / 2 } else { wanted_parts };
        while left > 0 {
            let mut n = rng.below(all);
            let mut at = 0;
            while n >= weights[at] {
                n -= weights[at];
                at += 1;
            }
            let parts = 1_000 * *rng.pick(&[1, 1, 1, 2, 4]).unwrap_or(&1);
            let ms = hour * TRACE_MS / 2 + rng.below(TRACE_MS / 2);
            let stays_ms = rng.between(20_000, 120_000);
            visits.push((
                ms,
                Visit {
                    at,
                    parts,
                    stays_ms,
                    buys: rng.chance(800),
                },
            ));
            left = left.saturating_sub(parts);
            wanted_parts = wanted_parts.saturating_sub(parts);
        }
    }
    for (ms, visit) in visits {
        world.at(ms.max(1_000), Event::Visit(visit));
    }
}

impl World {
    /// A customer of a trace comes.
    pub fn visit(&mut self, visit: &Visit) {
        let id: HoldId = self.next_hold;
        self.outcome.asked += 1;
        self.visits.insert(id, visit.clone());
        self.ask_for_hold(visit.at, vec![(0, visit.parts)], 600_000);
        let answered_ms = self.now_ms + self.options.kiosk.wait_ms + 100;
        self.at(answered_ms + visit.stays_ms, Event::Leave { id });
    }

    /// A customer of a trace goes, with the goods or without.
    pub fn leave(&mut self, id: HoldId) {
        let Some(visit) = self.visits.remove(&id) else { return };
        let lines = vec![(0, visit.parts)];
        let open = self.machines[visit.at]
            .memory
            .as_ref()
            .is_some_and(|memory| memory.holds.contains_key(&id));
        if open && visit.buys {
            let lines = lines.into_iter().map(|(item, n)| (item, n, n)).collect();
            self.do_simple(visit.at, super::facts::Fact::HoldSold { id, lines });
        } else if open {
            self.end_hold(visit.at, id, lines, false);
        }
    }

    /// How much lies where only one seller can promise it.
    pub fn look(&mut self) {
        let free = |at: usize| self.machines[at].row(0).map_or(0, |row| row.rights().max(0) as u64);
        let outside = (0..self.machines.len()).filter(|at| *at != 1).map(free).sum::<u64>();
        self.outcome.stranded_units += outside / 1_000;
        self.outcome.minutes += 1;
    }

    /// A customer of a trace was refused.
    pub fn note_refusal(&mut self, at: usize, parts: u64) {
        let free = |machine: usize| {
            self.machines[machine]
                .row(0)
                .map_or(0, |row| row.rights().max(0) as u64)
        };
        let elsewhere: u64 = (0..self.machines.len()).filter(|other| *other != at).map(free).sum();
        let enough = free(at) + elsewhere >= parts;
        self.outcome.refused += 1;
        self.outcome.refused_beside_stock += u64::from(enough);
    }
}

/// The table of all policies over a range of seeds.
pub fn table(seeds: std::ops::Range<u64>) -> Vec<(Policy, Outcome)> {
    let sum = |policy: Policy| {
        let mut total = Outcome::default();
        for seed in seeds.clone() {
            let outcome = play(seed, policy);
            total.asked += outcome.asked;
            total.refused += outcome.refused;
            total.refused_beside_stock += outcome.refused_beside_stock;
            total.stranded_units += outcome.stranded_units;
            total.minutes += outcome.minutes;
            total.messages += outcome.messages;
        }
        (policy, total)
    };
    Policy::ALL.into_iter().map(sum).collect()
}

/// True where the first policy refuses fewer than any other.
pub fn is_best(table: &[(Policy, Outcome)]) -> bool {
    let refused: Vec<u64> = table.iter().map(|(_, outcome)| outcome.refused).collect();
    refused
        .split_first()
        .is_some_and(|(ours, others)| others.iter().all(|other| ours < other))
}

/// The table, for people.
pub fn print(table: &[(Policy, Outcome)]) {
    println!(
        "{:<27} {:>9} {:>8} {:>13} {:>15} {:>9}",
        "policy", "customers", "refused", "beside stock", "stranded units", "messages"
    );
    for (policy, outcome) in table {
        let stranded = outcome.stranded_units as f64 / outcome.minutes.max(1) as f64;
        println!(
            "{policy:<27} {:>9} {:>8} {:>13} {stranded:>15.1} {:>9}",
            outcome.asked, outcome.refused, outcome.refused_beside_stock, outcome.messages
        );
    }
}
