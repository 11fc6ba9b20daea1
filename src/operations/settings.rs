//! What a node's sales follow, from its configuration.

use chrono::{NaiveTime, TimeDelta};

use crate::domain::sale::SaleRules;
use crate::domain::tax::TaxClass;
use crate::domain::time::{BusinessDay, LocalTime};

/// What a node's sales follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Currency, tax and rates.
    pub sale: SaleRules,
    /// The tax class of what the catalog does not have, where a till that may state prices sells it.
    pub unlisted_tax_class: TaxClass,
    /// When a business day begins on the wall's clock: what is before it belongs to the day before.
    pub day_starts_at: NaiveTime,
    /// How many days a till's time may be away from the node's, back or ahead: a till that was cut off reports late,
    /// and either clock may be wrong.
    pub backdate_days: u32,
}

impl Settings {
    /// The business day of a time at the till. At the calendar's very beginning it is the calendar day.
    #[must_use]
    pub fn business_day(&self, at: LocalTime) -> BusinessDay {
        let into_day = self.day_starts_at.signed_duration_since(NaiveTime::MIN);
        BusinessDay(at.local().checked_sub_signed(into_day).unwrap_or(at.local()).date())
    }

    /// The earliest and the latest time that a till without the right to backdate may report, by the wall's clock.
    #[must_use]
    pub(super) fn window(&self, now: LocalTime) -> (LocalTime, LocalTime) {
        let days = TimeDelta::days(self.backdate_days.into());
        let shifted = |by: TimeDelta| {
            let local = now.local().checked_add_signed(by).unwrap_or(now.local());
            LocalTime::new(local, None)
        };
        (shifted(-days), shifted(days))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::money::{Currency, Rounding};
    use crate::domain::tax::{TaxBasis, TaxPolicy, TaxRoundingBy};

    #[test]
    fn the_small_hours_belong_to_the_day_before() {
        let tax_policy = TaxPolicy {
            basis: TaxBasis::Included,
            rounding_by: TaxRoundingBy::Line,
            rounding: Rounding::HALF_UP,
        };
        let settings = Settings {
            sale: SaleRules {
                currency: Currency::USD,
                tax_policy,
                tax_rates: [].into(),
            },
            unlisted_tax_class: "standard".parse().unwrap(),
            day_starts_at: NaiveTime::from_hms_opt(4, 0, 0).unwrap(),
            backdate_days: 7,
        };
        let day = |at: &str| settings.business_day(at.parse().unwrap()).to_string();
        assert_eq!(day("2024-03-01T03:59:59+01:00"), "2024-02-29");
        assert_eq!(day("2024-03-01T04:00:00"), "2024-03-01");
    }
}
