//! What a seed stands for, by name: to play it again with less in it, and to find the least of it that still fails.

use super::fault::{Fault, Rule};
use super::options::Options;
use super::run::{Failure, run};

/// One thing that can be turned down.
pub struct Knob {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is when there is least of it.
    pub least: u64,
    get: fn(&Options) -> u64,
    set: fn(&mut Options, u64),
}

macro_rules! knobs {
    ($($name:ident, $least:literal;)*) => {
        &[$(Knob {
            name: stringify!($name),
            least: $least,
            get: |options| options.$name as u64,
            set: |options, value| options.$name = value as _,
        },)*]
    };
}

/// All of them: first those that take whole kinds of trouble away, then those that make what is left shorter.
pub const KNOBS: &[Knob] = knobs! {
    clock_jumps, 0;
    retirements, 0;
    restores, 0;
    falls, 0;
    kills, 0;
    partitions, 0;
    reordering, 0;
    duplication, 0;
    loss, 0;
    counts, 0;
    losses, 0;
    in_hand, 0;
    movements, 0;
    transfers, 0;
    hand_overs, 0;
    stores, 1;
    items, 1;
    lines_max, 1;
    actions, 1;
    replicas, 3;
    line_units_max, 1;
    units, 1;
};

/// What a seed was turned down to.
#[derive(Debug)]
pub struct Shrunk {
    /// The seed and what is left of it.
    pub options: Options,
    /// How it fails then.
    pub failure: Failure,
    /// How often it was played.
    pub runs: u64,
}

/// Turns one knob.
///
/// # Errors
/// Where there is none of that name.
pub fn turn(options: &mut Options, name: &str, value: u64) -> Result<(), String> {
    let Some(knob) = KNOBS.iter().find(|knob| knob.name == name) else {
        let names: Vec<_> = KNOBS.iter().map(|knob| knob.name).collect();
        return Err(format!("no knob is called {name:?}; there are {}", names.join(", ")));
    };
    (knob.set)(options, value.max(knob.least));
    Ok(())
}

/// In which knobs two differ, as `name=value` of the first.
pub fn differences(options: &Options, from: &Options) -> Vec<String> {
    let differs = KNOBS.iter().filter(|knob| (knob.get)(options) != (knob.get)(from));
    differs
        .map(|knob| format!("{}={}", knob.name, (knob.get)(options)))
        .collect()
}

/// The least of a seed that still breaks the rule that it broke; none where it is green.
pub fn shrink(options: Options, planted: Option<Fault>) -> Option<Shrunk> {
    let failure = run(options.clone(), planted, false).0.err()?;
    let mut least = Shrunk {
        options,
        failure,
        runs: 1,
    };
    loop {
        let before = differences(&least.options, &Options::of_seed(least.options.seed));
        KNOBS.iter().for_each(|knob| least.turn_down(knob, planted));
        if differences(&least.options, &Options::of_seed(least.options.seed)) == before {
            return Some(least);
        }
    }
}

impl Shrunk {
    /// Turns one knob down as far as the same rule still breaks: to its least, else by halves.
    fn turn_down(&mut self, knob: &Knob, planted: Option<Fault>) {
        let mut low = knob.least;
        while low < (knob.get)(&self.options) {
            let mut options = self.options.clone();
            (knob.set)(&mut options, low);
            self.runs += 1;
            match run(options.clone(), planted, false).0 {
                Err(failure) if same_rule(&failure, self.failure.violation.rule) => {
                    (self.options, self.failure) = (options, failure);
                }
                _ => {
                    // Half of what is between: another seed in effect, and still worth the try.
                    let high = (knob.get)(&self.options);
                    low = low + (high - low).div_ceil(2);
                    if low == high {
                        return;
                    }
                }
            }
        }
    }
}

fn same_rule(failure: &Failure, rule: Rule) -> bool {
    failure.violation.rule == rule
}
