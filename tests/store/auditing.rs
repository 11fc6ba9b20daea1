//! Everything explains itself: verify finds what was changed behind our back, repair mends what follows from the
//! journal, prune lets go without losing a figure.

use finalmarket::domain::journal::Head;
use finalmarket::domain::sale::{ReturnedLine, TenderKind};
use finalmarket::domain::stock::MovementKind;
use finalmarket::operations::{
    Difference, ReceiveAmount, ReceiveCommand, ReceiveLine, RefundCommand, SaleRef, StatedTender, Verified, prune,
    receive, refund, repair, save_ack, verify,
};
use finalmarket::store::Device;
use rusqlite::Connection;

use crate::shop::{DAY_MS, Shop, command, line, request};

/// Two tills, sales, refunds, deliveries.
fn busy_shop() -> (Shop, Device) {
    let mut shop = Shop::new();
    let (one, two) = (shop.till("1"), shop.till("2"));
    let delivery = ReceiveCommand {
        kind: MovementKind::Receipt,
        reference: None,
        lines: vec![ReceiveLine {
            sku: "1001".parse().unwrap(),
            amount: ReceiveAmount::By("100".parse().unwrap()),
        }],
    };
    let now = shop.now();
    let asked = request(&one, &delivery, Some("dn-1"));
    shop.core.run(|tx| receive(tx, now, &asked, &delivery)).unwrap();
    for counter in 1..=10 {
        let till = if counter % 3 == 0 { &two } else { &one };
        let mut command = command(counter);
        command.lines = vec![line("1001", "1"), line("1001", "0.25")];
        let sale = shop.sell(till, &command).unwrap().sale;
        if counter == 4 {
            let back = RefundCommand {
                counter: 100,
                of: SaleRef::Receipt(sale.receipt),
                at: None,
                staff: None,
                reason: None,
                lines: vec![ReturnedLine::on_sale(0, "1".parse().unwrap())],
                tenders: vec![StatedTender {
                    kind: TenderKind::Cash,
                    amount: "3.99".parse().unwrap(),
                    reference: None,
                }],
            };
            let (settings, now) = (shop.settings.clone(), shop.now());
            let asked = request(&one, &back, None);
            shop.core
                .run(|tx| refund(tx, &settings, now, &one, &asked, &back))
                .unwrap();
        }
    }
    (shop, one)
}

fn check(shop: &Shop) -> Verified {
    shop.core.read(|snapshot| verify(snapshot, |_, _| {})).unwrap()
}

fn change(shop: &Shop, sql: &str) {
    let raw = Connection::open(shop.directory.path().join("node.db")).unwrap();
    raw.execute_batch(sql).unwrap();
}

#[test]
fn a_shop_that_nobody_touched_is_clean() {
    let (shop, _) = busy_shop();
    let found = check(&shop);
    assert_eq!(found.differences, []);
    assert_eq!((found.records, found.documents, found.incarnations), (13, 11, 1));
}

#[test]
fn every_change_behind_our_back_is_named_and_mended() {
    for (sql, named) in [
        ("UPDATE shelf SET added = added + 1", "the stock of 1001: `added`"),
        ("UPDATE shelf SET debt = debt + 1", "the stock of 1001: `debt`"),
        ("DELETE FROM movement", "the movement"),
        ("DELETE FROM shelf", "the stock of 1001"),
        (
            "UPDATE document SET total = total + 1 WHERE counter = 2",
            "a row that says something else",
        ),
        (
            "UPDATE document SET business_day = 3 WHERE counter = 3",
            "a row that says something else",
        ),
        ("DELETE FROM document WHERE counter = 5", "no row"),
        ("DELETE FROM document WHERE counter = 1", "of STORE-1-R1-"),
        (
            "INSERT INTO document SELECT 1, 999, 9999, 0, 1, 999, 3, 3",
            "documents have a row but no record",
        ),
        ("UPDATE refunded SET quantity = 1", "of line 1 of the sale at position"),
        ("DELETE FROM refunded", "of line 1 of the sale at position"),
    ] {
        let (mut shop, till) = busy_shop();
        change(&shop, sql);
        let found = check(&shop);
        let told: Vec<String> = found.differences.iter().map(ToString::to_string).collect();
        assert!(
            told.iter().any(|difference| difference.contains(named)),
            "{sql}: {told:#?}"
        );
        let repaired = shop.write(|tx, now| repair(tx, now, |_| {})).unwrap();
        assert_eq!((repaired.documents, repaired.set_aside), (11, 0));
        assert_eq!(check(&shop).differences, [], "{sql}");
        let next = shop.sell(&till, &command(50)).unwrap().sale.receipt.number;
        assert_eq!(next, 9, "numbers go on: {sql}");
    }
}

#[test]
fn a_change_of_the_journal_is_named_and_set_aside() {
    let (mut shop, _) = busy_shop();
    change(
        &shop,
        "UPDATE journal SET record = substr(record, 1, 20) WHERE position = 6",
    );
    change(&shop, "UPDATE journal SET hash = zeroblob(32) WHERE position = 9");
    let found = check(&shop);
    let chain: Vec<u64> = found
        .differences
        .iter()
        .filter_map(|difference| match difference {
            Difference::Chain { seq, .. } => Some(*seq),
            _ => None,
        })
        .collect();
    assert_eq!(chain, [6, 9, 10]);
    assert!(
        found
            .differences
            .iter()
            .any(|difference| matches!(difference, Difference::Unreadable { seq: 6, .. }))
    );
    let repaired = shop.write(|tx, now| repair(tx, now, |_| {})).unwrap();
    assert_eq!(repaired.set_aside, 3);
    let left = check(&shop);
    assert!(
        left.differences.iter().all(|difference| matches!(
            difference,
            Difference::Chain { .. } | Difference::Unreadable { .. } | Difference::Gap { .. }
        )),
        "{:#?}",
        left.differences
    );
}

#[test]
fn missing_records_are_named() {
    let (shop, _) = busy_shop();
    change(&shop, "DELETE FROM journal WHERE position IN (4, 5)");
    let told = check(&shop).differences;
    assert!(
        told.iter()
            .any(|difference| matches!(difference, Difference::Missing { first: 4, last: 5, .. }))
    );
}

#[test]
fn pruning_waits_for_the_acknowledgement_and_the_window_and_loses_no_figure() {
    let (mut shop, till) = busy_shop();
    let head = shop.write(|tx, _| tx.head()).unwrap();
    let stock = shop.stock("1001");
    assert_eq!(shop.write(|tx, now| prune(tx, now, 100)), Ok(0), "too young");
    shop.clock_ms.set(shop.clock_ms.get() + 101 * DAY_MS);
    assert_eq!(shop.write(|tx, now| prune(tx, now, 100)), Ok(0), "not acknowledged");
    let hash = shop
        .core
        .read(|snapshot| snapshot.hash_at(head.incarnation, 9))
        .unwrap()
        .unwrap();
    let acked = Head { seq: 9, hash, ..head };
    shop.core.run(|tx| save_ack(tx, acked)).unwrap();
    assert_eq!(shop.write(|tx, now| prune(tx, now, 100)), Ok(9));
    assert_eq!(shop.write(|tx, now| prune(tx, now, 100)), Ok(0));
    let found = check(&shop);
    assert_eq!((found.differences, found.records), (vec![], 4));
    assert_eq!(shop.stock("1001"), stock);
    shop.core.run(|tx| save_ack(tx, head)).unwrap();
    assert_eq!(shop.write(|tx, now| prune(tx, now, 0)), Ok(3), "the newest stays");
    let (mut shop, opening) = shop.reopen(2);
    assert_eq!(opening.head, head);
    assert_eq!(check(&shop).differences, []);
    shop.write(|tx, now| repair(tx, now, |_| {})).unwrap();
    assert_eq!(shop.stock("1001"), stock);
    let sold = shop.sell(&till, &command(50)).unwrap().sale;
    assert_eq!(sold.receipt.number, 9, "no number is given twice");
    assert_eq!(check(&shop).differences, []);
}
