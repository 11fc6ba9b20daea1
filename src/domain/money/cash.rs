//! What can be paid in coins: cash amounts rounded to the smallest coin that is in use.
//!
//! Only what is paid in cash is rounded, once, on the sum that is left to pay in cash; a card pays to the minor unit.

use super::{Currency, Minor, MoneyError, Rounding};

/// How a sum to be paid in cash is rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CashRounding {
    /// The smallest amount that coins can pay, in minor units; 1 where nothing is rounded. Over 0.
    increment: Minor,
    /// Where a sum in the middle of two such amounts goes.
    rule: Rounding,
}

impl CashRounding {
    /// To the minor unit, which changes nothing.
    pub const NONE: Self = Self {
        increment: Minor(1),
        rule: Rounding::HALF_UP,
    };

    /// To multiples of `increment`, a sum in the middle up; none where that is not over 0.
    #[must_use]
    pub const fn to(increment: Minor) -> Option<Self> {
        let rule = Rounding::HALF_UP;
        if increment.0 > 0 {
            Some(Self { increment, rule })
        } else {
            None
        }
    }

    /// What is usual where the currency is the legal tender, by the smallest coin in circulation (central banks' pages on
    /// cash and rounding, 2025): CHF and CAD and AUD 0.05, SEK and NOK and CZK 1.00, DKK 0.50, HUF 5, NZD 0.10 with 0.05
    /// down. The euro is rounded in some of its countries only (FI, NL, BE, IE, IT, EE, SK, LT), so it is configured.
    #[must_use]
    pub fn usual(currency: Currency) -> Self {
        let to = |increment: i64| Self {
            increment: Minor(increment),
            ..Self::NONE
        };
        match currency.code() {
            "CHF" | "CAD" | "AUD" => to(5),
            "SEK" | "NOK" | "CZK" => to(100),
            "DKK" => to(50),
            "HUF" => to(500),
            "NZD" => Self {
                rule: Rounding::HalfDown,
                ..to(10)
            },
            _ => Self::NONE,
        }
    }

    /// `amount` as coins can pay it.
    ///
    /// # Errors
    /// [`MoneyError::TooLarge`] where it does not fit.
    pub fn round(self, amount: Minor) -> Result<Minor, MoneyError> {
        self.rule.to_multiple(amount, self.increment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounded(currency: &str, cases: &[(i64, i64)]) {
        let rounding = CashRounding::usual(currency.parse().unwrap());
        for (exact, in_coins) in cases {
            assert_eq!(
                rounding.round(Minor(*exact)),
                Ok(Minor(*in_coins)),
                "{currency} {exact}"
            );
            assert_eq!(
                rounding.round(Minor(-exact)),
                Ok(Minor(-in_coins)),
                "{currency} -{exact}"
            );
        }
    }

    /// Five Rappen have been the smallest Swiss coin since 2007, when the one was withdrawn: 1 and 2 go down, 3 and 4 up
    /// to 5, 6 and 7 down to 5, 8 and 9 up (the usual commercial rounding, as Swiss receipts show it).
    #[test]
    fn swiss_sums_end_in_0_or_5_rappen() {
        rounded(
            "CHF",
            &[
                (1_001, 1_000),
                (1_002, 1_000),
                (1_003, 1_005),
                (1_004, 1_005),
                (1_005, 1_005),
            ],
        );
        rounded("CHF", &[(1_006, 1_005), (1_007, 1_005), (1_008, 1_010), (1_009, 1_010)]);
    }

    /// Sweden, lag (1970:1029) om avrundning av vissa öresbelopp: to the nearest whole krona, 50 öre up.
    #[test]
    fn swedish_sums_are_whole_kronor() {
        rounded("SEK", &[(1_949, 1_900), (1_950, 2_000), (1_999, 2_000), (1_900, 1_900)]);
    }

    /// Hungary, law of 2008 on rounding: 1 and 2 to 0, 3 to 7 to 5, 8 and 9 to 10 forints.
    #[test]
    fn hungarian_sums_end_in_0_or_5_forints() {
        rounded(
            "HUF",
            &[(10_200, 10_000), (10_300, 10_500), (10_700, 10_500), (10_800, 11_000)],
        );
    }

    /// New Zealand: 1 to 5 cents go down, 6 to 9 up, as most shops do since the five-cent coin went in 2006.
    #[test]
    fn new_zealands_five_cents_go_down() {
        rounded("NZD", &[(105, 100), (106, 110), (101, 100), (109, 110)]);
    }

    #[test]
    fn where_every_cent_has_a_coin_nothing_changes() {
        rounded("EUR", &[(1, 1), (1_999, 1_999)]);
        rounded("USD", &[(3, 3)]);
        assert_eq!(CashRounding::to(Minor(0)), None);
        assert_eq!(CashRounding::NONE.round(Minor(i64::MIN)), Ok(Minor(i64::MIN)));
        let coarse = CashRounding::to(Minor(10)).unwrap();
        assert_eq!(coarse.round(Minor(i64::MAX)), Err(MoneyError::TooLarge));
    }
}
