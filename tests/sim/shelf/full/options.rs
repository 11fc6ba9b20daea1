//! What a seed of the full shelf level stands for. Times in milliseconds, chances in thousandths.

use finalmarket::domain::escrow::Amount;
use finalmarket::sync::rights::RightsConfig;

use super::super::super::rng::Rng;
use super::super::fault::Fault;

/// A seed, expanded.
#[derive(Debug, Clone)]
pub struct Options {
    /// The seed.
    pub seed: u64,
    /// Sites, each with a store's node and a shelf of its own.
    pub sites: usize,
    /// Kiosks' nodes, over all sites.
    pub kiosks: usize,
    /// How many items each site has.
    pub skus: usize,
    /// What there is of each at the start, in units.
    pub units: u64,
    /// What customers, people and calamities do before there is peace.
    pub actions: u64,
    /// The longest pause between two of them.
    pub pause_ms_max: u64,
    /// The most units in a line.
    pub line_units_max: u64,
    /// The most lines of a hold.
    pub lines_max: usize,
    /// How long a hold lasts at most.
    pub lifetime_ms_max: u64,
    /// Lines that are no whole units, and come out otherwise than they were held.
    pub weighed: bool,
    /// Sales in hand.
    pub in_hand: u64,
    /// Losses that somebody records, and that nobody records.
    pub losses: u64,
    /// Counts.
    pub counts: u64,
    /// Goods in.
    pub goods_in: u64,
    /// Goods brought back.
    pub refunds: u64,
    /// A link's shortest and longest delay.
    pub delay_ms: (u64, u64),
    /// How long it takes until an end notices that its link is cut, at most.
    pub notice_ms_max: u64,
    /// A message of the broker is lost.
    pub loss: u64,
    /// It comes twice.
    pub duplication: u64,
    /// It is overtaken by others.
    pub reordering: u64,
    /// Of actions: a link is cut or mended.
    pub partitions: u64,
    /// Of actions: a process is killed, or its machine's power cut.
    pub kills: u64,
    /// Of commits: the process dies in the middle.
    pub falls: u64,
    /// Of deaths: power cuts.
    pub power_cuts: u64,
    /// Of actions: a kiosk is backed up or restored, or a disk moved to another machine.
    pub restores: u64,
    /// Of actions: a clock on the wall jumps.
    pub clock_jumps: u64,
    /// What headquarters is told to do.
    pub headquarters: RightsConfig,
    /// A store's.
    pub store: RightsConfig,
    /// A kiosk's.
    pub kiosk: RightsConfig,
}

impl Options {
    /// What `seed` stands for, with at least some of the trouble in which a planted fault can do harm.
    pub fn with_room_for(seed: u64, planted: Option<Fault>) -> Self {
        let mut options = Self::of_seed(seed);
        match planted {
            Some(Fault::ExpiryByWallClock) => options.clock_jumps = options.clock_jumps.max(100),
            Some(Fault::IncarnationReused | Fault::RetiredRightsReused) => {
                options.kiosks = options.kiosks.max(3);
                options.restores = options.restores.max(100);
                options.partitions = options.partitions.max(100);
            }
            _ => {}
        }
        options
    }

    /// What `seed` stands for.
    pub fn of_seed(seed: u64) -> Self {
        let rng = &mut Rng::new(seed, 21);
        let rarely = |rng: &mut Rng, max: u64| if rng.chance(500) { rng.between(1, max) } else { 0 };
        // Goods that leave beside the rights, in part of the seeds only: the others show promises within stock.
        let beside = rng.chance(500);
        let delay_low_ms = rng.between(1, 20);
        let mut headquarters = RightsConfig::headquarters();
        let mut store = RightsConfig::store();
        let mut kiosk = RightsConfig::kiosk();
        for config in [&mut headquarters, &mut store, &mut kiosk] {
            let floor = *rng.pick(&[0, 0, 0, 1_000, 5_000]).unwrap_or(&0);
            config.shelf.floor = Amount::new(floor).unwrap_or_default();
            // The seeds last minutes, not days: what is to be seen must happen sooner.
            config.shelf.stock.half_life_ms = *rng.pick(&[5_000, 10_000, 30_000]).unwrap_or(&10_000);
            config.shelf.stock.horizon_ms = *rng.pick(&[0, 10_000, 30_000, 60_000]).unwrap_or(&30_000);
            config.return_after_ms = *rng.pick(&[1_000, 5_000, 30_000]).unwrap_or(&5_000);
            config.stock_retry_ms = rng.between(1_000, 10_000);
        }
        let sites = *rng.pick(&[1, 1, 2, 2, 3]).unwrap_or(&1);
        Self {
            seed,
            sites,
            kiosks: *rng.pick(&[1, 3, 6, 10]).unwrap_or(&3),
            skus: *rng.pick(&[1, 1, 1, 2]).unwrap_or(&1),
            units: 1_000,
            actions: rng.between(500, 560),
            pause_ms_max: *rng.pick(&[40, 150, 400]).unwrap_or(&150),
            line_units_max: *rng.pick(&[8, 30, 80, 200]).unwrap_or(&30),
            lines_max: rng.between(1, 2) as usize,
            lifetime_ms_max: *rng.pick(&[5_000, 30_000, 120_000]).unwrap_or(&30_000),
            weighed: rng.chance(300),
            in_hand: if beside { rarely(rng, 200) } else { 0 },
            losses: if beside { rarely(rng, 60) } else { 0 },
            counts: if beside { rarely(rng, 40) } else { 0 },
            goods_in: rarely(rng, 60),
            refunds: rarely(rng, 60),
            delay_ms: (delay_low_ms, delay_low_ms + rng.between(0, 60)),
            notice_ms_max: rng.between(10, 4_000),
            loss: rarely(rng, 60),
            duplication: rarely(rng, 60),
            reordering: rarely(rng, 60),
            partitions: rarely(rng, 120),
            kills: rarely(rng, 30),
            falls: rarely(rng, 10),
            power_cuts: *rng.pick(&[0, 500, 1_000]).unwrap_or(&500),
            restores: rarely(rng, 20),
            clock_jumps: rarely(rng, 30),
            headquarters,
            store,
            kiosk,
        }
    }
}
