//! Names of things: organisation, node, site, register, series, item, customer.
//!
//! Every identifier is a type of its own, checked once where it enters (parsed from text), so that the rest of the
//! program cannot confuse a site with a node. Nothing here allocates identifiers; that needs a disk.

pub(in crate::domain) mod request;

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

pub use request::RequestIdError;
use serde::{Deserialize, Deserializer, Serialize};

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text is empty.
    #[error("{what} is empty")]
    Empty {
        /// Which identifier was asked for.
        what: &'static str,
    },
    /// The text is longer than the identifier may be.
    #[error("{what} is longer than {max} characters")]
    TooLong {
        /// Which identifier was asked for.
        what: &'static str,
        /// The most characters it may have.
        max: usize,
    },
    /// A character is not allowed.
    #[error("{what} has the character {found:?} at position {at}; allowed are {allowed}")]
    Character {
        /// Which identifier was asked for.
        what: &'static str,
        /// The offending character.
        found: char,
        /// Its position, counted from 1.
        at: usize,
        /// What may stand there, in words.
        allowed: &'static str,
    },
}

/// Checks a text that is to be of one of the types that `text_id` makes.
pub(in crate::domain) fn check(
    what: &'static str,
    text: &str,
    max: usize,
    allowed: &'static str,
    permits: fn(char) -> bool,
) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty { what });
    }
    if text.chars().count() > max {
        return Err(IdError::TooLong { what, max });
    }
    match text.chars().enumerate().find(|(_, c)| !permits(*c)) {
        Some((at, found)) => Err(IdError::Character {
            what,
            found,
            at: at + 1,
            allowed,
        }),
        None => Ok(()),
    }
}

/// Makes a type of a short text that is checked once, where it enters.
macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $max:literal, $allowed:ident, $permits:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Box<str>);

        impl $name {
            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                check($what, text, $max, $allowed, $permits)?;
                Ok(Self(text.into()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.into()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

pub(in crate::domain) use text_id;

const SLUG: &str = "lower-case letters a to z, digits, '-' and '_'";

fn is_slug(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_'
}

const SERIES: &str = "upper-case letters A to Z, digits and '-'";

fn is_series(c: char) -> bool {
    c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-'
}

const PRINTED: &str = "printed characters without spaces";

fn is_printed(c: char) -> bool {
    !c.is_control() && !c.is_whitespace()
}

text_id!(
    /// The organisation that all nodes and their headquarters belong to.
    OrgId, "organisation", 32, SLUG, is_slug
);
text_id!(
    /// A node: one installation with its own database. Unique within the organisation.
    NodeId, "node", 40, SLUG, is_slug
);
text_id!(
    /// A site: a store, a warehouse, a free-standing kiosk.
    SiteId, "site", 40, SLUG, is_slug
);
text_id!(
    /// A register (till) of a site, as people call it: `1`, `bakery`.
    RegisterId, "register", 16, SLUG, is_slug
);
text_id!(
    /// A person who works at a till, pseudonymous.
    StaffId, "staff", 40, SLUG, is_slug
);
text_id!(
    /// Numbers that a till gives its sales hang under its series. Given out at pairing, never used again.
    Series, "series", 80, SERIES, is_series
);
text_id!(
    /// Receipt numbers run without gap under a receipt series: one for each register and incarnation.
    ReceiptSeries, "receipt series", 80, SERIES, is_series
);
text_id!(
    /// A stock keeping unit: the organisation's own number of an item.
    Sku, "SKU", 40, PRINTED, is_printed
);
text_id!(
    /// A pseudonymous reference to a customer. What names a person is never in it.
    CustomerRef, "customer", 64, PRINTED, is_printed
);
text_id!(
    /// A tax class by its name: `standard`, `reduced`, `zero`.
    TaxClass, "tax class", 24, SLUG, is_slug
);
text_id!(
    /// A sales channel, by its unique name.
    ChannelId, "channel", 40, SLUG, is_slug
);

/// A sale's identity, made by the till before it asks: `(series, counter)`.
///
/// A till that repeats a sale, also to a node that was restored and has forgotten it, is recognised by it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SaleId {
    /// The till's series.
    pub series: Series,
    /// The till's own count, from 1; gaps are allowed. A record with 0 is not read.
    #[serde(deserialize_with = "from_one")]
    pub counter: u64,
}

/// A count that comes from outside.
fn from_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    NonZeroU64::deserialize(deserializer).map(NonZeroU64::get)
}

impl fmt::Display for SaleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.series, self.counter)
    }
}

/// What a receipt is known by: readable, unique across the organisation, without gap within its series.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReceiptNumber {
    /// The register's receipt series.
    pub series: ReceiptSeries,
    /// Counted from 1, without gap.
    pub number: u64,
}

impl fmt::Display for ReceiptNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:06}", self.series, self.number)
    }
}

/// Why a text is not a receipt number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a receipt number is a series, '-' and a number from 1, such as STORE-1-R1-7KQ2-000001; this is {0:?}")]
pub struct ReceiptNumberError(pub String);

impl FromStr for ReceiptNumber {
    type Err = ReceiptNumberError;

    fn from_str(text: &str) -> Result<Self, ReceiptNumberError> {
        let wrong = || ReceiptNumberError(text.chars().take(80).collect());
        let (series, number) = text.rsplit_once('-').ok_or_else(wrong)?;
        let series = series.parse().map_err(|_| wrong())?;
        let digits = number.len() >= 6 && number.bytes().all(|b| b.is_ascii_digit());
        let number = number.parse().ok().filter(|n| digits && *n > 0).ok_or_else(wrong)?;
        let parsed = Self { series, number };
        if parsed.to_string() == text {
            Ok(parsed)
        } else {
            Err(wrong())
        }
    }
}

/// One life of a node's journal: a count for people and 64 random bits, so that one backup restored twice gives two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Incarnation {
    /// From 1, one more at each restore; for people.
    pub counter: u32,
    /// What makes it unique.
    pub random: u64,
}

impl Incarnation {
    /// Four characters out of the random bits, for receipt series.
    #[must_use]
    pub fn tag(self) -> String {
        tag(self.random)
    }
}

/// Four characters of Crockford's base 32, out of the first twenty of random bits: they tell series apart for people.
#[must_use]
pub fn tag(random: u64) -> String {
    const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    (0..4)
        .map(|i| char::from(ALPHABET[(random >> (59 - 5 * i) & 31) as usize]))
        .collect()
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:016x}", self.counter, self.random)
    }
}

/// Why a text is not an incarnation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an incarnation is a count, '-' and sixteen hexadecimal digits, such as 1-00c0ffee00c0ffee; this is {0:?}")]
pub struct IncarnationError(pub String);

impl FromStr for Incarnation {
    type Err = IncarnationError;

    fn from_str(text: &str) -> Result<Self, IncarnationError> {
        let parsed = text.split_once('-').and_then(|(counter, random)| {
            Some(Self {
                counter: counter.parse().ok()?,
                random: u64::from_str_radix(random, 16).ok()?,
            })
        });
        match parsed {
            Some(incarnation) if incarnation.to_string() == text => Ok(incarnation),
            _ => Err(IncarnationError(text.chars().take(80).collect())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_number_reads_back_as_it_is_written() {
        let number: ReceiptNumber = "STORE-1-R1-7KQ2-000042".parse().unwrap();
        assert_eq!(number.series.as_str(), "STORE-1-R1-7KQ2");
        assert_eq!(number.number, 42);
        assert_eq!(number.to_string(), "STORE-1-R1-7KQ2-000042");
        for wrong in ["", "42", "A-0", "A-000000", "A-42", "a-000042", "A-0000042"] {
            assert!(wrong.parse::<ReceiptNumber>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_identifier_says_what_is_wrong_and_where() {
        let error = "Store 1".parse::<SiteId>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "site has the character 'S' at position 1; allowed are lower-case letters a to z, digits, '-' and '_'"
        );
        assert_eq!("".parse::<Sku>().unwrap_err().to_string(), "SKU is empty");
    }

    #[test]
    fn a_till_counts_from_1() {
        let id = |counter| SaleId {
            series: "S-1".parse().unwrap(),
            counter,
        };
        let read = |counter| {
            let bytes = postcard::to_allocvec(&id(counter)).unwrap();
            postcard::from_bytes::<SaleId>(&bytes).ok()
        };
        assert_eq!((read(1), read(0)), (Some(id(1)), None));
        assert_eq!(read(u64::MAX), Some(id(u64::MAX)));
    }

    #[test]
    fn an_incarnation_reads_back() {
        let incarnation = Incarnation {
            counter: 3,
            random: 0xc0ff_ee00,
        };
        assert_eq!(incarnation.to_string().parse::<Incarnation>().unwrap(), incarnation);
        assert_eq!(incarnation.tag().len(), 4);
    }
}
