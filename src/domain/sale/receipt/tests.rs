use super::*;
use crate::domain::quantity::Quantity;
use crate::domain::sale::testing::{draft, draft_line, id, number, rules, tender};
use crate::domain::sale::{Discount, DraftLine, RefundDraft, ReturnedLine, SaleRules, decide, decide_refund};

fn names(sku: &Sku) -> Option<String> {
    match sku.as_str() {
        "1037840" => Some("Lakeside Sparkling Water 6 x 1.5 l".into()),
        "2000008" => Some("Apples, loose".into()),
        _ => None,
    }
}

fn header() -> Vec<String> {
    ["Corner Store 367", "1 Harbour Street, Springfield"]
        .map(Into::into)
        .into()
}

fn of(sku: &str, line: DraftLine) -> DraftLine {
    let sku = sku.parse().unwrap();
    DraftLine { sku, ..line }
}

fn sold(rules: &SaleRules) -> Sale {
    let mut draft = draft(
        vec![
            draft_line("2", "1.58", "standard"),
            of("2000008", draft_line("1.375", "2.49", "reduced")),
            of("UNKNOWN-9", draft_line("1", "10.00", "standard")),
        ],
        vec![tender(TenderKind::Card, 1_000), tender(TenderKind::Cash, 1_000)],
    );
    draft.lines[2].discount = Some(Discount::Percent("25".parse().unwrap()));
    draft.basket_discount = Some(Discount::Amount(Minor(150)));
    draft.tenders[0].reference = Some("**** 1234".parse().unwrap());
    decide(draft, number(), rules).unwrap()
}

fn returned(sale: &Sale, total: i64) -> Refund {
    let draft = RefundDraft {
        id: id(2),
        at: "2017-01-03T09:00:00".parse().unwrap(),
        business_day: "2017-01-03".parse().unwrap(),
        staff: None,
        reason: Some("bruised".parse().unwrap()),
        lines: vec![
            ReturnedLine::on_sale(0, Quantity::ONE),
            ReturnedLine::on_sale(1, Quantity::from_thousandths(1_375)),
        ],
        tenders: vec![tender(TenderKind::Cash, total)],
    };
    decide_refund(
        sale,
        &[],
        draft,
        "STORE-1-R1-7KQ2-000043".parse().unwrap(),
        crate::domain::money::CashRounding::NONE,
    )
    .unwrap()
}

fn added() -> SaleRules {
    let mut rules = rules();
    rules.tax_policy.basis = TaxBasis::Added;
    rules
}

#[test]
fn a_sale_with_tax_included() {
    let (header, register) = (header(), "1".parse().unwrap());
    let style = ReceiptStyle {
        header: &header,
        register: Some(&register),
        ..ReceiptStyle::new(&names)
    };
    insta::assert_snapshot!(sale_receipt(&sold(&rules()), &style), @"
                 Corner Store 367
          1 Harbour Street, Springfield
    Receipt             STORE-1-R1-7KQ2-000042
    Date                   2017-01-01 12:26:30
    Register                                 1
    ------------------------------------------
    Lakeside Sparkling Water 6 x 1.5 l
      2 x 1.58                          3.16 A
    Apples, loose
      1.375 x 2.49                      3.42 B
    UNKNOWN-9
      1 x 10.00                        10.00 A
      Discount                         -2.50
    Basket discount                    -1.50
    ------------------------------------------
    TOTAL USD                          12.58
    Card **** 1234                     10.00
    Cash                               10.00
    Change                              7.42
    ------------------------------------------
    Tax included in the total
    A standard 19 % on 8.00             1.52
    B reduced 7 % on 2.86               0.20
    ");
}

#[test]
fn a_copy_of_a_sale_with_tax_added() {
    let header = header();
    let mut sale = sold(&added());
    // Sold after midnight, on the day before.
    sale.at = "2017-01-02T00:26:30+01:00".parse().unwrap();
    let style = ReceiptStyle {
        header: &header,
        copy: true,
        ..ReceiptStyle::new(&names)
    };
    insta::assert_snapshot!(sale_receipt(&sale, &style), @"
                 Corner Store 367
          1 Harbour Street, Springfield
                   *** COPY ***
    Receipt             STORE-1-R1-7KQ2-000042
    Date             2017-01-02 00:26:30+01:00
    Business day                    2017-01-01
    ------------------------------------------
    Lakeside Sparkling Water 6 x 1.5 l
      2 x 1.58                          3.16 A
    Apples, loose
      1.375 x 2.49                      3.42 B
    UNKNOWN-9
      1 x 10.00                        10.00 A
      Discount                         -2.50
    Basket discount                    -1.50
    ------------------------------------------
    Subtotal                           12.58
    A standard 19 % on 9.52             1.81
    B reduced 7 % on 3.06               0.21
    TOTAL USD                          14.60
    Card **** 1234                     10.00
    Cash                               10.00
    Change                              5.40
    ");
}

#[test]
fn a_narrow_printer() {
    let style = ReceiptStyle {
        width: 1,
        ..ReceiptStyle::new(&names)
    };
    insta::assert_snapshot!(sale_receipt(&sold(&rules()), &style), @"
    Receipt
      STORE-1-R1-7KQ2-000042
    Date 2017-01-01 12:26:30
    ------------------------
    Lakeside Sparkling Water
    6 x 1.5 l
      2 x 1.58        3.16 A
    Apples, loose
      1.375 x 2.49    3.42 B
    UNKNOWN-9
      1 x 10.00      10.00 A
      Discount       -2.50
    Basket discount  -1.50
    ------------------------
    TOTAL USD        12.58
    Card **** 1234   10.00
    Cash             10.00
    Change            7.42
    ------------------------
    Tax included in the
    total
    A standard 19 % on 8.00
                      1.52
    B reduced 7 % on 2.86
                      0.20
    ");
}

#[test]
fn a_refund_with_tax_included() {
    let (sale, header) = (sold(&rules()), header());
    let style = ReceiptStyle {
        header: &header,
        ..ReceiptStyle::new(&names)
    };
    insta::assert_snapshot!(refund_receipt(&returned(&sale, 447), &sale.receipt, &style), @"
                  *** REFUND ***
                 Corner Store 367
          1 Harbour Street, Springfield
    Receipt             STORE-1-R1-7KQ2-000043
    Date                   2017-01-03 09:00:00
    For receipt         STORE-1-R1-7KQ2-000042
    Reason                             bruised
    ------------------------------------------
    Lakeside Sparkling Water 6 x 1.5 l
      1 returned                        1.41 A
    Apples, loose
      1.375 returned                    3.06 B
    ------------------------------------------
    PAID BACK USD                       4.47
    Cash                                4.47
    ------------------------------------------
    Tax included in the total
    A standard 19 % on 1.18             0.23
    B reduced 7 % on 2.86               0.20
    ");
}

#[test]
fn a_copy_of_a_refund_with_tax_added() {
    let sale = sold(&added());
    let style = ReceiptStyle {
        copy: true,
        ..ReceiptStyle::new(&names)
    };
    insta::assert_snapshot!(refund_receipt(&returned(&sale, 495), &sale.receipt, &style), @"
                  *** REFUND ***
                   *** COPY ***
    Receipt             STORE-1-R1-7KQ2-000043
    Date                   2017-01-03 09:00:00
    For receipt         STORE-1-R1-7KQ2-000042
    Reason                             bruised
    ------------------------------------------
    Lakeside Sparkling Water 6 x 1.5 l
      1 returned                        1.41 A
    Apples, loose
      1.375 returned                    3.06 B
    ------------------------------------------
    Subtotal                            4.47
    A standard 19 % on 1.41             0.27
    B reduced 7 % on 3.06               0.21
    PAID BACK USD                       4.95
    Cash                                4.95
    ");
}

#[test]
fn a_currency_without_minor_unit() {
    let mut rules = rules();
    rules.currency = Currency::JPY;
    let draft = draft(
        vec![draft_line("3", "108", "reduced")],
        vec![tender(TenderKind::Cash, 1_000)],
    );
    let sale = decide(draft, number(), &rules).unwrap();
    insta::assert_snapshot!(sale_receipt(&sale, &ReceiptStyle::new(&names)), @"
    Receipt             STORE-1-R1-7KQ2-000042
    Date                   2017-01-01 12:26:30
    ------------------------------------------
    Lakeside Sparkling Water 6 x 1.5 l
      3 x 108                            324 A
    ------------------------------------------
    TOTAL JPY                            324
    Cash                                1000
    Change                               676
    ------------------------------------------
    Tax included in the total
    A reduced 7 % on 303                  21
    ");
}

#[test]
fn control_characters_do_not_reach_the_printer() {
    let sale = sold(&rules());
    let names = |_: &Sku| Some("two\u{1b}\nlines".into());
    let receipt = sale_receipt(&sale, &ReceiptStyle::new(&names));
    assert!(
        receipt.contains("\ntwo  lines\n") || receipt.contains("\ntwo lines\n"),
        "{receipt}"
    );
    assert!(receipt.chars().all(|c| c == '\n' || !c.is_control()));
}

#[test]
fn marks_go_on_after_z() {
    assert_eq!([0, 25, 26, 52, 255].map(mark), ["A", "Z", "AA", "BA", "IV"]);
}

proptest::proptest! {
    #[test]
    fn no_line_is_wider_than_the_printer(
        width in 0usize..60,
        name in "\\PC{0,60}",
        amounts in proptest::collection::vec(proptest::prelude::any::<i64>(), 6),
        header in proptest::collection::vec("\\PC{0,80}", 0..3),
    ) {
        // Whatever stands in the record, also what no rule would have decided.
        let mut sale = sold(&rules());
        sale.lines[0].discount = Minor(amounts[0]);
        sale.lines[1].basket_discount = Minor(amounts[1]);
        sale.lines[2].quantity = Quantity::from_thousandths(amounts[2]);
        sale.lines[2].unit_price = "999999999.9999".parse().unwrap();
        sale.totals.total = Minor(amounts[3]);
        sale.totals.taxes[0].net = Minor(amounts[4]);
        sale.tenders[0].amount = Minor(amounts[5]);
        let mut refund = returned(&sold(&rules()), 447);
        refund.lines[0].amount = Minor(amounts[0]);
        refund.totals.gross = Minor(amounts[1]);
        refund.totals.discount = Minor(amounts[2]);
        refund.tax_policy.basis = TaxBasis::Added;
        refund.reason = name.parse().ok();
        let name_of = |_: &Sku| Some(name.clone());
        let style = ReceiptStyle { header: &header, width, ..ReceiptStyle::new(&name_of) };
        for text in [sale_receipt(&sale, &style), refund_receipt(&refund, &sale.receipt, &style)] {
            for line in text.lines() {
                proptest::prop_assert!(line.chars().count() <= width.max(ReceiptStyle::WIDTH_MIN), "{line}");
            }
        }
    }
}
