//! Alerts: what is wrong with an item's stock is told once, again where it was over in between, and seen by somebody.
//!
//! Promises: they follow from the shelf and from what was told before, so that a restart tells nothing anew. Must never: be
//! part of a sale; items are judged behind it.

use super::explain::owed;
use crate::domain::ids::Sku;
use crate::domain::quantity::Quantity;
use crate::domain::stock::{AlertKind, OpenDebts, Standing, Telling, beside, judge, telling};
use crate::store::{AlertRow, Device, Failure, Now, Snapshot, StorageError, WriteTransaction};

/// How many items one step judges, so that no sale waits long behind it.
const STEP: u32 = 16;

/// Judges the next items whose shelf has moved, by the site's threshold where they have none of their own. Gives whether
/// there are more. The history is to be let catch up first, because it knows which sales went into debt.
///
/// # Errors
/// Why the store could not keep it.
pub fn judge_alerts(tx: &mut WriteTransaction<'_>, now: Now, low_stock: Quantity) -> Result<bool, StorageError> {
    if tx.judged_by()? != Some(low_stock) {
        tx.judge_all_by(low_stock)?;
    }
    let due = tx.alerts_due(STEP)?;
    for sku in &due {
        for (kind, detail) in wrong(tx, sku, low_stock)? {
            tell(tx, now, kind, Some(sku), detail)?;
        }
        tx.remove_alert_due(sku)?;
    }
    Ok(due.len() == STEP as usize)
}

/// Whether an item waits to be judged.
///
/// # Errors
/// Where it cannot be read.
pub fn alerts_are_due(snapshot: &Snapshot<'_>, low_stock: Quantity) -> Result<bool, StorageError> {
    Ok(snapshot.judged_by()? != Some(low_stock) || !snapshot.alerts_due(1)?.is_empty())
}

/// Tells that the parent was not heard from for too long, or that it was.
///
/// # Errors
/// Why the store could not keep it.
pub fn judge_stale(tx: &mut WriteTransaction<'_>, now: Now, detail: Option<String>) -> Result<(), StorageError> {
    // How long is told by the clock; what was told stays as it was.
    if detail.is_some() && tx.open_alert(AlertKind::Stale, None)?.is_some() {
        return Ok(());
    }
    tell(tx, now, AlertKind::Stale, None, detail)
}

/// Why an alert is not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AcknowledgeRefusal {
    /// There is no such alert, or it was over so long ago that it is no longer kept.
    #[error("there is no alert {0}")]
    Unknown(i64),
}

impl AcknowledgeRefusal {
    /// A stable name for programs, the last part of the problem type of RFC 9457. Never renamed.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unknown(_) => "alert-not-found",
        }
    }
}

/// Keeps that somebody has seen an alert. Whoever saw it first stays.
///
/// # Errors
/// An [`AcknowledgeRefusal`], or why the store could not keep it.
pub fn acknowledge_alert(
    tx: &mut WriteTransaction<'_>,
    now: Now,
    device: &Device,
    ix: i64,
) -> Result<AlertRow, Failure<AcknowledgeRefusal>> {
    let unknown = Failure::Refused(AcknowledgeRefusal::Unknown(ix));
    let Some(alert) = tx.alert(ix)? else {
        return Err(unknown);
    };
    if alert.acknowledged.is_none() {
        tx.acknowledge_alert(ix, &device.name, now)?;
        // Goods that went missing on the way stay missing: it is over once somebody has seen it.
        if alert.kind == AlertKind::TransferDifference {
            tx.clear_alert(ix, now)?;
        }
    }
    tx.alert(ix)?.ok_or(unknown)
}

/// Tells that not so much of an item arrived as another site had sent. It stays until somebody has seen it.
pub(super) fn tell_difference(
    tx: &mut WriteTransaction<'_>,
    now: Now,
    sku: &Sku,
    detail: &str,
) -> Result<(), StorageError> {
    let kind = AlertKind::TransferDifference;
    let open = tx.open_alert(kind, Some(sku))?;
    let said = beside(open.as_ref().map(|open| open.detail.as_str()), detail);
    match (open, said) {
        (_, None) => Ok(()),
        (None, Some(detail)) => tx.raise_alert(kind, Some(sku), &detail, now),
        (Some(open), Some(detail)) => tx.detail_alert(open.ix, &detail),
    }
}

/// Raises, says anew or clears one alert.
fn tell(
    tx: &mut WriteTransaction<'_>,
    now: Now,
    kind: AlertKind,
    sku: Option<&Sku>,
    wrong: Option<String>,
) -> Result<(), StorageError> {
    let open = tx.open_alert(kind, sku)?;
    let told = open.as_ref().map(|open| open.detail.as_str());
    let (done, detail) = (telling(told, wrong.as_deref()), wrong.unwrap_or_default());
    match (done, open) {
        (Telling::Raise, _) => tx.raise_alert(kind, sku, &detail, now),
        (Telling::Reword, Some(open)) => tx.detail_alert(open.ix, &detail),
        (Telling::Clear, Some(open)) => tx.clear_alert(open.ix, now),
        (Telling::Leave | Telling::Reword | Telling::Clear, _) => Ok(()),
    }
}

/// Every kind of alert with what there is to say, if anything is wrong.
fn wrong(
    snapshot: &Snapshot<'_>,
    sku: &Sku,
    low_stock: Quantity,
) -> Result<[(AlertKind, Option<String>); 5], StorageError> {
    let Some(figures) = snapshot.stock(sku)? else {
        return Ok(AlertKind::OF_ITEMS.map(|kind| (kind, None)));
    };
    let mut debts = OpenDebts::default();
    if figures.owed > Quantity::ZERO {
        let mut open = owed(snapshot, sku)?.into_iter();
        let named = open.by_ref().take(OpenDebts::NAMED_MAX).map(|debt| {
            let document = debt.step.particulars.document;
            document.unwrap_or_else(|| format!("record {}", debt.step.number))
        });
        debts.named = named.collect();
        debts.more = open.count();
    }
    Ok(judge(&Standing {
        sku,
        on_hand: figures.on_hand,
        reserved: figures.reserved,
        owed: figures.owed,
        threshold: snapshot.threshold(sku)?.unwrap_or(low_stock),
        debts: &debts,
        count: snapshot.count_found(sku)?,
    }))
}
