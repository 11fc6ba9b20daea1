//! Codes as they are printed in GS1's own publications, and what a scanner makes of them.

use proptest::prelude::*;

use super::*;

fn reader() -> CodeReader {
    let patterns = ["21IIIIIWWWWWC", "22IIIIIPPPPPC", "23IIIIVPPPPPC", "24IIIIIINNNNC"];
    CodeReader {
        patterns: patterns.map(|text| text.parse().unwrap()).into(),
        minor_digits: 2,
        today: day("2026-11-24"),
    }
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn read(code: &str) -> Reading {
    reader().read(code).unwrap()
}

fn error(code: &str) -> String {
    reader().read(code).unwrap_err().to_string()
}

fn gtin(text: &str) -> Named {
    Named::Gtin(text.parse().unwrap())
}

#[test]
fn a_gtin_is_a_gtin_and_anything_else_a_text() {
    for (typed, named) in [
        ("4006381333931", gtin("4006381333931")),
        (" 96385074\r\n", gtin("96385074")),
        ("]E04006381333931", gtin("4006381333931")),
        ("1029743", Named::Text("1029743".into())),
        ("SKU 7/b", Named::Text("SKU 7/b".into())),
        // A SKU that looks like a GTIN with a wrong check digit stays one, unless the scanner says that it read an EAN.
        ("4006381333932", Named::Text("4006381333932".into())),
        ("https://example.com/p/7", Named::Text("https://example.com/p/7".into())),
        ("]x", Named::Text("]x".into())),
    ] {
        assert_eq!(read(typed).named, named, "{typed:?}");
    }
    assert_eq!(
        error("]E04006381333932"),
        "the check digit of 4006381333932 should be 1"
    );
}

/// GS1 General Specifications, DataBar Expanded: figure 5.5.2.3-1 has (01)90012345678908(3103)001750.
#[test]
fn element_strings_say_weight_lot_and_dates() {
    let databar = read("]e001900123456789083103001750");
    assert_eq!(databar.named, gtin("90012345678908"));
    assert_eq!(databar.particulars.net_weight, Some("1.75".parse().unwrap()));
    assert_eq!(
        read("01900123456789083103001750"),
        databar,
        "without a symbology identifier"
    );
    assert_eq!(read("(01)90012345678908(3103)001750"), databar, "as it is printed");

    // The example of GS1's Digital Link Standard, here as GS1-128 with FNC1 behind what has no fixed length.
    let full = read("]C1010952012345678810ABC1\u{1d}2112345\u{1d}17280426");
    let said = Particulars {
        lot: Some("ABC1".into()),
        serial: Some("12345".into()),
        expires: Some(day("2028-04-26")),
        ..Particulars::default()
    };
    let expected = Reading {
        named: gtin("09520123456788"),
        particulars: said,
    };
    assert_eq!(full, expected);
    assert_eq!(read("(01)09520123456788(10)ABC1(21)12345(17)280426"), expected);
    // A lot may have brackets in it.
    assert_eq!(
        read("(01)09520123456788(10)A(B)1").particulars.lot,
        Some("A(B)1".into())
    );

    let priced = read("]d20109520123456788392200499\u{1d}30012\u{1d}16261124").particulars;
    assert_eq!(priced.price, Some("4.99".parse().unwrap()));
    assert_eq!((priced.count, priced.sell_by), (Some(12), Some(day("2026-11-24"))));
}

/// GS1 General Specifications, section 7.12: a year lies within 50 years of today; day 00 is the month's last.
#[test]
fn two_digits_of_a_year_belong_to_the_century_that_is_near() {
    let expires = |date: &str| read(&format!("(01)09520123456788(17){date}")).particulars.expires;
    assert_eq!(expires("280200"), Some(day("2028-02-29")));
    assert_eq!(expires("761231"), Some(day("2076-12-31")));
    assert_eq!(expires("770101"), Some(day("1977-01-01")));
    let early = CodeReader {
        today: day("2098-01-01"),
        ..reader()
    };
    let reading = early.read("(01)09520123456788(17)050101").unwrap();
    assert_eq!(reading.particulars.expires, Some(day("2105-01-01")));
}

#[test]
fn digital_links_say_the_same() {
    let link = read("https://id.gs1.org/01/09520123456788/10/ABC1/21/12345?17=280426");
    assert_eq!(link, read("(01)09520123456788(10)ABC1(21)12345(17)280426"));
    assert_eq!(
        read("HTTPS://example.com/some/path/01/9506000134352").named,
        gtin("9506000134352")
    );
    let escaped = read("https://example.com/01/09520123456788/10/A%2FB%20C?utm=x&3103=001750&linkType=all#top");
    assert_eq!(escaped.particulars.lot, Some("A/B C".into()));
    assert_eq!(escaped.particulars.net_weight, Some("1.75".parse().unwrap()));
    assert_eq!(
        error("https://example.com/01/09520123456789"),
        "the check digit of 09520123456789 should be 8"
    );
}

#[test]
fn labels_of_the_shops_own_scales_say_weight_price_or_count() {
    let label = |body: &str| {
        let check = crate::domain::catalog::check_digit(body.bytes().map(|byte| byte - b'0'));
        format!("{body}{check}")
    };
    let in_store = |number: &str, base: &str| Named::InStore {
        number: number.into(),
        base: label(base).parse().unwrap(),
    };
    let weighed = read(&label("210004201250"));
    assert_eq!(weighed.named, in_store("00042", "210004200000"));
    assert_eq!(weighed.particulars.net_weight, Some("1.25".parse().unwrap()));
    let priced = read(&label("220004200499"));
    assert_eq!(priced.particulars.price, Some("4.99".parse().unwrap()));
    // 14685 asks for the verifier 6: GS1 General Specifications, section 7.9.3.
    let verified = read(&label("230042614685"));
    assert_eq!(verified.named, in_store("0042", "230042000000"));
    assert_eq!(verified.particulars.price, Some("146.85".parse().unwrap()));
    assert_eq!(
        error(&label("230042514685")),
        "the digits 14685 of the label ask for the verifier 6, and it has 5"
    );
    let counted = read(&label("240000420012"));
    assert_eq!(counted.particulars.count, Some(12));
    // A smudged label is not sold as something else.
    let smudged = label("210004201250").replace("0125", "0126");
    assert!(error(&smudged).starts_with(&format!("the check digit of {smudged} should be")));
    // What no pattern knows is a number like any other.
    assert_eq!(read(&label("250004200499")).named, gtin(&label("250004200499")));
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    for (code, said) in [
        ("", "the code is empty"),
        ("]C1", "the code is empty"),
        (
            "]C1019001234567890",
            "at position 1: (01) has 14 characters of data, and this has 13",
        ),
        (
            "]C1010952012345678899",
            "at position 17: (99) has 1 to 90 characters of data, and this has 0",
        ),
        (
            "]C10109520123456788AB1",
            "at position 17: \"AB1\" begins with no application identifier",
        ),
        (
            "(01)09520123456788(17)261332",
            "at position 19: \"261332\" is no date, which is YYMMDD",
        ),
        (
            "(01)09520123456788(3103)12345X",
            "at position 19: \"12345X\" is no number",
        ),
        (
            "(00)095201234567891235",
            "the code names no item: it has no GTIN, AI (01)",
        ),
        ("12\u{7}34", "the code has the control character '\\u{7}' at position 3"),
    ] {
        assert_eq!(error(code), said, "{code:?}");
    }
    assert_eq!(error(&"7".repeat(2_001)), "the code has 2001 characters; 2000 are read");
}

proptest! {
    /// Whatever is scanned is read or refused: nothing of it ends the program.
    #[test]
    fn nothing_that_is_scanned_ends_the_program(code in "[\\PC\u{1d}]{0,60}", front in "(|\\]C1|\\(01\\)|https://a/01/|21|01)") {
        let _ = reader().read(&format!("{front}{code}"));
    }

    /// What is written as an element string is read back, whatever the order.
    #[test]
    fn element_strings_read_back(
        body in 0u64..10_000_000_000_000,
        grams in 0u32..1_000_000,
        lot in "[A-Z0-9/.-]{1,20}",
        lot_first in proptest::bool::ANY,
    ) {
        let digits: Vec<u8> = format!("{body:013}").bytes().map(|byte| byte - b'0').collect();
        let check = crate::domain::catalog::check_digit(digits.into_iter());
        let (item, weight, lot_element) = (format!("01{body:013}{check}"), format!("3103{grams:06}"), format!("10{lot}"));
        let code = if lot_first {
            format!("]C1{lot_element}\u{1d}{weight}{item}")
        } else {
            format!("]C1{item}{weight}{lot_element}")
        };
        let reading = read(&code);
        prop_assert_eq!(reading.named, gtin(&format!("{body:013}{check}")));
        prop_assert_eq!(reading.particulars.lot, Some(lot));
        prop_assert_eq!(reading.particulars.net_weight, Some(Quantity::from_thousandths(i64::from(grams))));
    }
}
