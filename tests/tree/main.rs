//! The tree without sockets, played from seeds: a kiosk's and a store's real disks, headquarters' real ledger and the
//! engines between them, while messages are lost, links go, disks are set back and headquarters is killed. Whatever
//! happens, what the kiosk wrote counts once in the end, and the kiosk forgets nothing that headquarters does not have.

mod facts;
mod headquarters;
mod kiosk;
mod relay;
mod store;

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};

use finalmarket::domain::fact::{Entry, Fact};
use finalmarket::domain::money::Currency;
use finalmarket::hq::{Admission, Headquarters, Settings};
use finalmarket::operations::prune_before;
use finalmarket::store::{Failure, Faults, IncarnationSeed, NewNode, Now, StorageError, StoreOptions, WriterCore};
use finalmarket::sync::hub::{self, HubEngine, HubLimits};
use finalmarket::sync::node::{self, NodeEngine, NodeLimits};
use finalmarket::sync::wire::{Down, Hello, HubState, Up};
use tempfile::TempDir;

use facts::sale;

const START_MS: u64 = 1_800_000_000_000;

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// A link: what is under way on it, and the session that it carries, where it stands.
#[derive(Default)]
struct Link {
    up: VecDeque<Up>,
    down: VecDeque<Down>,
    session: Option<u64>,
}

struct World {
    dice: Dice,
    folder: TempDir,
    now_ms: u64,
    kiosk: Option<WriterCore>,
    kiosk_engine: NodeEngine,
    store: Option<WriterCore>,
    store_hub: HubEngine,
    relay: NodeEngine,
    hq: Option<Headquarters>,
    hq_hub: HubEngine,
    lan: Link,
    wan: Link,
    /// Batches with more bytes do not get from the store to headquarters.
    bytes_max: usize,
    trouble: bool,
    sold: u64,
}

fn open(disk: &Path, node: &str, random: u64, now: Now) -> WriterCore {
    let mut secret_key = [3; 32];
    secret_key[..8].copy_from_slice(&random.to_le_bytes());
    let options = StoreOptions {
        directory: disk.to_owned(),
        vfs: None,
        create: Some(NewNode {
            org: "market".parse().unwrap(),
            node: node.parse().unwrap(),
            site: "store-1".parse().unwrap(),
            currency: Currency::USD,
        }),
        machine_id: "machine".into(),
        seed: IncarnationSeed { random, secret_key },
        readers: 1,
        // Nothing loses power here.
        faults: Faults {
            synchronous_off: true,
            ..Faults::default()
        },
    };
    WriterCore::open(&options, now).unwrap().0
}

fn headquarters(folder: &Path) -> Headquarters {
    let settings = Settings {
        name: "hq".parse().unwrap(),
        site: "hq".parse().unwrap(),
        admission: Admission::Anyone,
        vfs: None,
    };
    Headquarters::open(&folder.join("hq.sqlite"), settings, START_MS).unwrap()
}

fn relay_engine() -> NodeEngine {
    NodeEngine::relay("store-1".parse().unwrap(), NodeLimits::default())
}

fn kiosk_engine() -> NodeEngine {
    NodeEngine::new("store-1".parse().unwrap(), "test".into(), NodeLimits::default())
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let folder = in_memory();
        let hq = headquarters(folder.path());
        let store = Hello {
            session: 1,
            wire: 1,
            software: "test".into(),
            site: "store-1".parse().unwrap(),
            streams: Vec::new(),
            acked: Vec::new(),
            feeds: Vec::new(),
        };
        hq.introduce(&"store-1".parse().unwrap(), store, START_MS).unwrap();
        let bytes_max = [600, 900, 64 << 10][usize::try_from(dice.below(3)).unwrap()];
        let mut world = Self {
            kiosk: None,
            store: None,
            kiosk_engine: kiosk_engine(),
            store_hub: HubEngine::new(HubLimits::default()),
            relay: relay_engine(),
            hq: Some(hq),
            hq_hub: HubEngine::new(HubLimits::default()),
            lan: Link::default(),
            wan: Link::default(),
            now_ms: START_MS,
            trouble: true,
            sold: 0,
            bytes_max,
            folder,
            dice,
        };
        world.kiosk = Some(open(&world.disk("kiosk"), "kiosk-1", seed, world.now()));
        world.store = Some(open(&world.disk("store"), "store-1", seed + 1_000_000, world.now()));
        world
    }

    fn disk(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn now(&self) -> Now {
        Now {
            unix_ms: self.now_ms,
            monotonic_ms: self.now_ms,
            utc_offset_minutes: 0,
        }
    }

    fn step(&mut self) {
        match self.dice.below(40) {
            0..4 => self.sell(),
            4..14 => self.deliver_lan_up(),
            14..22 => self.deliver_lan_down(),
            22..30 => self.deliver_wan_up(),
            30..37 => self.deliver_wan_down(),
            37 => self.pass_time(500),
            38 => self.switch_a_link(),
            _ if self.trouble && self.dice.one_in(4) => self.calamity(),
            _ => {}
        }
    }

    fn sell(&mut self) {
        for _ in 0..=self.dice.below(8) {
            self.sold += 1;
            let fact = Fact::Sale(sale(self.sold));
            let now = self.now();
            let append = self.kiosk.as_mut().unwrap().run(|tx| {
                let recorded = tx.stamp(now);
                Ok::<_, Failure<StorageError>>(tx.append(&Entry { recorded, fact })?.head)
            });
            self.kiosk_hears(node::Input::Appended(append.unwrap()));
        }
    }

    fn pass_time(&mut self, most_ms: u64) {
        self.now_ms += 1 + self.dice.below(most_ms);
        if self
            .kiosk_engine
            .deadline()
            .is_some_and(|(at_ms, _)| at_ms <= self.now_ms)
        {
            self.kiosk_hears(node::Input::Timeout);
        }
        if self.relay.deadline().is_some_and(|(at_ms, _)| at_ms <= self.now_ms) {
            self.relay_hears(node::Input::Timeout);
        }
    }

    fn switch_a_link(&mut self) {
        let lan = self.dice.one_in(2);
        let link = if lan { &mut self.lan } else { &mut self.wan };
        *link = Link {
            session: match link.session {
                Some(_) if self.trouble => None,
                Some(session) => Some(session),
                None => Some(self.dice.next() | 1),
            },
            ..std::mem::take(link)
        };
        let session = link.session;
        if session.is_none() {
            *link = Link::default();
        }
        let inputs = match session {
            None => vec![node::Input::Disconnected],
            Some(session) => vec![
                node::Input::Connected { session },
                node::Input::Hub(HubState {
                    online: true,
                    run: session,
                    wire: 1,
                }),
            ],
        };
        for input in inputs {
            if lan {
                self.kiosk_hears(input);
            } else {
                self.relay_hears(input);
            }
        }
    }

    fn calamity(&mut self) {
        match self.dice.below(5) {
            0 => {
                // The store's process dies; both of its links with it.
                self.store_starts();
            }
            1 => {
                self.store = None;
                copy(&self.disk("store"), &self.disk("copy"));
                self.store_starts();
            }
            2 if self.disk("copy").exists() => {
                self.store = None;
                copy(&self.disk("copy"), &self.disk("store"));
                self.store_starts();
            }
            3 => {
                self.hq = None;
                self.hq = Some(headquarters(self.folder.path()));
                self.hq_hub = HubEngine::new(HubLimits::default());
            }
            _ => {
                // What was acknowledged may go at any time, however young it is.
                let before_ms = self.now_ms + 1_000_000;
                let prune = |tx: &mut finalmarket::store::WriteTransaction<'_>| {
                    prune_before(tx, before_ms).map_err(Failure::<StorageError>::Storage)
                };
                self.kiosk.as_mut().unwrap().run(prune).unwrap();
            }
        }
    }

    fn store_starts(&mut self) {
        self.store = None;
        self.store = Some(open(&self.disk("store"), "store-1", 0, self.now()));
        self.store_hub = HubEngine::new(HubLimits::default());
        self.relay = relay_engine();
        (self.lan, self.wan) = (Link::default(), Link::default());
        self.kiosk_hears(node::Input::Disconnected);
    }

    fn is_lost(&mut self) -> bool {
        self.trouble && self.dice.one_in(12)
    }

    fn deliver_lan_up(&mut self) {
        let Some(message) = self.lan.up.pop_front() else { return };
        // A WebSocket loses nothing but its end.
        let node = "kiosk-1".parse().unwrap();
        self.store_hears(hub::Input::Received { node, message });
    }

    fn deliver_lan_down(&mut self) {
        if let Some(message) = self.lan.down.pop_front() {
            self.kiosk_hears(node::Input::Received(message));
        }
    }

    fn deliver_wan_up(&mut self) {
        let Some(mut message) = self.wan.up.pop_front() else {
            return;
        };
        if self.is_lost() {
            return;
        }
        if let (true, Up::Batch { sealed, .. }) = (self.trouble && self.dice.one_in(20), &mut message) {
            let at = usize::try_from(self.dice.next()).unwrap_or(0) % sealed.len();
            sealed[at] ^= 1;
        }
        let node = "kiosk-1".parse().unwrap();
        self.hq_hears(hub::Input::Received { node, message });
    }

    fn deliver_wan_down(&mut self) {
        let Some(message) = self.wan.down.pop_front() else {
            return;
        };
        if !self.is_lost() {
            self.relay_hears(node::Input::Received(message));
        }
    }

    /// Nothing fails any more: everything arrives within a bounded time, once.
    fn peace(mut self, seed: u64) {
        self.trouble = false;
        for _ in 0..400 {
            self.switch_a_link();
            for _ in 0..200 {
                self.deliver_lan_up();
                self.deliver_lan_down();
                self.deliver_wan_up();
                self.deliver_wan_down();
            }
            self.pass_time(2_000);
        }
        let hq = self.hq.as_ref().unwrap();
        hq.project().unwrap();
        let lives = self
            .kiosk
            .as_ref()
            .unwrap()
            .read(|snapshot| snapshot.incarnations())
            .unwrap();
        let [life] = &lives[..] else {
            panic!("seed {seed}: {} incarnations", lives.len())
        };
        assert_eq!(life.acked, life.head, "seed {seed}: the kiosk does not know");
        let nodes = hq.nodes().unwrap();
        let kiosk = nodes.iter().find(|node| node.node.as_str() == "kiosk-1").unwrap();
        assert_eq!(kiosk.parent.as_ref().map(|parent| parent.as_str()), Some("store-1"));
        assert_eq!(
            (kiosk.complete.pending, kiosk.complete.set_apart),
            (0, 0),
            "seed {seed}"
        );
        let set_aside = hq.counts().unwrap().set_aside;
        let counted = facts::sales(hq);
        assert_eq!(counted + set_aside, self.sold, "seed {seed}: {set_aside} set aside");
    }
}

/// A folder that costs no disk, where the system has one.
fn in_memory() -> TempDir {
    TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap()
}

fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let file = entry.unwrap().path();
        fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
    }
}

#[test]
fn whatever_happens_in_the_tree_every_sale_counts_once() {
    let seeds = std::env::var("TREE_SEEDS").map_or(10, |seeds| seeds.parse().expect("a number"));
    for seed in 1..=seeds {
        let mut world = World::new(seed);
        for _ in 0..2_500 {
            world.step();
        }
        world.peace(seed);
    }
}
