//! The real program, killed with SIGKILL while it starts and while it sells, and started again over the same disk.

use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::accounts;
use crate::node_process::{NodeProcess, node};
use crate::sim::promise::Violation;
use crate::sim::rng::Rng;
use crate::till::Figures;
use crate::town::{Life, Town};

const STORES: u64 = 4;
const KILLS_IN_STORE: u64 = 50;
const TILLS: usize = 6;
/// One kill in so many comes while the node starts.
const WHILE_STARTING_ONE_IN: u64 = 6;
/// The most sales that are answered in a life before the kill.
const ANSWERS_MAX: u64 = 30;
/// A kill comes at most so much later than its answer, so that it meets every phase of the next sales.
const LATER_US_MAX: u64 = 8_000;

#[test]
fn no_sale_is_lost_to_two_hundred_kills() {
    let seed = crate::seed();
    println!("kills: FINALMARKET_SEED={seed}");
    let (mut figures, mut while_starting) = (Figures::default(), 0);
    for store in 0..STORES {
        let (sold, early) = run_store(&mut Rng::new(seed, store)).unwrap_or_else(|violation| {
            panic!("seed {seed}, store {store}: {}: {}", violation.promise, violation.what)
        });
        figures = figures.and(sold);
        while_starting += early;
    }
    assert_eq!(figures.faults, 0, "a node that lives answers");
    println!(
        "kills: {} kills, {while_starting} of them while starting; {figures}",
        STORES * KILLS_IN_STORE
    );
}

fn run_store(rng: &mut Rng) -> Result<(Figures, u64), Violation> {
    let folder = TempDir::new().expect("a folder");
    let town = Town::open(TILLS, rng);
    // How long the last start took, so that kills fall into all of it.
    let (mut start_us, mut while_starting) = (200_000, 0);
    for _ in 0..KILLS_IN_STORE {
        let started = Instant::now();
        let process = NodeProcess::spawn(&mut node(folder.path()));
        if rng.below(WHILE_STARTING_ONE_IN) == 0 {
            while_starting += 1;
            wait_us(rng.below(start_us));
        } else {
            begin(&town, &process, folder.path());
            start_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
            town.hears(rng.below(ANSWERS_MAX + 1))?;
            wait_us(rng.below(LATER_US_MAX));
        }
        process.kill();
    }
    let process = NodeProcess::spawn(&mut node(folder.path()));
    let life = begin(&town, &process, folder.path());
    town.hears(10)?;
    let tills = town.close()?;
    accounts::compare(&tills, &life)?;
    accounts::compare_books(&tills, folder.path(), None)?;
    let ended = process.stop();
    assert!(ended.status.success(), "{}", ended.log);
    accounts::compare_books(&tills, folder.path(), None)?;
    Ok((accounts::figures(&tills), while_starting))
}

fn begin(town: &Town, process: &NodeProcess, folder: &Path) -> Life {
    let reached = process.serves(folder);
    town.begins(reached.address, reached.token)
}

/// Nothing is waited for: the kill's moment is random.
fn wait_us(microseconds: u64) {
    std::thread::sleep(Duration::from_micros(microseconds));
}
