//! Receipt numbers: without gap within a series, one series for each register and incarnation.

use super::devices::TokenHash;
use super::keys::{ReceiptSeriesIx, count};
use super::snapshot::parsed;
use super::writer::OpenReceiptSeries;
use super::{Snapshot, StorageError, WriteTransaction};
use crate::domain::ids::{Incarnation, ReceiptNumber, ReceiptSeries, RegisterId, Series, SiteId};

/// The number that a register's next document gets, if it is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextReceipt {
    /// Its series here.
    pub series: ReceiptSeriesIx,
    /// The number.
    pub number: ReceiptNumber,
}

impl Snapshot<'_> {
    fn open_receipt_series(
        &self,
        register: &RegisterId,
        incarnation: i64,
    ) -> Result<Option<OpenReceiptSeries>, StorageError> {
        let sql = "SELECT ix, name, max(pruned_through, \
            coalesce((SELECT max(number) FROM document WHERE receipt_series = ix), 0)) \
            FROM receipt_series WHERE register = ?1 AND incarnation = ?2";
        self.one(sql, (register.as_str(), incarnation), |row| {
            Ok(OpenReceiptSeries {
                ix: ReceiptSeriesIx(row.get(0)?),
                name: parsed(row, 1)?,
                next: count(row.get(2)?) + 1,
            })
        })
    }
}

impl WriteTransaction<'_> {
    /// The number that a register's next document gets. It is taken by [`take_receipt`](Self::take_receipt), in the
    /// same transaction as the document, so that a refusal leaves no gap.
    ///
    /// # Errors
    /// Where no incarnation is open, or the store failed.
    pub(crate) fn next_receipt(&mut self, register: &RegisterId) -> Result<NextReceipt, StorageError> {
        if let Some(open) = self.state.receipt_series.get(register) {
            return Ok(next(open));
        }
        let tip = self.tip()?;
        let open = match self.open_receipt_series(register, tip.ix.0)? {
            Some(open) => open,
            None => {
                let name = receipt_series(&self.known_identity()?.site, register, tip.incarnation)?;
                let sql = "INSERT INTO receipt_series (name, register, incarnation) VALUES (?1, ?2, ?3)";
                // The document that it is for is still to be decided.
                self.may_be_refused()?;
                self.write(sql, (name.as_str(), register.as_str(), tip.ix.0))?;
                let ix = ReceiptSeriesIx(self.inserted());
                OpenReceiptSeries { ix, name, next: 1 }
            }
        };
        let number = next(&open);
        self.state.receipt_series.insert(register.clone(), open);
        Ok(number)
    }

    /// Moves a register's count on, once the document with its number is recorded.
    pub(crate) fn take_receipt(&mut self, register: &RegisterId) {
        if let Some(open) = self.state.receipt_series.get_mut(register) {
            open.next += 1;
        }
    }
}

fn next(open: &OpenReceiptSeries) -> NextReceipt {
    NextReceipt {
        series: open.ix,
        number: ReceiptNumber {
            series: open.name.clone(),
            number: open.next,
        },
    }
}

/// `<SITE>-R<REGISTER>-<TAG>`.
fn receipt_series(
    site: &SiteId,
    register: &RegisterId,
    incarnation: Incarnation,
) -> Result<ReceiptSeries, StorageError> {
    let name = format!(
        "{}-R{}-{}",
        upper(site.as_str()),
        upper(register.as_str()),
        incarnation.tag()
    );
    name.parse()
        .map_err(|error| StorageError::unreadable("a receipt series", error))
}

/// `<SITE>-T<number>-<TAG>`. The tag is of the till alone: two copies of one disk that each pair a till give the same
/// number, and would give the same series where the tag were the incarnation's.
pub(super) fn till_series(site: &SiteId, number: i64, till: TokenHash) -> Result<Series, StorageError> {
    let name = format!("{}-T{number}-{}", upper(site.as_str()), till.tag());
    name.parse()
        .map_err(|error| StorageError::unreadable("a till series", error))
}

fn upper(name: &str) -> String {
    name.to_ascii_uppercase().replace('_', "-")
}
