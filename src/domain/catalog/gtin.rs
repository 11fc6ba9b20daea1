//! Global Trade Item Numbers with 8, 12, 13 or 14 digits (GS1 General Specifications, sections 1.2 and 7.9).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A GTIN whose check digit is right. Kept as a number of 14 digits, because GTIN-8, -12 and -13 with zeros in front
/// name the same item; written with the digits that it was given.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Gtin {
    number: u64,
    digits: u8,
}

/// Why a text is not a GTIN.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GtinError {
    /// The wrong number of digits.
    #[error("a GTIN has 8, 12, 13 or 14 digits, and this has {0}")]
    Length(usize),
    /// Something that is not a digit.
    #[error("a GTIN has only digits, and this has {0:?} at position {1}")]
    NotADigit(char, usize),
    /// The check digit is wrong: a digit was misread or two were swapped.
    #[error("the check digit of {text} should be {expected}")]
    CheckDigit {
        /// The digits given.
        text: String,
        /// The check digit that its other digits ask for.
        expected: u8,
    },
}

impl Gtin {
    /// The number, the same for every way of writing it.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.number
    }
}

/// The mod-10 check digit for the digits before it (GS1 General Specifications, section 7.9.1): weights 3 and 1 in
/// turn, from the right.
pub(in crate::domain) fn check_digit(body: impl DoubleEndedIterator<Item = u8>) -> u8 {
    let sum: u32 = body
        .rev()
        .zip([3, 1].into_iter().cycle())
        .map(|(digit, weight)| u32::from(digit) * weight)
        .sum();
    ((10 - sum % 10) % 10) as u8
}

impl FromStr for Gtin {
    type Err = GtinError;

    fn from_str(text: &str) -> Result<Self, GtinError> {
        if let Some((at, c)) = text.chars().enumerate().find(|(_, c)| !c.is_ascii_digit()) {
            return Err(GtinError::NotADigit(c, at + 1));
        }
        if !matches!(text.len(), 8 | 12 | 13 | 14) {
            return Err(GtinError::Length(text.len()));
        }
        let digits = || text.bytes().map(|b| b - b'0');
        let expected = check_digit(digits().take(text.len() - 1));
        if digits().next_back() != Some(expected) {
            return Err(GtinError::CheckDigit {
                text: text.into(),
                expected,
            });
        }
        Ok(Self {
            number: digits().fold(0, |number, digit| number * 10 + u64::from(digit)),
            digits: text.len() as u8,
        })
    }
}

impl PartialEq for Gtin {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Gtin {}

impl std::hash::Hash for Gtin {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.number.hash(state);
    }
}

impl TryFrom<String> for Gtin {
    type Error = GtinError;

    fn try_from(text: String) -> Result<Self, GtinError> {
        text.parse()
    }
}

impl From<Gtin> for String {
    fn from(gtin: Gtin) -> Self {
        gtin.to_string()
    }
}

impl fmt::Display for Gtin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0width$}", self.number, width = usize::from(self.digits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Examples of the GS1 General Specifications and of GS1's check digit page.
    #[test]
    fn published_numbers_are_right() {
        for text in [
            "6291041500213",
            "614141999996",
            "10614141000415",
            "96385074",
            "2000008189804",
        ] {
            assert_eq!(text.parse::<Gtin>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_misread_digit_is_found() {
        assert_eq!(
            "6291041500214".parse::<Gtin>().unwrap_err().to_string(),
            "the check digit of 6291041500214 should be 3"
        );
        assert_eq!("629104150021".len(), 12);
        assert!("629104150021x".parse::<Gtin>().is_err());
        assert_eq!("1".parse::<Gtin>(), Err(GtinError::Length(1)));
    }

    #[test]
    fn zeros_in_front_name_the_same_item() {
        assert_eq!(
            "614141999996".parse::<Gtin>().unwrap(),
            "0614141999996".parse::<Gtin>().unwrap()
        );
    }

    proptest::proptest! {
        #[test]
        fn every_single_wrong_digit_is_found(body in 0u64..1_000_000_000_000, place in 0usize..13, other in 1u8..10) {
            let digits: Vec<u8> = format!("{body:012}").bytes().map(|b| b - b'0').collect();
            let check = check_digit(digits.iter().copied());
            let mut text: Vec<u8> = digits.into_iter().chain([check]).collect();
            text[place] = (text[place] + other) % 10;
            let text: String = text.into_iter().map(|digit| char::from(digit + b'0')).collect();
            proptest::prop_assert!(text.parse::<Gtin>().is_err());
        }
    }
}
