//! How an item stands, and from when on it counts as low.

use serde::{Deserialize, Serialize};

use crate::domain::ids::{SiteId, Sku};
use crate::domain::quantity::Quantity;

/// From how much left on an item counts as low where nobody said otherwise: ten units.
pub const LOW_STOCK: Quantity = Quantity::from_thousandths(10_000);

/// The fact that somebody said from how much left an item counts as low at a site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThresholdSet {
    /// The site.
    pub site: SiteId,
    /// The item.
    pub sku: Sku,
    /// From so much left on; none for the site's default. Not below 0.
    pub threshold: Option<Quantity>,
    /// Who said it, in words: the device.
    pub by: String,
}

/// How an item stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StockStatus {
    /// More is available than the threshold.
    InStock,
    /// Some is available, and no more than the threshold.
    LowStock,
    /// Nothing is available.
    OutOfStock,
}

impl StockStatus {
    /// Of what is available, never below 0, and the threshold.
    #[must_use]
    pub fn of(available: Quantity, threshold: Quantity) -> Self {
        match available {
            none if none <= Quantity::ZERO => Self::OutOfStock,
            some if some <= threshold => Self::LowStock,
            _ => Self::InStock,
        }
    }
}

/// Whether over 80 % of what is there is promised.
#[must_use]
pub fn is_highly_reserved(on_hand: Quantity, reserved: Quantity) -> bool {
    let parts = |quantity: Quantity| i128::from(quantity.thousandths());
    reserved > Quantity::ZERO && parts(reserved) * 100 > parts(on_hand) * 80
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_are_those_of_the_domain() {
        let units = |units: i64| Quantity::from_thousandths(units * 1000);
        let ten = units(10);
        assert_eq!(StockStatus::of(units(0), ten), StockStatus::OutOfStock);
        assert_eq!(StockStatus::of(units(10), ten), StockStatus::LowStock);
        assert_eq!(
            StockStatus::of(Quantity::from_thousandths(10_001), ten),
            StockStatus::InStock
        );
        assert!(!is_highly_reserved(units(10), units(8)));
        assert!(is_highly_reserved(units(10), Quantity::from_thousandths(8_001)));
        assert!(!is_highly_reserved(units(-1), units(0)));
    }
}
