//! Goods in, opening stock and corrections.

use finalmarket::domain::stock::MovementKind;
use finalmarket::operations::{ReceiveAmount, ReceiveCommand, ReceiveLine, ReceiveRefusal, Received, receive, tidy};
use finalmarket::store::{Device, Failure, Now, TokenHash};

use crate::shop::{DAY_MS, Shop, request};

fn movement(kind: MovementKind, lines: &[(&str, ReceiveAmount)]) -> ReceiveCommand {
    let line = |(sku, amount): &(&str, ReceiveAmount)| ReceiveLine {
        sku: sku.parse().unwrap(),
        amount: *amount,
    };
    ReceiveCommand {
        kind,
        reference: Some("DN 7".into()),
        lines: lines.iter().map(line).collect(),
    }
}

fn by(quantity: &str) -> ReceiveAmount {
    ReceiveAmount::By(quantity.parse().unwrap())
}

fn to(quantity: &str) -> ReceiveAmount {
    ReceiveAmount::To(quantity.parse().unwrap())
}

fn run(shop: &mut Shop, command: &ReceiveCommand, key: Option<&str>) -> Result<Received, ReceiveRefusal> {
    let operator = Device::operator(TokenHash::of("t"));
    let now = shop.now();
    let request = request(&operator, command, key);
    match shop.core.run(|tx| receive(tx, now, &request, command)) {
        Ok(received) => Ok(received),
        Err(Failure::Refused(refusal)) => Err(refusal),
        Err(Failure::Storage(error)) => panic!("{error}"),
    }
}

#[test]
fn stock_moves_by_and_to_quantities() {
    let mut shop = Shop::new();
    let lines = [("1001", to("12")), ("1002", by("3.5")), ("1001", by("-2"))];
    let received = run(&mut shop, &movement(MovementKind::Opening, &lines), None).unwrap();
    assert_eq!(received.movement.lines.len(), 3);
    assert_eq!((shop.stock("1001"), shop.stock("1002")), (10_000, 3_500));
    let again = movement(MovementKind::Opening, &[("1001", to("10")), ("1002", to("3.5"))]);
    let nothing = run(&mut shop, &again, Some("k")).unwrap();
    assert_eq!((nothing.position, nothing.repeated), (None, false));
    assert!(run(&mut shop, &again, Some("k")).unwrap().repeated);
}

#[test]
fn a_repeated_delivery_comes_in_once() {
    let mut shop = Shop::new();
    let delivery = movement(MovementKind::Receipt, &[("1001", by("5"))]);
    let first = run(&mut shop, &delivery, Some("dn-7")).unwrap();
    let again = run(&mut shop, &delivery, Some("dn-7")).unwrap();
    assert_eq!((again.position, again.repeated), (first.position, true));
    assert_eq!(shop.stock("1001"), 5_000);
    let other = movement(MovementKind::Receipt, &[("1001", by("6"))]);
    assert_eq!(run(&mut shop, &other, Some("dn-7")), Err(ReceiveRefusal::KeyReused));
}

#[test]
fn a_delivery_is_known_by_its_identity_when_its_answer_is_forgotten() {
    let mut shop = Shop::new();
    let delivery = movement(MovementKind::Receipt, &[("1001", by("5")), ("1002", to("0"))]);
    let first = run(&mut shop, &delivery, Some("dn-7")).unwrap();
    shop.write(|tx, now| {
        let much_later = Now {
            unix_ms: now.unix_ms + 100 * DAY_MS,
            ..now
        };
        tidy(tx, much_later, 180, None)
    })
    .unwrap();
    let again = run(&mut shop, &delivery, Some("dn-7")).unwrap();
    assert_eq!((again.position, again.repeated), (first.position, true));
    let other = movement(MovementKind::Receipt, &[("1001", by("6"))]);
    assert_eq!(run(&mut shop, &other, Some("dn-7")), Err(ReceiveRefusal::KeyReused));
    assert_eq!(shop.stock("1001"), 5_000);
    let next = run(&mut shop, &delivery, Some("dn-8")).unwrap();
    assert_ne!(next.movement.id, first.movement.id);
    assert_eq!(shop.stock("1001"), 10_000);
}

#[test]
fn the_same_request_has_the_same_identity_on_a_disk_that_has_forgotten_it() {
    let mut ids = Vec::new();
    for _ in 0..2 {
        let mut shop = Shop::new();
        let delivery = movement(MovementKind::Receipt, &[("1001", by("5"))]);
        ids.push(run(&mut shop, &delivery, Some("dn-7")).unwrap().movement.id.unwrap());
        let till = shop.till("1");
        let (now, asked) = (shop.now(), request(&till, &delivery, Some("dn-7")));
        let of_till = shop.core.run(|tx| receive(tx, now, &asked, &delivery)).unwrap();
        assert_ne!(of_till.movement.id, Some(ids[0]), "another device's key is another's");
        assert_eq!(run(&mut shop, &delivery, None).unwrap().movement.id, None);
    }
    assert_eq!(ids[0], ids[1]);
}

#[test]
fn what_is_wrong_is_named_and_nothing_moves() {
    let mut shop = Shop::new();
    let unknown = movement(
        MovementKind::Receipt,
        &[("1001", by("5")), ("77", by("1")), ("78", by("1"))],
    );
    let refusal = run(&mut shop, &unknown, None).unwrap_err();
    assert_eq!(refusal.to_string(), "no item has the SKU 77 (line 2), 78 (line 3)");
    let nothing = movement(MovementKind::Receipt, &[("1001", by("0"))]);
    assert_eq!(run(&mut shop, &nothing, None).unwrap_err().code(), "no-change");
    let absurd = movement(MovementKind::Receipt, &[("1001", by("1000001"))]);
    assert_eq!(run(&mut shop, &absurd, None).unwrap_err().code(), "quantity-too-large");
    let none = movement(MovementKind::Receipt, &[]);
    assert_eq!(run(&mut shop, &none, None), Err(ReceiveRefusal::NoLines));
    assert_eq!(shop.stock("1001"), 0);
}
