//! What holds for every sale and every sequence of refunds.

use proptest::collection::vec;
use proptest::prelude::*;
use rust_decimal::Decimal;

use super::testing::{draft, draft_line, id, number, tender};
use super::*;
use crate::domain::money::{Currency, Minor, Price, Rounding};
use crate::domain::quantity::Quantity;
use crate::domain::tax::{TaxBasis, TaxPolicy, TaxRate, TaxRoundingBy};

const CLASSES: [&str; 4] = ["standard", "reduced", "zero", "luxury"];
const KINDS: [TenderKind; 3] = [TenderKind::Cash, TenderKind::Card, TenderKind::GiftCard];

fn any_rules() -> impl Strategy<Value = SaleRules> {
    let currency = prop::sample::select(vec![
        Currency::USD,
        Currency::JPY,
        Currency::KWD,
        Currency::CHF,
        Currency::SEK,
    ]);
    let rounding = prop::sample::select(vec![Rounding::HalfUp, Rounding::HalfEven, Rounding::Down]);
    let basis = prop::sample::select(vec![TaxBasis::Included, TaxBasis::Added]);
    let rounding_by = prop::sample::select(vec![TaxRoundingBy::Line, TaxRoundingBy::Document]);
    let rate = prop_oneof![0i64..400_000, 0i64..=10_000_000];
    (currency, basis, rounding_by, rounding, vec(rate, 3)).prop_map(
        |(currency, basis, rounding_by, rounding, rates)| SaleRules {
            currency,
            tax_policy: TaxPolicy {
                basis,
                rounding_by,
                rounding,
            },
            // The last class has no rate.
            tax_rates: CLASSES
                .iter()
                .zip(rates)
                .map(|(class, rate)| {
                    (
                        class.parse().unwrap(),
                        TaxRate::try_from(Decimal::new(rate, 4)).unwrap(),
                    )
                })
                .collect(),
            cash_rounding: crate::domain::money::CashRounding::usual(currency),
            tips: false,
        },
    )
}

/// The smallest coin, in minor units.
fn coin_of(currency: Currency) -> i64 {
    match currency.code() {
        "CHF" => 5,
        "SEK" => 100,
        _ => 1,
    }
}

fn any_percent() -> impl Strategy<Value = Percent> {
    (0i64..=1_000_000).prop_map(|part| Decimal::new(part, 4).try_into().unwrap())
}

/// Of 0 to 100 % and so always allowed.
fn fair_discount() -> impl Strategy<Value = Option<Discount>> {
    prop::option::weighted(0.4, any_percent().prop_map(Discount::Percent))
}

fn fair_line() -> impl Strategy<Value = DraftLine> {
    let quantity = prop_oneof![(1i64..20).prop_map(|units| units * 1000), 1i64..1_000_000];
    // Small ones, where a cent is much: 1 of 3 cents may be tax.
    let mantissa = prop_oneof![0i64..10_000_000, 0i64..20];
    let price = (mantissa, 0u32..=4).prop_map(|(mantissa, places)| Decimal::new(mantissa, places));
    (quantity, price, 0usize..3, fair_discount()).prop_map(|(quantity, price, class, discount)| DraftLine {
        quantity: Quantity::from_thousandths(quantity),
        unit_price: price.try_into().unwrap(),
        discount,
        ..draft_line("1", "1", CLASSES[class])
    })
}

/// A sale that is never refused: paid with cash that covers everything.
fn fair_sale() -> impl Strategy<Value = (SaleRules, SaleDraft)> {
    (any_rules(), vec(fair_line(), 1..12), fair_discount()).prop_map(|(rules, lines, basket_discount)| {
        let mut draft = draft(lines, vec![tender(TenderKind::Cash, 1 << 60)]);
        draft.basket_discount = basket_discount;
        (rules, draft)
    })
}

/// Anything that the types let through, with the ends of their ranges.
fn wild_draft() -> impl Strategy<Value = SaleDraft> {
    let wild = || prop_oneof![any::<i64>(), -2i64..100_000, Just(i64::MIN), Just(i64::MAX)];
    let discount = move || {
        prop::option::of(prop_oneof![
            wild().prop_map(|amount| Discount::Amount(Minor(amount))),
            any_percent().prop_map(Discount::Percent)
        ])
    };
    let price = prop_oneof![
        any::<u64>(),
        Just(Price::try_from(Price::MAX).unwrap().packed()),
        0u64..100_000
    ];
    let line = (wild(), price, 0usize..4, discount()).prop_map(|(quantity, price, class, discount)| DraftLine {
        quantity: Quantity::from_thousandths(quantity),
        unit_price: Price::from_packed(price).unwrap_or_else(|_| "0.01".parse().unwrap()),
        discount,
        ..draft_line("1", "1", CLASSES[class])
    });
    let tenders = vec((0usize..3, wild()), 0..4);
    (vec(line, 0..6), tenders, discount()).prop_map(|(lines, tenders, basket_discount)| {
        let tenders = tenders.into_iter().map(|(kind, amount)| tender(KINDS[kind], amount));
        let mut draft = draft(lines, tenders.collect());
        draft.basket_discount = basket_discount;
        draft
    })
}

/// The refund of some lines, paid back exactly: asked once to learn the total, as a till does.
fn refund(sale: &Sale, already: &[RefundedLine], lines: Vec<(u16, Quantity)>) -> Result<Refund, RefundRefusal> {
    let mut draft = RefundDraft {
        id: id(2),
        at: sale.at,
        business_day: sale.business_day,
        staff: None,
        reason: None,
        lines: lines
            .into_iter()
            .map(|(line, quantity)| ReturnedLine::on_sale(line, quantity))
            .collect(),
        tenders: vec![],
    };
    match decide_refund(
        sale,
        already,
        draft.clone(),
        number(),
        crate::domain::money::CashRounding::NONE,
    ) {
        Err(RefundRefusal::TendersDiffer { total, .. }) => {
            draft.tenders = vec![tender(TenderKind::Cash, total.minor())];
            decide_refund(sale, already, draft, number(), crate::domain::money::CashRounding::NONE)
        }
        other => other,
    }
}

proptest! {
    #[test]
    fn the_sums_of_every_sale_agree((rules, draft) in fair_sale()) {
        let basket = draft.basket_discount;
        let sale = decide(draft, number(), &rules).unwrap();
        let totals = &sale.totals;
        prop_assert!(sale.recompute_totals().as_ref() == Some(totals));

        let lines = |of: fn(&SaleLine) -> Minor| sale.lines.iter().map(|line| of(line).0).sum::<i64>();
        let left = totals.gross.0 - lines(|line| line.discount);
        let of_basket = basket.map_or(0, |discount| discount.of(Minor(left)).unwrap().0);
        prop_assert_eq!(lines(|line| line.basket_discount), of_basket, "the shares sum to the discount");
        prop_assert_eq!(totals.discount.0, lines(|line| line.discount) + of_basket);
        for line in &sale.lines {
            prop_assert!(line.amount(rules.currency).unwrap() >= Minor(0));
        }

        let net: i64 = totals.taxes.iter().map(|sum| sum.net.0).sum();
        let tax: i64 = totals.taxes.iter().map(|sum| sum.tax.0).sum();
        prop_assert_eq!(net + tax, totals.total.0);
        if rules.tax_policy.basis == TaxBasis::Added {
            prop_assert_eq!(net, totals.gross.0 - totals.discount.0);
        }
        prop_assert_eq!(totals.change.0, (1 << 60) - totals.total.0 - totals.rounding.0);
        // Paid in coins: at most half a coin away from the total, and coins pay it.
        let coin = coin_of(rules.currency);
        prop_assert!(totals.rounding.0.abs() <= coin / 2);
        prop_assert_eq!((totals.total.0 + totals.rounding.0) % coin, 0);

        let by_line = sale.paid_by_line().unwrap();
        prop_assert_eq!(by_line.iter().map(|(_, tax)| tax.0).sum::<i64>(), tax);
    }

    #[test]
    fn refunds_never_exceed_and_all_of_them_pay_back_all(
        (rules, draft) in fair_sale(),
        // How much of what is left of each line comes back each time, in per cent.
        parts in vec(vec(0i64..=100, 12), 0..5),
    ) {
        let sale = decide(draft, number(), &rules).unwrap();
        let paid = sale.paid_by_line().unwrap();
        let mut left: Vec<i64> = sale.lines.iter().map(|line| line.quantity.thousandths()).collect();
        let mut already: Vec<RefundedLine> = Vec::new();
        let mut given_back = 0;
        for parts in parts.into_iter().chain([vec![100; 12]]) {
            let lines: Vec<_> = (0u16..)
                .zip(left.iter().zip(parts))
                .map(|(line, (left, part))| (line, Quantity::from_thousandths(left * part / 100)))
                .filter(|(_, quantity)| *quantity > Quantity::ZERO)
                .collect();
            if lines.is_empty() {
                continue;
            }
            let refund = refund(&sale, &already, lines).unwrap();
            prop_assert!(refund.recompute_totals().as_ref() == Some(&refund.totals));
            given_back += refund.totals.total.0;
            prop_assert!(given_back <= sale.totals.total.0);
            for line in &refund.lines {
                left[usize::from(line.line)] -= line.quantity.thousandths();
                prop_assert!(line.amount >= Minor(0) && line.tax_amount >= Minor(0));
            }
            for sum in &refund.totals.taxes {
                prop_assert!(sum.net >= Minor(0), "no refund holds more tax than money");
            }
            already.extend(refund.lines.iter().map(RefundedLine::from));
        }
        prop_assert_eq!(given_back, sale.totals.total.0);
        for (line, (amount, tax)) in (0u16..).zip(paid) {
            let of_line = || already.iter().filter(|back| back.line == line);
            prop_assert_eq!(of_line().map(|back| back.amount.0).sum::<i64>(), amount.0);
            prop_assert_eq!(of_line().map(|back| back.tax_amount.0).sum::<i64>(), tax.0);
            let refusal = refund(&sale, &already, vec![(line, Quantity::from_thousandths(1))]).unwrap_err();
            prop_assert_eq!(refusal.code(), "more-than-was-sold");
        }
    }

    #[test]
    fn no_draft_panics(rules in any_rules(), draft in wild_draft()) {
        match decide(draft, number(), &rules) {
            Ok(sale) => prop_assert_eq!(sale.recompute_totals(), Some(sale.totals)),
            Err(refusal) => prop_assert!(!refusal.to_string().is_empty() && !refusal.code().is_empty()),
        }
    }

    #[test]
    fn no_record_panics(
        (rules, draft) in fair_sale(),
        wild in vec((any::<i64>(), any::<i64>(), any::<i64>(), any::<u8>()), 12),
        asked in vec((0u16..13, any::<i64>()), 0..4),
        earlier in vec((0u16..13, any::<i64>(), any::<i64>(), any::<i64>()), 0..4),
    ) {
        // As another program, or a broken disk, may have written it.
        let mut sale = decide(draft, number(), &rules).unwrap();
        for (line, (quantity, discount, share, tax)) in sale.lines.iter_mut().zip(wild) {
            line.quantity = Quantity::from_thousandths(quantity);
            line.discount = Minor(discount);
            line.basket_discount = Minor(share);
            line.tax = tax % 4;
        }
        let _ = sale.recompute_totals();
        let _ = sale.paid_by_line();
        let earlier: Vec<_> = earlier
            .into_iter()
            .map(|(line, quantity, amount, tax_amount)| RefundedLine {
                line,
                quantity: Quantity::from_thousandths(quantity),
                amount: Minor(amount),
                tax_amount: Minor(tax_amount),
            })
            .collect();
        let asked = asked.into_iter().map(|(line, quantity)| (line, Quantity::from_thousandths(quantity)));
        if let Err(refusal) = refund(&sale, &earlier, asked.collect()) {
            prop_assert!(!refusal.to_string().is_empty() && !refusal.code().is_empty());
        }
    }
}
