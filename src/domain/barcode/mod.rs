//! What a scanner types, read: which item it names, and what else the code says of it.
//!
//! Four kinds of code: a bare GTIN; GS1 element strings as in GS1-128, DataBar, DataMatrix and GS1 QR (`element_string`);
//! GS1 Digital Link (`digital_link`); numbers of a shop's own scales, which carry a weight or a price, by patterns that the
//! shop configures (`in_store`). Anything else is a text, which may be a SKU: shops print those as bar codes too.
//!
//! Pure: the same characters always say the same. It must never take a damaged code for another item: what has a check
//! digit is held against it, and an error says what was read and where it is wrong.

mod digital_link;
mod element_string;
mod identifiers;
mod in_store;
#[cfg(test)]
mod tests;

use chrono::NaiveDate;

pub use in_store::{InStorePattern, PatternError};

use super::catalog::{Gtin, GtinError};
use super::money::Price;
use super::quantity::Quantity;

/// The most characters that are read: a Digital Link with everything in it has a few hundred.
pub const CODE_CHARACTERS_MAX: usize = 2_000;

/// What a code names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// An item by its GTIN.
    Gtin(Gtin),
    /// An item by the number that a shop's own scale printed.
    InStore {
        /// The item's number within the pattern, with the zeros in front.
        number: String,
        /// The same code with zeros for the weight or price, its check digit made anew: how many catalogs keep it.
        base: Gtin,
    },
    /// Anything else: a SKU, perhaps.
    Text(String),
}

/// What a code says beside the item. Nothing of it is invented: what a code does not say is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Particulars {
    /// Batch or lot, AI (10).
    pub lot: Option<String>,
    /// Serial number, AI (21).
    pub serial: Option<String>,
    /// The last day of its life, AI (17).
    pub expires: Option<NaiveDate>,
    /// The last day of its best, AI (15).
    pub best_before: Option<NaiveDate>,
    /// The last day on which it may be sold, AI (16).
    pub sell_by: Option<NaiveDate>,
    /// Net weight in kilograms, AI (310n) or a scale's label.
    pub net_weight: Option<Quantity>,
    /// How many pieces, AI (30) or a scale's label.
    pub count: Option<u32>,
    /// What is to be paid for all of it, AI (392n) or a scale's label; in the shop's currency.
    pub price: Option<Price>,
}

/// A code that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Which item.
    pub named: Named,
    /// What else it says.
    pub particulars: Particulars,
}

/// Why a code cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BarcodeError {
    /// Nothing was scanned.
    #[error("the code is empty")]
    Empty,
    /// More than a code holds.
    #[error("the code has {0} characters; {CODE_CHARACTERS_MAX} are read")]
    TooLong(usize),
    /// A character that no code has.
    #[error("the code has the control character {0:?} at position {1}")]
    Control(char, usize),
    /// A number that is no GTIN where one must stand.
    #[error("{0}")]
    Gtin(#[from] GtinError),
    /// The digit by which a scale protects a weight or price is wrong.
    #[error("the digits {value} of the label ask for the verifier {expected}, and it has {found}")]
    Verifier {
        /// The digits of the weight or price.
        value: String,
        /// What they ask for.
        expected: char,
        /// What stands there.
        found: char,
    },
    /// An element string that does not follow the rules.
    #[error("at position {at}: {what}")]
    Element {
        /// The character at which the element begins, from 1.
        at: usize,
        /// What is wrong.
        what: String,
    },
    /// It names no item: a pallet or a place, say.
    #[error("the code names no item: it has no GTIN, AI (01)")]
    NoItem,
}

/// Reads codes as one shop has them.
#[derive(Debug, Clone, Default)]
pub struct CodeReader {
    /// Labels of the shop's own scales; the first that fits counts.
    pub patterns: Vec<InStorePattern>,
    /// The decimal places of the shop's currency.
    pub minor_digits: u32,
    /// Today, to which the two digits of a year belong (GS1 General Specifications, section 7.12).
    pub today: NaiveDate,
}

impl CodeReader {
    /// Reads what a scanner typed: the characters between two presses of Enter. Spaces around it do not count, and neither
    /// does a symbology identifier in front (ISO/IEC 15424: `]C1`, `]E0`, `]d2` …), which scanners send if told so.
    ///
    /// # Errors
    /// A [`BarcodeError`], which says what and where.
    pub fn read(&self, typed: &str) -> Result<Reading, BarcodeError> {
        // The separator of element strings (GS, which FNC1 becomes) is a control character and belongs to them.
        let typed = typed.trim_matches([' ', '\t', '\r', '\n']);
        let length = typed.chars().count();
        if length > CODE_CHARACTERS_MAX {
            return Err(BarcodeError::TooLong(length));
        }
        let mut characters = typed.chars().enumerate();
        if let Some((at, c)) = characters.find(|(_, c)| c.is_control() && *c != element_string::SEPARATOR) {
            return Err(BarcodeError::Control(c, at + 1));
        }
        let (symbology, code) = symbology(typed);
        if code.is_empty() {
            return Err(BarcodeError::Empty);
        }
        if let Some(link) = digital_link::elements(code)? {
            return element_string::reading(link, self.today);
        }
        let is_gs1 = symbology.is_some_and(|symbology| matches!(symbology, "]C1" | "]e0" | "]d2" | "]Q3" | "]J1"));
        if is_gs1 || element_string::looks_like(code) {
            return element_string::reading(element_string::elements(code)?, self.today);
        }
        for pattern in &self.patterns {
            if let Some(reading) = pattern.read(code, self.minor_digits)? {
                return Ok(reading);
            }
        }
        let named = match code.parse::<Gtin>() {
            Ok(gtin) => Named::Gtin(gtin),
            // A scanner that says that it read an EAN or UPC symbol has read digits with a check digit.
            Err(error) if symbology.is_some_and(|symbology| symbology.starts_with("]E")) => return Err(error.into()),
            Err(_) => Named::Text(code.to_owned()),
        };
        Ok(Reading {
            named,
            particulars: Particulars::default(),
        })
    }
}

/// A symbology identifier in front: `]`, a letter, a digit or letter.
fn symbology(typed: &str) -> (Option<&str>, &str) {
    let bytes = typed.as_bytes();
    match bytes {
        [b']', letter, modifier, ..] if letter.is_ascii_alphabetic() && modifier.is_ascii_alphanumeric() => {
            let (symbology, code) = typed.split_at(3);
            (Some(symbology), code)
        }
        _ => (None, typed),
    }
}
