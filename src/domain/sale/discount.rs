//! Discounts as a till states them: an amount or a part.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::domain::money::{Minor, MoneyError, Rounding, decimal_text};

/// A part in per cent, from 0 to 100 with at most four decimal places.
///
/// Text and JSON write it as a decimal string (`"12.5"`), binary formats in ten-thousandths of a per cent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Percent(u32);

/// Why a number is not a part in per cent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a part: per cent from 0 to 100 with at most four decimal places")]
pub struct PercentError(pub String);

/// Something off a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Discount {
    /// So much, in minor units of the sale's currency.
    Amount(Minor),
    /// That part of what it is taken from, rounded half up to the minor unit.
    Percent(Percent),
}

impl Percent {
    /// 100 % in ten-thousandths of a per cent.
    const WHOLE: u32 = 1_000_000;

    /// In ten-thousandths of a per cent: 125000 for 12.5 %.
    #[must_use]
    pub const fn ten_thousandths(self) -> u32 {
        self.0
    }

    /// In per cent.
    #[must_use]
    pub fn to_decimal(self) -> Decimal {
        Decimal::new(self.0.into(), 4).normalize()
    }
}

impl Discount {
    /// What it takes off `amount`. Not checked against it: a stated amount may be more, or negative.
    ///
    /// # Errors
    /// [`MoneyError::TooLarge`] where it does not fit.
    pub fn of(self, amount: Minor) -> Result<Minor, MoneyError> {
        match self {
            Self::Amount(stated) => Ok(stated),
            Self::Percent(part) => Rounding::HALF_UP.proportion(amount, part.0.into(), Percent::WHOLE.into()),
        }
    }
}

impl TryFrom<Decimal> for Percent {
    type Error = PercentError;

    fn try_from(percent: Decimal) -> Result<Self, PercentError> {
        let wrong = || PercentError(percent.to_string());
        let scaled = percent
            .checked_mul(Decimal::new(10_000, 0))
            .ok_or_else(wrong)?
            .normalize();
        match u32::try_from(scaled.mantissa()) {
            Ok(part) if scaled.scale() == 0 && part <= Self::WHOLE => Ok(Self(part)),
            _ => Err(wrong()),
        }
    }
}

impl FromStr for Percent {
    type Err = PercentError;

    fn from_str(text: &str) -> Result<Self, PercentError> {
        let percent: Decimal = text
            .parse()
            .map_err(|_| PercentError(text.chars().take(40).collect()))?;
        percent.try_into()
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_decimal().fmt(f)
    }
}

impl Serialize for Percent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_u32(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            decimal_text(deserializer)?.try_into().map_err(D::Error::custom)
        } else {
            match u32::deserialize(deserializer)? {
                part if part <= Self::WHOLE => Ok(Self(part)),
                part => Err(D::Error::custom(PercentError(part.to_string()))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_from_0_to_100() {
        for (text, part) in [("0", 0), ("12.5", 125_000), ("100.0000", 1_000_000), ("0.0001", 1)] {
            assert_eq!(text.parse::<Percent>().unwrap().ten_thousandths(), part);
        }
        for wrong in ["-0.1", "100.0001", "0.00001", "ten", "79228162514264337593543950335"] {
            assert!(wrong.parse::<Percent>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_part_of_an_amount_is_rounded_half_up() {
        let third = Discount::Percent("33.3333".parse().unwrap());
        assert_eq!(third.of(Minor(1000)), Ok(Minor(333)));
        assert_eq!(Discount::Percent("50".parse().unwrap()).of(Minor(5)), Ok(Minor(3)));
        assert_eq!(Discount::Amount(Minor(7)).of(Minor(5)), Ok(Minor(7)));
    }

    #[test]
    fn json_writes_it_in_quotes() {
        let part: Percent = serde_json::from_str("\"7.50\"").unwrap();
        assert_eq!(serde_json::to_string(&part).unwrap(), "\"7.5\"");
        assert!(serde_json::from_str::<Percent>("101").is_err());
    }
}
