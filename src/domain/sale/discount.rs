//! Discounts as a till states them: an amount or a part.

use serde::{Deserialize, Serialize};

use crate::domain::money::{Minor, MoneyError, Rounding};
use crate::domain::percent::percent;

/// 100 % in ten-thousandths of a per cent.
const WHOLE: u32 = 1_000_000;

percent!(
    /// A part in per cent, from 0 to 100 with at most four decimal places.
    Percent, PercentError, "part", max = WHOLE
);

/// Something off a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Discount {
    /// So much, in minor units of the sale's currency.
    Amount(Minor),
    /// That part of what it is taken from, rounded half up to the minor unit.
    Percent(Percent),
}

impl Discount {
    /// What it takes off `amount`. Not checked against it: a stated amount may be more, or negative.
    ///
    /// # Errors
    /// [`MoneyError::TooLarge`] where it does not fit.
    pub fn of(self, amount: Minor) -> Result<Minor, MoneyError> {
        match self {
            Self::Amount(stated) => Ok(stated),
            Self::Percent(part) => Rounding::HALF_UP.proportion(amount, part.0.into(), WHOLE.into()),
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
