//! Totals of a site and day in one currency.

use rusqlite::{OptionalExtension as _, Row};

use super::value::{business_day, number, parsed, unsigned};
use super::{Reading, StorageError, Writing};
use crate::domain::ids::SiteId;
use crate::domain::money::{Currency, Minor};
use crate::domain::quantity::Quantity;
use crate::domain::time::BusinessDay;
use crate::hq::totals::{SiteDay, TotalsQuery};

/// What was sold and taken back at a site on one business day, in one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DailyTotal {
    /// How many sales.
    pub sales: u64,
    /// Quantity times price over all lines of the sales.
    pub gross: Minor,
    /// All discounts on them.
    pub discount: Minor,
    /// The tax in or on them.
    pub tax: Minor,
    /// What was paid for them, tax and all.
    pub total: Minor,
    /// How much was sold, over all items.
    pub units: Quantity,
    /// How many refunds.
    pub refunds: u64,
    /// The tax paid back.
    pub refunded_tax: Minor,
    /// What was paid back, tax and all; positive.
    pub refunded: Minor,
    /// How much came back, over all items.
    pub returned_units: Quantity,
}

const COLUMNS: &str = "sales, gross, discount, tax, total, units, refunds, refunded_tax, refunded, returned_units";

impl Reading<'_> {
    /// The totals of a site, a day and a currency.
    pub(in crate::hq) fn daily_total(
        &self,
        site: &SiteId,
        day: BusinessDay,
        currency: Currency,
    ) -> Result<Option<DailyTotal>, StorageError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM daily_total WHERE business_day = ?1 AND site = ?2 AND currency = ?3"
        ))?;
        let key = (day.number(), site.as_str(), currency.code());
        Ok(statement.query_row(key, |row| read(row, 0)).optional()?)
    }
}

impl Reading<'_> {
    /// A page of totals in the order of day, site and currency.
    pub(in crate::hq) fn daily_totals(&self, query: &TotalsQuery) -> Result<Vec<SiteDay>, StorageError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT site, business_day, currency, {COLUMNS} FROM daily_total
             WHERE business_day BETWEEN ?1 AND ?2 AND (?3 = '' OR site = ?3)
                 AND (business_day, site, currency) > (?4, ?5, ?6)
             ORDER BY business_day, site, currency LIMIT ?7"
        ))?;
        let after = query.after.as_ref();
        let key = (
            query.from.number(),
            query.to.number(),
            query.site.as_ref().map_or("", SiteId::as_str),
            after.map_or(query.from.number(), |after| after.business_day.number()),
            after.map_or("", |after| after.site.as_str()),
            after.map_or("", |after| after.currency.code()),
            query.limit,
        );
        let days = statement.query_map(key, site_day)?;
        Ok(days.collect::<Result<_, _>>()?)
    }
}

impl Reading<'_> {
    /// All totals, in the order of day, site and currency.
    pub(in crate::hq) fn all_daily_totals(&self) -> Result<Vec<SiteDay>, StorageError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT site, business_day, currency, {COLUMNS} FROM daily_total ORDER BY business_day, site, currency"
        ))?;
        let days = statement.query_map([], site_day)?;
        Ok(days.collect::<Result<_, _>>()?)
    }
}

impl Writing<'_> {
    /// Writes the totals of a site, a day and a currency.
    pub(in crate::hq) fn save_daily_total(
        &self,
        site: &SiteId,
        day: BusinessDay,
        currency: Currency,
        total: &DailyTotal,
    ) -> Result<(), StorageError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "INSERT INTO daily_total (site, business_day, currency, {COLUMNS})
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
             ON CONFLICT (business_day, site, currency) DO UPDATE SET sales = excluded.sales, gross = excluded.gross,
                 discount = excluded.discount, tax = excluded.tax, total = excluded.total, units = excluded.units,
                 refunds = excluded.refunds, refunded_tax = excluded.refunded_tax, refunded = excluded.refunded,
                 returned_units = excluded.returned_units"
        ))?;
        statement.execute((
            site.as_str(),
            day.number(),
            currency.code(),
            number(total.sales)?,
            total.gross.0,
            total.discount.0,
            total.tax.0,
            total.total.0,
            total.units.thousandths(),
            number(total.refunds)?,
            total.refunded_tax.0,
            total.refunded.0,
            total.returned_units.thousandths(),
        ))?;
        Ok(())
    }
}

fn site_day(row: &Row<'_>) -> rusqlite::Result<SiteDay> {
    Ok(SiteDay {
        site: parsed(row, 0)?,
        business_day: business_day(row, 1)?,
        currency: parsed(row, 2)?,
        total: read(row, 3)?,
    })
}

/// Reads a total from ten columns on.
fn read(row: &Row<'_>, from: usize) -> rusqlite::Result<DailyTotal> {
    let minor = |column| row.get(from + column).map(Minor);
    let quantity = |column| row.get(from + column).map(Quantity::from_thousandths);
    Ok(DailyTotal {
        sales: unsigned(row, from)?,
        gross: minor(1)?,
        discount: minor(2)?,
        tax: minor(3)?,
        total: minor(4)?,
        units: quantity(5)?,
        refunds: unsigned(row, from + 6)?,
        refunded_tax: minor(7)?,
        refunded: minor(8)?,
        returned_units: quantity(9)?,
    })
}
