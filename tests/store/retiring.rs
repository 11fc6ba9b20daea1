//! A kiosk that its store's manager retires: what it left, what it still did, what may be promised again; and the rows of
//! lives of this node's own that ended elsewhere.

use finalmarket::domain::escrow::{Amount, Grant, ReplicaId, Row};
use finalmarket::domain::fact::{Fact, OpenedReason};
use finalmarket::domain::ids::{Incarnation, Sku};
use finalmarket::domain::quantity::Quantity;
use finalmarket::domain::stock::{Accepted, GrantLine, Granted, Movement, MovementKind, MovementLine};
use finalmarket::operations::relay::{ChildBatch, introduce_child, read_child_batch, take_child_batch};
use finalmarket::operations::{
    Decision, Difference, GiveRefusal, ReceiveAmount, ReceiveCommand, ReceiveLine, RetireRefusal, give,
    grants_of_earlier, import_catalog, look_at_kiosk, own_row, receive, release_left, repair, retire_kiosk,
    retired_myself, verify,
};
use finalmarket::store::{Device, Failure, StockFigures, StorageError, TokenHash};
use finalmarket::sync::carriage::{Done, Link, Work, perform};
use finalmarket::sync::shelves::{Document, DocumentId, Heads, Parcel};
use finalmarket::sync::wire::{Hello, Standing};

use crate::journal::{Journal, sale};
use crate::shop::{Shop, incarnation_seed, item, request};

fn sku() -> Sku {
    "1000".parse().unwrap()
}

fn amount(units: u64) -> Amount {
    Amount::new(units * 1_000).unwrap()
}

fn replica(journal: &Journal) -> ReplicaId {
    ReplicaId {
        node: journal.node.clone(),
        incarnation: journal.incarnation,
    }
}

fn moved(change: &str) -> Fact {
    Fact::Movement(Movement {
        id: None,
        kind: MovementKind::Adjustment,
        reference: None,
        lines: vec![MovementLine {
            sku: sku(),
            change: change.parse().unwrap(),
        }],
    })
}

/// The store has everything of the kiosk up to a record.
fn take(shop: &mut Shop, journal: &Journal, first: u64, last: u64) {
    let hello = Hello {
        site: "store_1".parse().unwrap(),
        ..journal.hello(1)
    };
    let now = shop.now();
    let node = journal.node.clone();
    shop.core.run(|tx| introduce_child(tx, now, &node, &hello)).unwrap();
    let batch = ChildBatch {
        sender: journal.node.clone(),
        session: journal.session,
        sealed: journal.batch(first, last).sealed,
    };
    let read = shop
        .core
        .read(|snapshot| read_child_batch(snapshot, &batch))
        .unwrap()
        .unwrap();
    shop.core.run(|tx| take_child_batch(tx, now, &batch, &read)).unwrap();
}

fn decision(reason: &str) -> Decision {
    Decision {
        node: "kiosk-1".parse().unwrap(),
        incarnation: None,
        by: "manager".into(),
        reason: reason.into(),
    }
}

fn figures(shop: &Shop) -> StockFigures {
    shop.core.read(|snapshot| snapshot.stock(&sku())).unwrap().unwrap()
}

fn units(units: i64) -> Quantity {
    Quantity::from_units(units).unwrap()
}

#[track_caller]
fn is_sound(shop: &Shop) {
    let found = shop.core.read(|snapshot| verify(snapshot, |_, _| {})).unwrap();
    assert!(found.is_clean(), "{:?}", found.differences);
}

/// A kiosk with ten pieces that are its own.
fn kiosk() -> Journal {
    let mut journal = Journal::open("kiosk-1");
    journal.record(moved("10"));
    journal
}

#[test]
fn what_a_retired_kiosk_left_covers_what_it_still_did_and_the_rest_is_debt() {
    let (mut shop, mut journal) = (Shop::new(), kiosk());
    take(&mut shop, &journal, 1, 2);
    assert_eq!(figures(&shop).available(), units(10), "its journal tells of its rows");
    let look = shop
        .core
        .read(|snapshot| look_at_kiosk(snapshot, &journal.node, None).map_err(|error| format!("{error:?}")))
        .unwrap();
    assert_eq!(
        (look.seq, look.retired, look.lines[0].unpromised),
        (2, false, amount(10))
    );

    let now = shop.now();
    let empty = shop.core.run(|tx| retire_kiosk(tx, now, &decision(" ")));
    assert_eq!(empty, Err(Failure::Refused(RetireRefusal::Words("the reason"))));
    let look = shop.core.run(|tx| retire_kiosk(tx, now, &decision("burned"))).unwrap();
    assert_eq!(look.lines[0].unpromised, amount(10));
    let again = shop.core.run(|tx| retire_kiosk(tx, now, &decision("again")));
    assert!(matches!(
        again,
        Err(Failure::Refused(RetireRefusal::Already { seq: 2, .. }))
    ));
    let left = figures(&shop);
    assert_eq!(
        (left.on_hand, left.unpromised, left.available()),
        (units(10), units(10), units(0))
    );
    is_sound(&shop);

    // It knows of nothing: it sells, hands rights on to another, and hands some back that it has not any more.
    journal.record(Fact::Sale(sale("k", 500, "2024-03-01", 4)));
    let other = ReplicaId {
        node: "kiosk-2".parse().unwrap(),
        incarnation: Incarnation { counter: 1, random: 5 },
    };
    let own = shop.core.read(finalmarket::operations::own_replica).unwrap();
    for to in [&other, &own] {
        let grant = Grant {
            before: amount(0),
            after: amount(2),
        };
        journal.record(Fact::Granted(Granted {
            to: to.clone(),
            site: "store_1".parse().unwrap(),
            request: None,
            lines: vec![GrantLine { sku: sku(), grant }],
            hold: None,
        }));
    }
    journal.record(moved("-7"));
    take(&mut shop, &journal, 3, 6);
    let late = figures(&shop);
    // 10 - 4 - 7 are there; what it left covered four, two and four of the last seven.
    assert_eq!(
        (late.on_hand, late.unpromised, late.owed),
        (units(-1), units(0), units(3))
    );
    let row = shop.core.read(|snapshot| own_row(snapshot, &sku())).unwrap();
    assert_eq!(
        (row.given(&replica(&journal)), row.accepted(&replica(&journal))),
        (amount(2), amount(10))
    );
    is_sound(&shop);
    // A batch that comes again changes nothing.
    take(&mut shop, &journal, 3, 6);
    assert_eq!(figures(&shop), late);
    let now = shop.now();
    shop.core
        .run(|tx| repair(tx, now, |_| {}).map_err(Failure::<StorageError>::Storage))
        .unwrap();
    assert_eq!(figures(&shop), late);
    is_sound(&shop);
    // Goods that come in settle it.
    let mut journal_in = Journal::open("kiosk-3");
    journal_in.record(moved("1"));
    take(&mut shop, &journal_in, 1, 2);
    assert_eq!(figures(&shop).owed, units(3), "not those of another");
}

#[test]
fn an_operator_s_word_lets_it_be_promised_and_repair_brings_back_what_was_lost() {
    let (mut shop, journal) = (Shop::new(), kiosk());
    take(&mut shop, &journal, 1, 2);
    let now = shop.now();
    let early = shop.core.run(|tx| release_left(tx, now, &decision("early"), &[]));
    assert_eq!(
        early,
        Err(Failure::Refused(RetireRefusal::NotRetired(replica(&journal))))
    );
    shop.core.run(|tx| retire_kiosk(tx, now, &decision("burned"))).unwrap();
    let keep = shop
        .core
        .read(|snapshot| {
            perform(snapshot, Work::SyncPoint).map_err(|error| StorageError::Inconsistent(error.to_string()))
        })
        .unwrap()
        .keep;
    shop.core
        .run(|tx| tx.keep_documents(&keep).map_err(Failure::<StorageError>::Storage))
        .unwrap();

    // Somebody has played with the database.
    let database = finalmarket::store::database_path(shop.directory.path());
    let tamper = rusqlite::Connection::open(database).unwrap();
    tamper
        .execute_batch(
            "DELETE FROM unpromised;
             UPDATE shelf SET held = held + 1000, freed = freed + 500 WHERE replica IN
                 (SELECT ix FROM replica JOIN node ON node.node = replica.node);
             UPDATE shelf SET added = 0, removed = removed + 3000, debt = debt + 1000 WHERE replica NOT IN
                 (SELECT ix FROM replica JOIN node ON node.node = replica.node);",
        )
        .unwrap();
    drop(tamper);
    let found = shop.core.read(|snapshot| verify(snapshot, |_, _| {})).unwrap();
    let of_kiosk = |difference: &Difference| matches!(difference, Difference::Stock { replica: of, register, .. } if *of == replica(&journal) && *register != "unpromised");
    assert!(found.differences.iter().any(of_kiosk), "{:?}", found.differences);
    shop.core
        .run(|tx| repair(tx, now, |_| {}).map_err(Failure::<StorageError>::Storage))
        .unwrap();
    is_sound(&shop);
    assert_eq!(figures(&shop).unpromised, units(10));

    let released = shop
        .core
        .run(|tx| release_left(tx, now, &decision("it is there"), &[]))
        .unwrap();
    assert_eq!(released, [(sku(), amount(10))]);
    let free = figures(&shop);
    assert_eq!((free.unpromised, free.available()), (units(0), units(10)));
    let row = shop.core.read(|snapshot| own_row(snapshot, &sku())).unwrap();
    assert_eq!(row.rights(), 10_000);

    // Its wish may have waited since before it was retired: nobody would ever take over what it got.
    let to = replica(&journal);
    let given = shop.core.run(|tx| give(tx, now, &to, &sku(), amount(4), Some(9)));
    assert_eq!(given, Err(Failure::Refused(GiveRefusal::Retired(to))));
    is_sound(&shop);
}

/// A store that has handed four pieces on to its kiosk, and then goes on under another incarnation.
fn moved_on(shop: &mut Shop, kiosk: &Journal) -> ReplicaId {
    take(shop, kiosk, 1, 1);
    let old = shop.core.read(finalmarket::operations::own_replica).unwrap();
    let goods = ReceiveCommand {
        kind: MovementKind::Opening,
        reference: None,
        lines: vec![ReceiveLine {
            sku: sku(),
            amount: ReceiveAmount::By(units(10)),
        }],
    };
    let operator = Device::operator(TokenHash::of("t"));
    let asked = request(&operator, &goods, None);
    let (now, to) = (shop.now(), replica(kiosk));
    shop.core
        .run(|tx| import_catalog(tx, &[item("1000", "Tea", "1.00")]).map_err(Failure::<StorageError>::Storage))
        .unwrap();
    shop.core.run(|tx| receive(tx, now, &asked, &goods)).unwrap();
    shop.core
        .run(|tx| give(tx, now, &to, &sku(), amount(4), Some(7)))
        .unwrap();
    let seed = incarnation_seed(79);
    shop.core
        .run(|tx| {
            tx.open_incarnation(now, &seed, OpenedReason::Moved)
                .map_err(Failure::<StorageError>::Storage)
        })
        .unwrap();
    old
}

#[test]
fn what_an_earlier_incarnation_handed_on_is_sent_under_its_name_until_it_is_taken_over() {
    let (mut shop, mut kiosk) = (Shop::new(), Journal::open("kiosk-1"));
    let old = moved_on(&mut shop, &kiosk);
    let to = replica(&kiosk);
    let messages = |shop: &Shop| shop.core.read(|snapshot| grants_of_earlier(snapshot, &to)).unwrap();
    let sent = messages(&shop);
    let [(from, records)] = sent.as_slice() else {
        panic!("{sent:?}");
    };
    assert_eq!((from, records.len()), (&old, 1));
    assert_eq!(messages(&shop), sent, "as long as it is not taken over");
    let granted = &records[0];
    kiosk.record(Fact::Accepted(Accepted {
        from: old,
        site: granted.site.clone(),
        lines: granted.lines.clone(),
        hold: None,
    }));
    take(&mut shop, &kiosk, 2, 2);
    assert_eq!(messages(&shop), []);
    is_sound(&shop);
}

#[test]
fn what_an_earlier_incarnation_handed_on_to_a_retired_kiosk_is_not_lost() {
    let (mut shop, kiosk) = (Shop::new(), Journal::open("kiosk-1"));
    moved_on(&mut shop, &kiosk);
    let now = shop.now();
    let look = shop.core.run(|tx| retire_kiosk(tx, now, &decision("burned"))).unwrap();
    assert_eq!(look.lines[0].unpromised, amount(4));
    is_sound(&shop);
    shop.core
        .run(|tx| release_left(tx, now, &decision("it is there"), &[]))
        .unwrap();
    let row = shop.core.read(|snapshot| own_row(snapshot, &sku())).unwrap();
    assert_eq!(row.rights(), 4_000);
    is_sound(&shop);
}

/// What the parent brings of this node's own earlier life.
fn bring(shop: &mut Shop, writer: &ReplicaId, generation: u32, row: &Row, through: u64) {
    let id = DocumentId {
        site: "store_1".parse().unwrap(),
        writer: writer.clone(),
        bucket: 0,
        generation,
    };
    let mut document = Document::create(id.clone()).unwrap();
    document.write([(&sku(), row)], through).unwrap();
    let parcel = Parcel {
        site: id.site,
        writer: id.writer,
        documents: vec![(0, generation, document.changes_since(&Heads::default()))],
    };
    let work = Work::Take {
        link: Link::Parent,
        session: 1,
        number: 1,
        sealed: parcel.seal().unwrap(),
    };
    let performed = shop
        .core
        .read(|snapshot| perform(snapshot, work).map_err(|error| StorageError::Inconsistent(error.to_string())))
        .unwrap();
    let Done::Taken { group, .. } = performed.done else {
        panic!("an answer to a parcel");
    };
    assert!(matches!(group.unwrap().documents[0].2, Standing::Holds(_)));
    shop.core
        .run(|tx| {
            tx.keep_documents(&performed.keep)
                .map_err(Failure::<StorageError>::Storage)
        })
        .unwrap();
}

fn row(added: u64, removed: u64) -> Row {
    let mut row = Row::default();
    row.add(amount(added)).unwrap();
    row.take(amount(removed)).unwrap();
    row
}

#[test]
fn what_a_restored_disk_has_lost_of_its_own_earlier_life_comes_back() {
    let mut shop = Shop::new();
    let old = shop.core.read(finalmarket::operations::own_replica).unwrap();
    let now = shop.now();
    let seed = incarnation_seed(77);
    shop.core
        .run(|tx| {
            tx.open_incarnation(now, &seed, OpenedReason::Restored)
                .map_err(Failure::<StorageError>::Storage)
        })
        .unwrap();
    bring(&mut shop, &old, 0, &row(10, 4), 50);
    assert_eq!(figures(&shop).on_hand, units(6));
    is_sound(&shop);
    shop.core
        .run(|tx| repair(tx, now, |_| {}).map_err(Failure::<StorageError>::Storage))
        .unwrap();
    assert_eq!(figures(&shop).on_hand, units(6));
    is_sound(&shop);
}

#[test]
fn a_node_that_was_retired_goes_on_and_its_parent_writes_its_old_rows() {
    let mut shop = Shop::new();
    let old = shop.core.read(finalmarket::operations::own_replica).unwrap();
    let (now, seed) = (shop.now(), incarnation_seed(78));
    let word = finalmarket::operations::Retirement {
        incarnation: old.incarnation,
        seq: 1,
        by: "operator".into(),
        reason: "it burned".into(),
    };
    let opened = shop.core.run(|tx| retired_myself(tx, now, &word, &seed)).unwrap();
    assert!(opened.is_some_and(|head| head.incarnation != old.incarnation && head.seq == 1));
    let again = shop.core.run(|tx| retired_myself(tx, now, &word, &seed)).unwrap();
    assert_eq!(again, None, "heard again it opens none");
    let notice = shop.core.read(|snapshot| snapshot.retirement()).unwrap().unwrap();
    assert_eq!((notice.by.as_str(), notice.reason.as_str()), ("operator", "it burned"));

    let keeper = ReplicaId {
        node: "hq".parse().unwrap(),
        incarnation: Incarnation { counter: 1, random: 9 },
    };
    bring(&mut shop, &old, DocumentId::kept_by(&keeper), &row(5, 1), 1);
    assert_eq!(figures(&shop).on_hand, units(4));
    is_sound(&shop);
}
