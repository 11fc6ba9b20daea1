//! Quantities of goods: fixed point, in thousandths of the item's unit, because weighed goods exist.

use std::fmt;
use std::iter::Sum;
use std::ops::Neg;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// A quantity in thousandths of the item's unit (piece, kilogram, metre). Signed, because differences exist.
///
/// Text and JSON write it as a decimal string (`"1.25"`), binary formats as an integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Quantity(i64);

impl Quantity {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// One unit.
    pub const ONE: Self = Self(1000);
    /// The most that one line of a sale, a refund or a movement may hold: a million units.
    pub const LINE_MAX: Self = Self(1_000_000_000);

    /// From thousandths of a unit.
    #[must_use]
    pub const fn from_thousandths(thousandths: i64) -> Self {
        Self(thousandths)
    }

    /// From whole units.
    ///
    /// # Errors
    /// Where the thousandths do not fit.
    pub fn from_units(units: i64) -> Result<Self, QuantityError> {
        units.checked_mul(1000).map(Self).ok_or(QuantityError::TooLarge)
    }

    /// In thousandths of a unit.
    #[must_use]
    pub const fn thousandths(self) -> i64 {
        self.0
    }

    /// In units, exact, without trailing zeros.
    #[must_use]
    pub fn to_decimal(self) -> Decimal {
        Decimal::new(self.0, 3).normalize()
    }

    /// The sum, where it fits.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The difference, where it fits.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }
}

impl Neg for Quantity {
    type Output = Self;

    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

impl Sum for Quantity {
    fn sum<I: Iterator<Item = Self>>(quantities: I) -> Self {
        Self(quantities.fold(0, |sum, quantity| sum.saturating_add(quantity.0)))
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_decimal().fmt(f)
    }
}

/// Why a number is not a quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// Not a decimal number.
    #[error("{0:?} is not a decimal number")]
    NotANumber(String),
    /// Finer than a thousandth.
    #[error("{0} has more than three decimal places")]
    TooFine(Decimal),
    /// Does not fit.
    #[error("the quantity is too large")]
    TooLarge,
}

impl TryFrom<Decimal> for Quantity {
    type Error = QuantityError;

    fn try_from(units: Decimal) -> Result<Self, QuantityError> {
        let thousandths = units
            .checked_mul(Decimal::ONE_THOUSAND)
            .ok_or(QuantityError::TooLarge)?
            .normalize();
        if thousandths.scale() > 0 {
            return Err(QuantityError::TooFine(units));
        }
        i64::try_from(thousandths.mantissa())
            .map(Self)
            .map_err(|_| QuantityError::TooLarge)
    }
}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let units: Decimal = text
            .parse()
            .map_err(|_| QuantityError::NotANumber(text.chars().take(40).collect::<String>()))?;
        units.try_into()
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_i64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            crate::domain::money::decimal_text(deserializer)?
                .try_into()
                .map_err(D::Error::custom)
        } else {
            i64::deserialize(deserializer).map(Self)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weighed_goods_keep_their_grams() {
        let quantity: Quantity = "1.250".parse().unwrap();
        assert_eq!(quantity.thousandths(), 1250);
        assert_eq!(quantity.to_string(), "1.25");
    }

    #[test]
    fn finer_than_a_thousandth_or_beyond_the_range_is_refused() {
        assert!(matches!("0.0001".parse::<Quantity>(), Err(QuantityError::TooFine(_))));
        assert_eq!(
            "9999999999999999999999".parse::<Quantity>(),
            Err(QuantityError::TooLarge)
        );
        assert!("1e5x".parse::<Quantity>().is_err());
    }
}
