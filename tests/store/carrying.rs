//! Documents of shelves on real disks: a kiosk's and its store's, over a link that loses and repeats, while both are
//! closed and opened again.

use std::collections::VecDeque;

use finalmarket::domain::escrow::ReplicaId;
use finalmarket::domain::ids::NodeId;
use finalmarket::domain::stock::Place;
use finalmarket::operations::relay::{ChildBatch, introduce_child, read_child_batch, take_child_batch};
use finalmarket::operations::{import_catalog, load_batch, streams};
use finalmarket::store::{Device, Failure, NewNode, StorageError, StoreOptions, WriterCore};
use finalmarket::sync::carriage::{
    Archive as _, Carrier, CarrierLimits, Child, Input, Keep, Link, Neighbour, Output, Work, perform,
};
use finalmarket::sync::wire::{Hello, ShelfMessage, WIRE_VERSION};
use tempfile::TempDir;

use super::shop::{NOON_MS, Shop, at, command, item, node, options, settings};

/// A node with its engine.
struct End {
    shop: Shop,
    till: Device,
    sold: u64,
    carrier: Carrier,
    works: VecDeque<Work>,
}

impl End {
    fn open(name: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let (core, _) = WriterCore::open(&named(name, &directory, 1), at(NOON_MS)).unwrap();
        let mut shop = Shop {
            directory,
            core,
            settings: settings(),
            clock_ms: NOON_MS.into(),
        };
        shop.write(|tx, _| import_catalog(tx, &[item("1001", "Chocolate", "3.99")]))
            .unwrap();
        let till = shop.till("1");
        Self {
            shop,
            till,
            sold: 0,
            carrier: Carrier::new(CarrierLimits::default()),
            works: VecDeque::new(),
        }
    }

    /// The process ends, with what it had on disk, and starts again.
    fn restart(self, name: &str) -> Self {
        let Shop {
            directory,
            core,
            settings,
            clock_ms,
        } = self.shop;
        drop(core);
        let (core, opening) = WriterCore::open(&named(name, &directory, 1), at(clock_ms.get())).unwrap();
        assert_eq!(opening.opened, None);
        let shop = Shop {
            directory,
            core,
            settings,
            clock_ms,
        };
        Self {
            shop,
            carrier: Carrier::new(CarrierLimits::default()),
            works: VecDeque::new(),
            ..self
        }
    }

    fn sell(&mut self) {
        self.sold += 1;
        self.shop.sell(&self.till, &command(self.sold)).unwrap();
    }

    fn replica(&self) -> ReplicaId {
        self.shop.core.read(|snapshot| snapshot.own_replica()).unwrap()
    }

    /// Does the next work, if there is one, and commits what came of it.
    fn work(&mut self) -> Option<Input> {
        let work = self.works.pop_front()?;
        let performed = self.shop.core.read(|snapshot| perform(snapshot, work)).unwrap();
        if !performed.keep.is_empty() {
            self.shop.write(|tx, _| tx.keep_documents(&performed.keep)).unwrap();
        }
        Some(Input::Done(performed.done))
    }
}

fn named(name: &str, directory: &TempDir, seed: u64) -> StoreOptions {
    StoreOptions {
        create: Some(NewNode {
            node: name.parse().unwrap(),
            ..node()
        }),
        ..options(directory.path(), seed + name.len() as u64)
    }
}

/// A kiosk and its store.
struct Pair {
    ends: [End; 2],
    wire: Vec<(usize, u64, ShelfMessage)>,
    session: u64,
    now_ms: u64,
}

const NAMES: [&str; 2] = ["kiosk-1", "store-1"];
const KIOSK: usize = 0;
const STORE: usize = 1;

impl Pair {
    fn open() -> Self {
        let mut pair = Self {
            ends: NAMES.map(End::open),
            wire: Vec::new(),
            session: 0,
            now_ms: 0,
        };
        pair.connect();
        pair
    }

    fn neighbour(of: usize) -> Neighbour {
        if of == KIOSK {
            Neighbour::Parent
        } else {
            Neighbour::Child(NAMES[KIOSK].parse().unwrap())
        }
    }

    fn connect(&mut self) {
        self.wire.clear();
        self.session += 1;
        let session = self.session;
        let child = Child {
            site: "store_1".parse().unwrap(),
            replica: self.ends[KIOSK].replica(),
        };
        for (of, link) in [(KIOSK, Link::Parent), (STORE, Link::Child(child))] {
            self.tell(of, Input::Opened { link, session });
        }
    }

    fn tell(&mut self, of: usize, input: Input) {
        let end = &mut self.ends[of];
        end.carrier.handle(self.now_ms, input);
        while let Some(output) = end.carrier.poll() {
            match output {
                Output::Work(work) => end.works.push_back(work),
                Output::Send { session, message, .. } => self.wire.push((1 - of, session, message)),
                Output::Report { reason, .. } | Output::Refused { reason, .. } => panic!("{reason}"),
            }
        }
    }

    fn work(&mut self, of: usize) -> bool {
        let input = self.ends[of].work();
        let worked = input.is_some();
        input.into_iter().for_each(|input| self.tell(of, input));
        worked
    }

    fn deliver(&mut self, at: usize) {
        let (to, session, message) = self.wire.remove(at);
        let from = Self::neighbour(to);
        self.tell(to, Input::Received { from, session, message });
    }

    /// The kiosk's journal comes to the store, as far as it is.
    fn relay_journal(&mut self) {
        let name: NodeId = NAMES[KIOSK].parse().unwrap();
        let (known, _) = self.ends[KIOSK].shop.core.read(streams).unwrap();
        let hello = Hello {
            session: self.session,
            wire: WIRE_VERSION,
            software: "test".into(),
            site: "store_1".parse().unwrap(),
            acked: known.iter().map(|stream| stream.acked).collect(),
            streams: known.iter().map(|stream| stream.head.clone()).collect(),
            feeds: Vec::new(),
        };
        let incarnation = known.last().unwrap().head.head.incarnation;
        let store = &mut self.ends[STORE].shop;
        let now = store.now();
        store.core.run(|tx| introduce_child(tx, now, &name, &hello)).unwrap();
        let store = &self.ends[STORE].shop;
        let origin = store.core.read(|snapshot| snapshot.relay_origin(&name, incarnation));
        let from = origin.unwrap().unwrap().acked.seq + 1;
        let kiosk = &self.ends[KIOSK].shop.core;
        let packed = kiosk.read(|snapshot| load_batch(snapshot, &name, incarnation, from, 1_000, 60_000));
        if let Some(packed) = packed.unwrap() {
            let batch = ChildBatch {
                sender: name,
                session: self.session,
                sealed: packed.batch.sealed,
            };
            let store = &mut self.ends[STORE].shop;
            let read = store.core.read(|snapshot| read_child_batch(snapshot, &batch));
            let read = read.unwrap().unwrap_or_else(|outcome| panic!("{outcome:?}"));
            let now = store.now();
            let taken = store
                .core
                .run(|tx| take_child_batch(tx, now, &batch, &read).map_err(storage));
            assert!(taken.unwrap().grown.is_some());
        }
        self.tell(STORE, Input::JournalsGrew);
    }

    /// Until nobody has anything to say.
    fn settle(&mut self) {
        for _ in 0..20_000 {
            if self.work(KIOSK) || self.work(STORE) {
                continue;
            }
            if !self.wire.is_empty() {
                self.deliver(0);
                continue;
            }
            let due = self.ends.iter().filter_map(|end| end.carrier.deadline_ms()).min();
            let Some(due_ms) = due else { return };
            self.now_ms = due_ms.max(self.now_ms + 1);
            for of in [KIOSK, STORE] {
                self.tell(of, Input::Timeout);
            }
        }
        panic!("they talk without end");
    }
}

fn storage(failure: Failure<StorageError>) -> Failure<StorageError> {
    failure
}

#[test]
fn both_disks_come_to_the_same_stock_over_a_bad_link_and_restarts() {
    let mut pair = Pair::open();
    let mut dice = 7u64;
    let mut roll = move |bound: u64| {
        dice = dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) % bound
    };
    for _ in 0..400 {
        match roll(10) {
            0 | 1 => {
                let of = roll(2) as usize;
                pair.ends[of].sell();
                pair.tell(of, Input::Touched);
            }
            2 => pair.relay_journal(),
            3 => {
                pair.now_ms += roll(3_000);
                pair.tell(KIOSK, Input::Timeout);
                pair.tell(STORE, Input::Timeout);
            }
            4 if roll(8) == 0 => {
                let of = roll(2) as usize;
                let [kiosk, store] = pair.ends;
                pair.ends = if of == KIOSK {
                    [kiosk.restart(NAMES[KIOSK]), store]
                } else {
                    [kiosk, store.restart(NAMES[STORE])]
                };
                pair.connect();
            }
            5..=7 => {
                pair.work(roll(2) as usize);
            }
            _ if !pair.wire.is_empty() => {
                let at = roll(pair.wire.len() as u64) as usize;
                match roll(5) {
                    0 => drop(pair.wire.remove(at)),
                    1 => pair.wire.push(pair.wire[at].clone()),
                    _ => pair.deliver(at),
                }
            }
            _ => {}
        }
    }
    pair.relay_journal();
    pair.settle();
    let sold: u64 = pair.ends.iter().map(|end| end.sold).sum();
    assert!(sold > 20, "{sold}");
    let left = -1_000 * i64::try_from(sold).unwrap();
    assert_eq!(pair.ends.each_ref().map(|end| end.shop.stock("1001")), [left, left]);
}

#[test]
fn a_kiosks_rows_wait_on_the_stores_disk_for_its_journal() {
    let mut pair = Pair::open();
    for _ in 0..3 {
        pair.ends[KIOSK].sell();
    }
    pair.tell(KIOSK, Input::Touched);
    pair.settle();
    let store = &pair.ends[STORE].shop;
    assert_eq!(store.core.read(|snapshot| snapshot.waiting()).unwrap().len(), 1);
    assert_eq!(
        store.stock("1001"),
        0,
        "nobody knows yet that they were sold by the kiosk's journal"
    );
    pair.relay_journal();
    pair.settle();
    let store = &pair.ends[STORE].shop;
    assert_eq!(store.core.read(|snapshot| snapshot.waiting()).unwrap().len(), 0);
    assert_eq!(store.stock("1001"), -3_000);
    // And it is there after a restart, without a word more.
    let [_, store] = pair.ends;
    assert_eq!(store.restart(NAMES[STORE]).shop.stock("1001"), -3_000);
}

#[test]
fn what_a_document_has_brought_of_a_kiosks_rows_is_not_moved_again_by_its_journal() {
    let mut pair = Pair::open();
    for _ in 0..3 {
        pair.ends[KIOSK].sell();
    }
    // A standby that takes its store's place hears of the rows from headquarters, before the kiosk finds it.
    let kiosk = &pair.ends[KIOSK].shop.core;
    let (known, _) = kiosk.read(streams).unwrap();
    let (sku, own) = ("1001".parse().unwrap(), pair.ends[KIOSK].replica());
    let row = kiosk
        .read(|snapshot| snapshot.shelf(Place::Sellable, &sku))
        .unwrap()
        .row(&own)
        .cloned()
        .unwrap();
    let rows = Keep::Rows {
        site: "store_1".parse().unwrap(),
        writer: own,
        through: known.last().unwrap().head.head.seq,
        kept: false,
        rows: vec![(sku, row)],
    };
    let store = &mut pair.ends[STORE].shop;
    store.write(|tx, _| tx.keep_documents(&[rows])).unwrap();
    assert_eq!(store.stock("1001"), -3_000);
    pair.relay_journal();
    assert_eq!(pair.ends[STORE].shop.stock("1001"), -3_000);
    pair.ends[KIOSK].sell();
    pair.relay_journal();
    assert_eq!(pair.ends[STORE].shop.stock("1001"), -4_000, "and goes on from there");
}
