//! GS1 element strings: application identifiers with their data, one after the other (GS1 General Specifications, section
//! 7.8), as a scanner sends them or as they are printed below a symbol, in brackets.

use chrono::{Datelike as _, Days, Months, NaiveDate};
use rust_decimal::Decimal;

use super::identifiers::{data_max, digits_of_identifier, predefined_length};
use super::{BarcodeError, Named, Particulars, Reading};
use crate::domain::catalog::Gtin;
use crate::domain::money::Price;
use crate::domain::quantity::Quantity;

/// What a scanner sends for FNC1 between two elements: the group separator of ASCII.
pub const SEPARATOR: char = '\u{1d}';

/// An identifier with its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    pub identifier: String,
    pub data: String,
    /// The character at which it begins, from 1.
    pub at: usize,
}

/// Whether a code without a symbology identifier is an element string: it is in brackets, has a separator, or is longer than
/// a GTIN and begins with one whose check digit is right.
pub fn looks_like(code: &str) -> bool {
    let begins_with_gtin = || {
        let gtin = code.strip_prefix("01").and_then(|rest| rest.get(..14));
        gtin.is_some_and(|gtin| gtin.parse::<Gtin>().is_ok())
    };
    in_brackets(code) || code.contains(SEPARATOR) || begins_with_gtin()
}

fn in_brackets(code: &str) -> bool {
    let identifier = code.strip_prefix('(').and_then(|rest| rest.split_once(')'));
    identifier.is_some_and(|(identifier, _)| matches!(identifier.len(), 2..=4) && is_digits(identifier))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The elements of a code.
pub fn elements(code: &str) -> Result<Vec<Element>, BarcodeError> {
    if let Some(at) = code.bytes().position(|byte| !byte.is_ascii()) {
        return Err(wrong(at + 1, "an element string has no such character"));
    }
    if in_brackets(code) {
        bracketed(code)
    } else {
        plain(code)
    }
}

fn plain(code: &str) -> Result<Vec<Element>, BarcodeError> {
    let mut elements = Vec::new();
    let mut at = 0;
    while let Some(rest) = code.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with(SEPARATOR) {
            at += 1;
            continue;
        }
        let first_two = rest.get(..2).filter(|text| is_digits(text));
        let first_two = first_two.and_then(|text| text.parse().ok());
        let digits = first_two.and_then(digits_of_identifier);
        let identifier = digits
            .and_then(|digits| rest.get(..digits))
            .filter(|text| is_digits(text));
        let (Some(first_two), Some(identifier)) = (first_two, identifier) else {
            let shown: String = rest.chars().take(4).collect();
            return Err(wrong(
                at + 1,
                &format!("{shown:?} begins with no application identifier"),
            ));
        };
        let end = rest.find(SEPARATOR).unwrap_or(rest.len());
        let length = predefined_length(first_two).unwrap_or(end).min(end);
        let data = rest.get(identifier.len()..length).unwrap_or_default();
        elements.push(checked(identifier, data, at + 1)?);
        at += length.max(identifier.len());
    }
    Ok(elements)
}

fn bracketed(code: &str) -> Result<Vec<Element>, BarcodeError> {
    let mut elements = Vec::new();
    let mut at = 0;
    while let Some(rest) = code.get(at..).filter(|rest| !rest.is_empty()) {
        let inside = rest.strip_prefix('(').and_then(|rest| rest.split_once(')'));
        let Some((identifier, after)) = inside.filter(|(identifier, _)| is_digits(identifier)) else {
            return Err(wrong(at + 1, "an application identifier in brackets must stand here"));
        };
        // Data may have brackets of its own: the next element begins where an identifier stands in them.
        let starts = |(place, _): &(usize, &str)| after.get(*place..).is_some_and(in_brackets);
        let end = after
            .match_indices('(')
            .find(starts)
            .map_or(after.len(), |(place, _)| place);
        let data = after.get(..end).unwrap_or_default();
        elements.push(checked(identifier, data, at + 1)?);
        at += identifier.len() + 2 + end;
    }
    Ok(elements)
}

/// An element whose data has the length that its identifier asks for.
pub fn checked(identifier: &str, data: &str, at: usize) -> Result<Element, BarcodeError> {
    let first_two = identifier.get(..2).and_then(|text| text.parse().ok());
    let Some(first_two) = first_two.filter(|first_two| digits_of_identifier(*first_two) == Some(identifier.len()))
    else {
        return Err(wrong(at, &format!("({identifier}) is no application identifier")));
    };
    match predefined_length(first_two) {
        Some(length) if identifier.len() + data.len() != length => {
            let (wanted, found) = (length - identifier.len(), data.len());
            Err(wrong(
                at,
                &format!("({identifier}) has {wanted} characters of data, and this has {found}"),
            ))
        }
        None if data.is_empty() || data.len() > data_max(identifier) => {
            let (most, found) = (data_max(identifier), data.len());
            Err(wrong(
                at,
                &format!("({identifier}) has 1 to {most} characters of data, and this has {found}"),
            ))
        }
        _ => Ok(Element {
            identifier: identifier.to_owned(),
            data: data.to_owned(),
            at,
        }),
    }
}

fn wrong(at: usize, what: &str) -> BarcodeError {
    BarcodeError::Element {
        at,
        what: what.to_owned(),
    }
}

/// What elements say together. Identifiers that mean nothing at a till are passed over.
pub fn reading(elements: Vec<Element>, today: NaiveDate) -> Result<Reading, BarcodeError> {
    let mut gtin = None;
    let mut said = Particulars::default();
    for Element { identifier, data, at } in elements {
        match identifier.as_bytes() {
            b"01" => gtin = Some(data.parse::<Gtin>()?),
            b"10" => said.lot = Some(data),
            b"21" => said.serial = Some(data),
            b"15" => said.best_before = Some(date(&data, today, at)?),
            b"16" => said.sell_by = Some(date(&data, today, at)?),
            b"17" => said.expires = Some(date(&data, today, at)?),
            b"30" => said.count = Some(number(&data, at)? as u32),
            [b'3', b'1', b'0', places @ b'0'..=b'5'] => {
                let kilograms = decimal(&data, u32::from(places - b'0'), at)?;
                said.net_weight = Some(weight(kilograms, at)?);
            }
            [b'3', b'9', b'2', places @ b'0'..=b'9'] => {
                let amount = decimal(&data, u32::from(places - b'0'), at)?;
                said.price = Some(Price::try_from(amount).map_err(|error| wrong(at, &error.to_string()))?);
            }
            _ => {}
        }
    }
    let gtin = gtin.ok_or(BarcodeError::NoItem)?;
    Ok(Reading {
        named: Named::Gtin(gtin),
        particulars: said,
    })
}

fn number(data: &str, at: usize) -> Result<u64, BarcodeError> {
    let digits = Some(data)
        .filter(|data| is_digits(data))
        .and_then(|data| data.parse().ok());
    digits.ok_or_else(|| wrong(at, &format!("{data:?} is no number")))
}

fn decimal(data: &str, places: u32, at: usize) -> Result<Decimal, BarcodeError> {
    let number = number(data, at)?;
    Decimal::try_from_i128_with_scale(i128::from(number), places).map_err(|error| wrong(at, &error.to_string()))
}

/// In thousandths of a kilogram; what is finer is no label of a shop's scale.
fn weight(kilograms: Decimal, at: usize) -> Result<Quantity, BarcodeError> {
    let text = kilograms.normalize().to_string();
    text.parse()
        .map_err(|error: crate::domain::quantity::QuantityError| wrong(at, &error.to_string()))
}

/// `YYMMDD`. The century is the one that lies within 50 years of today, and day 00 is the last of the month (GS1 General
/// Specifications, section 7.12 and AI (17)).
fn date(data: &str, today: NaiveDate, at: usize) -> Result<NaiveDate, BarcodeError> {
    let no_date = || wrong(at, &format!("{data:?} is no date, which is YYMMDD"));
    let number = number(data, at)?;
    let (years, month, day) = (number / 10_000, (number / 100 % 100) as u32, (number % 100) as u32);
    let (years, this) = (years as i32, today.year());
    let century = this - this.rem_euclid(100);
    let year = match years - this.rem_euclid(100) {
        51..=99 => century - 100 + years,
        -99..=-50 => century + 100 + years,
        _ => century + years,
    };
    let found = if day == 0 {
        let first = NaiveDate::from_ymd_opt(year, month, 1);
        first.and_then(|first| first.checked_add_months(Months::new(1))?.checked_sub_days(Days::new(1)))
    } else {
        NaiveDate::from_ymd_opt(year, month, day)
    };
    found.ok_or_else(no_date)
}
