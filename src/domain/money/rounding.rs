//! The one place where an exact amount becomes whole minor units.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{Currency, Minor, Money, MoneyError};

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
    /// To the nearest minor unit, halves towards zero.
    HalfDown,
}

impl Rounding {
    /// The rule used where nothing else is configured.
    pub const HALF_UP: Self = Self::HalfUp;

    /// Rounds `amount` to whole minor units of `currency`.
    ///
    /// # Errors
    /// [`MoneyError::TooLarge`] where the result does not fit.
    pub fn to_minor(self, amount: Decimal, currency: Currency) -> Result<Money, MoneyError> {
        // A decimal is mantissa / 10^scale with a mantissa under 2^96 and a scale of at most 28; the minor unit has at
        // most 3 digits. So both products stay under 2^127.
        self.divide(
            amount.mantissa() * 10i128.pow(currency.minor_digits()),
            10i128.pow(amount.scale()),
        )
        .map(|minor| minor.of(currency))
    }

    /// `amount × part / whole`, rounded once: a tax out of a price, the share of a line that came back.
    ///
    /// # Errors
    /// [`MoneyError::TooLarge`] where the result does not fit, or where `whole` is not over 0.
    pub fn proportion(self, amount: Minor, part: i64, whole: i64) -> Result<Minor, MoneyError> {
        // Two numbers of 64 bits: the product is exact in 128.
        self.divide(i128::from(amount.0) * i128::from(part), whole.into())
    }

    /// The multiple of `step` that is nearest to `amount` by this rule.
    ///
    /// # Errors
    /// [`MoneyError::TooLarge`] where it does not fit, or where `step` is not over 0.
    pub fn to_multiple(self, amount: Minor, step: Minor) -> Result<Minor, MoneyError> {
        let steps = self.divide(amount.0.into(), step.0.into())?;
        steps.0.checked_mul(step.0).map(Minor).ok_or(MoneyError::TooLarge)
    }

    /// The rule itself, on an exact fraction; `denominator` is over 0.
    fn divide(self, numerator: i128, denominator: i128) -> Result<Minor, MoneyError> {
        if denominator <= 0 {
            return Err(MoneyError::TooLarge);
        }
        let (whole, rest) = (numerator / denominator, (numerator % denominator).abs());
        let away_from_zero = match self {
            Self::HalfUp => rest >= denominator - rest,
            Self::HalfEven => rest > denominator - rest || (rest == denominator - rest && whole % 2 != 0),
            Self::HalfDown => rest > denominator - rest,
            Self::Down => false,
        };
        let rounded = whole + if away_from_zero { numerator.signum() } else { 0 };
        i64::try_from(rounded).map(Minor).map_err(|_| MoneyError::TooLarge)
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

    #[test]
    fn a_proportion_is_exact_over_the_whole_range() {
        let share = |rule: Rounding, amount, part, whole| rule.proportion(Minor(amount), part, whole);
        assert_eq!(
            share(Rounding::HalfUp, i64::MAX, i64::MAX, i64::MAX),
            Ok(Minor(i64::MAX))
        );
        assert_eq!(
            share(Rounding::HalfUp, i64::MIN, i64::MIN, 1),
            Err(MoneyError::TooLarge)
        );
        assert_eq!(share(Rounding::HalfUp, 1, 1, 0), Err(MoneyError::TooLarge));
        assert_eq!(share(Rounding::HalfUp, -5, 1, 2), Ok(Minor(-3)));
        assert_eq!(share(Rounding::HalfEven, 5, 1, 2), Ok(Minor(2)));
        assert_eq!(share(Rounding::HalfEven, 7, 1, 2), Ok(Minor(4)));
        assert_eq!(share(Rounding::Down, -5, 1, 2), Ok(Minor(-2)));
    }

    proptest::proptest! {
        /// `rust_decimal` rounds with other code: both must agree.
        #[test]
        fn the_rules_agree_with_rust_decimal(mantissa: i64, scale in 0u32..=28, rule in 0usize..3) {
            let (ours, theirs) = [
                (Rounding::HalfUp, rust_decimal::RoundingStrategy::MidpointAwayFromZero),
                (Rounding::HalfEven, rust_decimal::RoundingStrategy::MidpointNearestEven),
                (Rounding::Down, rust_decimal::RoundingStrategy::ToZero),
            ][rule];
            let amount = Decimal::new(mantissa, scale);
            if let Ok(money) = ours.to_minor(amount, Currency::KWD) {
                proptest::prop_assert_eq!(money.to_decimal(), amount.round_dp_with_strategy(3, theirs));
            } else {
                proptest::prop_assert!(scale < 3);
            }
        }
    }
}
