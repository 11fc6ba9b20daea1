//! Stock work: what it does to the shelves, and a count at a cut while selling goes on.

use finalmarket::domain::ids::Sku;
use finalmarket::domain::money::Currency;
use finalmarket::domain::quantity::Quantity;
use finalmarket::domain::stock::{HoldLine, HoldPurpose, Place, StepKind, WorkKind, WorkReason};
use finalmarket::operations::{
    HoldCommand, Others, WorkCommand, WorkEntry, WorkRefusal, count_mark, explain, hold, repair, stock_work, verify,
};
use finalmarket::store::{Device, Failure};

use crate::shop::{Shop, command};

fn units(units: i64) -> Quantity {
    Quantity::from_units(units).unwrap()
}

fn work(kind: WorkKind, quantity: i64) -> WorkCommand {
    WorkCommand {
        kind,
        staff: Some("ann".parse().unwrap()),
        note: None,
        lines: vec![WorkEntry {
            sku: "1001".parse().unwrap(),
            quantity: units(quantity),
            cost: None,
        }],
    }
}

fn count_at(mark: u64) -> WorkKind {
    let others = Vec::new();
    WorkKind::Count { mark, others }
}

fn goods_in() -> WorkKind {
    WorkKind::GoodsIn {
        supplier: Some("ACME".into()),
        reference: Some("DN 7".into()),
        currency: Currency::USD,
    }
}

fn done(shop: &mut Shop, device: &Device, key: &str, command: &WorkCommand) -> Result<Quantity, WorkRefusal> {
    let (now, key) = (shop.now(), key.parse().unwrap());
    match shop.core.run(|tx| stock_work(tx, now, device, &key, command)) {
        Ok(work) => Ok(work.lines[0].quantity),
        Err(Failure::Refused(refusal)) => Err(refusal),
        Err(Failure::Storage(error)) => panic!("{error}"),
    }
}

fn clean(shop: &Shop) {
    let found = shop.core.read(|snapshot| verify(snapshot, |_, _| {})).unwrap();
    assert_eq!(found.differences, []);
}

#[test]
fn each_kind_of_work_moves_its_place_and_says_who_and_why() {
    let mut shop = Shop::new();
    let till = shop.till("1");
    let mut delivery = work(goods_in(), 10);
    delivery.lines[0].cost = Some("1.25".parse().unwrap());
    done(&mut shop, &till, "a", &delivery).unwrap();
    let (reason, place) = (WorkReason::Stolen, Place::Sellable);
    done(&mut shop, &till, "b", &work(WorkKind::Loss { reason, place }, 1)).unwrap();
    let (from, to) = (Place::Sellable, Place::Damaged);
    let reason = WorkReason::Damaged;
    done(&mut shop, &till, "c", &work(WorkKind::Move { reason, from, to }, 3)).unwrap();
    let place = Place::Damaged;
    done(&mut shop, &till, "d", &work(WorkKind::Loss { reason, place }, 2)).unwrap();
    let (reason, place) = (WorkReason::EntryError, Place::Sellable);
    done(&mut shop, &till, "e", &work(WorkKind::Correction { reason, place }, -1)).unwrap();
    assert_eq!(shop.stock("1001"), 5_000);
    shop.follow();
    clean(&shop);
    let sku: Sku = "1001".parse().unwrap();
    let explained = shop
        .core
        .read(|snapshot| explain(snapshot, &sku, 20, 0))
        .unwrap()
        .unwrap();
    assert_eq!(
        explained.places[1].total().on_hand(),
        units(1),
        "what is damaged is counted apart"
    );
    let steps = &explained.places[0].steps;
    let kinds: Vec<_> = steps.iter().map(|step| step.kind).collect();
    assert_eq!(
        kinds,
        [StepKind::Adjustment, StepKind::Moved, StepKind::Loss, StepKind::Receipt]
    );
    let lost = &steps[2].particulars;
    assert_eq!(lost.who.as_deref(), Some("device \"till 1\", staff ann"));
    assert_eq!(lost.why.as_deref(), Some("stolen, on sale"));
    shop.write(|tx, now| repair(tx, now, |_| {})).unwrap();
    shop.follow();
    clean(&shop);
}

#[test]
fn a_count_stands_as_of_its_mark_while_selling_goes_on() {
    let mut shop = Shop::new();
    let till = shop.till("1");
    done(&mut shop, &till, "a", &work(goods_in(), 10)).unwrap();
    let wanted = HoldCommand {
        purpose: HoldPurpose::Pickup,
        channel: "phone".parse().unwrap(),
        customer: None,
        staff: None,
        lifetime_ms: None,
        lines: vec![HoldLine {
            sku: "1001".parse().unwrap(),
            quantity: units(2),
        }],
    };
    let (now, settings, key) = (shop.now(), shop.settings.clone(), "h".parse().unwrap());
    shop.core
        .run(|tx| hold(tx, &settings, now, &till, &key, &wanted))
        .unwrap();
    shop.sell(&till, &command(1)).unwrap();
    let now = shop.now();
    let mark = shop
        .core
        .run(|tx| count_mark(tx, now, &Others::default()))
        .unwrap()
        .number;
    // Sold and received while people count: nine were there, eight are found, those that wait for pickup among them.
    shop.sell(&till, &command(2)).unwrap();
    done(&mut shop, &till, "b", &work(goods_in(), 5)).unwrap();
    let count = work(count_at(mark), 8);
    assert_eq!(done(&mut shop, &till, "c", &count), Ok(units(-1)));
    assert_eq!(shop.stock("1001"), 12_000, "9 - 1 sold + 5 in - 1 not found");
    // A second count of the same mark finds what the first did: it is posted once.
    assert_eq!(done(&mut shop, &till, "d", &count), Ok(units(0)));
    assert_eq!(shop.stock("1001"), 12_000);
    clean(&shop);
    let future = work(count_at(999), 8);
    assert_eq!(done(&mut shop, &till, "e", &future), Err(WorkRefusal::Mark(999)));
}

#[test]
fn work_that_makes_no_sense_moves_nothing() {
    let mut shop = Shop::new();
    let till = shop.till("1");
    let (from, to, place) = (Place::Damaged, Place::Damaged, Place::Sellable);
    let reason = WorkReason::Other;
    let sku: Sku = "1001".parse().unwrap();
    let cases = [
        (
            work(
                WorkKind::Move {
                    reason: WorkReason::Repaired,
                    from,
                    to,
                },
                1,
            ),
            WorkRefusal::SamePlace,
        ),
        (work(WorkKind::Loss { reason, place }, 1), WorkRefusal::NoteMissing),
        (
            work(goods_in(), 0),
            WorkRefusal::Quantity {
                line: 1,
                sku: sku.clone(),
            },
        ),
        (
            WorkCommand {
                lines: vec![],
                ..work(goods_in(), 1)
            },
            WorkRefusal::NoLines,
        ),
        (
            WorkCommand {
                note: Some("a\nb".into()),
                ..work(goods_in(), 1)
            },
            WorkRefusal::Text,
        ),
    ];
    for (command, refusal) in cases {
        assert_eq!(done(&mut shop, &till, "x", &command), Err(refusal));
    }
    done(&mut shop, &till, "x", &work(goods_in(), 1)).unwrap();
    assert_eq!(
        done(&mut shop, &till, "x", &work(goods_in(), 1)),
        Err(WorkRefusal::LongMade)
    );
    assert_eq!(shop.stock("1001"), 1_000);
}
