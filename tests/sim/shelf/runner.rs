//! Runs ranges of seeds on every core and tells of those that broke a rule.

use std::any::Any;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::fault::{Fault, Rule};
use super::options::Options;
use super::run::{Failure, Summary, run};

/// A seed that broke a rule, or the program.
#[derive(Debug, Clone)]
pub struct Broken {
    /// The seed.
    pub seed: u64,
    /// Which rule; none where the program panicked.
    pub rule: Option<Rule>,
    /// What happened, and when.
    pub what: String,
}

/// What a range of seeds came to.
#[derive(Debug, Default)]
pub struct Report {
    /// Seeds that were run.
    pub seeds: u64,
    /// The fewest steps of a seed that ran to its end.
    pub steps_min: u64,
    /// All runs together.
    pub total: Summary,
    /// Those that failed, in no order.
    pub broken: Vec<Broken>,
}

/// Has `play` run `seeds` on `threads` threads. Stops once `failures_max` of them have failed. `progress` is called after
/// each seed with how many are done.
pub fn run_range(
    play: impl Fn(u64, Option<Fault>) -> Result<Summary, Broken> + Sync,
    seeds: Range<u64>,
    planted: Option<Fault>,
    threads: usize,
    failures_max: usize,
    progress: impl Fn(u64) + Sync,
) -> Report {
    let next = AtomicU64::new(seeds.start);
    let report = Mutex::new(Report {
        steps_min: u64::MAX,
        ..Report::default()
    });
    let work = || loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= seeds.end {
            return;
        }
        let result = play(seed, planted);
        let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
        report.seeds += 1;
        match result {
            Ok(summary) => {
                report.steps_min = report.steps_min.min(summary.steps);
                report.total.steps += summary.steps;
                report.total.held += summary.held;
                report.total.refused += summary.refused;
                report.total.messages += summary.messages;
                report.total.wakes += summary.wakes;
            }
            Err(broken) => report.broken.push(broken),
        }
        let (done, stop) = (report.seeds, report.broken.len() >= failures_max);
        drop(report);
        progress(done);
        if stop {
            return;
        }
    };
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    report.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Runs one seed; a panic is a failure like any other.
pub fn run_seed(seed: u64, planted: Option<Fault>) -> Result<Summary, Broken> {
    let options = Options::of_seed(seed);
    match catch_unwind(AssertUnwindSafe(|| run(options, planted, false).0)) {
        Ok(Ok(summary)) => Ok(summary),
        Ok(Err(failure)) => Err(Broken::of(seed, &failure)),
        Err(panic) => Err(Broken::of_panic(seed, panic.as_ref())),
    }
}

impl Broken {
    /// A rule was broken.
    pub fn of(seed: u64, failure: &Failure) -> Self {
        let (rule, what) = (Some(failure.violation.rule), failure.to_string());
        Self { seed, rule, what }
    }

    /// The program panicked.
    pub fn of_panic(seed: u64, panic: &(dyn Any + Send)) -> Self {
        let what = panic.downcast_ref::<String>().cloned();
        let what = what.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let what = format!("the program panicked: {}", what.unwrap_or_default());
        Self { seed, rule: None, what }
    }
}
