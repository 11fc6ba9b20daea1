use super::*;
use crate::domain::money::Rounding;
use crate::domain::sale::TenderKind;
use crate::domain::sale::testing::{draft, draft_line, number, rules, tender};
use crate::domain::tax::{TaxBasis, TaxRoundingBy};

/// A draft of one line of 2 × 1.58, paid with 5.00 in cash.
fn simple() -> SaleDraft {
    draft(
        vec![draft_line("2", "1.58", "standard")],
        vec![tender(TenderKind::Cash, 500)],
    )
}

fn sale(draft: SaleDraft) -> Sale {
    decide(draft, number(), &rules()).unwrap()
}

/// The refusal of a draft, which must have this code.
fn refused(draft: SaleDraft, code: &str) -> String {
    let refusal = decide(draft, number(), &rules()).unwrap_err();
    assert_eq!(refusal.code(), code);
    refusal.to_string()
}

fn with_line(change: impl FnOnce(&mut DraftLine)) -> SaleDraft {
    let mut draft = simple();
    draft.lines.push(draft_line("1", "0.10", "standard"));
    change(&mut draft.lines[1]);
    draft
}

#[test]
fn a_sale_is_summed_and_its_change_given() {
    let sale = sale(simple());
    assert_eq!(sale.totals.gross, Minor(316));
    assert_eq!(sale.totals.discount, Minor(0));
    assert_eq!(sale.totals.total, Minor(316));
    assert_eq!(sale.totals.change, Minor(184));
    assert_eq!(sale.recompute_totals().as_ref(), Some(&sale.totals));
}

#[test]
fn line_discounts_come_first_and_the_basket_is_spread_over_what_they_leave() {
    let mut draft = draft(
        vec![
            draft_line("1", "10.00", "standard"),
            draft_line("1", "10.00", "reduced"),
            draft_line("0.375", "7.99", "standard"),
        ],
        vec![tender(TenderKind::Card, 1_530)],
    );
    draft.lines[0].discount = Some(Discount::Percent("50".parse().unwrap()));
    draft.basket_discount = Some(Discount::Percent("15".parse().unwrap()));
    let sale = sale(draft);
    // 5.00, 10.00 and 0.375 × 7.99 = 2.99625, so 3.00; 15 % of 18.00 is 2.70, over 5 : 10 : 3.
    let shares: Vec<_> = sale.lines.iter().map(|line| line.basket_discount.0).collect();
    assert_eq!(shares, [75, 150, 45]);
    assert_eq!(sale.totals.gross, Minor(2_300));
    assert_eq!(sale.totals.discount, Minor(770));
    assert_eq!(sale.totals.total, Minor(1_530));
    let classes: Vec<_> = sale.taxes.iter().map(|tax| tax.class.as_str()).collect();
    assert_eq!(classes, ["standard", "reduced"]);
    assert_eq!(sale.lines[2].tax, 0);
}

#[test]
fn tax_that_is_added_is_paid_on_top() {
    let mut rules = rules();
    rules.tax_policy = TaxPolicy {
        basis: TaxBasis::Added,
        rounding_by: TaxRoundingBy::Document,
        rounding: Rounding::HalfUp,
    };
    let draft = draft(
        vec![draft_line("1", "10.00", "standard"), draft_line("1", "1.99", "reduced")],
        vec![tender(TenderKind::Card, 1_403)],
    );
    let sale = decide(draft, number(), &rules).unwrap();
    // 19 % of 10.00 and 7 % of 1.99 = 0.1393; the total is 11.99 + 1.90 + 0.14.
    assert_eq!(
        (sale.totals.taxes[0].tax, sale.totals.taxes[1].tax),
        (Minor(190), Minor(14))
    );
    assert_eq!(sale.totals.taxes[1].net, Minor(199));
    assert_eq!(sale.totals.total, Minor(1_403));
}

#[test]
fn what_costs_nothing_needs_no_tender() {
    let given_away = sale(draft(vec![draft_line("1", "0", "standard")], vec![]));
    assert_eq!(given_away.totals.total, Minor(0));
    let mut all_off = simple();
    all_off.basket_discount = Some(Discount::Amount(Minor(316)));
    all_off.tenders.clear();
    assert_eq!(sale(all_off).totals.total, Minor(0));
}

#[test]
fn a_prices_fraction_of_a_cent_is_rounded_once_for_the_line() {
    // 40.123 l of fuel at 1.8790.
    let sale = sale(draft(
        vec![draft_line("40.123", "1.8790", "standard")],
        vec![tender(TenderKind::Card, 7_539)],
    ));
    assert_eq!(sale.totals.total, Minor(7_539));
}

#[test]
fn counts_are_bounded() {
    assert_eq!(
        refused(draft(vec![], vec![]), "no-lines"),
        "a sale needs at least one line"
    );
    let mut many = simple();
    many.lines = vec![draft_line("1", "0", "standard"); 1_001];
    assert_eq!(
        refused(many.clone(), "too-many-lines"),
        "a sale has at most 1000 lines, and this one has 1001"
    );
    many.lines.pop();
    assert_eq!(sale(many).lines.len(), 1_000);
    let mut paid = simple();
    paid.tenders = vec![tender(TenderKind::Cash, 100); 21];
    assert_eq!(
        refused(paid, "too-many-tenders"),
        "a sale has at most 20 tenders, and this one has 21"
    );
}

#[test]
fn absurd_quantities_are_refused() {
    for (quantity, shown) in [(0, "0"), (-1, "-0.001"), (i64::MIN, "-9223372036854775.808")] {
        assert_eq!(
            refused(
                with_line(|line| line.quantity = Quantity::from_thousandths(quantity)),
                "quantity-not-positive"
            ),
            format!("line 2: the quantity must be over 0, and it is {shown}")
        );
    }
    assert_eq!(
        refused(
            with_line(|line| line.quantity = Quantity::from_thousandths(1_000_000_001)),
            "quantity-too-large"
        ),
        "line 2: the quantity is at most 1000000, and it is 1000000.001"
    );
}

#[test]
fn a_class_without_a_rate_is_refused() {
    assert_eq!(
        refused(
            with_line(|line| line.tax_class = "luxury".parse().unwrap()),
            "unknown-tax-class"
        ),
        "line 2: the tax class luxury has no rate"
    );
}

#[test]
fn more_classes_than_a_line_can_name_are_refused() {
    let mut rules = rules();
    let mut draft = simple();
    draft.lines.clear();
    for class in 0..257 {
        let class: TaxClass = format!("c{class}").parse().unwrap();
        draft.lines.push(draft_line("1", "0", class.as_str()));
        rules.tax_rates.insert(class, TaxRate::default());
    }
    let refusal = decide(draft.clone(), number(), &rules).unwrap_err();
    assert_eq!(refusal.code(), "too-many-tax-classes");
    assert_eq!(
        refusal.to_string(),
        "line 257: a sale has at most 256 tax classes, and this line has one more"
    );
    draft.lines.pop();
    let sale = decide(draft, number(), &rules).unwrap();
    assert_eq!(sale.lines[255].tax, 255);
    assert_eq!(sale.recompute_totals(), Some(sale.totals));
}

#[test]
fn discounts_stay_within_what_they_are_taken_from() {
    assert_eq!(
        refused(
            with_line(|line| line.discount = Some(Discount::Amount(Minor(11)))),
            "line-discount-out-of-range"
        ),
        "line 2: the discount must be from 0 to 0.10 USD, and it is 0.11 USD"
    );
    refused(
        with_line(|line| line.discount = Some(Discount::Amount(Minor(-1)))),
        "line-discount-out-of-range",
    );
    for (amount, shown) in [(317, "3.17"), (-1, "-0.01"), (i64::MIN, "-92233720368547758.08")] {
        let mut draft = simple();
        draft.basket_discount = Some(Discount::Amount(Minor(amount)));
        assert_eq!(
            refused(draft, "basket-discount-out-of-range"),
            format!("the basket's discount must be from 0 to 3.16 USD, and it is {shown} USD")
        );
    }
}

#[test]
fn amounts_that_do_not_fit_are_refused() {
    let dear = || draft_line("1000000", "1000000000", "standard");
    let mut draft = simple();
    // 10^15 units of the currency fit a line; a thousand such lines do not fit a sale.
    draft.lines = vec![dear(); 1_000];
    assert_eq!(
        refused(draft.clone(), "amount-too-large"),
        "the amount of the sale is too large"
    );
    draft.basket_discount = Some(Discount::Percent("10".parse().unwrap()));
    refused(draft, "amount-too-large");
    let mut paid = simple();
    paid.tenders = vec![tender(TenderKind::Cash, i64::MAX); 2];
    refused(paid, "amount-too-large");
}

#[test]
fn tenders_are_over_0_and_cover_the_total() {
    for amount in [0, -500] {
        let mut draft = simple();
        draft.tenders.push(tender(TenderKind::Cash, amount));
        assert_eq!(
            refused(draft, "tender-not-positive"),
            format!(
                "tender 2: the amount must be over 0, and it is {} USD",
                Minor(amount).of(Currency::USD).to_decimal()
            )
        );
    }
    let mut draft = simple();
    draft.tenders = vec![tender(TenderKind::Card, 200), tender(TenderKind::Cash, 115)];
    assert_eq!(
        refused(draft, "tenders-do-not-cover-total"),
        "the tenders do not cover the total: 3.15 USD is given, and 3.16 USD is to be paid"
    );
    let mut nothing = simple();
    nothing.tenders.clear();
    refused(nothing, "tenders-do-not-cover-total");
}

#[test]
fn only_cash_gives_change() {
    let mut draft = simple();
    draft.tenders = vec![tender(TenderKind::Card, 317)];
    assert_eq!(
        refused(draft.clone(), "change-without-cash"),
        "only cash gives change: 3.17 USD is given by other means, and 3.16 USD is to be paid"
    );
    draft.tenders = vec![tender(TenderKind::Voucher, 300), tender(TenderKind::Cash, 20)];
    assert_eq!(sale(draft).totals.change, Minor(4));
}

#[test]
fn a_record_that_no_rule_decided_has_no_totals() {
    let good = sale(simple());
    let mut wrong_tax = good.clone();
    wrong_tax.lines[0].tax = 9;
    assert_eq!(wrong_tax.recompute_totals(), None);
    let mut short = good.clone();
    short.tenders[0].amount = Minor(315);
    assert_eq!(short.recompute_totals(), None);
    let mut endless = good;
    endless.lines[0].quantity = Quantity::from_thousandths(i64::MAX);
    endless.lines[0].unit_price = "1000000000".parse().unwrap();
    assert_eq!(endless.recompute_totals(), None);
    assert_eq!(endless.paid_by_line(), None);
}

fn francs() -> SaleRules {
    let cash_rounding = CashRounding::usual(Currency::CHF);
    SaleRules {
        currency: Currency::CHF,
        cash_rounding,
        ..rules()
    }
}

/// Coins pay to five Rappen, cards to one: the total, and with it the tax, is the same.
#[test]
fn what_is_paid_in_coins_is_rounded_and_the_total_is_not() {
    let line = || vec![draft_line("1", "19.87", "standard")];
    let paid = |tenders| decide(draft(line(), tenders), number(), &francs()).unwrap().totals;
    let in_coins = paid(vec![tender(TenderKind::Cash, 2_000)]);
    assert_eq!(
        (in_coins.total, in_coins.rounding, in_coins.change),
        (Minor(1_987), Minor(-2), Minor(15))
    );
    assert_eq!(in_coins.to_pay(), Some(Minor(1_985)));
    let by_card = paid(vec![tender(TenderKind::Card, 1_987)]);
    assert_eq!((by_card.rounding, by_card.change), (Minor(0), Minor(0)));
    assert_eq!(by_card.taxes, in_coins.taxes);
    let split = paid(vec![tender(TenderKind::Card, 500), tender(TenderKind::Cash, 1_485)]);
    assert_eq!((split.rounding, split.change), (Minor(-2), Minor(0)));
    let short = decide(
        draft(line(), vec![tender(TenderKind::Cash, 1_980)]),
        number(),
        &francs(),
    )
    .unwrap_err();
    assert_eq!(
        short.to_string(),
        "the tenders do not cover the total: 19.80 CHF is given, and 19.85 CHF is to be paid"
    );
}

#[test]
fn a_tip_is_paid_with_the_goods_and_is_not_a_price() {
    let mut with_tip = draft(
        vec![draft_line("1", "10.00", "standard")],
        vec![tender(TenderKind::Card, 1_150)],
    );
    with_tip.tip = Minor(150);
    let refused = decide(with_tip.clone(), number(), &rules()).unwrap_err();
    assert_eq!(refused, SaleRefusal::TipNotTaken);
    let rules = SaleRules { tips: true, ..rules() };
    let totals = decide(with_tip.clone(), number(), &rules).unwrap().totals;
    assert_eq!(
        (totals.total, totals.tip, totals.change),
        (Minor(1_000), Minor(150), Minor(0))
    );
    with_tip.tip = Minor(-1);
    assert_eq!(decide(with_tip, number(), &rules).unwrap_err().code(), "tip-negative");
}

#[test]
fn promotions_come_before_what_a_person_gives() {
    let share = |line, amount| LineShare {
        line,
        amount: Minor(amount),
    };
    let promotion = |shares| Adjustment {
        cause: AdjustmentCause::Promotion {
            promotion: "summer".parse().unwrap(),
            name: "Summer".parse().unwrap(),
            coupon: None,
        },
        shares,
    };
    let mut line = draft_line("1", "10.00", "standard");
    line.discount = Some(Discount::Percent("50".parse().unwrap()));
    line.by_hand = Some(ByHand {
        reason: Some("scratched".parse().unwrap()),
        ..ByHand::default()
    });
    let mut both = draft(
        vec![line, draft_line("1", "5.00", "zero")],
        vec![tender(TenderKind::Cash, 2_000)],
    );
    both.promotions = vec![promotion(vec![share(0, 200), share(1, 100)])];
    both.basket_discount = Some(Discount::Amount(Minor(80)));
    both.basket_by_hand = Some(ByHand::default());
    let sale = decide(both.clone(), number(), &rules()).unwrap();
    // 10.00 less 2.00 is 8.00, of which half; 5.00 less 1.00; then 0.80 over 4.00 and 4.00.
    let discounts: Vec<_> = sale
        .lines
        .iter()
        .map(|line| (line.discount.0, line.basket_discount.0))
        .collect();
    assert_eq!(discounts, [(600, 40), (100, 40)]);
    assert_eq!(sale.totals.total, Minor(720));
    let amounts: Vec<_> = sale
        .adjustments
        .iter()
        .map(|adjustment| adjustment.amount().unwrap().0)
        .collect();
    assert_eq!(
        amounts,
        [300, 400, 80],
        "the promotion, the line's by hand, the basket's by hand"
    );

    for wrong in [
        vec![share(0, -1)],
        vec![share(2, 1)],
        vec![share(1, 501)],
        vec![share(0, i64::MAX), share(0, 1)],
    ] {
        both.promotions = vec![promotion(wrong)];
        assert_eq!(
            decide(both.clone(), number(), &rules()).unwrap_err().code(),
            "promotion-out-of-range"
        );
    }
}
