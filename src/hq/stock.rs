//! Stock on hand, as far as the nodes have told.

use super::headquarters::Headquarters;
use super::storage::StorageError;
use crate::domain::ids::{SiteId, Sku};
use crate::domain::quantity::Quantity;

/// What is on hand of one item at one site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockLine {
    /// The site.
    pub site: SiteId,
    /// The item.
    pub sku: Sku,
    /// How much; negative where more was sold than is known to have come in.
    pub quantity: Quantity,
}

impl Headquarters {
    /// Stock lines in the order of site and SKU, of one site or of all, behind `after`, at most `limit`.
    ///
    /// # Errors
    /// Where storage fails.
    pub fn stock(
        &self,
        site: Option<&SiteId>,
        after: Option<(&SiteId, &Sku)>,
        limit: u32,
    ) -> Result<Vec<StockLine>, StorageError> {
        self.database.read(|reading| reading.stock(site, after, limit))
    }
}
