//! Refunds: never more than was sold, each once, goods back in stock.

use finalmarket::domain::sale::{ReturnedLine, TenderKind};
use finalmarket::operations::{RefundCommand, RefundRefusal, Refunded, SaleRef, StatedTender, refund};
use finalmarket::store::{Device, Failure};

use crate::shop::{Shop, command, line, request};

fn refund_command(counter: u64, of: SaleRef, quantity: &str, paid: &str) -> RefundCommand {
    RefundCommand {
        counter,
        of,
        at: None,
        staff: None,
        reason: Some("stale".parse().unwrap()),
        lines: vec![ReturnedLine::on_sale(0, quantity.parse().unwrap())],
        tenders: vec![StatedTender {
            kind: TenderKind::Cash,
            amount: paid.parse().unwrap(),
            reference: None,
        }],
    }
}

fn take_back(shop: &mut Shop, till: &Device, command: &RefundCommand) -> Result<Refunded, RefundRefusal> {
    let (settings, now) = (shop.settings.clone(), shop.now());
    let request = request(till, command, None);
    match shop.core.run(|tx| refund(tx, &settings, now, till, &request, command)) {
        Ok(refunded) => Ok(refunded),
        Err(Failure::Refused(refusal)) => Err(refusal),
        Err(Failure::Storage(error)) => panic!("{error}"),
    }
}

#[test]
fn goods_come_back_up_to_what_was_sold() {
    let mut shop = Shop::new();
    let (till, other) = (shop.till("1"), shop.till("2"));
    let mut two = command(1);
    two.lines = vec![line("1001", "2")];
    let sale = shop.sell(&till, &two).unwrap().sale;
    let of = SaleRef::Receipt(sale.receipt.clone());
    let first = take_back(&mut shop, &till, &refund_command(2, of.clone(), "1", "3.99")).unwrap();
    assert_eq!(first.refund.receipt.number, 2, "refunds count with sales");
    assert_eq!(first.refund.of, sale.id);
    assert_eq!(shop.stock("1001"), -1000);
    let too_much = refund_command(1, SaleRef::Id(sale.id.clone()), "2", "7.98");
    let refusal = take_back(&mut shop, &other, &too_much).unwrap_err();
    assert_eq!(refusal.code(), "more-than-was-sold");
    let rest = refund_command(1, SaleRef::Id(sale.id), "1", "3.99");
    assert_eq!(take_back(&mut shop, &other, &rest).unwrap().refund.receipt.number, 1);
    let refusal = take_back(&mut shop, &till, &refund_command(3, of, "0.001", "0.00")).unwrap_err();
    assert_eq!(refusal.code(), "more-than-was-sold");
    assert_eq!(shop.stock("1001"), 0);
}

#[test]
fn the_same_refund_again_gets_the_first_answer() {
    let mut shop = Shop::new();
    let till = shop.till("1");
    let sale = shop.sell(&till, &command(1)).unwrap().sale;
    let of = SaleRef::Receipt(sale.receipt);
    let asked = refund_command(2, of.clone(), "1", "3.99");
    let first = take_back(&mut shop, &till, &asked).unwrap();
    let again = take_back(&mut shop, &till, &asked).unwrap();
    assert_eq!((again.repeated, &again.refund), (true, &first.refund));
    let other = refund_command(2, of.clone(), "0.5", "2.00");
    assert_eq!(take_back(&mut shop, &till, &other).unwrap_err().code(), "id-used");
    let id_of_a_sale = refund_command(1, of, "1", "3.99");
    assert_eq!(
        take_back(&mut shop, &till, &id_of_a_sale).unwrap_err().code(),
        "id-used"
    );
    assert_eq!(shop.stock("1001"), 0);
}

#[test]
fn a_sale_that_is_not_here_cannot_be_refunded() {
    let mut shop = Shop::new();
    let till = shop.till("1");
    let unknown = SaleRef::Receipt("OTHER-R1-7KQ2-000001".parse().unwrap());
    let refusal = take_back(&mut shop, &till, &refund_command(1, unknown, "1", "3.99")).unwrap_err();
    assert_eq!(refusal.to_string(), "this node has no sale OTHER-R1-7KQ2-000001");
    // A refund is no sale.
    let sale = shop.sell(&till, &command(1)).unwrap().sale;
    let of = SaleRef::Receipt(sale.receipt);
    let back = take_back(&mut shop, &till, &refund_command(2, of, "1", "3.99")).unwrap();
    let of_refund = SaleRef::Receipt(back.refund.receipt);
    let refusal = take_back(&mut shop, &till, &refund_command(3, of_refund, "1", "3.99")).unwrap_err();
    assert_eq!(refusal.code(), "unknown-sale");
}
