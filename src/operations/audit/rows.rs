//! The row that a sale or a refund of the journal has.

use std::collections::HashMap;

use crate::domain::fact::Fact;
use crate::domain::ids::{ReceiptNumber, ReceiptSeries, SaleId, Series};
use crate::domain::money::Minor;
use crate::domain::time::BusinessDay;
use crate::store::{Document, DocumentKind, Position, ReceiptSeriesIx, SeriesIx, Snapshot, StorageError};

/// What of a document stands in its row.
pub(in crate::operations) struct Row<'f> {
    pub id: &'f SaleId,
    pub receipt: &'f ReceiptNumber,
    pub kind: DocumentKind,
    pub business_day: BusinessDay,
    pub total: Minor,
}

/// Series by name, read once.
pub(in crate::operations) struct Dictionary {
    series: HashMap<Series, SeriesIx>,
    receipt_series: HashMap<ReceiptSeries, ReceiptSeriesIx>,
}

impl<'f> Row<'f> {
    /// Of a fact; none where it is no document.
    pub(in crate::operations) fn of(fact: &'f Fact) -> Option<Self> {
        match fact {
            Fact::Sale(sale) => Some(Self {
                id: &sale.id,
                receipt: &sale.receipt,
                kind: DocumentKind::Sale,
                business_day: sale.business_day,
                total: sale.totals.total,
            }),
            Fact::Refund(refund) => Some(Self {
                id: &refund.id,
                receipt: &refund.receipt,
                kind: DocumentKind::Refund,
                business_day: refund.business_day,
                total: refund.totals.total,
            }),
            _ => None,
        }
    }

    /// As stored; none where one of its series was never given out here.
    pub(in crate::operations) fn document(&self, names: &Dictionary, position: Position) -> Option<Document> {
        Some(Document {
            series: names.series_of(self.id)?,
            counter: self.id.counter,
            position,
            kind: self.kind,
            receipt_series: *names.receipt_series.get(&self.receipt.series)?,
            number: self.receipt.number,
            business_day: self.business_day,
            total: self.total,
        })
    }
}

impl Dictionary {
    pub(in crate::operations) fn read(snapshot: &Snapshot<'_>) -> Result<Self, StorageError> {
        let swapped = |(ix, name)| (name, ix);
        Ok(Self {
            series: snapshot.all_series()?.into_iter().map(swapped).collect(),
            receipt_series: snapshot
                .all_receipt_series()?
                .into_iter()
                .map(|(ix, name)| (name, ix))
                .collect(),
        })
    }

    pub(in crate::operations) fn series_of(&self, id: &SaleId) -> Option<SeriesIx> {
        self.series.get(&id.series).copied()
    }
}
