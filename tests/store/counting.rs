//! Counts at a store whose kiosks have nodes of their own: marks of all of them, what comes late, what stays provisional.

use finalmarket::domain::fact::Fact;
use finalmarket::domain::ids::Sku;
use finalmarket::domain::quantity::Quantity;
use finalmarket::domain::stock::{AlertKind, CountFound, MovementKind, StockWork, WorkKind};
use finalmarket::operations::{
    Decision, Others, ReceiveAmount, ReceiveCommand, ReceiveLine, WorkCommand, WorkEntry, WorkRefusal, count_mark,
    follow_history, judge_alerts, receive, retire_kiosk, stock_work, verify,
};
use finalmarket::store::{Device, Failure, TokenHash};

use crate::journal::{Journal, sale};
use crate::relaying::{hello, introduce, take};
use crate::shop::{Shop, command, request};

fn sku() -> Sku {
    "1001".parse().unwrap()
}

fn units(units: i64) -> Quantity {
    Quantity::from_units(units).unwrap()
}

/// A store with ten pieces, and a kiosk that has sold two of them: the store has heard of both and has one.
fn site() -> (Shop, Device, Journal) {
    let mut shop = Shop::new();
    let movement = ReceiveCommand {
        kind: MovementKind::Opening,
        reference: None,
        lines: vec![ReceiveLine {
            sku: sku(),
            amount: ReceiveAmount::By(units(10)),
        }],
    };
    let now = shop.now();
    let by = request(&Device::operator(TokenHash::of("t")), &movement, None);
    shop.core.run(|tx| receive(tx, now, &by, &movement)).unwrap();
    let mut kiosk = Journal::open("kiosk-1");
    sells(&mut kiosk, 1);
    sells(&mut kiosk, 2);
    introduce(&mut shop, &hello(&kiosk, 1)).unwrap();
    take(&mut shop, &kiosk, 1, 2);
    let till = shop.till("1");
    (shop, till, kiosk)
}

fn sells(kiosk: &mut Journal, counter: u64) {
    let mut sale = sale("kiosk-1", counter, "2024-02-29", 1);
    sale.lines.truncate(1);
    sale.lines[0].sku = sku();
    kiosk.record(Fact::Sale(sale));
}

fn mark(shop: &mut Shop, connected: &[&str]) -> (u64, Vec<(String, bool)>) {
    mark_of(shop, connected, &[])
}

fn mark_of(shop: &mut Shop, connected: &[&str], stopped: &[&str]) -> (u64, Vec<(String, bool)>) {
    let nodes = |names: &[&str]| names.iter().map(|node| node.parse().unwrap()).collect();
    let others = Others {
        connected: nodes(connected),
        stopped: nodes(stopped),
    };
    let now = shop.now();
    let mark = shop.core.run(|tx| count_mark(tx, now, &others)).unwrap();
    let nodes = mark.nodes.into_iter().map(|(node, marked)| (node.to_string(), marked));
    (mark.number, nodes.collect())
}

fn count(shop: &mut Shop, till: &Device, mark: u64, counted: i64) -> StockWork {
    let entered = WorkCommand {
        kind: WorkKind::Count {
            mark,
            others: Vec::new(),
        },
        staff: None,
        note: None,
        lines: vec![WorkEntry {
            sku: sku(),
            quantity: units(counted),
            cost: None,
        }],
    };
    let (now, key) = (shop.now(), format!("count-{mark}").parse().unwrap());
    shop.core.run(|tx| stock_work(tx, now, till, &key, &entered)).unwrap()
}

fn found(shop: &Shop) -> CountFound {
    shop.core
        .read(|snapshot| snapshot.count_found(&sku()))
        .unwrap()
        .unwrap()
}

/// The words of the open alert of a difference.
fn differs(shop: &mut Shop) -> Option<String> {
    let last = shop.core.read(finalmarket::operations::history_is_behind).unwrap();
    while let Some(last) = last
        && shop.write(|tx, _| follow_history(tx, last)).unwrap()
    {}
    while shop.write(|tx, now| judge_alerts(tx, now, units(1))).unwrap() {}
    let alerts = shop.core.read(|snapshot| snapshot.alerts(false, None, 10)).unwrap();
    let alert = alerts
        .into_iter()
        .find(|alert| alert.kind == AlertKind::CountDifference);
    alert.map(|alert| alert.detail)
}

#[test]
fn what_a_kiosk_tells_late_of_before_its_mark_is_compensated_once() {
    let (mut shop, till, mut kiosk) = site();
    let (mark, nodes) = mark(&mut shop, &["kiosk-1"]);
    assert_eq!(nodes, [("kiosk-1".to_owned(), true)]);
    // Two were sold at the kiosk, and one is stolen: seven stand there. Two are sold while people count.
    shop.sell(&till, &command(1)).unwrap();
    sells(&mut kiosk, 3);
    let entered = count(&mut shop, &till, mark, 7);
    assert_eq!(
        (entered.lines[0].quantity, entered.kind.is_provisional()),
        (units(-2), true)
    );
    let told = differs(&mut shop).unwrap();
    assert!(
        told.contains("found 7 units where 9 should have been; it is provisional"),
        "{told}"
    );
    take(&mut shop, &kiosk, 3, 4);
    take(&mut shop, &kiosk, 3, 4);
    // Ten, less one sold here, one stolen and three sold at the kiosk.
    assert_eq!(shop.stock("1001"), 5_000);
    let is = CountFound {
        counted: units(7),
        difference: units(-1),
        provisional: false,
    };
    assert_eq!(found(&shop), is);
    assert_eq!(
        differs(&mut shop).as_deref(),
        Some("the last count of 1001 found 7 units where 8 should have been")
    );
    // Another count, with everything known: five stand there.
    let (again, _) = self::mark(&mut shop, &["kiosk-1"]);
    let entered = count(&mut shop, &till, again, 5);
    assert_eq!(
        (entered.lines[0].quantity, entered.kind.is_provisional()),
        (units(0), false)
    );
    assert_eq!(differs(&mut shop), None, "the next count agrees");
    let verified = shop.core.read(|snapshot| verify(snapshot, |_, _| {})).unwrap();
    assert_eq!(verified.differences, []);
}

#[test]
fn what_a_kiosk_sold_after_its_mark_and_is_known_is_not_counted_twice() {
    let (mut shop, till, mut kiosk) = site();
    take(&mut shop, &kiosk, 3, 3);
    let (mark, _) = mark(&mut shop, &["kiosk-1"]);
    sells(&mut kiosk, 3);
    take(&mut shop, &kiosk, 4, 4);
    let entered = count(&mut shop, &till, mark, 8);
    assert_eq!(
        (entered.lines[0].quantity, entered.kind.is_provisional()),
        (units(0), false)
    );
}

#[test]
fn a_count_without_a_kiosk_s_mark_stays_provisional() {
    let (mut shop, till, kiosk) = site();
    let (mark, nodes) = mark(&mut shop, &[]);
    assert_eq!(nodes, [("kiosk-1".to_owned(), false)]);
    let entered = count(&mut shop, &till, mark, 8);
    assert_eq!(
        (entered.lines[0].quantity, entered.kind.is_provisional()),
        (units(-1), true)
    );
    take(&mut shop, &kiosk, 3, 3);
    assert!(found(&shop).provisional, "nobody knows what came before");
    assert_eq!(shop.stock("1001"), 7_000, "and nothing is compensated");
}

fn retire(shop: &mut Shop) {
    let decision = Decision {
        node: "kiosk-1".parse().unwrap(),
        incarnation: None,
        by: "manager".into(),
        reason: "it burned".into(),
    };
    let now = shop.now();
    shop.core.run(|tx| retire_kiosk(tx, now, &decision)).unwrap();
}

#[test]
fn what_a_retired_kiosk_had_done_before_a_count_that_says_it_has_stopped_is_taken_back() {
    let (mut shop, till, mut kiosk) = site();
    // It sold two more that nobody has heard of, and burned: six stand there.
    sells(&mut kiosk, 3);
    sells(&mut kiosk, 4);
    retire(&mut shop);
    let (now, unknown) = (
        shop.now(),
        Others {
            stopped: ["kiosk-7".parse().unwrap()].into(),
            ..Others::default()
        },
    );
    let refused = shop.core.run(|tx| count_mark(tx, now, &unknown));
    assert_eq!(
        refused,
        Err(Failure::Refused(WorkRefusal::NotThere("kiosk-7".parse().unwrap())))
    );
    let (mark, nodes) = mark_of(&mut shop, &[], &["kiosk-1"]);
    assert_eq!(nodes, [("kiosk-1".to_owned(), true)]);
    shop.sell(&till, &command(1)).unwrap();
    // One of its records comes while people count, the others after the count was entered.
    take(&mut shop, &kiosk, 3, 3);
    let entered = count(&mut shop, &till, mark, 6);
    assert!(!entered.kind.is_provisional());
    assert_eq!(shop.stock("1001"), 5_000, "six that were counted, one was sold since");
    take(&mut shop, &kiosk, 4, 5);
    take(&mut shop, &kiosk, 4, 5);
    assert_eq!(shop.stock("1001"), 5_000);
    let verified = shop.core.read(|snapshot| verify(snapshot, |_, _| {})).unwrap();
    assert_eq!(verified.differences, []);
}

#[test]
fn of_a_retired_kiosk_that_may_sell_on_nothing_is_taken_back() {
    let (mut shop, till, mut kiosk) = site();
    take(&mut shop, &kiosk, 3, 3);
    retire(&mut shop);
    let (mark, _) = mark_of(&mut shop, &[], &[]);
    count(&mut shop, &till, mark, 8);
    sells(&mut kiosk, 3);
    take(&mut shop, &kiosk, 4, 4);
    assert_eq!(
        shop.stock("1001"),
        7_000,
        "sold behind a cut link, after people counted"
    );
}
