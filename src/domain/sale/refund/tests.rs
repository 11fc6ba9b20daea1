use super::*;
use crate::domain::money::{Currency, Money};
use crate::domain::sale::testing::{draft, draft_line, id, number, rules, tender};
use crate::domain::sale::{Discount, TenderKind, Totals, decide};
use crate::domain::tax::{TaxBasis, TaxRoundingBy};

/// 3 × 3.33 at 19 %, and 0.500 × 2.00 at 7 %, with 1.00 off the basket: paid 9.08 and 0.91.
fn sold() -> Sale {
    let mut draft = draft(
        vec![
            draft_line("3", "3.33", "standard"),
            draft_line("0.5", "2.00", "reduced"),
        ],
        vec![tender(TenderKind::Card, 999)],
    );
    draft.basket_discount = Some(Discount::Amount(Minor(100)));
    decide(draft, number(), &rules()).unwrap()
}

fn asks(lines: &[(u16, i64)], given: i64) -> RefundDraft {
    let quantity =
        |(line, thousandths): &(u16, i64)| ReturnedLine::on_sale(*line, Quantity::from_thousandths(*thousandths));
    RefundDraft {
        id: id(2),
        at: "2017-01-02T09:00:00".parse().unwrap(),
        business_day: "2017-01-02".parse().unwrap(),
        staff: None,
        reason: Some("does not fit".parse().unwrap()),
        lines: lines.iter().map(quantity).collect(),
        tenders: Vec::from_iter((given != 0).then(|| tender(TenderKind::Cash, given))),
    }
}

fn refused(already: &[RefundedLine], draft: RefundDraft, code: &str) -> String {
    let refusal = decide_refund(
        &sold(),
        already,
        draft,
        number(),
        crate::domain::money::CashRounding::NONE,
    )
    .unwrap_err();
    assert_eq!(refusal.code(), code);
    refusal.to_string()
}

#[test]
fn three_partial_refunds_sum_to_what_was_paid() {
    let sale = sold();
    assert_eq!(
        sale.paid_by_line().unwrap(),
        [(Minor(908), Minor(145)), (Minor(91), Minor(6))]
    );
    let mut already = Vec::new();
    // 9.08 / 3 = 3.0267: 3.03, then 6.05 in all, then 9.08. The tax, 1.45: 0.48, 0.97, 1.45.
    for (amount, tax) in [(303, 48), (302, 49), (303, 48)] {
        let refund = decide_refund(
            &sale,
            &already,
            asks(&[(0, 1000)], amount),
            number(),
            crate::domain::money::CashRounding::NONE,
        )
        .unwrap();
        assert_eq!(
            (refund.lines[0].amount, refund.lines[0].tax_amount),
            (Minor(amount), Minor(tax))
        );
        assert_eq!(refund.recompute_totals().as_ref(), Some(&refund.totals));
        already.extend(refund.lines.iter().map(RefundedLine::from));
    }
    assert_eq!(
        refused(&already, asks(&[(0, 1)], 0), "more-than-was-sold"),
        "line 1: 0.001 cannot come back, because 3 was sold and 3 came back before"
    );
}

#[test]
fn a_refund_carries_what_its_sale_was() {
    let sale = sold();
    let refund = decide_refund(
        &sale,
        &[],
        asks(&[(1, 500)], 91),
        number(),
        crate::domain::money::CashRounding::NONE,
    )
    .unwrap();
    assert_eq!(
        (refund.of, refund.channel, refund.currency),
        (sale.id, sale.channel, sale.currency)
    );
    // Only the taxes that occur, counted anew.
    assert_eq!(refund.taxes, [sale.taxes[1].clone()]);
    assert_eq!(refund.lines[0].tax, 0);
    let taxes = vec![crate::domain::tax::TaxSum {
        applied: sale.taxes[1].clone(),
        net: Minor(85),
        tax: Minor(6),
    }];
    let (gross, total) = (Minor(91), Minor(91));
    let (discount, change) = (Minor(0), Minor(0));
    assert_eq!(
        refund.totals,
        Totals {
            gross,
            discount,
            taxes,
            total,
            change,
            ..Totals::default()
        }
    );
}

#[test]
fn tax_that_was_added_is_paid_back_too() {
    let mut rules = rules();
    rules.tax_policy.basis = TaxBasis::Added;
    rules.tax_policy.rounding_by = TaxRoundingBy::Document;
    // 5 % of 0.10 and 0.10 is 0.01 over the document, which the first line bears.
    rules.tax_rates.insert("low".parse().unwrap(), "5".parse().unwrap());
    let lines = vec![draft_line("1", "0.10", "low"), draft_line("1", "0.10", "low")];
    let sale = decide(draft(lines, vec![tender(TenderKind::Card, 21)]), number(), &rules).unwrap();
    let first = decide_refund(
        &sale,
        &[],
        asks(&[(0, 1000)], 11),
        number(),
        crate::domain::money::CashRounding::NONE,
    )
    .unwrap();
    let second = decide_refund(
        &sale,
        &[],
        asks(&[(1, 1000)], 10),
        number(),
        crate::domain::money::CashRounding::NONE,
    )
    .unwrap();
    assert_eq!((first.totals.total, second.totals.total), (Minor(11), Minor(10)));
    assert_eq!(first.totals.taxes[0].net, Minor(10));
}

#[test]
fn a_refund_never_holds_more_tax_than_money() {
    // Ten for two cents, one of which is tax. By quantity alone the fifth refund would hold a cent of tax and no money.
    let mut rules = rules();
    rules.tax_rates.insert("half".parse().unwrap(), "100".parse().unwrap());
    let lines = vec![draft_line("10", "0.002", "half")];
    let sale = decide(draft(lines, vec![tender(TenderKind::Card, 2)]), number(), &rules).unwrap();
    let mut already = Vec::new();
    let mut paid_back = Vec::new();
    for _ in 0..10 {
        let refund = [0, 1]
            .into_iter()
            .find_map(|given| {
                decide_refund(
                    &sale,
                    &already,
                    asks(&[(0, 1000)], given),
                    number(),
                    crate::domain::money::CashRounding::NONE,
                )
                .ok()
            })
            .unwrap();
        paid_back.push((refund.totals.total.0, refund.totals.taxes[0].tax.0));
        already.extend(refund.lines.iter().map(RefundedLine::from));
    }
    let moved: Vec<_> = paid_back
        .into_iter()
        .zip(1..)
        .filter(|(paid, _)| paid.0 + paid.1 != 0)
        .collect();
    assert_eq!(moved, [((1, 1), 3), ((1, 0), 8)]);
}

#[test]
fn a_line_named_twice_counts_as_its_sum() {
    let refund = decide_refund(
        &sold(),
        &[],
        asks(&[(0, 1000), (1, 500), (0, 1000)], 696),
        number(),
        crate::domain::money::CashRounding::NONE,
    )
    .unwrap();
    let lines: Vec<_> = refund
        .lines
        .iter()
        .map(|line| (line.line, line.quantity.thousandths()))
        .collect();
    assert_eq!(lines, [(0, 2000), (1, 500)]);
    assert_eq!(
        refused(&[], asks(&[(0, 2000), (0, 2000)], 0), "more-than-was-sold"),
        "line 1: 4 cannot come back, because 3 was sold and 0 came back before"
    );
}

#[test]
fn what_was_given_away_comes_back_for_nothing() {
    let sale = decide(
        draft(vec![draft_line("2", "0", "standard")], vec![]),
        number(),
        &rules(),
    )
    .unwrap();
    let refund = decide_refund(
        &sale,
        &[],
        asks(&[(0, 1000)], 0),
        number(),
        crate::domain::money::CashRounding::NONE,
    )
    .unwrap();
    assert_eq!(refund.totals.total, Minor(0));
}

#[test]
fn counts_are_bounded() {
    assert_eq!(
        refused(&[], asks(&[], 0), "no-lines"),
        "a refund needs at least one line"
    );
    assert_eq!(
        refused(&[], asks(&[(0, 1); 1_001], 0), "too-many-lines"),
        "a refund has at most 1000 lines, and this one has 1001"
    );
    let mut draft = asks(&[(0, 1)], 0);
    draft.tenders = vec![tender(TenderKind::Cash, 1); 21];
    assert_eq!(
        refused(&[], draft, "too-many-tenders"),
        "a refund has at most 20 tenders, and this one has 21"
    );
}

#[test]
fn a_line_must_be_there_and_its_quantity_over_0() {
    assert_eq!(
        refused(&[], asks(&[(2, 1)], 0), "no-such-line"),
        "line 3: the sale has only 2 lines"
    );
    for (quantity, shown) in [(0, "0"), (-1000, "-1"), (i64::MIN, "-9223372036854775.808")] {
        assert_eq!(
            refused(&[], asks(&[(1, quantity)], 0), "quantity-not-positive"),
            format!("line 2: the quantity must be over 0, and it is {shown}")
        );
    }
    refused(&[], asks(&[(1, i64::MAX)], 0), "more-than-was-sold");
    refused(&[], asks(&[(1, 1), (1, i64::MAX)], 0), "more-than-was-sold");
}

#[test]
fn tenders_are_over_0_and_exactly_the_total() {
    assert_eq!(
        refused(&[], asks(&[(1, 500)], -91), "tender-not-positive"),
        "tender 1: the amount must be over 0, and it is -0.91 USD"
    );
    for (given, shown) in [(90, "0.90"), (92, "0.92"), (0, "0.00")] {
        assert_eq!(
            refused(&[], asks(&[(1, 500)], given), "tenders-differ-from-total"),
            format!("the tenders must be exactly the total: {shown} USD is given, and 0.91 USD is to be paid back")
        );
    }
    let mut draft = asks(&[(1, 500)], 0);
    draft.tenders = vec![tender(TenderKind::Cash, i64::MAX); 2];
    assert_eq!(
        refused(&[], draft, "amount-too-large"),
        "the amount of the tenders is too large"
    );
}

#[test]
fn records_that_do_not_add_up_give_nothing_back() {
    let earlier = |quantity: i64, amount: i64| RefundedLine {
        line: 1,
        quantity: Quantity::from_thousandths(quantity),
        amount: Minor(amount),
        tax_amount: Minor(0),
    };
    refused(
        &[earlier(i64::MAX, 0), earlier(1, 0)],
        asks(&[(1, 1)], 0),
        "records-inconsistent",
    );
    let mut sale = sold();
    sale.lines[1].tax = 9;
    let refusal = decide_refund(
        &sale,
        &[],
        asks(&[(0, 1000)], 303),
        number(),
        crate::domain::money::CashRounding::NONE,
    )
    .unwrap_err();
    assert_eq!(refusal, RefundRefusal::RecordsInconsistent);
    assert!(
        refusal
            .to_string()
            .starts_with("what is recorded of the sale does not add up")
    );
    // An earlier refund that took too much is not made up for, nor asked back.
    let refund = decide_refund(
        &sold(),
        &[earlier(100, 90)],
        asks(&[(1, 100)], 0),
        number(),
        crate::domain::money::CashRounding::NONE,
    )
    .unwrap();
    assert_eq!(refund.totals.total.of(Currency::USD), Money::zero(Currency::USD));
}

#[test]
fn a_part_of_a_line_may_go_to_what_is_damaged_and_the_amounts_still_add_up() {
    let sale = sold();
    let whole = decide_refund(
        &sale,
        &[],
        asks(&[(0, 2_000)], 0),
        number(),
        crate::domain::money::CashRounding::NONE,
    );
    let Err(RefundRefusal::TendersDiffer { total, .. }) = whole else {
        panic!("it says what is to be paid back")
    };
    let mut draft = asks(&[(0, 1_000), (0, 500)], total.minor());
    let damaged = ReturnedLine {
        place: Place::Damaged,
        ..ReturnedLine::on_sale(0, Quantity::from_thousandths(500))
    };
    draft.lines.push(damaged);
    let refund = decide_refund(&sale, &[], draft, number(), crate::domain::money::CashRounding::NONE).unwrap();
    let lines: Vec<_> = refund
        .lines
        .iter()
        .map(|line| (line.line, line.quantity.thousandths(), line.place))
        .collect();
    assert_eq!(lines, [(0, 1_500, Place::Sellable), (0, 500, Place::Damaged)]);
    let paid: i64 = refund.lines.iter().map(|line| line.amount.0).sum();
    assert_eq!(paid, total.minor());
    let mut more = asks(&[(0, 3_000)], 0);
    more.lines.push(damaged);
    refused(&[], more, "more-than-was-sold");
}
