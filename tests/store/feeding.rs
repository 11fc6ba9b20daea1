//! Feeds from headquarters: entries and cursor in one transaction, prices that override the catalog's.

use finalmarket::domain::catalog::Item;
use finalmarket::operations::{FeedRefusal, apply_feed_page, import_catalog};
use finalmarket::store::{CATALOG_FEED, Failure, PRICES_FEED};
use finalmarket::sync::wire::{FeedCursor, FeedEntry, FeedPage};

use crate::shop::{Shop, command, item};

fn entry(key: &str, body: Option<String>) -> FeedEntry {
    FeedEntry { key: key.into(), body }
}

fn of(item: &Item) -> FeedEntry {
    entry(item.sku.as_str(), Some(serde_json::to_string(item).unwrap()))
}

fn page(feed: &str, after: u64, through: u64, entries: &[FeedEntry]) -> FeedPage {
    FeedPage {
        session: 1,
        feed: feed.into(),
        after,
        after_epoch: 0,
        through,
        epoch: 0,
        afresh: false,
        last: true,
        count: entries.len() as u32,
        entries: zstd::bulk::compress(&postcard::to_allocvec(entries).unwrap(), 3).unwrap(),
    }
}

fn apply(shop: &mut Shop, page: &FeedPage) -> Result<u64, Failure<FeedRefusal>> {
    let now = shop.now();
    let applied = shop.core.run(|tx| apply_feed_page(tx, now, page));
    applied.map(|cursor| cursor.version)
}

#[test]
fn the_catalog_follows_its_feed() {
    let mut shop = Shop::new();
    let till = shop.till("1");
    let tea = item("2001", "Tea", "5.00");
    assert_eq!(
        apply(&mut shop, &page(CATALOG_FEED, 0, 7, &[of(&tea), entry("1002", None)])),
        Ok(7)
    );
    let found = |shop: &Shop, sku: &str| {
        let sku = sku.parse().unwrap();
        shop.core.read(|snapshot| snapshot.item(&sku)).unwrap().is_some()
    };
    assert!(found(&shop, "2001") && !found(&shop, "1002"));
    let mut gone = command(1);
    gone.lines = vec![crate::shop::line("1002", "1")];
    assert!(shop.sell(&till, &gone).is_err());
    // The same page again, as after an answer that was lost.
    assert_eq!(apply(&mut shop, &page(CATALOG_FEED, 0, 7, &[of(&tea)])), Ok(7));
    let gap = apply(&mut shop, &page(CATALOG_FEED, 9, 12, &[])).unwrap_err();
    assert!(
        matches!(gap, Failure::Refused(FeedRefusal::Gap { have: 7, .. })),
        "{gap}"
    );
    let cursors = shop.core.read(|snapshot| snapshot.feed_cursors()).unwrap();
    let cursor = FeedCursor {
        feed: CATALOG_FEED.into(),
        version: 7,
        epoch: 0,
    };
    assert!(cursors.contains(&cursor));
}

#[test]
fn a_price_of_the_feed_overrides_the_catalog_s_and_is_named_by_the_sale() {
    let mut shop = Shop::new();
    let till = shop.till("1");
    let price = |text: &str| Some(format!("{{\"price\": \"{text}\"}}"));
    let later = entry("3001", price("1.50"));
    apply(
        &mut shop,
        &page(PRICES_FEED, 0, 3, &[entry("1001", price("2.50")), later]),
    )
    .unwrap();
    let sale = shop.sell(&till, &command(1)).unwrap().sale;
    assert_eq!((sale.totals.total.0, sale.price_version), (250, 3));
    // Prices may come before their items.
    let new = item("3001", "Later", "9.00");
    apply(&mut shop, &page(CATALOG_FEED, 0, 1, &[of(&new)])).unwrap();
    let listed = shop.core.read(|snapshot| snapshot.item(&new.sku)).unwrap().unwrap();
    assert_eq!(listed.selling_price.to_string(), "1.50");
    apply(&mut shop, &page(PRICES_FEED, 3, 4, &[entry("1001", None)])).unwrap();
    let sale = shop.sell(&till, &command(2)).unwrap().sale;
    assert_eq!((sale.totals.total.0, sale.price_version), (399, 4));
}

/// Headquarters was set back and gives its versions out again, in another epoch.
#[test]
fn a_feed_that_is_taken_afresh_replaces_the_old_one_without_a_gap() {
    let mut shop = Shop::new();
    let till = shop.till("1");
    let [tea, milk, rice] =
        [("2001", "Tea"), ("2002", "Milk"), ("2003", "Rice")].map(|(sku, name)| item(sku, name, "5.00"));
    let mut first = page(
        CATALOG_FEED,
        0,
        40,
        &[of(&tea), of(&milk), of(&item("1002", "Coffee", "13.00"))],
    );
    first.epoch = 7;
    assert_eq!(apply(&mut shop, &first), Ok(40));

    let dearer = item("2001", "Tea", "6.00");
    let mut afresh = page(CATALOG_FEED, 40, 10, &[of(&dearer)]);
    (afresh.after_epoch, afresh.epoch, afresh.afresh, afresh.last) = (7, 9, true, false);
    let stranger = FeedPage {
        after_epoch: 8,
        ..afresh.clone()
    };
    assert!(apply(&mut shop, &stranger).is_err(), "made for another history");
    assert_eq!(apply(&mut shop, &afresh), Ok(10));
    assert_eq!(apply(&mut shop, &afresh), Ok(10), "a second time changes nothing");
    let found = |shop: &Shop, sku: &str| {
        let sku = sku.parse().unwrap();
        let listed = shop.core.read(|snapshot| snapshot.item(&sku)).unwrap();
        listed.map(|listed| listed.selling_price.to_string())
    };
    assert_eq!(
        found(&shop, "2002").as_deref(),
        Some("5.00"),
        "nothing is missing meanwhile"
    );
    let mut of_milk = command(1);
    of_milk.lines = vec![crate::shop::line("2002", "1")];
    shop.sell(&till, &of_milk).unwrap();

    // The process ends between the pages.
    let (mut shop, _) = shop.reopen(2);
    let mut last = page(CATALOG_FEED, 10, 12, &[of(&rice)]);
    (last.after_epoch, last.epoch) = (9, 9);
    assert_eq!(apply(&mut shop, &last), Ok(12));
    assert_eq!(found(&shop, "2001").as_deref(), Some("6.00"));
    assert_eq!(
        (found(&shop, "2002"), found(&shop, "2003")),
        (None, Some("5.00".into()))
    );
    let own = (found(&shop, "1001").is_some(), found(&shop, "1002").is_some());
    assert_eq!(own, (true, true), "what was brought to the node itself stays");
    let cursor = shop.core.read(|snapshot| snapshot.feed_cursor(CATALOG_FEED)).unwrap();
    assert_eq!((cursor.version, cursor.epoch), (12, 9));
    // What is told later does not go with an end that has passed.
    let mut later = page(CATALOG_FEED, 12, 13, &[of(&milk)]);
    (later.after_epoch, later.epoch) = (9, 9);
    assert_eq!(apply(&mut shop, &later), Ok(13));
    assert!(found(&shop, "2001").is_some() && found(&shop, "2002").is_some());
}

#[test]
fn a_sale_has_the_price_of_its_moment_also_where_another_was_known_before() {
    let mut shop = Shop::new();
    let till = shop.till("1");
    let total = |shop: &mut Shop, counter| shop.sell(&till, &command(counter)).unwrap().sale.totals.total.0;
    assert_eq!(total(&mut shop, 1), 399);
    let dearer = [item("1001", "Coffee", "4.50")];
    // What was undone was never the price, also for whoever sold in the same breath.
    let undone: Result<(), Failure<&str>> = shop.core.run(|tx| {
        import_catalog(tx, &dearer).map_err(Failure::Storage)?;
        let priced = tx.priced(&dearer[0].sku).map_err(Failure::Storage)?;
        assert_eq!(priced.unwrap().price.to_string(), "4.50");
        Err(Failure::Refused("no"))
    });
    assert_eq!(undone, Err(Failure::Refused("no")));
    assert_eq!(total(&mut shop, 2), 399);
    shop.write(|tx, _| import_catalog(tx, &dearer)).unwrap();
    assert_eq!(total(&mut shop, 3), 450);
    apply(&mut shop, &page(CATALOG_FEED, 0, 1, &[entry("1001", None)])).unwrap();
    let failure = shop.sell(&till, &command(4)).unwrap_err();
    assert!(matches!(failure, Failure::Refused(refusal) if refusal.code() == "unknown-sku"));
}

#[test]
fn a_bad_entry_is_set_aside_and_the_rest_applied() {
    let mut shop = Shop::new();
    let good = item("2001", "Tea", "5.00");
    let bad = [
        entry("not a sku", Some("{}".into())),
        entry("2002", Some("{\"sku\": \"2002\"}".into())),
        entry("2003", Some(serde_json::to_string(&good).unwrap())),
    ];
    let mut entries = bad.to_vec();
    entries.push(of(&good));
    assert_eq!(apply(&mut shop, &page(CATALOG_FEED, 0, 5, &entries)), Ok(5));
    let aside = shop.core.read(|snapshot| snapshot.set_asides(10)).unwrap();
    assert_eq!(aside.len(), 3);
    assert!(aside.iter().all(|aside| aside.source == "feed:catalog"));
    assert!(shop.core.read(|snapshot| snapshot.item(&good.sku)).unwrap().is_some());
    let mut unreadable = page(CATALOG_FEED, 5, 6, &[]);
    unreadable.entries = vec![1, 2, 3];
    let refusal = apply(&mut shop, &unreadable).unwrap_err();
    assert!(matches!(refusal, Failure::Refused(FeedRefusal::Unreadable { .. })));
}
