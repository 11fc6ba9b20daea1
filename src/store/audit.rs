//! Reads and writes for whoever checks, rebuilds or prunes what follows from the journal.

use super::documents::{Document, DocumentKind, document};
use super::incarnations::IncarnationRow;
use super::keys::{Position, ReceiptSeriesIx, SeriesIx, count, row_count};
use super::snapshot::parsed;
use super::{Snapshot, StorageError, WriteTransaction};
use crate::domain::ids::{ReceiptSeries, Series};
use crate::domain::journal::Hash;
use crate::domain::money::Minor;
use crate::domain::quantity::Quantity;
use crate::domain::sale::RefundedLine;

/// A receipt series with the numbers of the documents that are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NumberedSeries {
    pub name: ReceiptSeries,
    /// The last number whose document was pruned.
    pub pruned_through: u64,
    pub first: Option<u64>,
    pub last: Option<u64>,
    pub documents: u64,
}

/// What came back of a sale's line, over all refunds, as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RefundedRow {
    pub sale: Position,
    pub line: RefundedLine,
}

impl Snapshot<'_> {
    /// The till series that were given out.
    pub(crate) fn all_series(&self) -> Result<Vec<(SeriesIx, Series)>, StorageError> {
        self.all("SELECT ix, name FROM series", (), |row| {
            Ok((SeriesIx(row.get(0)?), parsed(row, 1)?))
        })
    }

    /// The receipt series by their short numbers.
    pub(crate) fn all_receipt_series(&self) -> Result<Vec<(ReceiptSeriesIx, ReceiptSeries)>, StorageError> {
        self.all("SELECT ix, name FROM receipt_series", (), |row| {
            Ok((ReceiptSeriesIx(row.get(0)?), parsed(row, 1)?))
        })
    }

    /// Every receipt series with the numbers that it has.
    pub(crate) fn numbered_series(&self) -> Result<Vec<NumberedSeries>, StorageError> {
        let sql = "SELECT name, pruned_through, min(number), max(number), count(number) FROM receipt_series \
            LEFT JOIN document ON receipt_series = ix GROUP BY ix ORDER BY ix";
        self.all(sql, (), |row| {
            Ok(NumberedSeries {
                name: parsed(row, 0)?,
                pruned_through: count(row.get(1)?),
                first: row.get::<_, Option<i64>>(2)?.map(count),
                last: row.get::<_, Option<i64>>(3)?.map(count),
                documents: count(row.get(4)?),
            })
        })
    }

    /// Documents whose record is not in the journal; at most `limit`.
    pub(crate) fn stray_documents(&self, limit: u32) -> Result<Vec<Document>, StorageError> {
        let sql = "SELECT series, counter, document.position, kind, receipt_series, number, business_day, total \
            FROM document LEFT JOIN journal ON journal.position = document.position \
            WHERE journal.position IS NULL LIMIT ?1";
        self.all(sql, (limit,), document)
    }

    /// How many documents there are.
    pub(crate) fn documents_count(&self) -> Result<u64, StorageError> {
        let counted = self.one("SELECT count(*) FROM document", (), |row| row.get(0))?;
        Ok(count(counted.unwrap_or_default()))
    }

    /// What came back, over all sales.
    pub(crate) fn all_refunded(&self) -> Result<Vec<RefundedRow>, StorageError> {
        let sql = "SELECT sale, line, quantity, amount, tax FROM refunded ORDER BY sale, line";
        self.all(sql, (), |row| {
            let line = RefundedLine {
                line: row.get(1)?,
                quantity: Quantity::from_thousandths(row.get(2)?),
                amount: Minor(row.get(3)?),
                tax_amount: Minor(row.get(4)?),
            };
            let sale = Position(row.get(0)?);
            Ok(RefundedRow { sale, line })
        })
    }
}

impl WriteTransaction<'_> {
    /// Empties the tables of documents, which follow from the journal, to be filled again in the same transaction.
    pub(crate) fn clear_derived(&mut self) -> Result<(), StorageError> {
        self.state.receipt_series.clear();
        self.write("DELETE FROM document", ())?;
        self.write("DELETE FROM refunded", ())?;
        self.write("DELETE FROM granted", ())?;
        // What no sync point has put into documents is put there anew.
        self.write("DELETE FROM shelf_mark", ())?;
        Ok(())
    }

    /// Lets the row of a document go whose record is pruned; its receipt number is never given again.
    pub(crate) fn prune_document(&mut self, document: &Document) -> Result<(), StorageError> {
        let sql = "DELETE FROM document WHERE series = ?1 AND counter = ?2";
        self.write(sql, (document.series.0, row_count(document.counter)))?;
        let sql = "UPDATE receipt_series SET pruned_through = max(pruned_through, ?2) WHERE ix = ?1";
        self.write(sql, (document.receipt_series.0, row_count(document.number)))?;
        if document.kind == DocumentKind::Sale {
            self.write("DELETE FROM refunded WHERE sale = ?1", (document.position.0,))?;
        }
        Ok(())
    }

    /// Lets the records of an incarnation through `seq` go. `hash` is the chain's after it.
    pub(crate) fn prune_records(&mut self, row: &IncarnationRow, seq: u64, hash: Hash) -> Result<(), StorageError> {
        let sql = "DELETE FROM journal WHERE position BETWEEN ?1 AND ?2";
        self.write(sql, (row.first.0, row.position(seq).0))?;
        let sql = "UPDATE incarnation SET earliest_seq = ?2, before_earliest = ?3 WHERE ix = ?1";
        self.write(sql, (row.ix.0, row_count(seq.saturating_add(1)), hash.0))?;
        Ok(())
    }
}
