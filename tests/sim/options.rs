//! What a seed stands for: how large the world is, how bad its network and disks are, which calamities befall it.
//!
//! Each kind of trouble is off in about half of the seeds, so that some runs are all of one kind and rare meetings of
//! two kinds are not drowned by the rest (Groce et al., "Swarm Testing", ISSTA 2012).

use super::rng::Rng;

/// A seed, expanded. Times are in milliseconds of simulated time, chances in thousandths.
#[derive(Debug, Clone)]
pub struct Options {
    /// The seed.
    pub seed: u64,
    /// How long the phase with faults lasts.
    pub trouble_ms: u64,
    /// How many nodes there are.
    pub nodes: usize,
    /// How many tills each node has.
    pub tills_per_node: usize,
    /// A till's longest pause between two documents.
    pub till_pause_ms_max: u64,
    /// A link's shortest and longest delay.
    pub delay_ms: (u64, u64),
    /// A packet is lost although its connection stands.
    pub loss: u64,
    /// A packet comes twice.
    pub duplication: u64,
    /// A packet overtakes others of its connection.
    pub reordering: u64,
    /// A bit of a packet flips.
    pub corruption: u64,
    /// What was under way when a connection broke is sent again on the next one.
    pub redelivery: u64,
    /// The broker keeps sessions and retained messages over a restart.
    pub broker_persistent: bool,
    /// How many messages the broker keeps for a client that is away.
    pub broker_queue_max: usize,
    /// The largest message that the broker takes.
    pub packet_bytes_max: usize,
    /// A disk cannot be read.
    pub read_failure: u64,
    /// A till never hears the answer to its request.
    pub reply_loss: u64,
    /// How long a disk's commit takes at most.
    pub commit_ms_max: u64,
    /// A node's limits.
    pub batch_records_max: u32,
    /// A node's window of batches.
    pub in_flight_max: usize,
    /// How often a node that has nothing to say introduces itself.
    pub refresh_ms: u64,
    /// How many records behind the acknowledged one a node keeps.
    pub retention_records: u64,
    /// Records that headquarters cannot decode.
    pub garbage: u64,
    /// Records that no broker or headquarters can take.
    pub oversized: u64,
    /// Requests that a node must refuse.
    pub unlawful: u64,
    /// Calamities by kind: the mean time between two of them, 0 for never.
    pub every_ms: Every,
    /// Of settlements, how many exclude.
    pub exclude: u64,
    /// What only the full level knows of; none in the pure one.
    pub full: Option<Full>,
}

/// What the full level adds. Chances are in thousandths.
#[derive(Debug, Clone, Copy)]
pub struct Full {
    /// The power goes again while a node or headquarters starts.
    pub cut_at_start: u64,
    /// A process that is to be killed is told to stop instead, and closes its disk.
    pub orderly: u64,
    /// How many writes and syncs a dying process still does at most.
    pub operations_max: u64,
    /// Headquarters' figures lag behind its ledger.
    pub lag: u64,
    /// Machines of one node, which copies of a disk are, have one client id: the broker throws off whoever is there.
    pub one_client_id: bool,
}

/// How much is real.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// The engines; disks are modelled.
    Pure,
    /// The node's store and operations and headquarters, too.
    Full,
}

/// The mean time between two calamities of each kind; 0 for never.
#[derive(Debug, Clone, Default)]
pub struct Every {
    /// A node's process is killed.
    pub node_kill: u64,
    /// A node's power goes.
    pub node_power_cut: u64,
    /// Headquarters is killed.
    pub hub_kill: u64,
    /// The broker is killed.
    pub broker_kill: u64,
    /// A link is cut.
    pub link_cut: u64,
    /// A node's disk is full for a while.
    pub node_disk_full: u64,
    /// Headquarters' disk is full for a while.
    pub hub_disk_full: u64,
    /// A node is backed up.
    pub backup: u64,
    /// A node is restored from a backup.
    pub restore: u64,
    /// A node's disk is set back behind its back.
    pub set_back: u64,
    /// A node's disk is copied, and the copy is started beside it.
    pub copy: u64,
    /// Headquarters is backed up.
    pub hub_backup: u64,
    /// Headquarters is set back to a backup.
    pub hub_set_back: u64,
    /// A node's clock jumps.
    pub clock_jump: u64,
    /// A node prunes.
    pub prune: u64,
    /// Headquarters publishes to a feed.
    pub publish: u64,
    /// An operator settles what is set apart, while the trouble lasts.
    pub settle: u64,
    /// A till goes to another machine of its node and repeats its last sale there.
    pub till_moves: u64,
}

impl Options {
    /// What `seed` stands for.
    pub fn of_seed(seed: u64, level: Level) -> Self {
        let options = Self::of_engines(seed);
        match level {
            Level::Pure => options,
            Level::Full => options.with_disks(),
        }
    }

    /// The same world on real disks.
    fn with_disks(self) -> Self {
        let rng = &mut Rng::new(self.seed, 3);
        let rarely = |rng: &mut Rng, max: u64| if rng.chance(500) { rng.between(1, max) } else { 0 };
        let full = Full {
            cut_at_start: rarely(rng, 300),
            orderly: rarely(rng, 500),
            operations_max: *rng.pick(&[4, 20, 80]).unwrap_or(&20),
            lag: rarely(rng, 700),
            one_client_id: rng.chance(300),
        };
        Self {
            full: Some(full),
            // What is written is written by the real store, which breaks no record.
            garbage: 0,
            ..self
        }
    }

    fn of_engines(seed: u64) -> Self {
        let rng = &mut Rng::new(seed, 1);
        let rarely = |rng: &mut Rng, max: u64| if rng.chance(500) { rng.between(1, max) } else { 0 };
        let every = |rng: &mut Rng, low: u64, high: u64| if rng.chance(500) { rng.between(low, high) } else { 0 };
        let trouble_ms = rng.between(20_000, 180_000);
        Self {
            seed,
            trouble_ms,
            nodes: rng.between(1, 4) as usize,
            tills_per_node: rng.between(1, 3) as usize,
            till_pause_ms_max: rng.between(500, 8_000),
            delay_ms: {
                let low = rng.between(1, 40);
                (low, low + rng.between(0, 300))
            },
            loss: rarely(rng, 60),
            duplication: rarely(rng, 60),
            reordering: rarely(rng, 60),
            corruption: if rng.chance(200) { rng.between(1, 20) } else { 0 },
            redelivery: rarely(rng, 800),
            broker_persistent: rng.chance(500),
            broker_queue_max: rng.between(1, 60) as usize,
            // The least still takes any one record of those that are not oversized.
            packet_bytes_max: *rng.pick(&[1 << 20, 1 << 20, 4_000, 900]).unwrap_or(&4_000),
            read_failure: rarely(rng, 100),
            reply_loss: rarely(rng, 100),
            commit_ms_max: rng.between(1, 60),
            batch_records_max: *rng.pick(&[1, 2, 3, 7, 50, 2_000]).unwrap_or(&50),
            in_flight_max: rng.between(1, 8) as usize,
            refresh_ms: rng.between(30_000, 200_000),
            retention_records: rng.between(0, 40),
            garbage: rarely(rng, 30),
            oversized: rarely(rng, 30),
            unlawful: rarely(rng, 60),
            every_ms: Every {
                node_kill: every(rng, 4_000, 60_000),
                node_power_cut: every(rng, 4_000, 60_000),
                hub_kill: every(rng, 4_000, 60_000),
                broker_kill: every(rng, 5_000, 60_000),
                link_cut: every(rng, 4_000, 60_000),
                node_disk_full: every(rng, 10_000, 60_000),
                hub_disk_full: every(rng, 10_000, 60_000),
                backup: every(rng, 4_000, 30_000),
                restore: every(rng, 10_000, 80_000),
                set_back: every(rng, 10_000, 80_000),
                copy: every(rng, 15_000, 80_000),
                hub_backup: every(rng, 4_000, 30_000),
                hub_set_back: if rng.chance(300) {
                    rng.between(15_000, 80_000)
                } else {
                    0
                },
                clock_jump: every(rng, 5_000, 40_000),
                prune: every(rng, 2_000, 20_000),
                publish: every(rng, 3_000, 20_000),
                settle: every(rng, 5_000, 40_000),
                till_moves: every(rng, 5_000, 40_000),
            },
            exclude: if rng.chance(250) { 300 } else { 0 },
            full: None,
        }
    }

    /// The same world with nothing going wrong in it from now on.
    pub fn without_trouble(&self) -> Self {
        Self {
            loss: 0,
            duplication: 0,
            reordering: 0,
            corruption: 0,
            read_failure: 0,
            reply_loss: 0,
            garbage: 0,
            oversized: 0,
            unlawful: 0,
            every_ms: Every::default(),
            full: self.full.map(|full| Full {
                cut_at_start: 0,
                lag: 0,
                one_client_id: false,
                ..full
            }),
            ..self.clone()
        }
    }
}
