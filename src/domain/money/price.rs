//! Prices: what one unit costs. They may be finer than the minor unit, as fuel and weighed goods are.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// A price for one unit, not negative, with at most four decimal places, in a currency that stands elsewhere.
///
/// Text and JSON write it as a decimal string with the places it was given; binary formats as
/// `mantissa × 8 + places`, so that 3.99 takes two bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Price(Decimal);

/// Why a number is not a price.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    /// Not a decimal number.
    #[error("{0:?} is not a decimal number")]
    NotANumber(String),
    /// Negative.
    #[error("a price cannot be negative, and this one is {0}")]
    Negative(Decimal),
    /// More than four places.
    #[error("a price has at most four decimal places, and {0} has more")]
    TooFine(Decimal),
    /// Over a billion.
    #[error("a price is at most a billion, and this one is {0}")]
    TooLarge(Decimal),
}

impl Price {
    /// The highest price: a billion.
    pub const MAX: Decimal = Decimal::from_parts(1_000_000_000, 0, 0, false, 0);

    /// Nothing.
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// The price as a decimal.
    #[must_use]
    pub const fn to_decimal(self) -> Decimal {
        self.0
    }

    /// `mantissa × 8 + places`, the form in binary formats.
    #[must_use]
    pub fn packed(self) -> u64 {
        // At most 10^9 × 10^4 × 8 < 2^47, and never negative: the constructor sees to it.
        u64::try_from(self.0.mantissa()).unwrap_or_default() << 3 | u64::from(self.0.scale())
    }

    /// From the packed form.
    ///
    /// # Errors
    /// Where it is not a price.
    pub fn from_packed(packed: u64) -> Result<Self, PriceError> {
        let mantissa = i64::try_from(packed >> 3).unwrap_or(i64::MAX);
        Decimal::new(mantissa, (packed & 7) as u32).try_into()
    }
}

impl TryFrom<Decimal> for Price {
    type Error = PriceError;

    fn try_from(amount: Decimal) -> Result<Self, PriceError> {
        if amount.is_sign_negative() && !amount.is_zero() {
            return Err(PriceError::Negative(amount));
        }
        let amount = if amount.scale() > 4 { amount.normalize() } else { amount };
        if amount.scale() > 4 {
            return Err(PriceError::TooFine(amount));
        }
        if amount > Self::MAX {
            return Err(PriceError::TooLarge(amount));
        }
        Ok(Self(amount.abs()))
    }
}

impl FromStr for Price {
    type Err = PriceError;

    fn from_str(text: &str) -> Result<Self, PriceError> {
        let amount: Decimal = text
            .parse()
            .map_err(|_| PriceError::NotANumber(text.chars().take(40).collect()))?;
        amount.try_into()
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Price {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_u64(self.packed())
        }
    }
}

impl<'de> Deserialize<'de> for Price {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            super::decimal_text(deserializer)?.try_into().map_err(D::Error::custom)
        } else {
            Self::from_packed(u64::deserialize(deserializer)?).map_err(D::Error::custom)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_packs_and_unpacks_with_its_places() {
        for text in ["0", "3.99", "0.0001", "1000000000", "2.50"] {
            let price: Price = text.parse().unwrap();
            assert_eq!(Price::from_packed(price.packed()).unwrap().to_string(), text);
        }
        assert!("3.99".parse::<Price>().unwrap().packed() < 1 << 14);
        for wrong in ["-1", "0.00001", "1000000001", "x"] {
            assert!(wrong.parse::<Price>().is_err(), "{wrong}");
        }
    }
}
