//! A standby's copy follows a store's disk, takes its place, and answers what that one had answered.

use std::cell::Cell;

use finalmarket::domain::fact::Fact;
use finalmarket::domain::quantity::Quantity;
use finalmarket::domain::stock::{MovementKind, WorkKind};
use finalmarket::operations::standby::{admit_standby, follow_batch, keep_rows, promote, read_followed};
use finalmarket::operations::{
    Others, ReceiveAmount, ReceiveCommand, ReceiveLine, WorkCommand, WorkEntry, count_mark, load_batch, receive,
    stock_work,
};
use finalmarket::store::{COPY_VERSION, Rights, WriterCore, back_up, install_copy};
use finalmarket::sync::wire::{SigningKey, StandbyHere};
use tempfile::TempDir;

use crate::journal::{Journal, sale};
use crate::relaying::{hello, introduce, take};
use crate::shop::{Shop, at, incarnation_seed, node, options, request, settings};

struct Pair {
    first: Shop,
    second: Shop,
    change: u64,
}

impl Pair {
    /// A shop, and a standby with its copy.
    fn new(mut first: Shop) -> Self {
        let device = first.device("8", Rights::default());
        let key = SigningKey::from_bytes(&incarnation_seed(61).secret_key);
        let here = StandbyHere {
            schema: COPY_VERSION,
            public_key: key.verifying_key().to_bytes(),
            address: "http://127.0.0.1:1".into(),
            copy: None,
        };
        let now = first.now();
        first.core.run(|tx| admit_standby(tx, now, &device, &here)).unwrap();
        let (place, directory) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let backup = place.path().join("copy.db");
        back_up(first.directory.path(), &backup, |_, _| {}).unwrap();
        let mut options = options(directory.path(), 60);
        let now = first.now();
        let (machine, address) = (options.machine_id.clone(), "http://127.0.0.1:2");
        let following = install_copy(directory.path(), &backup, &node(), address, &machine, now).unwrap();
        options.create = None;
        let (core, _) = WriterCore::open(&options, at(first.clock_ms.get())).unwrap();
        let second = Shop {
            directory,
            core,
            settings: settings(),
            clock_ms: Cell::new(first.clock_ms.get()),
        };
        let change = following.change;
        Self { first, second, change }
    }

    /// The copy gets the rows that no record gives.
    fn rows(&mut self) {
        while let Some(page) = self.first.core.read(|first| first.followed_rows(self.change)).unwrap() {
            self.change = self.second.core.run(|tx| keep_rows(tx, &page)).unwrap();
        }
    }

    /// The copy gets the records.
    fn records(&mut self) {
        let life = self
            .second
            .core
            .read(|second| second.incarnations())
            .unwrap()
            .pop()
            .unwrap();
        let load = |first: &finalmarket::store::Snapshot<'_>| {
            load_batch(first, &node().node, life.incarnation, life.head.seq + 1, 1_000, 60_000)
        };
        let packed = self.first.core.read(load).unwrap().unwrap();
        let read = self
            .second
            .core
            .read(|second| read_followed(second, &packed.batch.sealed));
        let read = read.unwrap().unwrap();
        self.second.core.run(|tx| follow_batch(tx, &read)).unwrap();
    }

    /// The first one is gone.
    fn promoted(mut self) -> Shop {
        let now = self.second.now();
        self.second
            .core
            .run(|tx| promote(tx, now, &incarnation_seed(61)))
            .unwrap();
        self.second
    }
}

fn goods_in() -> ReceiveCommand {
    ReceiveCommand {
        kind: MovementKind::Receipt,
        reference: None,
        lines: vec![ReceiveLine {
            sku: "1001".parse().unwrap(),
            amount: ReceiveAmount::By(units(10)),
        }],
    }
}

fn units(units: i64) -> Quantity {
    Quantity::from_units(units).unwrap()
}

#[test]
fn a_repeated_request_has_its_first_answer_where_the_copy_has_its_record() {
    let mut shop = Shop::new();
    let till = shop.till("1");
    let mut pair = Pair::new(shop);
    for key in ["seen", "unseen"] {
        let (now, by) = (pair.first.now(), request(&till, &goods_in(), Some(key)));
        pair.first.core.run(|tx| receive(tx, now, &by, &goods_in())).unwrap();
        // Of the second one the answer comes, and the record does not.
        pair.rows();
        if key == "seen" {
            pair.records();
        }
    }
    let mut shop = pair.promoted();
    assert_eq!(shop.stock("1001"), 10_000);
    let mut again = |key: &str| {
        let (now, by) = (shop.now(), request(&till, &goods_in(), Some(key)));
        let done = shop.core.run(|tx| receive(tx, now, &by, &goods_in())).unwrap();
        (done.repeated, shop.stock("1001"))
    };
    assert_eq!(again("seen"), (true, 10_000));
    assert_eq!(again("unseen"), (false, 20_000), "nobody here has done it");
    assert_eq!(again("unseen"), (true, 20_000));
}

#[test]
fn a_count_that_waits_for_a_kiosk_s_records_goes_on_at_the_successor() {
    let mut shop = Shop::new();
    let till = shop.till("1");
    let (now, by) = (shop.now(), request(&till, &goods_in(), None));
    shop.core.run(|tx| receive(tx, now, &by, &goods_in())).unwrap();
    let mut pair = Pair::new(shop);
    let mut kiosk = Journal::open("kiosk-1");
    for counter in [1, 2] {
        let mut sale = sale("kiosk-1", counter, "2024-02-29", 1);
        sale.lines.truncate(1);
        sale.lines[0].sku = "1001".parse().unwrap();
        kiosk.record(Fact::Sale(sale));
    }
    // The kiosk has told of two sales, and the store has one of them. Eight stand there.
    introduce(&mut pair.first, &hello(&kiosk, 1)).unwrap();
    take(&mut pair.first, &kiosk, 1, 2);
    let others = Others {
        connected: ["kiosk-1".parse().unwrap()].into(),
        ..Others::default()
    };
    let now = pair.first.now();
    let mark = pair.first.core.run(|tx| count_mark(tx, now, &others)).unwrap().number;
    let entered = WorkCommand {
        kind: WorkKind::Count {
            mark,
            others: Vec::new(),
        },
        staff: None,
        note: None,
        lines: vec![WorkEntry {
            sku: "1001".parse().unwrap(),
            quantity: units(8),
            cost: None,
        }],
    };
    let (now, key) = (pair.first.now(), "count".parse().unwrap());
    pair.first
        .core
        .run(|tx| stock_work(tx, now, &till, &key, &entered))
        .unwrap();
    pair.rows();
    pair.records();
    let mut shop = pair.promoted();
    let found = |shop: &Shop| {
        shop.core
            .read(|snapshot| snapshot.count_found(&"1001".parse().unwrap()))
    };
    assert!(found(&shop).unwrap().unwrap().provisional);
    // What the kiosk had done before the mark comes to the successor: all of it, because a kiosk keeps its records.
    introduce(&mut shop, &hello(&kiosk, 1)).unwrap();
    take(&mut shop, &kiosk, 1, 3);
    assert_eq!(shop.stock("1001"), 8_000);
    assert!(!found(&shop).unwrap().unwrap().provisional);
    let verified = shop
        .core
        .read(|snapshot| finalmarket::operations::verify(snapshot, |_, _| {}));
    assert_eq!(verified.unwrap().differences, []);
}
