//! The projection `sales`: a row for each sale and refund, and the totals of each site and day.
//!
//! Revenue is what sites' receipts say. A pickup that was paid online has none: its money is the online channel's, and
//! counting it here when the goods are fetched would count it twice once that channel's orders are kept.
//!
//! A sale counts once by the identity that its till gave it. Comes it again with the same content it is noted as a
//! repeat, with another content as a conflict; the first to take effect is the one that counts.

use std::collections::HashMap;
use std::sync::Arc;

use super::digest;
use super::walk::{Effect, Figures, Place};
use crate::domain::fact::Fact;
use crate::domain::ids::SiteId;
use crate::domain::journal::RecordId;
use crate::domain::money::{Currency, Minor};
use crate::domain::quantity::Quantity;
use crate::domain::sale::{Refund, Sale, Totals};
use crate::domain::time::BusinessDay;
use crate::hq::happenings::Happening;
use crate::hq::sales::SaleSummary;
use crate::hq::storage::{DailyTotal, NewRepeat, NewSale, SaleKind, StorageError, Writing};

/// The totals that a transaction has touched, by what they are of.
#[derive(Debug, Default)]
pub(super) struct Sales {
    totals: HashMap<(SiteId, BusinessDay, Currency), DailyTotal>,
    told: Vec<Happening>,
}

/// How many sales of one transaction are told one by one: more than that nobody can follow.
const TOLD_MAX: usize = 32;

impl Figures for Sales {
    const NAME: &'static str = "sales";

    fn apply(&mut self, writing: &Writing<'_>, place: &Place<'_>, fact: &Fact) -> Result<Effect, StorageError> {
        match fact {
            Fact::Sale(sale) => {
                let row = row_of_sale(sale, place);
                let key = (place.site.clone(), sale.business_day, sale.currency);
                self.count(writing, place, &row, key, |total| add_sale(total, sale))
            }
            Fact::Refund(refund) => {
                let row = row_of_refund(refund, place);
                let key = (place.site.clone(), refund.business_day, refund.currency);
                self.count(writing, place, &row, key, |total| add_refund(total, refund))
            }
            _ => Ok(Effect::Applied),
        }
    }

    fn finish(self, writing: &Writing<'_>) -> Result<Vec<Happening>, StorageError> {
        for ((site, day, currency), total) in &self.totals {
            writing.save_daily_total(site, *day, *currency, total)?;
        }
        let mut happenings = self.told;
        happenings.push(Happening::Figures);
        Ok(happenings)
    }
}

impl Sales {
    fn count(
        &mut self,
        writing: &Writing<'_>,
        place: &Place<'_>,
        row: &NewSale<'_>,
        key: (SiteId, BusinessDay, Currency),
        add: impl FnOnce(&DailyTotal) -> Option<DailyTotal>,
    ) -> Result<Effect, StorageError> {
        let before = match self.totals.get(&key) {
            Some(total) => *total,
            None => writing.daily_total(&key.0, key.1, key.2)?.unwrap_or_default(),
        };
        let Some(after) = add(&before) else {
            let reason = "the totals of its day would be larger than can be counted";
            return Ok(Effect::Refused(reason.into()));
        };
        if writing.add_sale(row)? {
            self.totals.insert(key, after);
            if self.told.len() < TOLD_MAX {
                self.told.push(Happening::Counted(Arc::new(summary(row, place))));
            }
            return Ok(Effect::Applied);
        }
        let conflict = writing.sale_digest(row.id)? != Some(row.digest);
        if conflict {
            tracing::warn!(sale = %row.id, node = %place.node, seq = place.seq,
                "another sale has the same identity; this one is not counted");
        }
        writing.add_repeat(&NewRepeat {
            id: row.id,
            origin: place.origin,
            seq: place.seq,
            kept: place.kept,
            conflict,
            found_ms: place.received_ms,
        })?;
        Ok(Effect::Applied)
    }
}

fn row_of_sale<'a>(sale: &'a Sale, place: &Place<'a>) -> NewSale<'a> {
    NewSale {
        id: &sale.id,
        kind: SaleKind::Sale,
        origin: place.origin,
        seq: place.seq,
        kept: place.kept,
        site: place.site,
        business_day: sale.business_day,
        at: sale.at,
        recorded: place.recorded,
        receipt: &sale.receipt,
        channel: &sale.channel,
        customer: sale.customer.as_ref(),
        currency: sale.currency,
        total: sale.totals.total,
        of: None,
        digest: digest::of_sale(sale),
    }
}

fn row_of_refund<'a>(refund: &'a Refund, place: &Place<'a>) -> NewSale<'a> {
    NewSale {
        id: &refund.id,
        kind: SaleKind::Refund,
        origin: place.origin,
        seq: place.seq,
        kept: place.kept,
        site: place.site,
        business_day: refund.business_day,
        at: refund.at,
        recorded: place.recorded,
        receipt: &refund.receipt,
        channel: &refund.channel,
        customer: refund.customer.as_ref(),
        currency: refund.currency,
        total: refund.totals.total,
        of: Some(&refund.of),
        digest: digest::of_refund(refund),
    }
}

fn summary(row: &NewSale<'_>, place: &Place<'_>) -> SaleSummary {
    SaleSummary {
        id: row.id.clone(),
        kind: row.kind,
        record: RecordId {
            node: place.node.clone(),
            incarnation: place.incarnation,
            seq: place.seq,
        },
        site: row.site.clone(),
        business_day: row.business_day,
        at: row.at,
        recorded_ms: row.recorded.milliseconds(),
        receipt: row.receipt.clone(),
        channel: row.channel.clone(),
        customer: row.customer.cloned(),
        currency: row.currency,
        total: row.total,
        of: row.of.cloned(),
    }
}

/// A day's total with a sale more; none where it does not fit.
fn add_sale(before: &DailyTotal, sale: &Sale) -> Option<DailyTotal> {
    let units = sum(sale.lines.iter().map(|line| line.quantity))?;
    Some(DailyTotal {
        sales: before.sales.checked_add(1)?,
        gross: before.gross.checked_add(sale.totals.gross)?,
        discount: before.discount.checked_add(sale.totals.discount)?,
        tax: before.tax.checked_add(tax(&sale.totals)?)?,
        total: before.total.checked_add(sale.totals.total)?,
        units: before.units.checked_add(units)?,
        ..*before
    })
}

/// A day's total with a refund more; none where it does not fit.
fn add_refund(before: &DailyTotal, refund: &Refund) -> Option<DailyTotal> {
    let units = sum(refund.lines.iter().map(|line| line.quantity))?;
    Some(DailyTotal {
        refunds: before.refunds.checked_add(1)?,
        refunded_tax: before.refunded_tax.checked_add(tax(&refund.totals)?)?,
        refunded: before.refunded.checked_add(refund.totals.total)?,
        returned_units: before.returned_units.checked_add(units)?,
        ..*before
    })
}

fn tax(totals: &Totals) -> Option<Minor> {
    let mut taxes = totals.taxes.iter().map(|tax| tax.tax);
    taxes.try_fold(Minor(0), Minor::checked_add)
}

fn sum(mut quantities: impl Iterator<Item = Quantity>) -> Option<Quantity> {
    quantities.try_fold(Quantity::ZERO, Quantity::checked_add)
}
