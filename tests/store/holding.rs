//! Holds: promised once, ended once, and what they do to the shelf.

use finalmarket::domain::escrow::Row;
use finalmarket::domain::quantity::Quantity;
use finalmarket::domain::sale::Fulfilment;
use finalmarket::domain::stock::{HoldId, HoldLine, HoldPurpose, MovementKind, Place};
use finalmarket::operations::{
    HoldCommand, HoldRefusal, OpenHoldRefusal, ReceiveAmount, ReceiveCommand, ReceiveLine, SellRefusal, Short,
    expire_holds, extend_hold, hold, prune_before, receive, release_hold, repair, verify,
};
use finalmarket::store::{Change, Device, Failure, HoldRow, IdempotencyKey, Role, TokenHash};

use crate::shop::{Shop, command, line, request};

const MINUTE_MS: u64 = 60_000;

fn quantity(text: &str) -> Quantity {
    text.parse().unwrap()
}

fn wanted(lines: &[(&str, &str)]) -> HoldCommand {
    HoldCommand {
        purpose: HoldPurpose::Cart,
        channel: "store".parse().unwrap(),
        customer: None,
        staff: None,
        lifetime_ms: Some(10 * MINUTE_MS),
        lines: lines
            .iter()
            .map(|(sku, held)| HoldLine {
                sku: sku.parse().unwrap(),
                quantity: quantity(held),
            })
            .collect(),
    }
}

fn key(text: &str) -> IdempotencyKey {
    text.parse().unwrap()
}

/// A shop with ten pieces of chocolate, five of coffee, and a till.
fn stocked() -> (Shop, Device) {
    let mut shop = Shop::new();
    goods_in(&mut shop, "1001", "10");
    goods_in(&mut shop, "1002", "5");
    let till = shop.till("1");
    (shop, till)
}

fn goods_in(shop: &mut Shop, sku: &str, change: &str) {
    let movement = ReceiveCommand {
        kind: MovementKind::Receipt,
        reference: None,
        lines: vec![ReceiveLine {
            sku: sku.parse().unwrap(),
            amount: ReceiveAmount::By(quantity(change)),
        }],
    };
    let now = shop.now();
    let request = request(&Device::operator(TokenHash::of("t")), &movement, None);
    shop.core.run(|tx| receive(tx, now, &request, &movement)).unwrap();
}

fn held(shop: &mut Shop, device: &Device, name: &str, lines: &[(&str, &str)]) -> Result<HoldRow, HoldRefusal> {
    let (now, settings, command) = (shop.now(), shop.settings.clone(), wanted(lines));
    match shop
        .core
        .run(|tx| hold(tx, &settings, now, device, &key(name), &command))
    {
        Ok(row) => Ok(row),
        Err(Failure::Refused(refusal)) => Err(refusal),
        Err(Failure::Storage(error)) => panic!("{error}"),
    }
}

fn release(shop: &mut Shop, device: &Device, id: HoldId) -> Result<HoldRow, Failure<OpenHoldRefusal>> {
    let now = shop.now();
    shop.core.run(|tx| release_hold(tx, now, device, id))
}

fn expire(shop: &mut Shop) -> usize {
    shop.write(expire_holds).unwrap()
}

/// On hand, reserved, owed, in units.
fn figures(shop: &Shop, sku: &str) -> (String, String, String) {
    let sku = sku.parse().unwrap();
    let found = shop.core.read(|snapshot| snapshot.stock(&sku)).unwrap().unwrap();
    let text = |quantity: Quantity| quantity.to_string();
    (text(found.on_hand), text(found.reserved), text(found.owed))
}

fn is(on_hand: &str, reserved: &str, owed: &str) -> (String, String, String) {
    (on_hand.into(), reserved.into(), owed.into())
}

fn clean(shop: &Shop) {
    let found = shop.core.read(|snapshot| verify(snapshot, |_, _| {})).unwrap();
    assert_eq!(found.differences, []);
}

#[test]
fn what_is_held_is_promised_to_nobody_else() {
    let (mut shop, till) = stocked();
    let first = held(&mut shop, &till, "a", &[("1001", "7"), ("1002", "1")]).unwrap();
    assert_eq!(figures(&shop, "1001"), is("10", "7", "0"));
    let refused = held(&mut shop, &till, "b", &[("1002", "2"), ("1001", "4")]).unwrap_err();
    let short = Short {
        line: 2,
        sku: "1001".parse().unwrap(),
        wanted: quantity("4"),
        promisable: quantity("3"),
    };
    assert_eq!(refused, HoldRefusal::NotEnough(vec![short]));
    assert_eq!(figures(&shop, "1002"), is("5", "1", "0"), "all lines or none");
    release(&mut shop, &till, first.hold.opened.id).unwrap();
    assert_eq!(figures(&shop, "1001"), is("10", "0", "0"));
    held(&mut shop, &till, "c", &[("1001", "10")]).unwrap();
    clean(&shop);
}

#[test]
fn a_hold_ends_once() {
    let (mut shop, till) = stocked();
    let id = held(&mut shop, &till, "a", &[("1001", "7")]).unwrap().hold.opened.id;
    release(&mut shop, &till, id).unwrap();
    let again = release(&mut shop, &till, id).unwrap_err();
    assert_eq!(again, Failure::Refused(OpenHoldRefusal::NotOpen(id)));
    let sold = shop.sell(&till, &{
        let mut sale = command(1);
        sale.hold = Some(id);
        sale
    });
    let debt = Quantity::ZERO;
    assert_eq!(sold.unwrap().sale.lines[0].fulfilment, Fulfilment::InHand { debt });
    assert_eq!(figures(&shop, "1001"), is("9", "0", "0"));
    clean(&shop);
}

#[test]
fn a_sale_ends_its_hold_and_frees_what_it_leaves() {
    let (mut shop, till) = stocked();
    let id = held(&mut shop, &till, "a", &[("1001", "4"), ("1002", "2")])
        .unwrap()
        .hold
        .opened
        .id;
    held(&mut shop, &till, "b", &[("1001", "6")]).unwrap();
    let mut sale = command(1);
    sale.hold = Some(id);
    sale.lines = vec![line("1001", "1"), line("1001", "2")];
    sale.tenders[0].amount = "20".parse().unwrap();
    let sold = shop.sell(&till, &sale).unwrap().sale;
    for sold in &sold.lines {
        let debt = Quantity::ZERO;
        assert_eq!(sold.fulfilment, Fulfilment::Promised { hold: id, debt });
    }
    assert_eq!(figures(&shop, "1001"), is("7", "6", "0"));
    assert_eq!(figures(&shop, "1002"), is("5", "0", "0"));
    clean(&shop);
}

#[test]
fn weighed_goods_that_come_out_heavier_take_what_is_free_and_owe_the_rest() {
    let (mut shop, till) = stocked();
    let id = held(&mut shop, &till, "a", &[("1001", "4")]).unwrap().hold.opened.id;
    held(&mut shop, &till, "b", &[("1001", "5.5")]).unwrap();
    let mut sale = command(1);
    sale.hold = Some(id);
    sale.lines = vec![line("1001", "4.75")];
    sale.tenders[0].amount = "20".parse().unwrap();
    let sold = shop.sell(&till, &sale).unwrap().sale;
    let debt = quantity("0.25");
    assert_eq!(sold.lines[0].fulfilment, Fulfilment::Promised { hold: id, debt });
    assert_eq!(figures(&shop, "1001"), is("5.25", "5.5", "0.25"));
    clean(&shop);
}

#[test]
fn goods_in_hand_are_sold_beyond_the_rights_and_goods_in_settle_it() {
    let (mut shop, till) = stocked();
    held(&mut shop, &till, "a", &[("1001", "9")]).unwrap();
    let mut sale = command(1);
    sale.lines = vec![line("1001", "3")];
    sale.tenders[0].amount = "20".parse().unwrap();
    let sold = shop.sell(&till, &sale).unwrap().sale;
    let debt = quantity("2");
    assert_eq!(sold.lines[0].fulfilment, Fulfilment::InHand { debt });
    assert_eq!(figures(&shop, "1001"), is("7", "9", "2"));
    let refused = held(&mut shop, &till, "b", &[("1001", "1")]).unwrap_err();
    assert!(matches!(refused, HoldRefusal::NotEnough(_)), "{refused}");
    goods_in(&mut shop, "1001", "3");
    assert_eq!(figures(&shop, "1001"), is("10", "9", "0"));
    held(&mut shop, &till, "c", &[("1001", "1")]).unwrap();
    clean(&shop);
}

#[test]
fn time_runs_out_by_the_running_clock_and_a_restart_only_lengthens_it() {
    let (mut shop, till) = stocked();
    held(&mut shop, &till, "a", &[("1001", "9")]).unwrap();
    let noon_ms = shop.clock_ms.get();
    shop.clock_ms.set(noon_ms + 6 * MINUTE_MS);
    assert_eq!(expire(&mut shop), 0, "four minutes are left");
    // The machine is off for an hour.
    shop.clock_ms.set(noon_ms + 66 * MINUTE_MS);
    let (mut shop, _) = shop.reopen(1);
    assert_eq!(expire(&mut shop), 0);
    assert_eq!(figures(&shop, "1001"), is("10", "9", "0"));
    shop.clock_ms.set(noon_ms + 69 * MINUTE_MS);
    assert_eq!(expire(&mut shop), 0);
    shop.clock_ms.set(noon_ms + 71 * MINUTE_MS);
    assert_eq!(expire(&mut shop), 1);
    assert_eq!(figures(&shop, "1001"), is("10", "0", "0"));
    clean(&shop);
}

#[test]
fn an_extension_counts_from_now_and_never_shortens() {
    let (mut shop, till) = stocked();
    let row = held(&mut shop, &till, "a", &[("1001", "9")]).unwrap();
    let id = row.hold.opened.id;
    let max_ms = shop.settings.holds.of(Role::Till).lifetime_ms_max;
    let (tell, told) = std::sync::mpsc::channel();
    shop.core
        .on_commit(Box::new(move |changed| drop(tell.send(changed.to_vec()))));
    let mut extend = |lifetime_ms| {
        let (now, settings) = (shop.now(), shop.settings.clone());
        let extended = shop
            .core
            .run(|tx| extend_hold(tx, &settings, now, &till, id, Some(lifetime_ms)));
        extended.map(|row| row.hold.expires_at_ms)
    };
    assert_eq!(extend(MINUTE_MS).unwrap(), row.hold.expires_at_ms);
    assert!(told.try_recv().is_err(), "nothing was committed that anybody waits for");
    let longer = extend(30 * MINUTE_MS).unwrap();
    // No row that anybody watches is another, and the record is to go up at once.
    assert_eq!(told.try_recv().unwrap(), [Change::Recorded]);
    assert!(longer > row.hold.expires_at_ms + 19 * MINUTE_MS);
    let too_long = extend(max_ms + 1).unwrap_err();
    let refusal = OpenHoldRefusal::Hold(HoldRefusal::Lifetime { max_ms });
    assert_eq!(too_long, Failure::Refused(refusal));
    clean(&shop);
}

#[test]
fn a_kiosk_has_narrow_bounds_and_its_own_holds_only() {
    let (mut shop, till) = stocked();
    let kiosk = Device {
        role: Role::Kiosk,
        ..shop.till("2")
    };
    let of_till = held(&mut shop, &till, "a", &[("1001", "1")]).unwrap().hold.opened.id;
    assert_eq!(
        release(&mut shop, &kiosk, of_till).unwrap_err(),
        Failure::Refused(OpenHoldRefusal::OfAnother(of_till))
    );
    let mut sale = command(1);
    sale.hold = Some(of_till);
    let refused = shop.sell(&kiosk, &sale).unwrap_err();
    assert_eq!(refused, Failure::Refused(SellRefusal::HoldOfAnother(of_till)));
    let limits = shop.settings.holds.of(Role::Kiosk);
    let too_much = limits.quantity_max.checked_add(Quantity::ONE).unwrap().to_string();
    let refused = held(&mut shop, &kiosk, "b", &[("1001", &too_much)]).unwrap_err();
    assert!(matches!(refused, HoldRefusal::Quantity { line: 1, .. }), "{refused}");
    let mut opened = Vec::new();
    for at in 0..limits.open_max {
        opened.push(held(&mut shop, &kiosk, &format!("c{at}"), &[("1001", "1")]).unwrap());
    }
    let max = limits.open_max;
    let refused = held(&mut shop, &kiosk, "d", &[("1001", "1")]).unwrap_err();
    assert_eq!(refused, HoldRefusal::TooManyOpen { max });
    release(&mut shop, &till, opened[0].hold.opened.id).unwrap();
    clean(&shop);
}

#[test]
fn a_wrong_request_holds_nothing() {
    let (mut shop, till) = stocked();
    let code = |shop: &mut Shop, lines: &[(&str, &str)]| held(shop, &till, "a", lines).unwrap_err().code();
    assert_eq!(code(&mut shop, &[]), "no-lines");
    assert_eq!(code(&mut shop, &[("1001", "0")]), "hold-quantity");
    assert_eq!(code(&mut shop, &[("1001", "-1")]), "hold-quantity");
    assert_eq!(code(&mut shop, &[("9", "1")]), "unknown-sku");
    assert_eq!(code(&mut shop, &[("1001", "1"), ("1001", "1")]), "item-repeated");
    held(&mut shop, &till, "a", &[("1001", "1")]).unwrap();
    assert_eq!(code(&mut shop, &[("1001", "1")]), "hold-used");
    clean(&shop);
}

#[test]
fn changes_behind_our_back_are_named_and_mended() {
    for (sql, named) in [
        (
            "UPDATE shelf SET held = held - 1000 WHERE held > 0",
            "`held` of store-1/",
        ),
        ("UPDATE shelf SET freed = held", "come to 2, and 0 is reserved"),
        ("DELETE FROM hold", "is not open, and was never ended"),
        ("DELETE FROM hold_line", "is not open"),
        (
            "INSERT INTO hold SELECT x'0011223344556677', device, position, opened, expires_ms FROM hold",
            "come to 4, and 2 is reserved",
        ),
        ("UPDATE shelf SET debt = debt + 1000", "`debt`"),
    ] {
        let (mut shop, till) = stocked();
        let ended = held(&mut shop, &till, "a", &[("1001", "3")]).unwrap();
        release(&mut shop, &till, ended.hold.opened.id).unwrap();
        let open = held(&mut shop, &till, "b", &[("1001", "2")]).unwrap();
        let raw = rusqlite::Connection::open(shop.directory.path().join("node.db")).unwrap();
        raw.execute_batch(sql).unwrap();
        drop(raw);
        let found = shop.core.read(|snapshot| verify(snapshot, |_, _| {})).unwrap();
        let told: Vec<String> = found.differences.iter().map(ToString::to_string).collect();
        let lines_alone = sql == "DELETE FROM hold_line";
        assert!(
            lines_alone || told.iter().any(|difference| difference.contains(named)),
            "{sql}: {told:#?}"
        );
        shop.write(|tx, now| repair(tx, now, |_| {})).unwrap();
        clean(&shop);
        let id = open.hold.opened.id;
        let again = shop.core.read(|snapshot| snapshot.hold(id)).unwrap().unwrap();
        assert_eq!(again.hold.opened, open.hold.opened, "{sql}");
        release(&mut shop, &till, id).unwrap();
        assert_eq!(figures(&shop, "1001"), is("10", "0", "0"));
    }
}

#[test]
fn a_hold_outlives_the_record_that_opened_it() {
    let (mut shop, till) = stocked();
    let id = held(&mut shop, &till, "a", &[("1001", "3")]).unwrap().hold.opened.id;
    shop.sell(&till, &command(1)).unwrap();
    let streams = shop.core.read(finalmarket::operations::streams).unwrap().0;
    let head = streams.last().unwrap().head.head;
    shop.write(|tx, _| match finalmarket::operations::save_ack(tx, head) {
        Ok(()) => Ok(()),
        Err(failure) => panic!("{failure}"),
    })
    .unwrap();
    let later_ms = shop.clock_ms.get() + MINUTE_MS;
    while shop.write(|tx, _| prune_before(tx, later_ms)).unwrap() > 0 {}
    clean(&shop);
    shop.write(|tx, now| repair(tx, now, |_| {})).unwrap();
    clean(&shop);
    release(&mut shop, &till, id).unwrap();
    assert_eq!(figures(&shop, "1001"), is("9", "0", "0"));
    clean(&shop);
}

#[test]
fn rows_keep_their_sums_whatever_is_done() {
    let (mut shop, till) = stocked();
    for counter in 1..40_u64 {
        let name = format!("h{counter}");
        let (sku, much) = if counter.is_multiple_of(3) {
            ("1002", "1.25")
        } else {
            ("1001", "2")
        };
        let opened = held(&mut shop, &till, &name, &[(sku, much)]).ok();
        let mut sale = command(counter);
        sale.lines = vec![line(sku, "1.5")];
        sale.tenders[0].amount = "30".parse().unwrap();
        sale.hold = opened
            .filter(|_| counter.is_multiple_of(2))
            .map(|row| row.hold.opened.id);
        shop.sell(&till, &sale).unwrap();
        if counter.is_multiple_of(7) {
            goods_in(&mut shop, sku, "5");
        }
        if counter.is_multiple_of(11) {
            shop.clock_ms.set(shop.clock_ms.get() + 20 * MINUTE_MS);
            expire(&mut shop);
        }
        for sku in ["1001", "1002"] {
            let sku = sku.parse().unwrap();
            let shelf = shop
                .core
                .read(|snapshot| snapshot.shelf(Place::Sellable, &sku))
                .unwrap();
            assert!(shelf.rows().all(|(_, row): (_, &Row)| row.check().is_ok()));
            assert!(shelf.reserved() <= shelf.quantity() + shelf.owed());
        }
    }
    clean(&shop);
}
