//! What a seed of the shelf level stands for.
//!
//! As in the other levels each kind of trouble is off in about half of the seeds (Groce et al., "Swarm Testing", ISSTA
//! 2012). Times are in milliseconds of simulated time, chances in thousandths, amounts in thousandths of a unit.

use finalmarket::domain::escrow::Amount;
use finalmarket::sync::rights::RightsConfig;

use super::super::rng::Rng;

/// A seed, expanded.
#[derive(Debug, Clone)]
pub struct Options {
    /// The seed.
    pub seed: u64,
    /// Replicas at the start, headquarters among them.
    pub replicas: usize,
    /// How many of them are store nodes.
    pub stores: usize,
    /// How many items the site has.
    pub items: usize,
    /// What there is of each item at the start, in units.
    pub units: u64,
    /// What customers, people and calamities do before there is peace.
    pub actions: u64,
    /// The longest pause between two of them.
    pub pause_ms_max: u64,
    /// The most units in a line of a hold.
    pub line_units_max: u64,
    /// The most lines of a hold.
    pub lines_max: usize,
    /// How long a hold lasts at most.
    pub lifetime_ms_max: u64,
    /// Weighed goods: lines that are no whole units, and come out otherwise than they were held.
    pub weighed: bool,
    /// Sales in hand.
    pub in_hand: u64,
    /// Losses that somebody records, and that nobody records.
    pub losses: u64,
    /// Counts.
    pub counts: u64,
    /// Goods in, returns and dispatches.
    pub movements: u64,
    /// Transfers from a shelf of one site to that of another; only where there are several.
    pub transfers: u64,
    /// Holds handed over.
    pub hand_overs: u64,
    /// A link's shortest and longest delay.
    pub delay_ms: (u64, u64),
    /// How long it takes until an end notices that its link is cut, at most.
    pub notice_ms_max: u64,
    /// A message is lost.
    pub loss: u64,
    /// A message comes twice.
    pub duplication: u64,
    /// A message is overtaken by others.
    pub reordering: u64,
    /// Of actions: a link is cut or mended.
    pub partitions: u64,
    /// Of actions: a process is killed.
    pub kills: u64,
    /// Of commits: the process dies before or after.
    pub falls: u64,
    /// Of actions: a kiosk is restored from a backup, or its disk is copied.
    pub restores: u64,
    /// Of actions: a node that nobody can reach is retired.
    pub retirements: u64,
    /// Of actions: a clock on the wall jumps.
    pub clock_jumps: u64,
    /// How often rows go round.
    pub gossip_ms: u64,
    /// What headquarters, stores and kiosks are told to do.
    pub headquarters: RightsConfig,
    /// A store's.
    pub store: RightsConfig,
    /// A kiosk's.
    pub kiosk: RightsConfig,
}

impl Options {
    /// What `seed` stands for.
    pub fn of_seed(seed: u64) -> Self {
        let rng = &mut Rng::new(seed, 11);
        let rarely = |rng: &mut Rng, max: u64| if rng.chance(500) { rng.between(1, max) } else { 0 };
        // Goods that leave beside the rights, in a third of the seeds only: the others show promises within stock.
        let beside = rng.chance(400);
        let delay_low_ms = rng.between(1, 20);
        let floor = |rng: &mut Rng| Amount::new(*rng.pick(&[0, 0, 0, 1_000, 5_000]).unwrap_or(&0)).unwrap_or_default();
        let mut headquarters = RightsConfig::headquarters();
        let mut store = RightsConfig::store();
        let mut kiosk = RightsConfig::kiosk();
        for config in [&mut headquarters, &mut store, &mut kiosk] {
            config.shelf.floor = floor(rng);
            // The seeds last minutes, not days: what is to be seen must happen sooner.
            config.shelf.stock.half_life_ms = *rng.pick(&[5_000, 10_000, 30_000]).unwrap_or(&10_000);
            config.shelf.stock.horizon_ms = *rng.pick(&[0, 10_000, 30_000, 60_000]).unwrap_or(&30_000);
            config.return_after_ms = *rng.pick(&[1_000, 5_000, 30_000]).unwrap_or(&5_000);
            config.stock_retry_ms = rng.between(1_000, 10_000);
        }
        Self {
            seed,
            replicas: 50,
            stores: *rng.pick(&[1, 1, 1, 2, 4]).unwrap_or(&1),
            items: *rng.pick(&[1, 1, 1, 2, 3]).unwrap_or(&1),
            units: 1_000,
            actions: rng.between(500, 600),
            pause_ms_max: *rng.pick(&[40, 150, 400]).unwrap_or(&150),
            line_units_max: *rng.pick(&[2, 8, 30, 80]).unwrap_or(&8),
            lines_max: rng.between(1, 3) as usize,
            lifetime_ms_max: *rng.pick(&[5_000, 30_000, 120_000]).unwrap_or(&30_000),
            weighed: rng.chance(300),
            in_hand: if beside { rarely(rng, 200) } else { 0 },
            losses: if beside { rarely(rng, 60) } else { 0 },
            counts: if beside { rarely(rng, 20) } else { 0 },
            movements: rarely(rng, 60),
            hand_overs: rarely(rng, 150),
            delay_ms: (delay_low_ms, delay_low_ms + rng.between(0, 80)),
            notice_ms_max: rng.between(10, 4_000),
            loss: rarely(rng, 80),
            duplication: rarely(rng, 80),
            reordering: rarely(rng, 80),
            partitions: rarely(rng, 120),
            kills: rarely(rng, 30),
            falls: rarely(rng, 15),
            restores: rarely(rng, 15),
            retirements: rarely(rng, 40),
            clock_jumps: rarely(rng, 30),
            gossip_ms: rng.between(500, 4_000),
            transfers: rarely(rng, 60),
            headquarters,
            store,
            kiosk,
        }
    }
}
