//! Set threshold: a manager says from how much left an item counts as low.

use crate::domain::fact::{Entry, Fact};
use crate::domain::ids::Sku;
use crate::domain::quantity::Quantity;
use crate::domain::stock::ThresholdSet;
use crate::store::{Device, Failure, Now, WriteTransaction};

/// Why no threshold is set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ThresholdRefusal {
    /// Below 0, or more than a line holds.
    #[error("a threshold is from 0 to {}", Quantity::LINE_MAX)]
    OutOfRange,
    /// Neither the catalog nor the shelves have the item.
    #[error("no item has the SKU {0}")]
    UnknownSku(Sku),
}

impl ThresholdRefusal {
    /// A stable name for programs, the last part of the problem type of RFC 9457. Never renamed.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::OutOfRange => "threshold",
            Self::UnknownSku(_) => "product-not-found",
        }
    }
}

/// Sets an item's threshold; none for the site's default.
///
/// # Errors
/// A [`ThresholdRefusal`], or why the store could not keep it.
pub fn set_threshold(
    tx: &mut WriteTransaction<'_>,
    now: Now,
    device: &Device,
    sku: &Sku,
    threshold: Option<Quantity>,
) -> Result<(), Failure<ThresholdRefusal>> {
    if threshold.is_some_and(|threshold| !(Quantity::ZERO..=Quantity::LINE_MAX).contains(&threshold)) {
        return Err(Failure::Refused(ThresholdRefusal::OutOfRange));
    }
    if tx.item(sku)?.is_none() && tx.stock(sku)?.is_none() {
        return Err(Failure::Refused(ThresholdRefusal::UnknownSku(sku.clone())));
    }
    if tx.threshold(sku)? == threshold {
        return Ok(());
    }
    let recorded = tx.stamp(now);
    let fact = Fact::ThresholdSet(ThresholdSet {
        site: tx.known_identity()?.site,
        sku: sku.clone(),
        threshold,
        by: device.name.clone(),
    });
    tx.append(&Entry { recorded, fact })?;
    tx.put_threshold(sku, threshold)?;
    Ok(())
}
