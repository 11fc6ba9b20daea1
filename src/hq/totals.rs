//! Totals by site and day, and up to when each node is in them.

use std::fmt;
use std::str::FromStr;

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

/// Which totals are asked for, in the order of day, site and currency.
#[derive(Debug, Clone)]
pub struct TotalsQuery {
    /// The first business day.
    pub from: BusinessDay,
    /// The last business day.
    pub to: BusinessDay,
    /// Of one site, or of all.
    pub site: Option<SiteId>,
    /// Behind this one.
    pub after: Option<TotalsCursor>,
    /// At most so many.
    pub limit: u32,
}

/// A total's place in the order in which totals are listed. As text its parts stand between `~`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TotalsCursor {
    /// The business day.
    pub business_day: BusinessDay,
    /// The site.
    pub site: SiteId,
    /// The currency.
    pub currency: Currency,
}

/// Why a text is not a place in the list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a cursor that this headquarters gave out")]
pub struct TotalsCursorError(pub String);

impl fmt::Display for TotalsCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}~{}~{}", self.business_day, self.site, self.currency)
    }
}

impl FromStr for TotalsCursor {
    type Err = TotalsCursorError;

    fn from_str(text: &str) -> Result<Self, TotalsCursorError> {
        let mut parts = text.split('~');
        let mut parse = || {
            let cursor = Self {
                business_day: parts.next()?.parse().ok()?,
                site: parts.next()?.parse().ok()?,
                currency: parts.next()?.parse().ok()?,
            };
            parts.next().is_none().then_some(cursor)
        };
        parse().ok_or_else(|| TotalsCursorError(text.chars().take(80).collect()))
    }
}

impl SiteDay {
    /// Its place in the list.
    #[must_use]
    pub fn cursor(&self) -> TotalsCursor {
        TotalsCursor {
            business_day: self.business_day,
            site: self.site.clone(),
            currency: self.currency,
        }
    }
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
    /// A page of totals, and up to when each node is in them.
    ///
    /// # Errors
    /// Where storage fails.
    pub fn totals(&self, query: &TotalsQuery) -> Result<Totals, StorageError> {
        self.database.read(|reading| {
            let complete = nodes::statuses(reading)?.into_iter().map(|node| node.complete);
            Ok(Totals {
                days: reading.daily_totals(query)?,
                complete: complete
                    .filter(|complete| query.site.as_ref().is_none_or(|site| complete.site == *site))
                    .collect(),
            })
        })
    }
}
