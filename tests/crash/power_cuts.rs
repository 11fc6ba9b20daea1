//! The real store, operations and API over a modelled disk: the power goes while the node starts, while it sells and
//! while it closes; what was not synced is dropped, in any order; and it starts again.

use finalmarket::store::{Faults, OpenError};

use crate::accounts;
use crate::shop::{Living, OPERATOR, Shop};
use crate::sim::promise::{Promise, Violation};
use crate::sim::rng::Rng;
use crate::till::Figures;
use crate::town::{Life, SILENT, Town};

const STORES: u64 = 10;
const CUTS_IN_STORE: u64 = 20;
const TILLS: usize = 6;
/// How many writes and syncs the first start takes at most: it makes the tables and the first incarnation.
const OPERATIONS_OF_FIRST_START: u64 = 500;
/// So many writes and syncs are some dozen sales.
const OPERATIONS_OF_SALES: u64 = 700;
/// Closing writes the log back and removes it.
const OPERATIONS_OF_CLOSING: u64 = 60;

#[test]
fn no_sale_is_lost_to_two_hundred_power_cuts() {
    let seed = crate::seed();
    println!("power cuts: FINALMARKET_SEED={seed}");
    let mut all = Outcome::default();
    for store in 0..STORES {
        let outcome = run_store(seed, store, CUTS_IN_STORE, Faults::default()).unwrap_or_else(|violation| {
            panic!("seed {seed}, store {store}: {}: {}", violation.promise, violation.what)
        });
        all = all.and(outcome);
    }
    assert_eq!(all.cuts(), STORES * CUTS_IN_STORE);
    println!("power cuts: {all}");
}

/// What befell a store.
#[derive(Debug, Clone, Copy, Default)]
pub struct Outcome {
    /// Cuts in the middle of a first start.
    starting: u64,
    /// Cuts in the middle of sales.
    selling: u64,
    /// Cuts in the middle of closing, or after it.
    closing: u64,
    /// Versions of sectors that nobody had synced: those lost, and those kept by luck.
    dropped: u64,
    kept: u64,
    figures: Figures,
}

struct Run {
    shop: Shop,
    town: Town,
    rng: Rng,
    outcome: Outcome,
}

/// Runs a store through so many power cuts. `faults` are planted once it sells.
///
/// # Errors
/// The first promise that is found broken.
pub fn run_store(seed: u64, store: u64, cuts: u64, faults: Faults) -> Result<Outcome, Violation> {
    let mut rng = Rng::new(seed, store);
    let mut run = Run {
        shop: Shop::new(&format!("power {seed} {store} {faults:?}")),
        town: Town::open(TILLS, &mut rng),
        rng,
        outcome: Outcome::default(),
    };
    run.open_store()?;
    run.shop.faults = faults;
    while run.outcome.cuts() < cuts {
        if run.rng.below(4) == 0 {
            run.cut_while_closing()?;
        } else {
            run.cut_while_selling()?;
        }
    }
    run.close_store()
}

impl Run {
    /// Starts the node on an empty disk, again and again, until it starts before its power is cut; then lets every till
    /// begin, and closes in order.
    fn open_store(&mut self) -> Result<(), Violation> {
        let living = loop {
            self.shop
                .power
                .cut_after(self.rng.between(1, OPERATIONS_OF_FIRST_START));
            let started = self.shop.start();
            if !self.shop.power.is_cut() {
                self.shop.power.cut_after(u64::MAX);
                break started.map_err(does_not_open)?;
            }
            drop(started.map(Living::stop_serving));
            self.outcome.starting += 1;
            self.cut();
        };
        self.town.begins(living.address, OPERATOR.into());
        self.town.is_at_work()?;
        drop(living.stop_serving());
        Ok(())
    }

    fn cut_while_selling(&mut self) -> Result<(), Violation> {
        let (living, _) = self.begin()?;
        self.shop.power.cut_after(self.rng.between(1, OPERATIONS_OF_SALES));
        self.town.is_silent()?;
        if !self.shop.power.is_cut() {
            return Err(Violation::of(Promise::NothingLost, SILENT));
        }
        drop(living.stop_serving());
        self.outcome.selling += 1;
        self.cut();
        Ok(())
    }

    fn cut_while_closing(&mut self) -> Result<(), Violation> {
        let (living, _) = self.begin()?;
        self.town.hears(self.rng.between(1, 20))?;
        let store = living.stop_serving();
        self.shop.power.cut_after(self.rng.between(1, OPERATIONS_OF_CLOSING));
        drop(store);
        self.outcome.closing += 1;
        self.cut();
        Ok(())
    }

    /// A last life without a cut, in which everything is compared.
    fn close_store(mut self) -> Result<Outcome, Violation> {
        let (living, life) = self.begin()?;
        self.town.hears(10)?;
        let tills = self.town.close()?;
        accounts::compare(&tills, &life)?;
        let (folder, vfs) = (self.shop.folder(), Some(self.shop.power.name()));
        accounts::compare_books(&tills, folder, vfs)?;
        drop(living.stop_serving());
        accounts::compare_books(&tills, folder, vfs)?;
        self.outcome.figures = accounts::figures(&tills);
        Ok(self.outcome)
    }

    fn begin(&mut self) -> Result<(Living, Life), Violation> {
        let living = self.shop.start().map_err(does_not_open)?;
        let life = self.town.begins(living.address, OPERATOR.into());
        Ok((living, life))
    }

    /// Cuts the power where it is not cut yet, drops what was not synced, and brings it back.
    fn cut(&mut self) {
        self.shop.power.cut();
        let settled = self.shop.power.settle(self.rng.next());
        self.outcome.dropped += settled.dropped;
        self.outcome.kept += settled.kept;
    }
}

fn does_not_open(error: OpenError) -> Violation {
    Violation::of(Promise::NothingLost, format!("the database does not open: {error}"))
}

impl Outcome {
    fn cuts(self) -> u64 {
        self.starting + self.selling + self.closing
    }

    fn and(self, other: Self) -> Self {
        Self {
            starting: self.starting + other.starting,
            selling: self.selling + other.selling,
            closing: self.closing + other.closing,
            dropped: self.dropped + other.dropped,
            kept: self.kept + other.kept,
            figures: self.figures.and(other.figures),
        }
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} cuts, {} of them while starting and {} while closing; of sectors that were not synced {} versions were \
             dropped and {} kept; {}",
            self.cuts(),
            self.starting,
            self.closing,
            self.dropped,
            self.kept,
            self.figures
        )
    }
}
