//! Alerts are raised once, cleared when over, and seen by somebody.

use finalmarket::domain::ids::Sku;
use finalmarket::domain::quantity::Quantity;
use finalmarket::domain::stock::{AlertKind, HoldLine, HoldPurpose, MovementKind};
use finalmarket::operations::{
    HoldCommand, ReceiveAmount, ReceiveCommand, ReceiveLine, acknowledge_alert, hold, judge_alerts, receive, repair,
    set_threshold, verify,
};
use finalmarket::store::{AlertRow, Device, TokenHash};

use crate::shop::{Shop, command, request};

fn units(units: i64) -> Quantity {
    Quantity::from_units(units).unwrap()
}

fn goods_in(shop: &mut Shop, change: &str) {
    let movement = ReceiveCommand {
        kind: MovementKind::Receipt,
        reference: None,
        lines: vec![ReceiveLine {
            sku: "1001".parse().unwrap(),
            amount: ReceiveAmount::By(change.parse().unwrap()),
        }],
    };
    let now = shop.now();
    let request = request(&Device::operator(TokenHash::of("t")), &movement, None);
    shop.core.run(|tx| receive(tx, now, &request, &movement)).unwrap();
}

fn judged_by(shop: &mut Shop, low_stock: Quantity) -> Vec<AlertKind> {
    shop.follow();
    while shop.write(|tx, now| judge_alerts(tx, now, low_stock)).unwrap() {}
    let open = shop.core.read(|snapshot| snapshot.alerts(false, None, 50)).unwrap();
    open.iter().map(|alert| alert.kind).collect()
}

fn judged(shop: &mut Shop) -> Vec<AlertKind> {
    judged_by(shop, units(3))
}

fn all(shop: &Shop) -> Vec<AlertRow> {
    shop.core.read(|snapshot| snapshot.alerts(true, None, 50)).unwrap()
}

#[test]
fn an_alert_is_raised_once_and_cleared_when_it_is_over() {
    let mut shop = Shop::new();
    let till = shop.till("1");
    assert_eq!(judged(&mut shop), []);
    goods_in(&mut shop, "5");
    assert_eq!(judged(&mut shop), []);
    for counter in 1..=2 {
        shop.sell(&till, &command(counter)).unwrap();
    }
    assert_eq!(judged(&mut shop), [AlertKind::LowStock]);
    let raised = all(&shop);
    // One that a person has seen stays seen, by whoever saw it first.
    let now = shop.now();
    let seen = shop
        .core
        .run(|tx| acknowledge_alert(tx, now, &till, raised[0].ix))
        .unwrap();
    let again = {
        let (now, other) = (shop.now(), Device::operator(TokenHash::of("t")));
        shop.core
            .run(|tx| acknowledge_alert(tx, now, &other, raised[0].ix))
            .unwrap()
    };
    assert_eq!(
        (again.acknowledged, again.revision),
        (Some((now.unix_ms, "till 1".into())), seen.revision)
    );
    shop.sell(&till, &command(3)).unwrap();
    assert_eq!(judged(&mut shop), [AlertKind::LowStock]);
    assert_eq!(
        (all(&shop).len(), all(&shop)[0].ix),
        (1, raised[0].ix),
        "the same, with another detail"
    );
    let (mut shop, _) = shop.reopen(2);
    assert_eq!(judged(&mut shop), [AlertKind::LowStock]);
    assert_eq!(all(&shop).len(), 1, "a restart raises nothing anew");
    for counter in 4..=7 {
        shop.sell(&till, &command(counter)).unwrap();
    }
    assert_eq!(judged(&mut shop), [AlertKind::Oversold, AlertKind::OutOfStock]);
    let oversold = &all(&shop)[0];
    assert!(
        oversold.detail.starts_with("2 units of 1001 were sold beyond"),
        "{}",
        oversold.detail
    );
    assert!(
        oversold.detail.contains("-000006, ") && oversold.detail.ends_with("-000007"),
        "{}",
        oversold.detail
    );
    goods_in(&mut shop, "50");
    assert_eq!(judged(&mut shop), []);
    assert!(all(&shop).iter().all(|alert| alert.cleared_ms.is_some()));
}

#[test]
fn a_manager_s_threshold_goes_before_the_site_s() {
    let mut shop = Shop::new();
    let sku: Sku = "1001".parse().unwrap();
    goods_in(&mut shop, "5");
    assert_eq!(judged(&mut shop), []);
    assert_eq!(
        judged_by(&mut shop, units(5)),
        [AlertKind::LowStock],
        "another default judges all anew"
    );
    let manager = Device::operator(TokenHash::of("t"));
    let now = shop.now();
    shop.core
        .run(|tx| set_threshold(tx, now, &manager, &sku, Some(units(4))))
        .unwrap();
    assert_eq!(judged_by(&mut shop, units(5)), []);
    let path = finalmarket::store::database_path(shop.directory.path());
    rusqlite::Connection::open(path)
        .unwrap()
        .execute("UPDATE threshold SET quantity = 9000", ())
        .unwrap();
    let found = shop.core.read(|snapshot| verify(snapshot, |_, _| {})).unwrap();
    let told: Vec<_> = found.differences.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["the threshold of 1001 is not the one that was set last"]);
    shop.write(|tx, now| repair(tx, now, |_| {})).unwrap();
    let found = shop.core.read(|snapshot| verify(snapshot, |_, _| {})).unwrap();
    assert_eq!(found.differences, []);
    assert_eq!(
        shop.core.read(|snapshot| snapshot.threshold(&sku)).unwrap(),
        Some(units(4))
    );
}

#[test]
fn most_of_it_promised_is_told() {
    let mut shop = Shop::new();
    let till = shop.till("1");
    goods_in(&mut shop, "100");
    for (key, quantity, told) in [("a", 80, false), ("b", 1, true)] {
        let wanted = HoldCommand {
            purpose: HoldPurpose::Cart,
            channel: "store".parse().unwrap(),
            customer: None,
            staff: None,
            lifetime_ms: None,
            lines: vec![HoldLine {
                sku: "1001".parse().unwrap(),
                quantity: units(quantity),
            }],
        };
        let (now, settings, key) = (shop.now(), shop.settings.clone(), key.parse().unwrap());
        shop.core
            .run(|tx| hold(tx, &settings, now, &till, &key, &wanted))
            .unwrap();
        let open = judged(&mut shop);
        assert_eq!(open.contains(&AlertKind::HighReservation), told, "{quantity}");
    }
}
