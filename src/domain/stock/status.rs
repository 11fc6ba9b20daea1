//! How an item stands, what is to be told of it, and from when on it counts as low.

use serde::{Deserialize, Serialize};

use crate::domain::ids::{SiteId, Sku};
use crate::domain::quantity::Quantity;

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

/// What is told to people about stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertKind {
    /// Some is available, and no more than the threshold.
    LowStock,
    /// Nothing is available.
    OutOfStock,
    /// Over 80 % of what is there is promised.
    HighReservation,
    /// More was sold in hand than there was a right to, and it is not settled.
    Oversold,
    /// The parent was not heard from for longer than a limit.
    Stale,
    /// Not so much of an item arrived as another site had sent.
    TransferDifference,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Somebody should look.
    Warning,
    /// Somebody must act.
    Critical,
}

impl AlertKind {
    /// All.
    pub const ALL: [Self; 6] = [
        Self::LowStock,
        Self::OutOfStock,
        Self::HighReservation,
        Self::Oversold,
        Self::Stale,
        Self::TransferDifference,
    ];
    /// Those of an item.
    pub const OF_ITEMS: [Self; 4] = [Self::LowStock, Self::OutOfStock, Self::HighReservation, Self::Oversold];

    /// Its number, for rows.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::LowStock => 1,
            Self::OutOfStock => 2,
            Self::HighReservation => 3,
            Self::Oversold => 4,
            Self::Stale => 5,
            // As the fact's kind.
            Self::TransferDifference => 27,
        }
    }

    /// The kind of a number that [`number`](Self::number) gave.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// Its stable name, for programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LowStock => "low_stock",
            Self::OutOfStock => "out_of_stock",
            Self::HighReservation => "high_reservation",
            Self::Oversold => "oversold",
            Self::Stale => "stale",
            Self::TransferDifference => "transfer_difference",
        }
    }

    /// How bad it is.
    #[must_use]
    pub const fn severity(self) -> Severity {
        match self {
            Self::OutOfStock | Self::Oversold => Severity::Critical,
            Self::LowStock | Self::Stale | Self::TransferDifference => Severity::Warning,
            Self::HighReservation => Severity::Info,
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
        for kind in AlertKind::ALL {
            assert_eq!(AlertKind::from_number(kind.number()), Some(kind));
        }
    }
}
