//! Rows of sales and refunds, and of those that came again.

use std::collections::BTreeMap;
use std::fmt;

use rusqlite::types::{Type, ValueRef};
use rusqlite::{OptionalExtension as _, Row};

use super::value::{business_day, damaged, hash, incarnation, number, parsed, parsed_if_any, unsigned};
use super::{OriginId, Reading, StorageError, Writing};
use crate::domain::ids::{ChannelId, CustomerRef, ReceiptNumber, SaleId, SiteId};
use crate::domain::journal::{Hash, RecordId};
use crate::domain::money::{Currency, Minor};
use crate::domain::time::{BusinessDay, Hlc, LocalTime};
use crate::hq::sales::{Kept, Repeat, SaleSummary, SalesQuery};

/// Which way goods and money went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SaleKind {
    /// Goods out, money in.
    Sale,
    /// Goods back, money out.
    Refund,
}

/// A sale or a refund to keep a row of.
#[derive(Debug)]
pub(in crate::hq) struct NewSale<'a> {
    /// The till's own identity of it.
    pub id: &'a SaleId,
    /// Which way.
    pub kind: SaleKind,
    /// Whose journal has it.
    pub origin: OriginId,
    /// Its number there.
    pub seq: u64,
    /// The record that holds its content.
    pub kept: (OriginId, u64),
    /// Where it was made.
    pub site: &'a SiteId,
    /// The business day that it belongs to.
    pub business_day: BusinessDay,
    /// When it was made, at the till.
    pub at: LocalTime,
    /// When its node recorded it.
    pub recorded: Hlc,
    /// Its receipt's number.
    pub receipt: &'a ReceiptNumber,
    /// The sales channel.
    pub channel: &'a ChannelId,
    /// Who bought, where known.
    pub customer: Option<&'a CustomerRef>,
    /// The currency of the total.
    pub currency: Currency,
    /// What was paid, or paid back.
    pub total: Minor,
    /// The sale that a refund takes back from.
    pub of: Option<&'a SaleId>,
    /// Of what the till itself decided.
    pub digest: Hash,
}

/// A sale that came again under an identity that is taken.
#[derive(Debug)]
pub(in crate::hq) struct NewRepeat<'a> {
    /// The identity.
    pub id: &'a SaleId,
    /// Whose journal has the one that came again.
    pub origin: OriginId,
    /// Its number there.
    pub seq: u64,
    /// The record that holds its content.
    pub kept: (OriginId, u64),
    /// Whether it says something else than the one that counts.
    pub conflict: bool,
    /// When its batch came, in milliseconds since 1970.
    pub found_ms: u64,
}

/// The sales and refunds of a site and day, counted and summed up one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::hq) struct SalesOfDay {
    /// How many there are.
    pub count: u64,
    /// What they come to, refunds and sales added, in minor units.
    pub total: Minor,
}

impl fmt::Display for SalesOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} in minor units, refunds added", self.count, self.total.0)
    }
}

impl SaleKind {
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Sale => "sale",
            Self::Refund => "refund",
        }
    }
}

impl Reading<'_> {
    /// The record that counts under an identity: whose, and its number there.
    pub(in crate::hq) fn sale_record(&self, id: &SaleId) -> Result<Option<(OriginId, u64)>, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT origin, seq FROM sale WHERE series = ?1 AND counter = ?2")?;
        let record = statement.query_row((id.series.as_str(), id.counter.cast_signed()), |row| {
            Ok((OriginId(row.get(0)?), unsigned(row, 1)?))
        });
        Ok(record.optional()?)
    }

    /// The digest of what counts under an identity.
    pub(in crate::hq) fn sale_digest(&self, id: &SaleId) -> Result<Option<Hash>, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT digest FROM sale WHERE series = ?1 AND counter = ?2")?;
        let digest = statement.query_row((id.series.as_str(), id.counter.cast_signed()), |row| hash(row, 0));
        Ok(digest.optional()?)
    }
}

const SUMMARY: &str = "sale.series, sale.counter, sale.kind, origin.node, origin.counter, origin.random, sale.seq, \
    sale.site, sale.business_day, sale.sold_at, sale.offset_minutes, sale.recorded, sale.receipt_series, \
    sale.receipt_number, sale.channel, sale.customer, sale.currency, sale.total, sale.of_series, sale.of_counter";

impl Reading<'_> {
    /// A page of sales and refunds in the order of day, site, time and identity.
    pub(in crate::hq) fn sales(&self, query: &SalesQuery) -> Result<Vec<SaleSummary>, StorageError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {SUMMARY} FROM sale JOIN origin ON origin.id = sale.origin
             WHERE sale.business_day BETWEEN ?1 AND ?2 AND (?3 = '' OR sale.site = ?3)
                 AND (sale.business_day, sale.site, sale.sold_at, sale.series, sale.counter) > (?4, ?5, ?6, ?7, ?8)
             ORDER BY sale.business_day, sale.site, sale.sold_at, sale.series, sale.counter LIMIT ?9"
        ))?;
        let site = query.site.as_ref().map_or("", SiteId::as_str);
        let after = query.after.as_ref();
        let rows = statement.query_map(
            (
                query.from.number(),
                query.to.number(),
                site,
                after.map_or(query.from.number(), |after| after.business_day.number()),
                after.map_or("", |after| after.site.as_str()),
                after.map_or(i64::MIN, |after| after.at_seconds),
                after.map_or("", |after| after.id.series.as_str()),
                after.map_or(i64::MIN, |after| after.id.counter.cast_signed()),
                query.limit,
            ),
            summary,
        )?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// A sale or a refund, and the record that holds its content.
    pub(in crate::hq) fn sale(&self, id: &SaleId) -> Result<Option<(SaleSummary, Kept)>, StorageError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {SUMMARY}, sale.kept_origin, sale.kept_seq FROM sale JOIN origin ON origin.id = sale.origin
             WHERE sale.series = ?1 AND sale.counter = ?2"
        ))?;
        let sale = statement.query_row((id.series.as_str(), id.counter.cast_signed()), |row| {
            let kept = Kept {
                origin: OriginId(row.get(20)?),
                seq: unsigned(row, 21)?,
            };
            Ok((summary(row)?, kept))
        });
        Ok(sale.optional()?)
    }

    /// Sales that came again, newest first.
    pub(in crate::hq) fn repeats(&self, conflicts: bool, limit: u32) -> Result<Vec<Repeat>, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT again.series, again.counter, its.node, its.counter, its.random, again.seq,
                 counted.node, counted.counter, counted.random, sale.seq, again.found_ms
             FROM sale_repeat AS again JOIN origin AS its ON its.id = again.origin
                 JOIN sale ON sale.series = again.series AND sale.counter = again.counter
                 JOIN origin AS counted ON counted.id = sale.origin
             WHERE again.conflict = ?1 ORDER BY again.found_ms DESC, again.origin DESC, again.seq DESC LIMIT ?2",
        )?;
        let repeats = statement.query_map((i64::from(conflicts), limit), |row| {
            Ok(Repeat {
                id: sale_id(row, 0)?,
                record: record_id(row, 2)?,
                counted: record_id(row, 6)?,
                found_ms: unsigned(row, 10)?,
            })
        })?;
        Ok(repeats.collect::<Result<_, _>>()?)
    }

    /// The sales and refunds of each site and day.
    pub(in crate::hq) fn sales_by_day(&self) -> Result<BTreeMap<(SiteId, BusinessDay), SalesOfDay>, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT site, business_day, count(*), coalesce(sum(total), 0) FROM sale GROUP BY site, business_day
             ORDER BY site, business_day",
        )?;
        let days = statement.query_map([], |row| {
            let day = SalesOfDay {
                count: unsigned(row, 2)?,
                total: Minor(row.get(3)?),
            };
            Ok(((parsed(row, 0)?, business_day(row, 1)?), day))
        })?;
        Ok(days.collect::<Result<_, _>>()?)
    }

    /// How many sales came again with another content.
    pub(in crate::hq) fn conflicts_count(&self) -> Result<u64, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT count(*) FROM sale_repeat WHERE conflict = 1")?;
        Ok(statement.query_row([], |row| unsigned(row, 0))?)
    }
}

impl Writing<'_> {
    /// Adds a sale; false, and nothing added, where its identity is taken.
    pub(in crate::hq) fn add_sale(&self, sale: &NewSale<'_>) -> Result<bool, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO sale (series, counter, kind, origin, seq, kept_origin, kept_seq, site, business_day, sold_at,
                 offset_minutes, recorded, receipt_series, receipt_number, channel, customer, currency, total,
                 of_series, of_counter, digest)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)
             ON CONFLICT (series, counter) DO NOTHING",
        )?;
        let added = statement.execute(rusqlite::params![
            sale.id.series.as_str(),
            sale.id.counter.cast_signed(),
            sale.kind.text(),
            sale.origin.0,
            number(sale.seq)?,
            sale.kept.0.0,
            number(sale.kept.1)?,
            sale.site.as_str(),
            sale.business_day.number(),
            sale.at.local_seconds(),
            sale.at.offset_minutes(),
            sale.recorded.0.cast_signed(),
            sale.receipt.series.as_str(),
            sale.receipt.number.cast_signed(),
            sale.channel.as_str(),
            sale.customer.map(CustomerRef::as_str),
            sale.currency.code(),
            sale.total.0,
            sale.of.map(|of| of.series.as_str()),
            sale.of.map(|of| of.counter.cast_signed()),
            sale.digest.0,
        ])?;
        Ok(added == 1)
    }

    /// Notes a sale that came again.
    pub(in crate::hq) fn add_repeat(&self, repeat: &NewRepeat<'_>) -> Result<(), StorageError> {
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO sale_repeat (origin, seq, kept_origin, kept_seq, series, counter, conflict, found_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?;
        statement.execute((
            repeat.origin.0,
            number(repeat.seq)?,
            repeat.kept.0.0,
            number(repeat.kept.1)?,
            repeat.id.series.as_str(),
            repeat.id.counter.cast_signed(),
            i64::from(repeat.conflict),
            number(repeat.found_ms)?,
        ))?;
        Ok(())
    }

    /// Throws away all sales and what came again.
    pub(in crate::hq) fn clear_sales(&self) -> Result<(), StorageError> {
        for table in ["sale", "sale_repeat", "daily_total"] {
            self.connection.execute(&format!("DELETE FROM {table}"), [])?;
        }
        Ok(())
    }
}

fn summary(row: &Row<'_>) -> rusqlite::Result<SaleSummary> {
    let kind = match row.get_ref(2)?.as_str()? {
        "sale" => SaleKind::Sale,
        "refund" => SaleKind::Refund,
        other => return Err(damaged(2, Type::Text, &format!("kind {other:?}"))),
    };
    let of = match row.get_ref(18)? {
        ValueRef::Null => None,
        _ => Some(sale_id(row, 18)?),
    };
    let seconds: i64 = row.get(9)?;
    let local = chrono::DateTime::from_timestamp(seconds, 0)
        .ok_or_else(|| damaged(9, Type::Integer, &format!("{seconds} s is outside the calendar")))?
        .naive_utc();
    let receipt_number: i64 = row.get(13)?;
    let recorded: i64 = row.get(11)?;
    Ok(SaleSummary {
        id: sale_id(row, 0)?,
        kind,
        record: record_id(row, 3)?,
        site: parsed(row, 7)?,
        business_day: business_day(row, 8)?,
        at: LocalTime::new(local, row.get(10)?),
        recorded_ms: Hlc(recorded.cast_unsigned()).milliseconds(),
        receipt: ReceiptNumber {
            series: parsed(row, 12)?,
            number: receipt_number.cast_unsigned(),
        },
        channel: parsed(row, 14)?,
        customer: parsed_if_any(row, 15)?,
        currency: parsed(row, 16)?,
        total: Minor(row.get(17)?),
        of,
    })
}

/// A sale's identity, from its series in `column` and its counter in the next.
fn sale_id(row: &Row<'_>, column: usize) -> rusqlite::Result<SaleId> {
    let counter: i64 = row.get(column + 1)?;
    Ok(SaleId {
        series: parsed(row, column)?,
        counter: counter.cast_unsigned(),
    })
}

/// A record, from its node in `column`, its incarnation in the next two and its number in the one behind.
fn record_id(row: &Row<'_>, column: usize) -> rusqlite::Result<RecordId> {
    Ok(RecordId {
        node: parsed(row, column)?,
        incarnation: incarnation(row, column + 1)?,
        seq: unsigned(row, column + 3)?,
    })
}
