//! What an operator does: repair, publish, give out tokens.

use std::collections::BTreeMap;

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

fn cursor(feed: &str, version: u64, epoch: u64) -> FeedCursor {
    FeedCursor {
        feed: feed.into(),
        version,
        epoch,
    }
}

/// The catalog as a node follows it.
#[derive(Clone)]
struct Follower {
    cursor: FeedCursor,
    entries: BTreeMap<String, Option<String>>,
}

impl Follower {
    fn new() -> Self {
        Self {
            cursor: cursor(CATALOG_FEED, 0, 0),
            entries: BTreeMap::new(),
        }
    }

    /// Reads page by page up to the end; how many entries came, and whether they began afresh.
    fn follow(&mut self, hq: &Headquarters, bytes_max: u32) -> (usize, bool) {
        let (mut came, mut afresh) = (0, false);
        while let Some(page) = hq.feed_page(&self.cursor, bytes_max).unwrap() {
            assert_eq!((page.after, page.after_epoch), (self.cursor.version, self.cursor.epoch));
            assert!(page.afresh || page.through > page.after);
            assert!(page.entries.len() <= bytes_max as usize || page.count == 1);
            let bytes = zstd::bulk::decompress(&page.entries, 1 << 24).unwrap();
            let entries: Vec<FeedEntry> = postcard::from_bytes(&bytes).unwrap();
            assert_eq!(entries.len(), page.count as usize);
            if page.afresh {
                assert!(!afresh, "afresh once");
                self.entries.clear();
                afresh = true;
            }
            came += entries.len();
            self.entries
                .extend(entries.into_iter().map(|entry| (entry.key, entry.body)));
            self.cursor = cursor(CATALOG_FEED, page.through, page.epoch);
            let more = hq.feed_page(&self.cursor, bytes_max).unwrap().is_some();
            assert_ne!(page.last, more);
        }
        (came, afresh)
    }
}

/// All entries of a feed behind what a follower has, page by page, and the version that they reach.
fn read_feed(hq: &Headquarters, from: &Follower, bytes_max: u32) -> (Vec<FeedEntry>, u64) {
    let mut all = Vec::new();
    let mut at = from.cursor.clone();
    while let Some(page) = hq.feed_page(&at, bytes_max).unwrap() {
        let bytes = zstd::bulk::decompress(&page.entries, 1 << 24).unwrap();
        all.extend(postcard::from_bytes::<Vec<FeedEntry>>(&bytes).unwrap());
        at = cursor(CATALOG_FEED, page.through, page.epoch);
    }
    (all, at.version)
}

#[test]
fn a_feed_comes_in_pages_and_holds_each_key_once() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    let items: Vec<Item> = (1..=5_000).map(|number| item(number, "1.99")).collect();
    assert_eq!(hq.publish_items(&items).unwrap().changed, 5_000);
    let new = Follower::new();
    let (entries, version) = read_feed(&hq, &new, 4096);
    assert_eq!((entries.len(), version), (5_000, 5_000));
    let mut follower = Follower::new();
    assert_eq!(follower.follow(&hq, 4096), (5_000, false));
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
    let (entries, version) = read_feed(&hq, &follower, 64 << 10);
    assert_eq!((entries.len(), version), (11, 5_021));
    assert!(entries[0].body.as_deref().unwrap().contains("2.99"));
    assert_eq!(entries[10], gone);
    assert_eq!(read_feed(&hq, &new, 64 << 10).0.len(), 5_000);
    follower.follow(&hq, 64 << 10);
    assert_eq!(
        (follower.cursor.version, hq.feed_page(&follower.cursor, 64 << 10)),
        (version, Ok(None))
    );
    assert_eq!(hq.feed_page(&cursor("prices", 0, 0), 64 << 10).unwrap(), None);
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
fn a_headquarters_that_was_set_back_gives_the_whole_feed_afresh_to_whoever_saw_more() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    let items = |numbers: std::ops::RangeInclusive<u64>| numbers.map(|number| item(number, "1.00")).collect::<Vec<_>>();
    hq.publish_items(&items(1..=100)).unwrap();
    let mut early = Follower::new();
    assert_eq!(early.follow(&hq, 1024), (100, false));
    drop(hq);
    let backup = folder.path().join("backup");
    std::fs::create_dir(&backup).unwrap();
    std::fs::copy(folder.path().join("hq.sqlite"), backup.join("hq.sqlite")).unwrap();

    let hq = open(folder.path());
    let (mut ahead, mut level) = (early.clone(), early.clone());
    hq.publish_items(&items(201..=205)).unwrap();
    assert_eq!(level.follow(&hq, 1024), (5, false));
    hq.publish_items(&items(206..=240)).unwrap();
    assert_eq!(ahead.follow(&hq, 1024), (40, false));
    drop(hq);

    // Set back to the copy, and published anew: as many versions as one node has seen, and fewer than the other.
    let hq = open(&backup);
    assert!(
        hq.feed_page(&ahead.cursor, 1024).unwrap().unwrap().afresh,
        "even before anything is published"
    );
    hq.publish_items(&items(301..=305)).unwrap();
    let expected: Vec<String> = (1..=100)
        .chain(301..=305)
        .map(|number: u64| number.to_string())
        .collect();
    let mut expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    expected.sort_unstable();
    for (follower, afresh) in [(&mut ahead, true), (&mut level, true), (&mut early, false)] {
        assert_eq!(follower.follow(&hq, 1024).1, afresh);
        assert_eq!(follower.cursor.version, 105);
        assert_eq!(
            follower.entries.keys().map(String::as_str).collect::<Vec<_>>(),
            expected
        );
        assert_eq!(follower.follow(&hq, 1024), (0, false));
    }
    // A start without a publication changes nothing, and a node that comes from before a new run goes on.
    drop(hq);
    let hq = open(&backup);
    assert_eq!(level.follow(&hq, 1024), (0, false));
    hq.publish_items(&items(401..=401)).unwrap();
    assert_eq!(
        (level.follow(&hq, 1024), early.follow(&hq, 1024)),
        ((1, false), (1, false))
    );
}

#[test]
fn a_headquarters_without_a_feed_says_nothing_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    assert_eq!(hq.feed_page(&cursor(CATALOG_FEED, 40, 7), 1024).unwrap(), None);
    let absurd = cursor(CATALOG_FEED, u64::MAX, u64::MAX);
    assert_eq!(hq.feed_page(&absurd, 1024).unwrap(), None);
    hq.publish_items(&[item(1, "1.00")]).unwrap();
    assert!(hq.feed_page(&absurd, 1024).unwrap().unwrap().afresh);
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
