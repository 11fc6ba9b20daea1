//! What an operator does: repair, publish, give out tokens.

use finalmarket::domain::catalog::Item;
use finalmarket::domain::fact::{Entry, Fact};
use finalmarket::domain::money::Minor;
use finalmarket::domain::time::Hlc;
use finalmarket::hq::{
    CATALOG_FEED, Headquarters, PublishError, RepairError, Replacement, ReplacementFact, SetAsideState, TokenError,
    TokenRole,
};
use finalmarket::sync::wire::{FeedCursor, FeedEntry};

use super::journal::{Journal, id, sale};
use super::{NOW_MS, ingest, open, stock, total};

fn as_json(counter: u64) -> Replacement {
    let json = serde_json::json!({ "sale": sale("store-1", counter, "2017-01-01", 1) });
    Replacement::Fact(serde_json::from_value(json).unwrap())
}

fn repair(hq: &Headquarters, journal: &Journal, seq: u64, replacement: Replacement) -> Result<(), RepairError> {
    let (by, reason) = ("operator".to_owned(), "read from the till's paper".to_owned());
    hq.repair(journal.id(seq), replacement, by, reason, NOW_MS).map(|_| ())
}

#[test]
fn one_undecodable_record_among_ten_thousand_is_listed_exported_and_repaired_once() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    let mut journal = Journal::open("store-1");
    let mut bad = 0;
    for counter in 1..=10_000 {
        if counter == 4_567 {
            bad = journal.bytes(b"\x02\x80\x80\x04 not a sale");
        } else {
            journal.sell(counter);
        }
    }
    ingest(&hq, journal.batches(700));
    hq.project().unwrap();
    assert_eq!((total(&hq).sales, stock(&hq)), (9_999, -9_999 * 3000));

    let listed = hq.set_aside(Some(SetAsideState::Open), None, 10).unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((&listed[0].record, listed[0].kind), (&journal.id(bad), 2));
    assert!(listed[0].by[0].reason.contains("kind 2"), "{}", listed[0].by[0].reason);
    let exported = hq.export(&listed[0].record).unwrap().unwrap();
    assert_eq!(exported, b"\x02\x80\x80\x04 not a sale");

    repair(&hq, &journal, bad, as_json(4_567)).unwrap();
    // Before the figures follow a second repair is written too, and takes no effect.
    repair(&hq, &journal, bad, as_json(20_000)).unwrap();
    hq.project().unwrap();
    assert_eq!((total(&hq).sales, stock(&hq)), (10_000, -10_000 * 3000));
    assert_eq!(
        repair(&hq, &journal, bad, as_json(1)),
        Err(RepairError::Done(journal.id(bad)))
    );
    assert_eq!(hq.set_aside(Some(SetAsideState::Open), None, 10).unwrap(), vec![]);
    assert_eq!(hq.set_aside(Some(SetAsideState::Repaired), None, 10).unwrap().len(), 1);
    let (summary, entry) = hq.sale(&id("store-1", 4_567)).unwrap().unwrap();
    assert_eq!((summary.record, summary.site.as_str()), (journal.id(bad), "store-1"));
    assert_eq!(entry.fact, Fact::Sale(sale("store-1", 4_567, "2017-01-01", 1)));
}

#[test]
fn what_cannot_take_a_records_place_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    let mut journal = Journal::open("store-1");
    let good = journal.sell(1);
    let bad = journal.bytes(b"\x02");
    ingest(&hq, journal.batches(10));
    hq.project().unwrap();
    let refused = |replacement| {
        matches!(
            repair(&hq, &journal, bad, replacement),
            Err(RepairError::Replacement(_))
        )
    };
    assert!(refused(Replacement::Record(b"\x02".to_vec())));
    let mut wrong = sale("store-1", 2, "2017-01-01", 1);
    wrong.totals.total = Minor(1);
    assert!(refused(Replacement::Fact(Box::new(ReplacementFact::Sale(wrong)))));
    let opened = journal.slots[0].clone();
    if let finalmarket::sync::wire::Slot::Record(record) = opened {
        assert!(refused(Replacement::Record(record)));
    }
    let not_set_aside = Err(RepairError::NotSetAside(journal.id(good)));
    assert_eq!(repair(&hq, &journal, good, as_json(9)), not_set_aside);
    let nobody = hq.repair(journal.id(bad), as_json(2), " ".into(), "reason".into(), NOW_MS);
    assert!(matches!(nobody, Err(RepairError::Words(_))));
}

#[test]
fn a_withheld_record_is_repaired_from_what_its_node_kept() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    let mut journal = Journal::open("store-1");
    let withheld = journal.withhold("too large for the broker");
    journal.sell(2);
    ingest(&hq, journal.batches(10));
    hq.project().unwrap();
    assert_eq!(total(&hq).sales, 1);
    let listed = hq.set_aside(None, None, 10).unwrap();
    assert!(listed[0].by[0].reason.contains("too large for the broker"));
    assert_eq!(hq.export(&journal.id(withheld)).unwrap(), None);
    let record = Entry {
        recorded: Hlc(5),
        fact: Fact::Sale(sale("store-1", 1, "2017-01-01", 1)),
    };
    repair(&hq, &journal, withheld, Replacement::Record(record.encode())).unwrap();
    hq.project().unwrap();
    assert_eq!((total(&hq).sales, stock(&hq)), (2, -6000));
}

#[test]
fn a_newer_kind_waits_for_an_upgrade_and_counts_then() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    let mut journal = Journal::open("store-1");
    let newer = journal.bytes(&[0x84, 0x07, 0x01, 0x01]);
    let known = journal.sell(1);
    ingest(&hq, journal.batches(10));
    hq.project().unwrap();
    let waiting = hq.set_aside(Some(SetAsideState::Waiting), None, 10).unwrap();
    assert_eq!((&waiting[0].record, waiting[0].kind), (&journal.id(newer), 900));
    drop(hq);
    // As if the version before this one had not known sales: the figures without it, and it set aside.
    let connection = rusqlite::Connection::open(folder.path().join("hq.sqlite")).unwrap();
    connection
        .execute_batch(&format!(
            "DELETE FROM sale; DELETE FROM daily_total; DELETE FROM stock;
             INSERT INTO set_aside SELECT projection, origin, {known}, 2, 'newer', 'waiting', found_ms FROM set_aside;"
        ))
        .unwrap();
    drop(connection);
    for _ in 0..2 {
        let hq = open(folder.path());
        assert_eq!((total(&hq).sales, stock(&hq)), (1, -3000));
        assert_eq!(hq.set_aside(Some(SetAsideState::Waiting), None, 10).unwrap().len(), 1);
        assert_eq!(hq.set_aside(Some(SetAsideState::Read), None, 10).unwrap().len(), 1);
    }
}

fn item(number: u64, price: &str) -> Item {
    Item {
        sku: number.to_string().parse().unwrap(),
        gtin: None,
        name: format!("Item {number} of the catalog").parse().unwrap(),
        department: "GROCERY".parse().unwrap(),
        brand: "National".parse().unwrap(),
        size: "12 OZ".parse().unwrap(),
        price: price.parse().unwrap(),
        tax_class: "zero".parse().unwrap(),
    }
}

/// All entries of a feed behind a version, page by page, and the version that they reach.
fn read_feed(hq: &Headquarters, mut after: u64, bytes_max: u32) -> (Vec<FeedEntry>, u64) {
    let mut all = Vec::new();
    while let Some(page) = hq.feed_page(CATALOG_FEED, after, bytes_max).unwrap() {
        assert!(page.after == after && page.through > after);
        assert!(page.entries.len() <= bytes_max as usize || page.count == 1);
        let bytes = zstd::bulk::decompress(&page.entries, 1 << 24).unwrap();
        let entries: Vec<FeedEntry> = postcard::from_bytes(&bytes).unwrap();
        assert_eq!(entries.len(), page.count as usize);
        all.extend(entries);
        after = page.through;
    }
    (all, after)
}

#[test]
fn a_feed_comes_in_pages_and_holds_each_key_once() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    let items: Vec<Item> = (1..=5_000).map(|number| item(number, "1.99")).collect();
    assert_eq!(hq.publish_items(&items).unwrap().changed, 5_000);
    let (entries, version) = read_feed(&hq, 0, 4096);
    assert_eq!((entries.len(), version), (5_000, 5_000));
    let first: Item = serde_json::from_str(entries[0].body.as_deref().unwrap()).unwrap();
    assert_eq!(first, items[0]);

    // Ten items change twice, one goes; what stayed the same is not sent again.
    for price in ["2.49", "2.99"] {
        let mut changed = items.clone();
        changed[..10]
            .iter_mut()
            .for_each(|item| item.price = price.parse().unwrap());
        let published = hq.publish_items(&changed).unwrap();
        assert_eq!((published.changed, published.unchanged), (10, 4_990));
    }
    let gone = FeedEntry {
        key: "77".into(),
        body: None,
    };
    hq.publish(CATALOG_FEED, vec![gone.clone()]).unwrap();
    assert_eq!(hq.publish(CATALOG_FEED, vec![gone.clone()]).unwrap().changed, 0);
    drop(hq);
    let hq = open(folder.path());
    let (entries, version) = read_feed(&hq, 5_000, 64 << 10);
    assert_eq!((entries.len(), version), (11, 5_021));
    assert!(entries[0].body.as_deref().unwrap().contains("2.99"));
    assert_eq!(entries[10], gone);
    assert_eq!(read_feed(&hq, 0, 64 << 10).0.len(), 5_000);
    assert_eq!(hq.feed_page(CATALOG_FEED, version, 64 << 10).unwrap(), None);
    assert_eq!(hq.feed_page("prices", 0, 64 << 10).unwrap(), None);
}

#[test]
fn what_is_no_feed_or_no_entry_is_refused_whole() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    let entry = |key: &str, body: &str| FeedEntry {
        key: key.into(),
        body: Some(body.into()),
    };
    let refused = hq.publish("Catalog", vec![]);
    assert!(matches!(refused, Err(PublishError::Name(_))));
    let refused = hq.publish("catalog", vec![entry("a", "1"), entry("b", "{")]);
    assert!(matches!(refused, Err(PublishError::Entry { .. })));
    let refused = hq.publish("catalog", vec![entry("a", &format!("\"{}\"", "x".repeat(20_000)))]);
    assert!(matches!(refused, Err(PublishError::TooLarge { .. })));
    assert_eq!(hq.feeds().unwrap(), vec![]);
}

#[test]
fn a_node_that_is_ahead_of_a_headquarters_set_back_gets_everything_again() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    hq.publish_items(&[item(1, "1.00"), item(2, "2.00")]).unwrap();
    let journal = Journal::open("store-1");
    let mut hello = journal.hello(1);
    hello.feeds = vec![FeedCursor {
        feed: CATALOG_FEED.into(),
        version: 40,
    }];
    hq.introduce(&journal.node, hello, NOW_MS).unwrap();
    let (entries, version) = read_feed(&hq, 40, 4096);
    assert_eq!((entries.len(), entries[0].key.as_str(), version), (2, "1", 42));
    assert_eq!(hq.publish_items(&[item(3, "3.00")]).unwrap().version, 43);
}

#[test]
fn a_token_opens_until_it_is_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    let secret = hq.issue_token("dashboard", TokenRole::Read, NOW_MS).unwrap();
    let token = hq.authenticate(&secret).unwrap().unwrap();
    assert_eq!((token.name.as_str(), token.role), ("dashboard", TokenRole::Read));
    assert_eq!(hq.authenticate("fmhq_0000").unwrap(), None);
    assert_eq!(hq.authenticate("").unwrap(), None);
    let again = hq.issue_token("dashboard", TokenRole::Operate, NOW_MS);
    assert_eq!(again, Err(TokenError::NameTaken("dashboard".into())));
    assert!(hq.revoke_token("dashboard", NOW_MS).unwrap());
    assert!(!hq.revoke_token("dashboard", NOW_MS).unwrap());
    assert_eq!(hq.authenticate(&secret).unwrap(), None);
    let stored = std::fs::read(folder.path().join("hq.sqlite")).unwrap();
    let hidden = secret.as_bytes();
    assert!(!stored.windows(hidden.len()).any(|window| window == hidden));
}
