//! The one place where an exact amount becomes whole minor units.

use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};

use super::{Currency, Money, MoneyError};

/// A named rounding rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rounding {
    /// To the nearest minor unit, halves away from zero: what tills, receipts and most tax offices use.
    HalfUp,
    /// To the nearest minor unit, halves to the even digit (IEEE 754 roundTiesToEven, "banker's rounding").
    HalfEven,
    /// Towards zero.
    Down,
}

impl Rounding {
    /// The rule used where nothing else is configured.
    pub const HALF_UP: Self = Self::HalfUp;

    /// Rounds `amount` to whole minor units of `currency`.
    ///
    /// # Errors
    /// [`MoneyError::TooLarge`] where the result does not fit.
    pub fn to_minor(self, amount: Decimal, currency: Currency) -> Result<Money, MoneyError> {
        let strategy = match self {
            Self::HalfUp => RoundingStrategy::MidpointAwayFromZero,
            Self::HalfEven => RoundingStrategy::MidpointNearestEven,
            Self::Down => RoundingStrategy::ToZero,
        };
        let digits = currency.minor_digits();
        let mut rounded = amount.round_dp_with_strategy(digits, strategy);
        rounded.rescale(digits);
        if rounded.scale() != digits {
            return Err(MoneyError::TooLarge);
        }
        i64::try_from(rounded.mantissa())
            .map(|minor| Money::from_minor(minor, currency))
            .map_err(|_| MoneyError::TooLarge)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_go_where_the_rule_says() {
        let round = |rule: Rounding, text: &str| rule.to_minor(text.parse().unwrap(), Currency::USD).unwrap().minor();
        for (text, up, even, down) in [
            ("0.005", 1, 0, 0),
            ("0.015", 2, 2, 1),
            ("-0.005", -1, 0, 0),
            ("2.675", 268, 268, 267),
            ("1", 100, 100, 100),
        ] {
            assert_eq!(round(Rounding::HalfUp, text), up, "{text}");
            assert_eq!(round(Rounding::HalfEven, text), even, "{text}");
            assert_eq!(round(Rounding::Down, text), down, "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_is_said() {
        assert_eq!(
            Rounding::HalfUp.to_minor(Decimal::MAX, Currency::KWD),
            Err(MoneyError::TooLarge)
        );
    }
}
