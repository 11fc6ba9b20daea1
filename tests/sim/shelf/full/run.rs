//! A run: trouble, then peace until everything is healed.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::super::fault::{Fault, Rule};
use super::super::run::{Failure, Summary};
use super::super::runner::Broken;
use super::options::Options;
use super::world::{Event, World};

/// How long healing may take: surplus goes home while demand is being forgotten.
const PEACE_MS_MAX: u64 = 3_600_000;
/// How often it is looked whether all is well, in peace.
const LOOK_MS: u64 = 10_000;

/// The faults of the shelf that can be planted here.
#[allow(dead_code, reason = "the command line's")]
pub const FAULTS: &[Fault] = &[
    Fault::ExpiryByWallClock,
    Fault::GrantBeforeCommit,
    Fault::HoldEndedTwice,
    Fault::IncarnationReused,
    Fault::RetiredRightsReused,
];

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

/// Runs one seed; a panic is a failure like any other.
pub fn run_seed(seed: u64, planted: Option<Fault>) -> Result<Summary, Broken> {
    let options = Options::with_room_for(seed, planted);
    match catch_unwind(AssertUnwindSafe(|| run(options, planted, false).0)) {
        Ok(Ok(summary)) => Ok(summary),
        Ok(Err(failure)) => Err(Broken::of(seed, &failure)),
        Err(panic) => Err(Broken::of_panic(seed, panic.as_ref())),
    }
}

fn play(world: &mut World) {
    while world.actions_left > 0 {
        if world.violation.is_some() || !world.step(u64::MAX) {
            return;
        }
    }
    world.say(|_| "peace".to_owned());
    world.faults_on = false;
    for child in 0..world.nodes.len() {
        if !world.nodes[child].link.up {
            world.mend(child);
        }
        if world.nodes[child].process.is_none() {
            let starts = world.nodes[child].starts;
            world.at(world.now_ms, Event::Start { at: child, starts });
        }
    }
    let end_ms = world.now_ms + PEACE_MS_MAX;
    loop {
        let until_ms = world.now_ms + LOOK_MS;
        while world.step(until_ms) {
            if world.violation.is_some() {
                return;
            }
        }
        world.settle();
        world.retire_over();
        world.work();
        world.check();
        if world.violation.is_some() {
            return;
        }
        match world.is_unwell() {
            None => break,
            Some(what) if world.now_ms >= end_ms => {
                let what = format!("after {} s of peace: {what}", PEACE_MS_MAX / 1_000);
                return world.fail(Rule::Heals, what);
            }
            Some(_) => {}
        }
    }
    for at in 0..world.nodes.len() {
        world.verify_node(at);
    }
    if let Err(difference) = world.hq.disk.verify() {
        world.fail(Rule::Verifies, format!("verify at headquarters: {difference}"));
    }
}
