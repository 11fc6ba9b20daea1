//! Sales and refunds by identity, by receipt number and by business day. What they hold stands in the journal.

use rusqlite::Row;

use super::keys::{Position, ReceiptSeriesIx, SeriesIx, count, row_count};
use super::snapshot::unreadable;
use super::{Snapshot, StorageError, WriteTransaction};
use crate::domain::ids::ReceiptNumber;
use crate::domain::money::Minor;
use crate::domain::quantity::Quantity;
use crate::domain::sale::RefundedLine;
use crate::domain::time::BusinessDay;

/// What a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DocumentKind {
    /// A sale.
    Sale,
    /// A refund.
    Refund,
}

/// A document's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Document {
    /// The till's series.
    pub series: SeriesIx,
    /// The till's count.
    pub counter: u64,
    /// Where it stands in the journal.
    pub position: Position,
    /// What it is.
    pub kind: DocumentKind,
    /// The receipt's series.
    pub receipt_series: ReceiptSeriesIx,
    /// The receipt's number in it.
    pub number: u64,
    /// The day that it belongs to.
    pub business_day: BusinessDay,
    /// What was paid, or paid back.
    pub total: Minor,
}

/// The documents of one business day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayTotals {
    /// The day.
    pub business_day: BusinessDay,
    /// How many sales.
    pub sales: u64,
    /// What they came to, tax and all.
    pub sold: Minor,
    /// How many refunds.
    pub refunds: u64,
    /// What they came to, as a positive amount.
    pub refunded: Minor,
}

const COLUMNS: &str =
    "SELECT series, counter, position, kind, receipt_series, number, business_day, total FROM document";

impl Snapshot<'_> {
    /// The document with an identity.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn document(&self, series: SeriesIx, counter: u64) -> Result<Option<Document>, StorageError> {
        let sql = "SELECT series, counter, position, kind, receipt_series, number, business_day, total FROM document \
            WHERE series = ?1 AND counter = ?2";
        self.one(sql, (series.0, row_count(counter)), document)
    }

    /// The document with a receipt number.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn document_by_receipt(&self, receipt: &ReceiptNumber) -> Result<Option<Document>, StorageError> {
        let sql = "SELECT series, counter, position, kind, receipt_series, number, business_day, total FROM document \
            WHERE receipt_series = (SELECT ix FROM receipt_series WHERE name = ?1) AND number = ?2";
        self.one(sql, (receipt.series.as_str(), row_count(receipt.number)), document)
    }

    /// The documents of a day, newest first, from before a position; at most `limit`.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn documents_of_day(
        &self,
        day: BusinessDay,
        before: Option<Position>,
        limit: u32,
    ) -> Result<Vec<Document>, StorageError> {
        let sql = format!("{COLUMNS} WHERE business_day = ?1 AND position < ?2 ORDER BY position DESC LIMIT ?3");
        let before = before.map_or(i64::MAX, |position| position.0);
        self.all(&sql, (day.number(), before, limit), document)
    }

    /// What each business day came to, newest first; at most `limit` days before `before`.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn day_totals(&self, before: Option<BusinessDay>, limit: u32) -> Result<Vec<DayTotals>, StorageError> {
        let sql = "SELECT business_day, sum(kind = 0), sum(iif(kind = 0, total, 0)), sum(kind = 1), \
            sum(iif(kind = 1, total, 0)) FROM document WHERE business_day < ?1 GROUP BY business_day \
            ORDER BY business_day DESC LIMIT ?2";
        let before = before.map_or(i64::MAX, |day| i64::from(day.number()));
        self.all(sql, (before, limit), |row| {
            Ok(DayTotals {
                business_day: business_day(row, 0)?,
                sales: count(row.get(1)?),
                sold: Minor(row.get(2)?),
                refunds: count(row.get(3)?),
                refunded: Minor(row.get(4)?),
            })
        })
    }

    /// What came back of each line of a sale.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn refunded_lines(&self, sale: Position) -> Result<Vec<RefundedLine>, StorageError> {
        let sql = "SELECT line, quantity, amount, tax FROM refunded WHERE sale = ?1 ORDER BY line";
        self.all(sql, (sale.0,), |row| {
            Ok(RefundedLine {
                line: row.get(0)?,
                quantity: Quantity::from_thousandths(row.get(1)?),
                amount: Minor(row.get(2)?),
                tax_amount: Minor(row.get(3)?),
            })
        })
    }
}

impl WriteTransaction<'_> {
    pub(crate) fn insert_document(&mut self, document: &Document) -> Result<(), StorageError> {
        self.write(
            "INSERT INTO document (series, counter, position, kind, receipt_series, number, business_day, total) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            (
                document.series.0,
                row_count(document.counter),
                document.position.0,
                document.kind as i64,
                document.receipt_series.0,
                row_count(document.number),
                document.business_day.number(),
                document.total.0,
            ),
        )?;
        Ok(())
    }

    /// Adds what a refund took back of a line.
    pub(crate) fn add_refunded(&mut self, sale: Position, line: &RefundedLine) -> Result<(), StorageError> {
        self.write(
            "INSERT INTO refunded (sale, line, quantity, amount, tax) VALUES (?1, ?2, ?3, ?4, ?5) \
             ON CONFLICT (sale, line) DO UPDATE SET quantity = quantity + excluded.quantity, \
             amount = amount + excluded.amount, tax = tax + excluded.tax",
            (
                sale.0,
                line.line,
                line.quantity.thousandths(),
                line.amount.0,
                line.tax_amount.0,
            ),
        )?;
        Ok(())
    }
}

pub(super) fn document(row: &Row<'_>) -> rusqlite::Result<Document> {
    Ok(Document {
        series: SeriesIx(row.get(0)?),
        counter: count(row.get(1)?),
        position: Position(row.get(2)?),
        kind: match row.get(3)? {
            0 => DocumentKind::Sale,
            1 => DocumentKind::Refund,
            kind => return Err(unreadable(3, format!("no document is of kind {kind}"))),
        },
        receipt_series: ReceiptSeriesIx(row.get(4)?),
        number: count(row.get(5)?),
        business_day: business_day(row, 6)?,
        total: Minor(row.get(7)?),
    })
}

fn business_day(row: &Row<'_>, column: usize) -> rusqlite::Result<BusinessDay> {
    let number: i32 = row.get(column)?;
    BusinessDay::from_number(number).ok_or_else(|| unreadable(column, format!("no day has the number {number}")))
}
