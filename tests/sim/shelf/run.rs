//! A run: trouble, then peace, then a silence in which nothing may be said any more.

use std::fmt;

use super::fault::{Fault, Rule, Violation};
use super::options::Options;
use super::world::{Event, World};

/// How long rights may go on moving in peace: while demand is being forgotten, surplus goes home.
const PEACE_MS_MAX: u64 = 3_600_000;
/// Rounds in which rows go from one end of the tree to the other, at most.
const ROUNDS_MAX: u64 = 6;
/// Messages between engines that nothing comes of, by replica and item, while there is silence.
const MESSAGES_MAX: u64 = 10;
/// An engine has no reason to be woken more often than this by time, by replica and item.
const WAKE_PAUSE_MS: u64 = 100;
/// Rounds of asking, everybody asked and everybody answering, that a debtor makes in that time before it has learned
/// that nobody has rights for its debt.
const DEBT_ROUNDS_MAX: u64 = 4;
/// How often operators look after what is left, in peace.
const TIDY_MS: u64 = 10_000;

/// What a run came to.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    pub steps: u64,
    pub held: u64,
    pub refused: u64,
    pub messages: u64,
    pub wakes: u64,
}

/// A run that broke a rule.
#[derive(Debug, Clone)]
pub struct Failure {
    pub step: u64,
    pub at_ms: u64,
    pub violation: Violation,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.at_ms as f64 / 1000.0;
        let Violation { rule, what } = &self.violation;
        write!(f, "step {} at {seconds:.3} s: {rule}: {what}", self.step)
    }
}

/// Plays a seed.
pub fn run(options: Options, planted: Option<Fault>, tracing: bool) -> (Result<Summary, Failure>, Vec<String>) {
    let mut world = World::new(options, planted, tracing);
    play(&mut world);
    let trace = world.trace.take().unwrap_or_default();
    let result = match world.violation {
        Some(violation) => Err(Failure {
            step: world.steps,
            at_ms: world.now_ms,
            violation,
        }),
        None => Ok(Summary {
            steps: world.steps,
            held: world.held,
            refused: world.refused,
            messages: world.messages,
            wakes: world.wakes,
        }),
    };
    (result, trace)
}

fn play(world: &mut World) {
    while world.actions_left > 0 {
        if !world.step(u64::MAX) || world.violation.is_some() {
            return;
        }
    }
    world.say(|_| "peace".to_owned());
    world.faults_on = false;
    for link in 1..world.links.len() {
        if !world.links[link].up {
            world.mend(link);
        }
    }
    for at in 0..world.machines.len() {
        let starts = world.machines[at].starts;
        if !world.machines[at].is_running() {
            world.at(world.now_ms, Event::Start { at, starts });
        }
    }
    let healed_ms = world.now_ms;
    let end_ms = healed_ms + PEACE_MS_MAX;
    let mut said = world.messages;
    // All must be equal within so many rounds after healing and after the last commit of anybody: a world in which
    // nobody has committed for long is not equal at the moment in which its last link is mended. The last window of this
    // time is the silence: customers who still waited at the end of the trouble have been answered before it.
    let settled_ms = ROUNDS_MAX * (world.options.gossip_ms + world.options.delay_ms.1) + TIDY_MS;
    while world.now_ms < world.committed_ms.max(healed_ms) + settled_ms || world.is_awaited() {
        if world.now_ms >= end_ms {
            world.fail(
                Rule::Quiet,
                format!(
                    "after {} s of peace rights still move, or wait: {}",
                    PEACE_MS_MAX / 1_000,
                    world.awaited()
                ),
            );
            return;
        }
        said = world.messages;
        let until_ms = world.now_ms + TIDY_MS;
        while world.step(until_ms) {
            if world.violation.is_some() {
                return;
            }
        }
        world.tidy_up();
        world.work();
        world.check();
    }
    let shelves = (world.machines.len() * world.options.items) as u64;
    let of_debt = DEBT_ROUNDS_MAX * 2 * shelves * world.debtors();
    if world.messages > said + MESSAGES_MAX * shelves + of_debt {
        world.fail(
            Rule::Quiet,
            format!("{} messages in {} s of silence", world.messages - said, TIDY_MS / 1_000),
        );
    }
    if world.wakes > shelves * world.now_ms.div_ceil(WAKE_PAUSE_MS) {
        world.fail(
            Rule::Quiet,
            format!("engines were woken {} times in {} ms", world.wakes, world.now_ms),
        );
    }
    world.check_healed();
}
