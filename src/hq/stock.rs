//! Stock on hand, as far as the nodes have told.

use std::fmt;
use std::str::FromStr;

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

/// A line's place in the order in which stock is listed. As text its parts stand with `~` between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockCursor {
    /// The site.
    pub site: SiteId,
    /// The item.
    pub sku: Sku,
}

/// Why a text is not a place in the list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a cursor that this headquarters gave out")]
pub struct StockCursorError(pub String);

impl StockLine {
    /// Its place in the list.
    #[must_use]
    pub fn cursor(&self) -> StockCursor {
        StockCursor {
            site: self.site.clone(),
            sku: self.sku.clone(),
        }
    }
}

impl fmt::Display for StockCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}~{}", self.site, self.sku)
    }
}

impl FromStr for StockCursor {
    type Err = StockCursorError;

    fn from_str(text: &str) -> Result<Self, StockCursorError> {
        // A site has no `~`; a SKU may.
        let parsed = text.split_once('~').and_then(|(site, sku)| {
            let (site, sku) = (site.parse().ok()?, sku.parse().ok()?);
            Some(Self { site, sku })
        });
        parsed.ok_or_else(|| StockCursorError(text.chars().take(80).collect()))
    }
}

impl Headquarters {
    /// Stock lines in the order of site and SKU, of one site or of all, behind `after`, at most `limit`.
    ///
    /// # Errors
    /// Where storage fails.
    pub fn stock(
        &self,
        site: Option<&SiteId>,
        after: Option<&StockCursor>,
        limit: u32,
    ) -> Result<Vec<StockLine>, StorageError> {
        self.database.read(|reading| reading.stock(site, after, limit))
    }
}
