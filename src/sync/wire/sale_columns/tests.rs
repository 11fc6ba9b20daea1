use proptest::prelude::*;

use super::*;
use crate::domain::fact::{Entry, Fact};
use crate::domain::ids::{ReceiptNumber, SaleId};
use crate::domain::money::Minor;
use crate::domain::quantity::Quantity;
use crate::domain::sale::{AdjustmentCause, ByHand, LineShare, PriceCause, SaleLine, Tender};
use crate::domain::stock::HoldId;
use crate::domain::tax::{TaxBasis, TaxRoundingBy, TaxSum};
use crate::domain::time::{BusinessDay, Hlc, LocalTime};
use crate::sync::wire::{Slot, columns};

fn id<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().unwrap()
}

prop_compose! {
    fn line()(
        sku in prop_oneof!["[1-9][0-9]{0,12}", "0[0-9]{1,3}", "[A-Z]{1,3}-[0-9]"],
        quantity in prop_oneof![1..20i64, 1..5_000_000i64, any::<i64>()],
        price in 0..10_000_000u64,
        places in 0..5u32,
        discounts in (prop_oneof![Just(0), any::<i64>()], prop_oneof![Just(0), any::<i64>()]),
        tax in 0..3u8,
        debt in prop_oneof![Just(0), 1..9_000i64],
    ) -> SaleLine {
        SaleLine {
            sku: id(&sku),
            quantity: Quantity::from_thousandths(if (0..20).contains(&quantity) { quantity * 1_000 } else { quantity }),
            unit_price: rust_decimal::Decimal::new(price.cast_signed(), places).try_into().unwrap(),
            discount: Minor(discounts.0),
            basket_discount: Minor(discounts.1),
            tax,
            fulfilment: match debt {
                7 => Fulfilment::Promised { hold: HoldId([0, 0, 0, 0, 0, 0, 0, 12]), debt: Quantity::ZERO },
                debt => Fulfilment::InHand { debt: Quantity::from_thousandths(debt) },
            },
        }
    }
}

fn explanations((line, amount, coupon): (u16, i64, Option<String>)) -> (Vec<Adjustment>, Vec<PriceNote>) {
    let (promotion, name, coupon) = (id("summer"), id("Summer's end"), coupon.map(|code| id(&code)));
    let amount = Minor(amount);
    let adjustment = Adjustment {
        cause: AdjustmentCause::Promotion {
            promotion,
            name,
            coupon,
        },
        shares: vec![LineShare { line, amount }],
    };
    let by_hand = ByHand {
        reason: Some(id("scratched")),
        by: None,
        approved_by: Some(id("m-1")),
    };
    let cause = PriceCause::ByHand(by_hand);
    let note = PriceNote {
        line,
        list: "1.50".parse().unwrap(),
        cause,
    };
    (vec![adjustment], vec![note])
}

prop_compose! {
    fn sale()(
        series in 0..3u8,
        counter in prop_oneof![1..100u64, 1..=u64::MAX],
        number in 1..1000u64,
        seconds in -4_000_000_000..4_000_000_000i64,
        offset in proptest::option::of(-700..700i16),
        day in -3..3i32,
        people in (proptest::option::of(0..5u8), proptest::option::of(0..3u8)),
        price_version in prop_oneof![0..9u64, any::<u64>()],
        lines in proptest::collection::vec(line(), 0..6),
        tenders in proptest::collection::vec((any::<bool>(), any::<i32>(), proptest::option::of("[a-z]{1,4}")), 0..3),
        keep in any::<bool>(),
        extra in (prop_oneof![Just(0), any::<i64>()], prop_oneof![Just(0), any::<i64>()]),
        explained in proptest::option::of((any::<u16>(), any::<i64>(), proptest::option::of("[a-z]{1,9}"))),
    ) -> Sale {
        let (adjustments, price_notes) = explained.map(explanations).unwrap_or_default();
        let at = LocalTime::new(chrono::DateTime::from_timestamp(seconds, 0).unwrap().naive_utc(), offset);
        let rate = |percent: &str| AppliedTax { class: id("standard"), rate: percent.parse().unwrap() };
        let tenders = tenders.into_iter().map(|(cash, amount, reference)| Tender {
            kind: if cash { TenderKind::Cash } else { TenderKind::Card },
            amount: Minor(amount.into()),
            reference: reference.map(|text| id(&text)),
        });
        let mut sale = Sale {
            id: SaleId { series: id(&format!("S-{series}")), counter },
            receipt: ReceiptNumber { series: id(&format!("R-{series}")), number },
            at,
            business_day: BusinessDay::from_number(BusinessDay(at.day()).number() + day).unwrap(),
            channel: id("physical_store"),
            currency: Currency::USD,
            customer: people.0.map(|n| id(&format!("household-{n}"))),
            staff: people.1.map(|n| id(&format!("staff-{n}"))),
            price_version,
            tax_policy: TaxPolicy {
                basis: if keep { TaxBasis::Included } else { TaxBasis::Added },
                rounding_by: TaxRoundingBy::Line,
                rounding: crate::domain::money::Rounding::HalfUp,
            },
            taxes: vec![rate("7"), rate("0")],
            lines,
            adjustments,
            price_notes,
            tenders: tenders.collect(),
            totals: Totals { rounding: Minor(extra.0), tip: Minor(extra.1), ..Totals::default() },
        };
        let sum = TaxSum { applied: rate("7"), net: Minor(1), tax: Minor(2) };
        let odd = Totals { gross: Minor(5), taxes: vec![sum], ..Totals::default() };
        sale.totals = sale.recompute_totals().filter(|_| keep).unwrap_or(odd);
        sale
    }
}

proptest! {
    #[test]
    fn sales_come_back_byte_for_byte(sales in proptest::collection::vec((any::<u64>(), sale()), 0..12)) {
        let slots: Vec<Slot> = sales
            .into_iter()
            .map(|(stamp, sale)| Slot::Record(Entry { recorded: Hlc(stamp), fact: Fact::Sale(sale) }.encode()))
            .collect();
        prop_assert_eq!(columns::unpack(&columns::pack(&slots)).unwrap(), slots);
    }
}
