//! Selling: receipts without gap, repeats, refusals that leave nothing behind.

use finalmarket::operations::{SellRefusal, TillRefusal};
use finalmarket::store::{Failure, Rights};

use crate::shop::{DAY_MS, Shop, command, line};

fn refusal(failure: Failure<SellRefusal>) -> SellRefusal {
    match failure {
        Failure::Refused(refusal) => refusal,
        Failure::Storage(error) => panic!("{error}"),
    }
}

#[test]
fn a_sale_is_recorded_numbered_and_taken_from_stock() {
    let mut shop = Shop::new();
    let till = shop.till("bakery");
    let mut two = command(1);
    two.lines = vec![line("1001", "1"), line("1001", "0.5")];
    let sold = shop.sell(&till, &two).unwrap();
    assert_eq!(sold.sale.totals.total.0, 399 + 200);
    assert_eq!(sold.sale.totals.change.0, 1000 - 599);
    let number = sold.sale.receipt.to_string();
    assert!(
        number.starts_with("STORE-1-RBAKERY-") && number.ends_with("-000001"),
        "{number}"
    );
    assert!(sold.sale.id.series.as_str().starts_with("STORE-1-T1-"));
    assert_eq!(shop.stock("1001"), -1500, "stock may fall below zero");
    let found = shop.core.read(|snapshot| {
        let document = snapshot.document_by_receipt(&sold.sale.receipt)?.unwrap();
        snapshot.sale_at(document.position)
    });
    assert_eq!(found.unwrap(), Some(sold.sale));
}

#[test]
fn a_refused_sale_leaves_no_gap() {
    let mut shop = Shop::new();
    let till = shop.till("1");
    let mut unknown = command(1);
    unknown.lines.push(line("9999", "1"));
    let error = refusal(shop.sell(&till, &unknown).unwrap_err());
    assert_eq!(error.to_string(), "line 2: no item has the SKU 9999");
    let mut short = command(1);
    short.lines = vec![line("1002", "1")];
    let error = refusal(shop.sell(&till, &short).unwrap_err());
    assert_eq!(error.code(), "tenders-do-not-cover-total");
    let numbers: Vec<u64> = (1..4)
        .map(|counter| shop.sell(&till, &command(counter)).unwrap().sale.receipt.number)
        .collect();
    assert_eq!(numbers, [1, 2, 3]);
}

#[test]
fn registers_count_each_for_itself() {
    let mut shop = Shop::new();
    let (one, two) = (shop.till("1"), shop.till("2"));
    let number = |shop: &mut Shop, till, counter| shop.sell(till, &command(counter)).unwrap().sale.receipt.number;
    assert_eq!(number(&mut shop, &one, 1), 1);
    assert_eq!(number(&mut shop, &two, 1), 1);
    assert_eq!(number(&mut shop, &one, 2), 2);
    let (mut shop, _) = shop.reopen(2);
    assert_eq!(number(&mut shop, &two, 2), 2);
    assert_eq!(number(&mut shop, &one, 9), 3);
}

#[test]
fn the_same_sale_again_gets_the_first_answer() {
    let mut shop = Shop::new();
    let till = shop.till("1");
    let first = shop.sell(&till, &command(1)).unwrap();
    assert!(!first.repeated);
    let (mut shop, _) = shop.reopen(2);
    shop.clock_ms.set(shop.clock_ms.get() + 200 * DAY_MS);
    let again = shop.sell(&till, &command(1)).unwrap();
    assert!(again.repeated);
    assert_eq!(again.sale, first.sale);
    assert_eq!(shop.stock("1001"), -1000);
    let mut other = command(1);
    other.lines = vec![line("1001", "2")];
    let error = refusal(shop.sell(&till, &other).unwrap_err());
    assert!(
        matches!(error, SellRefusal::Till(TillRefusal::IdUsed { .. })),
        "{error}"
    );
}

#[test]
fn a_key_belongs_to_one_request() {
    let mut shop = Shop::new();
    let till = shop.till("1");
    let first = shop.sell_with_key(&till, &command(1), Some("k-1")).unwrap();
    let again = shop.sell_with_key(&till, &command(1), Some("k-1")).unwrap();
    assert_eq!((again.repeated, again.position), (true, first.position));
    let error = refusal(shop.sell_with_key(&till, &command(2), Some("k-1")).unwrap_err());
    assert_eq!(error.code(), "idempotency-key-reused");
    // Another device's keys are its own.
    let other = shop.till("2");
    assert!(!shop.sell_with_key(&other, &command(1), Some("k-1")).unwrap().repeated);
}

#[test]
fn only_a_till_with_the_right_states_prices_and_old_days() {
    let mut shop = Shop::new();
    let till = shop.till("1");
    let mut stated = command(1);
    stated.lines[0].unit_price = Some("1.00".parse().unwrap());
    assert_eq!(
        refusal(shop.sell(&till, &stated).unwrap_err()).code(),
        "price-not-allowed"
    );
    let mut old = command(1);
    old.at = Some("2017-01-01T12:26:30".parse().unwrap());
    assert_eq!(
        refusal(shop.sell(&till, &old).unwrap_err()).code(),
        "time-outside-window"
    );
    let mut late = command(1);
    late.at = Some("2024-02-23T23:59:59".parse().unwrap());
    assert_eq!(
        shop.sell(&till, &late).unwrap().sale.business_day.to_string(),
        "2024-02-23"
    );

    let rights = Rights {
        backdate: true,
        state_prices: true,
    };
    let replay = shop.device("2", rights);
    old.lines = stated.lines;
    let sale = shop.sell(&replay, &old).unwrap().sale;
    assert_eq!(sale.business_day.to_string(), "2017-01-01");
    assert_eq!((sale.totals.total.0, sale.price_version), (100, 0));
}

#[test]
fn a_clock_set_back_a_day_changes_neither_numbers_nor_order() {
    let mut shop = Shop::new();
    let till = shop.till("1");
    let before = shop.sell(&till, &command(1)).unwrap();
    shop.clock_ms.set(shop.clock_ms.get() - DAY_MS);
    let after = shop.sell(&till, &command(2)).unwrap();
    assert_eq!(after.sale.receipt.number, 2);
    assert_eq!(after.sale.business_day.to_string(), "2024-02-28");
    let stamp = |position| {
        let entry = shop.core.read(|snapshot| snapshot.entry(position)).unwrap();
        entry.unwrap().recorded
    };
    assert!(stamp(after.position) > stamp(before.position));
}
