//! Tax by class: included in the price or added on top, rounded by line or by document.

mod sums;

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

pub use super::ids::TaxClass;
use super::money::{Minor, Rounding};
pub use sums::{TaxSumsError, tax_by_line, tax_sums};

/// A tax rate in per cent with at most four decimal places, from 0 to 1000.
///
/// Text and JSON write it as a decimal string (`"7.7"`), binary formats in ten-thousandths of a per cent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TaxRate(u32);

/// Why a number is not a tax rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a tax rate: per cent from 0 to 1000 with at most four decimal places")]
pub struct TaxRateError(pub String);

impl TaxRate {
    /// In ten-thousandths of a per cent: 77000 for 7.7 %.
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

impl TryFrom<Decimal> for TaxRate {
    type Error = TaxRateError;

    fn try_from(percent: Decimal) -> Result<Self, TaxRateError> {
        let wrong = || TaxRateError(percent.to_string());
        let scaled = percent
            .checked_mul(Decimal::new(10_000, 0))
            .ok_or_else(wrong)?
            .normalize();
        match u32::try_from(scaled.mantissa()) {
            Ok(rate) if scaled.scale() == 0 && rate <= 10_000_000 => Ok(Self(rate)),
            _ => Err(wrong()),
        }
    }
}

impl FromStr for TaxRate {
    type Err = TaxRateError;

    fn from_str(text: &str) -> Result<Self, TaxRateError> {
        let percent: Decimal = text
            .parse()
            .map_err(|_| TaxRateError(text.chars().take(40).collect()))?;
        percent.try_into()
    }
}

impl fmt::Display for TaxRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_decimal().fmt(f)
    }
}

impl Serialize for TaxRate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_u32(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for TaxRate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            super::money::decimal_text(deserializer)?
                .try_into()
                .map_err(D::Error::custom)
        } else {
            match u32::deserialize(deserializer)? {
                rate if rate <= 10_000_000 => Ok(Self(rate)),
                rate => Err(D::Error::custom(TaxRateError(rate.to_string()))),
            }
        }
    }
}

/// Whether prices contain the tax.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaxBasis {
    /// Prices contain it, as in Europe.
    Included,
    /// It is added on top, as in the United States.
    Added,
}

/// Where tax is rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaxRoundingBy {
    /// Each line by itself; the document's tax is their sum.
    Line,
    /// Once for each class over the whole document.
    Document,
}

/// How an organisation computes tax.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TaxPolicy {
    /// Included in prices or added on top.
    pub basis: TaxBasis,
    /// By line or by document.
    pub rounding_by: TaxRoundingBy,
    /// The rounding rule.
    pub rounding: Rounding,
}

/// A class with the rate that applied.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AppliedTax {
    /// The class.
    pub class: TaxClass,
    /// Its rate at the time.
    pub rate: TaxRate,
}

/// The tax of one class over a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaxSum {
    /// The class and its rate.
    pub applied: AppliedTax,
    /// What was taxed, without the tax.
    pub net: Minor,
    /// The tax.
    pub tax: Minor,
}
