//! Rows of sales and refunds, and of those that came again.

use rusqlite::OptionalExtension as _;

use super::value::{hash, number, unsigned};
use super::{OriginId, Reading, StorageError, Writing};
use crate::domain::ids::{ChannelId, CustomerRef, ReceiptNumber, SaleId, SiteId};
use crate::domain::journal::Hash;
use crate::domain::money::{Currency, Minor};
use crate::domain::time::{BusinessDay, Hlc, LocalTime};

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

impl Writing<'_> {
    /// Adds a sale; false, and nothing added, where its identity is taken.
    pub(in crate::hq) fn add_sale(&self, sale: &NewSale<'_>) -> Result<bool, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO sale (series, counter, kind, origin, seq, kept_origin, kept_seq, site, business_day, at,
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
