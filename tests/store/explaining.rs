//! The history of a shelf and the statement that it makes.

use finalmarket::domain::fact::OpenedReason;
use finalmarket::domain::ids::Sku;
use finalmarket::domain::stock::{
    Account, HoldLine, HoldPurpose, MovementKind, Place, StatementHead, StepKind, statement,
};
use finalmarket::operations::{
    HoldCommand, ReceiveAmount, ReceiveCommand, ReceiveLine, explain, follow_history, hold, import_catalog,
    prune_before, receive, reincarnate, release_hold, repair, save_ack, verify,
};
use finalmarket::store::{Device, HoldRow, TokenHash};

use crate::shop::{DAY_MS, Shop, command, incarnation_seed, item, line, node, request};

fn moved(shop: &mut Shop, kind: MovementKind, reference: &str, sku: &str, change: &str) {
    let movement = ReceiveCommand {
        kind,
        reference: Some(reference.into()),
        lines: vec![ReceiveLine {
            sku: sku.parse().unwrap(),
            amount: ReceiveAmount::By(change.parse().unwrap()),
        }],
    };
    shop.clock_ms.set(shop.clock_ms.get() + 3_600_000);
    let now = shop.now();
    let request = request(&Device::operator(TokenHash::of("t")), &movement, None);
    shop.core.run(|tx| receive(tx, now, &request, &movement)).unwrap();
}

fn held(shop: &mut Shop, till: &Device, key: &str, quantity: &str) -> HoldRow {
    let wanted = HoldCommand {
        purpose: HoldPurpose::Pickup,
        channel: "phone".parse().unwrap(),
        customer: None,
        staff: Some("ann".parse().unwrap()),
        lifetime_ms: Some(600_000),
        lines: vec![HoldLine {
            sku: "1001".parse().unwrap(),
            quantity: quantity.parse().unwrap(),
        }],
    };
    let (now, settings) = (shop.now(), shop.settings.clone());
    let key = key.parse().unwrap();
    shop.core
        .run(|tx| hold(tx, &settings, now, till, &key, &wanted))
        .unwrap()
}

fn follow(shop: &mut Shop) {
    shop.follow();
}

fn explained(shop: &Shop, sku: &str) -> Account {
    let sku: Sku = sku.parse().unwrap();
    let found = shop.core.read(|snapshot| explain(snapshot, &sku, 20, 0));
    found.unwrap().unwrap()
}

fn text(shop: &Shop, sku: &str) -> String {
    let head = StatementHead {
        node: node().node,
        site: node().site,
        name: "Chocolate".into(),
        at_ms: shop.clock_ms.get(),
    };
    statement(&head, &explained(shop, sku))
}

fn clean(shop: &Shop) {
    let found = shop.core.read(|snapshot| verify(snapshot, |_, _| {})).unwrap();
    assert_eq!(found.differences, []);
}

/// Ten pieces came in; eight are sold in hand, one from a hold, one hold was released, then three more are sold than
/// there are and one comes in.
fn busy() -> (Shop, Device) {
    let mut shop = Shop::new();
    moved(&mut shop, MovementKind::Opening, "stock.csv", "1001", "6");
    moved(&mut shop, MovementKind::Receipt, "DN 7", "1001", "4");
    let till = shop.till("1");
    for counter in 1..=4 {
        shop.sell(&till, &command(counter)).unwrap();
    }
    let first = held(&mut shop, &till, "a", "1");
    let second = held(&mut shop, &till, "b", "2");
    let (now, id) = (shop.now(), second.hold.opened.id);
    shop.core.run(|tx| release_hold(tx, now, &till, id)).unwrap();
    let mut from_hold = command(5);
    from_hold.hold = Some(first.hold.opened.id);
    shop.sell(&till, &from_hold).unwrap();
    moved(&mut shop, MovementKind::Adjustment, "broken", "1001", "-1");
    held(&mut shop, &till, "c", "2");
    let mut two = command(6);
    two.lines = vec![line("1001", "1"), line("1001", "1")];
    shop.sell(&till, &two).unwrap();
    for counter in 7..=9 {
        shop.sell(&till, &command(counter)).unwrap();
    }
    moved(&mut shop, MovementKind::Receipt, "DN 8", "1001", "1");
    (shop, till)
}

#[test]
fn a_statement_says_where_every_unit_went() {
    let (mut shop, _) = busy();
    follow(&mut shop);
    clean(&shop);
    insta::assert_snapshot!("statement", text(&shop, "1001"));
    insta::assert_snapshot!("statement_of_nothing", text(&shop, "1002"));
}

#[test]
fn debt_is_owed_by_the_newest_sales() {
    let (mut shop, _) = busy();
    follow(&mut shop);
    let explained = explained(&shop, "1001");
    let owed: Vec<_> = explained.debts.iter().map(|debt| debt.owed.to_string()).collect();
    assert_eq!(owed, ["0", "1", "1"]);
    let repaid: Vec<_> = explained.debts[0].repaid.iter().collect();
    assert_eq!(repaid.len(), 1);
    assert_eq!(repaid[0].step.particulars.document.as_deref(), Some("DN 8"));
    let documents = explained.debts[1..]
        .iter()
        .map(|debt| debt.step.particulars.document.clone());
    assert!(
        documents
            .zip([8, 9])
            .all(|(document, n)| document.unwrap().ends_with(&format!("-00000{n}")))
    );
}

#[test]
fn a_history_that_lags_or_was_changed_is_told_apart() {
    let (mut shop, till) = busy();
    clean(&shop);
    follow(&mut shop);
    clean(&shop);
    // Behind, which is no difference.
    shop.sell(&till, &command(20)).unwrap();
    clean(&shop);
    let path = finalmarket::store::database_path(shop.directory.path());
    let database = rusqlite::Connection::open(path).unwrap();
    let changed = database
        .execute(
            "UPDATE history SET removed = removed + 1 WHERE sku = '1001' AND kind = 5 AND removed = 2000",
            (),
        )
        .unwrap();
    assert_eq!(changed, 1);
    drop(database);
    let found = shop.core.read(|snapshot| verify(snapshot, |_, _| {})).unwrap();
    let told: Vec<_> = found.differences.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("the history of 1001 does not have what the record at position"));
    assert_eq!(told[1], "the history of 1001 does not come to its shelf");
    shop.write(|tx, now| repair(tx, now, |_| {})).unwrap();
    follow(&mut shop);
    clean(&shop);
    assert_eq!(explained(&shop, "1001").places[0].steps.len(), 18);
}

#[test]
fn pruned_records_leave_a_sum_by_kind() {
    let (mut shop, _) = busy();
    let before = {
        follow(&mut shop);
        explained(&shop, "1001")
    };
    let head = shop
        .core
        .read(finalmarket::operations::streams)
        .unwrap()
        .0
        .last()
        .unwrap()
        .head
        .head;
    shop.write(|tx, _| Ok(save_ack(tx, head).is_ok())).unwrap();
    let later_ms = shop.clock_ms.get() + DAY_MS;
    while shop.write(|tx, _| prune_before(tx, later_ms)).unwrap() > 0 {}
    clean(&shop);
    let after = explained(&shop, "1001");
    assert_eq!(after.places[0].total(), before.places[0].total());
    assert_eq!(after.places[0].steps.len(), 1, "the newest record always stays");
    let sold = after.places[0].journals[0]
        .kinds
        .iter()
        .find(|sum| sum.kind == StepKind::Sale);
    assert_eq!(sold.map(|sum| (sum.times, sum.pruned)), Some((8, 8)));
    assert_eq!(after.replicas, before.replicas);
}

#[test]
fn a_branch_that_was_left_counts_in_its_copies() {
    let (mut shop, _) = busy();
    follow(&mut shop);
    let head = shop
        .core
        .read(finalmarket::operations::streams)
        .unwrap()
        .0
        .last()
        .unwrap()
        .head
        .head;
    let now = shop.now();
    let seed = incarnation_seed(77);
    shop.core
        .run(|tx| reincarnate(tx, now, head.incarnation, 3, OpenedReason::Copied, &seed))
        .unwrap();
    follow(&mut shop);
    clean(&shop);
    let explained = explained(&shop, "1001");
    assert_eq!(explained.places[0].total().on_hand(), explained.total().on_hand());
    assert_eq!(explained.replicas.len(), 2);
    assert_eq!(explained.places.len(), 1);
    assert_eq!(explained.places[0].place, Place::Sellable);
}

#[test]
fn a_long_delivery_is_followed_in_parts_and_the_books_are_sound_between_them() {
    let mut shop = Shop::new();
    let goods: Vec<_> = (0..150)
        .map(|number| item(&format!("part-{number:03}"), "A part", "1.00"))
        .collect();
    shop.write(|tx, _| import_catalog(tx, &goods)).unwrap();
    shop.follow();
    let line = |number: u32| ReceiveLine {
        sku: format!("part-{number:03}").parse().unwrap(),
        amount: ReceiveAmount::By("2".parse().unwrap()),
    };
    let delivery = ReceiveCommand {
        kind: MovementKind::Receipt,
        reference: None,
        lines: (0..150).map(line).collect(),
    };
    let now = shop.now();
    let request = request(&Device::operator(TokenHash::of("t")), &delivery, None);
    shop.core.run(|tx| receive(tx, now, &request, &delivery)).unwrap();
    moved(&mut shop, MovementKind::Receipt, "one more", "part-000", "1");

    let mut steps = Vec::new();
    loop {
        let more = shop
            .write(|tx, _| {
                let last = tx.last_position()?;
                follow_history(tx, last)
            })
            .unwrap();
        let verified = shop.core.read(|snapshot| verify(snapshot, |_, _| {})).unwrap();
        assert_eq!(verified.differences, []);
        steps.push(more);
        if !more {
            break;
        }
    }
    assert_eq!(steps.len(), 3, "64 items, 64 items, and the rest with the correction");
    let told = |sku: &str| {
        let sku = sku.parse().unwrap();
        let newest = |snapshot: &finalmarket::store::Snapshot<'_>| snapshot.history(Place::Sellable, &sku, None, 9);
        let history = shop.core.read(newest).unwrap();
        history
            .iter()
            .map(|step| step.on_hand.thousandths())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (told("part-000"), told("part-149")),
        (vec![3_000, 2_000], vec![2_000]),
        "the newest first"
    );
}
