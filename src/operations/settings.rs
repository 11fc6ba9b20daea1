//! What a node's sales follow, from its configuration.

use chrono::{NaiveTime, TimeDelta};

use super::hold::HoldLimits;
use crate::domain::barcode::InStorePattern;
use crate::domain::quantity::Quantity;
use crate::domain::sale::SaleRules;
use crate::domain::tax::TaxClass;
use crate::domain::time::{BusinessDay, LocalTime};
use crate::store::Role;

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
    /// What holds are bounded by.
    pub holds: HoldSettings,
    /// From how much left on an item counts as low, where no threshold was set for it.
    pub low_stock: Quantity,
    /// The labels of the shop's own scales; the first that fits counts.
    pub in_store_codes: Vec<InStorePattern>,
}

/// What holds are bounded by, by the role of the device that asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldSettings {
    /// At a till.
    pub till: HoldLimits,
    /// At a kiosk.
    pub kiosk: HoldLimits,
    /// A manager's.
    pub manager: HoldLimits,
}

impl HoldSettings {
    /// Of a role.
    #[must_use]
    pub const fn of(&self, role: Role) -> HoldLimits {
        match role {
            Role::Till => self.till,
            // A kiosk's own node holds through its own API; it asks for nothing here.
            Role::Kiosk | Role::Node | Role::Standby => self.kiosk,
            Role::Manager => self.manager,
        }
    }
}

impl Default for HoldSettings {
    /// A till parks carts for a day, a kiosk's cart lasts a quarter of an hour, a manager puts goods back for a month.
    fn default() -> Self {
        const MINUTE_MS: u64 = 60_000;
        let limits = |open_max, lines_max, quantity_max, lifetime_ms_max| HoldLimits {
            open_max,
            lines_max,
            quantity_max,
            lifetime_ms_max,
        };
        let units = |units: i64| Quantity::from_thousandths(units * 1_000);
        Self {
            till: limits(200, 200, Quantity::LINE_MAX, 24 * 60 * MINUTE_MS),
            kiosk: limits(2, 50, units(20), 15 * MINUTE_MS),
            manager: limits(1_000, 1_000, Quantity::LINE_MAX, 30 * 24 * 60 * MINUTE_MS),
        }
    }
}

impl Settings {
    /// The threshold of a site that sets none: ten units.
    pub const LOW_STOCK: Quantity = crate::domain::stock::LOW_STOCK;

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
                cash_rounding: crate::domain::money::CashRounding::NONE,
                tips: false,
            },
            unlisted_tax_class: "standard".parse().unwrap(),
            day_starts_at: NaiveTime::from_hms_opt(4, 0, 0).unwrap(),
            backdate_days: 7,
            holds: HoldSettings::default(),
            low_stock: Settings::LOW_STOCK,
            in_store_codes: Vec::new(),
        };
        let day = |at: &str| settings.business_day(at.parse().unwrap()).to_string();
        assert_eq!(day("2024-03-01T03:59:59+01:00"), "2024-02-29");
        assert_eq!(day("2024-03-01T04:00:00"), "2024-03-01");
    }
}
