//! Runs ranges of seeds on every core and tells of those that broke a promise.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::options::{Level, Options};
use super::planted::Planted;
use super::promise::Promise;
use super::run::{Summary, run};

/// A seed that broke a promise, or the program.
#[derive(Debug, Clone)]
pub struct Broken {
    /// The seed.
    pub seed: u64,
    /// Which promise; none where the program panicked.
    pub promise: Option<Promise>,
    /// What happened, and when.
    pub what: String,
}

/// What a range of seeds came to.
#[derive(Debug, Default)]
pub struct Report {
    /// Seeds that were run.
    pub seeds: u64,
    /// Events of all runs.
    pub steps: u64,
    /// Records of all journals at the end of all runs.
    pub records: u64,
    /// Documents counted at headquarters at the end of all runs.
    pub documents: u64,
    /// Those that failed, in no order.
    pub broken: Vec<Broken>,
}

/// Runs `seeds` on `threads` threads. Stops once `failures_max` of them have failed. `progress` is called from every
/// thread after each seed with how many are done.
pub fn run_range(
    seeds: Range<u64>,
    level: Level,
    planted: Option<Planted>,
    threads: usize,
    failures_max: usize,
    progress: impl Fn(u64) + Sync,
) -> Report {
    let next = AtomicU64::new(seeds.start);
    let report = Mutex::new(Report::default());
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end || seed < seeds.start {
                        return;
                    }
                    let result = run_seed(seed, level, planted);
                    let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
                    report.seeds += 1;
                    match result {
                        Ok(summary) => {
                            report.steps += summary.steps;
                            report.records += summary.records;
                            report.documents += summary.documents;
                        }
                        Err(broken) => report.broken.push(broken),
                    }
                    let done = report.seeds;
                    let stop = report.broken.len() >= failures_max;
                    drop(report);
                    progress(done);
                    if stop {
                        return;
                    }
                }
            });
        }
    });
    report.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Runs one seed; a panic is a failure like any other.
pub fn run_seed(seed: u64, level: Level, planted: Option<Planted>) -> Result<Summary, Broken> {
    let options = Options::of_seed(seed, level);
    match catch_unwind(AssertUnwindSafe(|| run(options, planted, false).0)) {
        Ok(Ok(summary)) => Ok(summary),
        Ok(Err(failure)) => Err(Broken {
            seed,
            promise: Some(failure.violation.promise),
            what: format!(
                "step {} at {:.3} s: {}: {}",
                failure.step,
                failure.at_ms as f64 / 1000.0,
                failure.violation.promise,
                failure.violation.what
            ),
        }),
        Err(panic) => {
            let what = panic.downcast_ref::<String>().cloned();
            let what = what.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Err(Broken {
                seed,
                promise: None,
                what: format!("the program panicked: {}", what.unwrap_or_default()),
            })
        }
    }
}
