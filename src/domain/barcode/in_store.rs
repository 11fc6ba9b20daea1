//! Labels of a shop's own scales: EAN-13 with a prefix for restricted circulation (GS1 General Specifications, section
//! 2.1.11), whose digits mean what the shop says. A pattern says it: `21IIIIIWWWWWC`.
//!
//! | in a pattern | |
//! |---|---|
//! | a digit | stands there |
//! | `I` | the item's number |
//! | `W` | net weight in thousandths of a kilogram |
//! | `P` | what is to be paid, in the currency's minor units |
//! | `N` | a count |
//! | `V` | the verifier of the 4 or 5 digits of weight or price (section 7.9.3) |
//! | `C` | the check digit, the last one |

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{BarcodeError, Named, Particulars, Reading};
use crate::domain::catalog::{Gtin, check_digit};
use crate::domain::money::Price;
use crate::domain::quantity::Quantity;

/// What the value of a label is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    Weight,
    Price,
    Count,
}

/// A pattern. Read from and written to its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InStorePattern {
    text: String,
    value: Value,
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Not the length of an EAN-13.
    #[error("a pattern has 13 characters, and {text:?} has {length}", length = text.chars().count())]
    Length {
        /// The text.
        text: String,
    },
    /// A character that means nothing.
    #[error("a pattern has digits and the letters I, W, P, N, V and C, and this has {0:?} at position {1}")]
    Character(char, usize),
    /// It would take other shops' goods for the own.
    #[error("a pattern begins with 02, 04 or 20 to 29: other numbers are given out by GS1")]
    Prefix,
    /// It does not end with a check digit.
    #[error("a pattern has one C, and it is the last character")]
    CheckDigit,
    /// No item, or its digits are apart.
    #[error("a pattern has its I side by side, one at least")]
    Item,
    /// None or several of weight, price and count, or their digits are apart.
    #[error("a pattern has one of W, P and N, side by side")]
    Value,
    /// A verifier without four or five digits that it verifies.
    #[error("a pattern has at most one V, beside 4 or 5 of W or P")]
    Verifier,
}

impl FromStr for InStorePattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        if text.chars().count() != 13 {
            return Err(PatternError::Length { text: text.to_owned() });
        }
        let known = |c: char| c.is_ascii_digit() || "IWPNVC".contains(c);
        if let Some((at, c)) = text.chars().enumerate().find(|(_, c)| !known(*c)) {
            return Err(PatternError::Character(c, at + 1));
        }
        let prefix = text.get(..2).unwrap_or_default().as_bytes();
        if !matches!(prefix, b"02" | b"04" | [b'2', b'0'..=b'9' | b'I']) {
            return Err(PatternError::Prefix);
        }
        if text.find('C') != Some(12) {
            return Err(PatternError::CheckDigit);
        }
        if digits(text, 'I').is_none() {
            return Err(PatternError::Item);
        }
        let values = [('W', Value::Weight), ('P', Value::Price), ('N', Value::Count)];
        let mut found = values.into_iter().filter(|(letter, _)| text.contains(*letter));
        let (Some((letter, value)), None) = (found.next(), found.next()) else {
            return Err(PatternError::Value);
        };
        let length = digits(text, letter).ok_or(PatternError::Value)?.len();
        let verifiers = text.matches('V').count();
        if verifiers > 1 || verifiers == 1 && (value == Value::Count || !matches!(length, 4 | 5)) {
            return Err(PatternError::Verifier);
        }
        Ok(Self {
            text: text.to_owned(),
            value,
        })
    }
}

/// Where a letter stands in a pattern; none where it does not, or not side by side.
fn digits(pattern: &str, letter: char) -> Option<std::ops::Range<usize>> {
    let (first, last) = (pattern.find(letter)?, pattern.rfind(letter)?);
    let between = pattern.get(first..=last)?;
    between.chars().all(|c| c == letter).then_some(first..last + 1)
}

impl InStorePattern {
    /// What a code says by this pattern; none where it is not of it.
    pub(super) fn read(&self, code: &str, minor_digits: u32) -> Result<Option<Reading>, BarcodeError> {
        let fits = |(pattern, c): (char, char)| c.is_ascii_digit() && (!pattern.is_ascii_digit() || pattern == c);
        if code.len() != 13 || !self.text.chars().zip(code.chars()).all(fits) {
            return Ok(None);
        }
        // A label that is smudged must not be sold as something else.
        code.parse::<Gtin>()?;
        let letter = match self.value {
            Value::Weight => 'W',
            Value::Price => 'P',
            Value::Count => 'N',
        };
        let part = |letter| {
            digits(&self.text, letter)
                .and_then(|range| code.get(range))
                .unwrap_or_default()
        };
        let (number, value) = (part('I'), part(letter));
        if let (Some(found), Some(expected)) = (part('V').chars().next(), verifier(value))
            && found != expected
        {
            return Err(BarcodeError::Verifier {
                value: value.to_owned(),
                expected,
                found,
            });
        }
        // At most 11 digits: they always fit.
        let amount: u32 = value.parse().unwrap_or_default();
        let mut particulars = Particulars::default();
        match self.value {
            Value::Weight => particulars.net_weight = Some(Quantity::from_thousandths(i64::from(amount))),
            Value::Price => particulars.price = Price::try_from(Decimal::new(i64::from(amount), minor_digits)).ok(),
            Value::Count => particulars.count = Some(amount),
        }
        Ok(Some(Reading {
            named: Named::InStore {
                number: number.to_owned(),
                base: self.base(code)?,
            },
            particulars,
        }))
    }

    /// The code with zeros for all but what is fixed and the item's number.
    fn base(&self, code: &str) -> Result<Gtin, BarcodeError> {
        let kept = self.text.chars().zip(code.bytes()).take(12);
        let kept = kept.map(|(pattern, byte)| {
            if pattern.is_ascii_digit() || pattern == 'I' {
                byte - b'0'
            } else {
                0
            }
        });
        let kept: Vec<u8> = kept.collect();
        let check = check_digit(kept.iter().copied());
        let text: String = kept
            .into_iter()
            .chain([check])
            .map(|digit| char::from(b'0' + digit))
            .collect();
        Ok(text.parse()?)
    }
}

/// The verifier digit of four or five digits of a price or weight (GS1 General Specifications, section 7.9.3).
fn verifier(value: &str) -> Option<char> {
    const TWO_MINUS: [u32; 10] = [0, 2, 4, 6, 8, 9, 1, 3, 5, 7];
    const THREE: [u32; 10] = [0, 3, 6, 9, 2, 5, 8, 1, 4, 7];
    const FIVE_PLUS: [u32; 10] = [0, 5, 1, 6, 2, 7, 3, 8, 4, 9];
    const FIVE_MINUS: [u32; 10] = [0, 5, 9, 4, 8, 3, 7, 2, 6, 1];
    let sum = |weights: &[[u32; 10]]| -> Option<u32> {
        let products = weights.iter().zip(value.bytes());
        products
            .map(|(weights, byte)| weights.get(usize::from(byte.wrapping_sub(b'0'))).copied())
            .sum()
    };
    let digit = match value.len() {
        4 => sum(&[TWO_MINUS, TWO_MINUS, THREE, FIVE_MINUS])? * 3 % 10,
        5 => {
            let rest = (10 - sum(&[FIVE_PLUS, TWO_MINUS, FIVE_MINUS, FIVE_PLUS, TWO_MINUS])? % 10) % 10;
            FIVE_MINUS.iter().position(|product| *product == rest)? as u32
        }
        _ => return None,
    };
    char::from_digit(digit, 10)
}

impl fmt::Display for InStorePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for InStorePattern {
    type Error = PatternError;

    fn try_from(text: String) -> Result<Self, PatternError> {
        text.parse()
    }
}

impl From<InStorePattern> for String {
    fn from(pattern: InStorePattern) -> Self {
        pattern.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Worked examples of the GS1 General Specifications, section 7.9.3.
    #[test]
    fn published_verifiers_are_right() {
        assert_eq!(verifier("2875"), Some('9'));
        assert_eq!(verifier("14685"), Some('6'));
    }

    #[test]
    fn a_pattern_says_what_is_wrong_with_it() {
        let error = |text: &str| text.parse::<InStorePattern>().unwrap_err().to_string();
        assert_eq!(
            error("21IIIIIWWWWW"),
            "a pattern has 13 characters, and \"21IIIIIWWWWW\" has 12"
        );
        assert!(
            error("21IIIIIXXXXXC").ends_with("has 'X' at position 8"),
            "{}",
            error("21IIIIIXXXXXC")
        );
        assert_eq!(error("40IIIIIWWWWWC"), PatternError::Prefix.to_string());
        assert_eq!(error("21IIIIIWWWWCW"), PatternError::CheckDigit.to_string());
        assert_eq!(error("2100000WWWWWC"), PatternError::Item.to_string());
        assert_eq!(error("21IIIIIWWPPPC"), PatternError::Value.to_string());
        assert_eq!(error("21IIIIVVWWWWC"), PatternError::Verifier.to_string());
        assert_eq!(error("21IIIIVIWWWWC"), PatternError::Item.to_string());
        assert_eq!(error("21IIIIIVNNNNC"), PatternError::Verifier.to_string());
    }
}
