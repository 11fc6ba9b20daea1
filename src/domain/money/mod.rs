//! Money: an exact decimal amount with its ISO 4217 currency, never a float.
//!
//! Amounts that people pay are whole minor units of their currency ([`Money`]); prices may be finer ([`Price`]).
//! Rounding happens in [`rounding`] alone, by a named rule.

mod allocate;
mod cash;
mod currency;
mod price;
pub mod rounding;

use std::fmt;

use rust_decimal::Decimal;
use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

pub use allocate::allocate;
pub use cash::CashRounding;
pub use currency::{Currency, CurrencyError};
pub use price::{Price, PriceError};
pub use rounding::Rounding;

/// An amount of money in whole minor units (cents) of its currency. Signed.
///
/// JSON: `{"amount": "3.99", "currency": "USD"}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    minor: Minor,
    currency: Currency,
}

/// Whole minor units of a currency that stands elsewhere (on the sale, the batch, the row). Signed.
///
/// People never see it: they see [`Money`], a decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Minor(pub i64);

/// Why a computation with money has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Two currencies met.
    #[error("{0} and {1} cannot be added")]
    Currencies(Currency, Currency),
    /// The amount does not fit.
    #[error("the amount is too large")]
    TooLarge,
    /// The amount is finer than the currency's minor unit.
    #[error("{amount} is finer than the minor unit of {currency}")]
    TooFine {
        /// The amount asked for.
        amount: Decimal,
        /// Its currency.
        currency: Currency,
    },
}

impl Minor {
    /// With its currency.
    #[must_use]
    pub const fn of(self, currency: Currency) -> Money {
        Money { minor: self, currency }
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

impl Money {
    /// From whole minor units.
    #[must_use]
    pub const fn from_minor(minor: i64, currency: Currency) -> Self {
        Self {
            minor: Minor(minor),
            currency,
        }
    }

    /// Nothing, in `currency`.
    #[must_use]
    pub const fn zero(currency: Currency) -> Self {
        Self::from_minor(0, currency)
    }

    /// From a decimal amount that must be whole minor units already.
    ///
    /// # Errors
    /// [`MoneyError::TooFine`] where it is not, [`MoneyError::TooLarge`] where it does not fit.
    pub fn exact(amount: Decimal, currency: Currency) -> Result<Self, MoneyError> {
        let rounded = Rounding::HALF_UP.to_minor(amount, currency)?;
        if rounded.to_decimal() == amount {
            Ok(rounded)
        } else {
            Err(MoneyError::TooFine { amount, currency })
        }
    }

    /// In whole minor units.
    #[must_use]
    pub const fn minor(self) -> i64 {
        self.minor.0
    }

    /// The currency.
    #[must_use]
    pub const fn currency(self) -> Currency {
        self.currency
    }

    /// The amount as a decimal with the currency's number of places.
    #[must_use]
    pub fn to_decimal(self) -> Decimal {
        Decimal::new(self.minor.0, self.currency.minor_digits())
    }

    /// The sum.
    ///
    /// # Errors
    /// Where the currencies differ or the sum does not fit.
    pub fn plus(self, other: Self) -> Result<Self, MoneyError> {
        self.combine(other, i64::checked_add)
    }

    /// The difference.
    ///
    /// # Errors
    /// Where the currencies differ or the difference does not fit.
    pub fn minus(self, other: Self) -> Result<Self, MoneyError> {
        self.combine(other, i64::checked_sub)
    }

    fn combine(self, other: Self, operation: fn(i64, i64) -> Option<i64>) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::Currencies(self.currency, other.currency));
        }
        operation(self.minor.0, other.minor.0)
            .map(|minor| Self::from_minor(minor, self.currency))
            .ok_or(MoneyError::TooLarge)
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut money = serializer.serialize_struct("Money", 2)?;
        money.serialize_field("amount", &self.to_decimal().to_string())?;
        money.serialize_field("currency", &self.currency)?;
        money.end()
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.to_decimal(), self.currency)
    }
}

/// Reads a decimal from JSON: a string (`"1.58"`) or an integer. A JSON float has been rounded already by whoever
/// wrote or read it, so it is refused.
///
/// # Errors
/// Where the text is not a decimal number or is a float.
pub fn decimal_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
    struct Visitor;
    impl serde::de::Visitor<'_> for Visitor {
        type Value = Decimal;

        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            f.write_str("a decimal number in quotes, such as \"1.58\"")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Decimal, E> {
            if text.len() > 40 {
                return Err(E::custom("a decimal number has at most 40 characters"));
            }
            text.parse()
                .map_err(|_| E::custom(format_args!("{text:?} is not a decimal number")))
        }

        fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Decimal, E> {
            Ok(number.into())
        }

        fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Decimal, E> {
            Ok(number.into())
        }

        fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Decimal, E> {
            Err(E::custom(format_args!(
                "{number} must stand in quotes: a number with a point is not exact in JSON"
            )))
        }
    }
    deserializer.deserialize_any(Visitor).map_err(D::Error::custom)
}
