//! Totals by site and day, and up to when each node is in them.

use super::headquarters::Headquarters;
use super::nodes::{self, Complete};
use super::storage::{DailyTotal, StorageError};
use crate::domain::ids::SiteId;
use crate::domain::money::Currency;
use crate::domain::time::BusinessDay;

/// The totals of one site, day and currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteDay {
    /// The site.
    pub site: SiteId,
    /// The business day.
    pub business_day: BusinessDay,
    /// The currency of the amounts.
    pub currency: Currency,
    /// The totals.
    pub total: DailyTotal,
}

/// Totals, and how complete they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Totals {
    /// By day, site and currency.
    pub days: Vec<SiteDay>,
    /// Every node that may still have something to add.
    pub complete: Vec<Complete>,
}

impl Headquarters {
    /// The totals of the days `from` to `to`, both included, of one site or of all.
    ///
    /// # Errors
    /// Where storage fails.
    pub fn totals(&self, from: BusinessDay, to: BusinessDay, site: Option<&SiteId>) -> Result<Totals, StorageError> {
        self.database.read(|reading| {
            let complete = nodes::statuses(reading)?.into_iter().map(|node| node.complete);
            Ok(Totals {
                days: reading.daily_totals(from, to, site)?,
                complete: complete
                    .filter(|complete| site.is_none_or(|site| complete.site == *site))
                    .collect(),
            })
        })
    }
}
