//! A store's disk as its kiosks' parent: what is taken, kept, given back and let go; and the catalog that it serves.

use finalmarket::domain::ids::NodeId;
use finalmarket::domain::journal::Head;
use finalmarket::operations::relay::{
    self, ChildBatch, IntroduceRefusal, Received, introduce_child, let_relayed_go, load_relayed, relayed_streams,
    save_relayed_ack,
};
use finalmarket::operations::{apply_feed_page, import_catalog, serve_feed};
use finalmarket::store::{CATALOG_FEED, Failure, Now, StorageError, WriteTransaction};
use finalmarket::sync::hub::{Introduction, Outcome};
use finalmarket::sync::wire::{Batch, FeedCursor, FeedPage, Hello, SigningKey};

use crate::journal::Journal;
use crate::shop::{DAY_MS, Shop, item};

fn kiosk(sales: u64) -> Journal {
    let mut journal = Journal::open("kiosk-1");
    (1..=sales).for_each(|counter| {
        journal.sell(counter);
    });
    journal
}

pub fn hello(journal: &Journal, earliest: u64) -> Hello {
    Hello {
        site: "store_1".parse().unwrap(),
        ..journal.hello(earliest)
    }
}

pub fn introduce(shop: &mut Shop, hello: &Hello) -> Result<Introduction, Failure<IntroduceRefusal>> {
    let (now, node) = (shop.now(), "kiosk-1".parse().unwrap());
    shop.core.run(|tx| introduce_child(tx, now, &node, hello))
}

/// What the store says it has of the one incarnation.
#[track_caller]
fn known(shop: &mut Shop, hello: &Hello) -> Head {
    match introduce(shop, hello).unwrap() {
        Introduction::Known(statuses) => statuses[0].acked,
        other => panic!("{other:?}"),
    }
}

pub fn take(shop: &mut Shop, journal: &Journal, first: u64, last: u64) -> Received {
    let batch = ChildBatch {
        sender: journal.node.clone(),
        session: journal.session,
        sealed: journal.batch(first, last).sealed,
    };
    take_batch(shop, &batch)
}

fn take_batch(shop: &mut Shop, batch: &ChildBatch) -> Received {
    let now = shop.now();
    match shop
        .core
        .read(|snapshot| relay::read_child_batch(snapshot, batch))
        .unwrap()
    {
        Ok(read) => shop
            .core
            .run(|tx| relay::take_child_batch(tx, now, batch, &read))
            .unwrap(),
        Err(outcome) => Received {
            outcome,
            grown: None,
            rights: Vec::new(),
        },
    }
}

fn committed(acked: Head, grown: bool) -> Received {
    let outcome = Outcome::Committed { acked };
    let grown = grown.then_some(acked);
    Received {
        outcome,
        grown,
        rights: Vec::new(),
    }
}

/// What would go up: the head, and the first record that is kept.
fn offered(shop: &Shop, now: Now) -> (u64, u64) {
    let node: NodeId = "kiosk-1".parse().unwrap();
    let told = shop
        .core
        .read(|snapshot| relayed_streams(snapshot, now, &node))
        .unwrap();
    let stream = &told.streams[0];
    (stream.head.head.seq, stream.head.earliest)
}

fn run<T>(shop: &mut Shop, work: impl FnOnce(&mut WriteTransaction<'_>) -> Result<T, Failure<StorageError>>) -> T {
    shop.core.run(work).unwrap()
}

#[test]
fn batches_are_kept_as_they_came_and_go_up_unchanged() {
    let mut shop = Shop::new();
    let journal = kiosk(9);
    assert_eq!(known(&mut shop, &hello(&journal, 1)), journal.head_at(0));
    assert_eq!(take(&mut shop, &journal, 1, 4), committed(journal.head_at(4), true));
    assert_eq!(take(&mut shop, &journal, 1, 4), committed(journal.head_at(4), false));
    let gap = take(&mut shop, &journal, 8, 10).outcome;
    assert_eq!(
        gap,
        Outcome::Gap {
            acked: journal.head_at(4)
        }
    );
    // Sent again it may be cut otherwise.
    assert_eq!(take(&mut shop, &journal, 3, 10), committed(journal.head(), true));
    let now = shop.now();
    assert_eq!(offered(&shop, now), (10, 1));
    let load = |from| {
        let load = |snapshot: &finalmarket::store::Snapshot<'_>| {
            load_relayed(snapshot, &journal.node, journal.incarnation, from)
        };
        shop.core.read(load)
    };
    let first = load(1).unwrap();
    assert_eq!(
        (first.first, first.count, &first.sealed),
        (1, 4, &journal.batch(1, 4).sealed)
    );
    let second = load(5).unwrap();
    assert_eq!((second.first, second.count, second.before), (5, 6, journal.hashes[4]));
    assert_eq!(second.sealed, journal.batch(3, 10).sealed);
    Batch::open(&second.sealed)
        .unwrap()
        .verify(&journal.key.verifying_key())
        .unwrap();
    assert!(load(11).is_err());
}

#[test]
fn what_is_not_the_kiosks_is_not_taken() {
    let mut shop = Shop::new();
    let journal = kiosk(3);
    let stranger = take(&mut shop, &journal, 1, 4).outcome;
    assert!(matches!(stranger, Outcome::Damaged { acked: None, .. }), "{stranger:?}");
    known(&mut shop, &hello(&journal, 1));
    let forged = ChildBatch {
        sender: journal.node.clone(),
        session: 1,
        sealed: journal.batch_signed_by(&SigningKey::from_bytes(&[5; 32]), 1, 4).sealed,
    };
    let outcome = take_batch(&mut shop, &forged).outcome;
    assert!(
        matches!(outcome, Outcome::Damaged { acked: Some(_), .. }),
        "{outcome:?}"
    );
    let other = ChildBatch {
        sender: "kiosk-2".parse().unwrap(),
        session: 1,
        sealed: journal.batch(1, 4).sealed,
    };
    let outcome = take_batch(&mut shop, &other).outcome;
    assert!(matches!(outcome, Outcome::Unwelcome { .. }), "{outcome:?}");

    let elsewhere = Hello {
        site: "store-2".parse().unwrap(),
        ..hello(&journal, 1)
    };
    let refused = introduce(&mut shop, &elsewhere);
    assert!(matches!(
        refused,
        Err(Failure::Refused(IntroduceRefusal::OtherSite { .. }))
    ));
    let mut wrong_key = hello(&journal, 1);
    wrong_key.streams[0].public_key = SigningKey::from_bytes(&[5; 32]).verifying_key().to_bytes();
    let refused = introduce(&mut shop, &wrong_key);
    assert!(matches!(refused, Err(Failure::Refused(IntroduceRefusal::Key { .. }))));
}

#[test]
fn a_set_back_or_copied_kiosk_is_found_here() {
    let mut shop = Shop::new();
    let journal = kiosk(9);
    known(&mut shop, &hello(&journal, 1));
    take(&mut shop, &journal, 1, 10);
    let mut set_back = kiosk(4);
    set_back.session += 1;
    let branched = |common, set_back| Introduction::Branched {
        acked: journal.head(),
        common,
        set_back,
    };
    assert_eq!(introduce(&mut shop, &hello(&set_back, 1)).unwrap(), branched(5, true));
    set_back.sell(88);
    assert_eq!(introduce(&mut shop, &hello(&set_back, 1)).unwrap(), branched(0, false));
    let outcome = take(&mut shop, &set_back, 1, 6).outcome;
    assert_eq!(outcome, Outcome::Branched { acked: journal.head() });
}

#[test]
fn a_batch_that_headquarters_cannot_take_is_asked_for_again() {
    let mut shop = Shop::new();
    let journal = kiosk(9);
    known(&mut shop, &hello(&journal, 1));
    for (first, last) in [(1, 4), (5, 7), (8, 10)] {
        take(&mut shop, &journal, first, last);
    }
    let (node, incarnation) = (journal.node.clone(), journal.incarnation);
    run(&mut shop, |tx| save_relayed_ack(tx, &node, journal.head_at(4)));
    let back = run(&mut shop, |tx| relay::give_back(tx, &node, incarnation, 5)).unwrap();
    assert_eq!((back.acked, back.first, back.count), (journal.head_at(4), 5, 3));
    let now = shop.now();
    assert_eq!(offered(&shop, now), (4, 1));
    // What headquarters has acknowledged is never given back.
    assert_eq!(run(&mut shop, |tx| relay::give_back(tx, &node, incarnation, 2)), None);
    for (first, last) in [(5, 5), (6, 10)] {
        assert!(take(&mut shop, &journal, first, last).grown.is_some());
    }
}

#[test]
fn what_this_disk_has_lost_and_headquarters_has_is_passed() {
    let mut shop = Shop::new();
    let journal = kiosk(9);
    known(&mut shop, &hello(&journal, 1));
    take(&mut shop, &journal, 1, 3);
    let node = journal.node.clone();
    assert!(run(&mut shop, |tx| save_relayed_ack(tx, &node, journal.head_at(7))));
    let now = shop.now();
    assert_eq!(offered(&shop, now), (7, 8));
    // The kiosk, which sends from where it was, is told where to go on; nothing is wrong with its records.
    let outcome = take(&mut shop, &journal, 4, 6).outcome;
    assert_eq!(
        outcome,
        Outcome::Gap {
            acked: journal.head_at(7)
        }
    );
    assert_eq!(take(&mut shop, &journal, 8, 10), committed(journal.head(), true));

    // Another disk has lost everything, and the kiosk has let go what headquarters has.
    let mut shop = Shop::new();
    assert_eq!(known(&mut shop, &hello(&journal, 6)), journal.head_at(5));
    assert_eq!(take(&mut shop, &journal, 6, 10), committed(journal.head(), true));
    let wrong = Head {
        hash: journal.hashes[1],
        ..journal.head()
    };
    assert!(!run(&mut shop, |tx| save_relayed_ack(tx, &node, wrong)), "another hash");
}

#[test]
fn what_headquarters_has_goes_after_its_time() {
    let mut shop = Shop::new();
    let journal = kiosk(9);
    known(&mut shop, &hello(&journal, 1));
    for (first, last) in [(1, 4), (5, 7), (8, 10)] {
        take(&mut shop, &journal, first, last);
    }
    let node = journal.node.clone();
    run(&mut shop, |tx| save_relayed_ack(tx, &node, journal.head_at(7)));
    let let_go = |shop: &mut Shop| {
        let now = shop.now();
        shop.write(|tx, _| let_relayed_go(tx, now, 100)).unwrap()
    };
    assert_eq!(let_go(&mut shop), 0);
    shop.clock_ms.set(shop.clock_ms.get() + 101 * DAY_MS);
    assert_eq!(let_go(&mut shop), 2);
    let now = shop.now();
    assert_eq!(offered(&shop, now), (10, 8));
    assert_eq!(let_go(&mut shop), 0);
}

#[test]
fn a_fence_of_headquarters_is_passed_on_and_nothing_behind_it_goes_up() {
    let mut shop = Shop::new();
    let journal = kiosk(9);
    known(&mut shop, &hello(&journal, 1));
    take(&mut shop, &journal, 1, 10);
    let (node, incarnation) = (journal.node.clone(), journal.incarnation);
    let fenced = run(&mut shop, |tx| relay::fence_relayed(tx, &node, incarnation, 6, false)).unwrap();
    assert_eq!(fenced.offered(), 6);
    let now = shop.now();
    assert_eq!(offered(&shop, now).0, 6);
    let told = introduce(&mut shop, &hello(&journal, 1)).unwrap();
    let acked = journal.head();
    let (common, set_back) = (6, false);
    assert_eq!(
        told,
        Introduction::Branched {
            acked,
            common,
            set_back
        }
    );
}

/// The pages of a feed behind a cursor until there is none, applied to another node.
fn follow(shop: &Shop, kiosk: &mut Shop, mut cursor: FeedCursor) -> (FeedCursor, Vec<FeedPage>) {
    let mut pages = Vec::new();
    while let Some(page) = shop.core.read(|snapshot| serve_feed(snapshot, &cursor, 600)).unwrap() {
        let now = kiosk.now();
        cursor = kiosk.core.run(|tx| apply_feed_page(tx, now, &page)).unwrap();
        pages.push(page);
    }
    (cursor, pages)
}

#[test]
fn a_store_serves_its_own_catalog() {
    let (mut shop, mut kiosk) = (Shop::new(), Shop::new());
    let items: Vec<_> = (0..200)
        .map(|number| item(&format!("3{number:03}"), &format!("Thing {number}"), "1.00"))
        .collect();
    shop.write(|tx, _| import_catalog(tx, &items)).unwrap();
    let start = FeedCursor {
        feed: CATALOG_FEED.into(),
        version: 0,
        epoch: 0,
    };
    let (cursor, pages) = follow(&shop, &mut kiosk, start);
    assert!(pages.len() > 1 && pages.last().unwrap().last);
    assert_eq!(cursor.version, 202);
    let has = |kiosk: &Shop, sku: &str| {
        let sku = sku.parse().unwrap();
        kiosk.core.read(|snapshot| snapshot.item(&sku)).unwrap().is_some()
    };
    assert!(has(&kiosk, "3199"));
    // What is brought again unchanged is no news.
    shop.write(|tx, _| import_catalog(tx, &items)).unwrap();
    assert!(follow(&shop, &mut kiosk, cursor.clone()).1.is_empty());

    // After a restart versions go on in another epoch; a version of an epoch that this disk never had is answered with
    // the whole feed.
    let (mut shop, _) = shop.reopen(2);
    let dearer = item("3000", "Thing 0", "2.00");
    shop.write(|tx, _| import_catalog(tx, &[dearer])).unwrap();
    let (later, pages) = follow(&shop, &mut kiosk, cursor.clone());
    assert_eq!((pages.len(), pages[0].afresh), (1, false));
    assert_ne!(later.epoch, cursor.epoch);
    let lost = FeedCursor { epoch: 99, ..later };
    let page = shop.core.read(|snapshot| serve_feed(snapshot, &lost, 600)).unwrap();
    assert!(page.is_some_and(|page| page.afresh));
}
