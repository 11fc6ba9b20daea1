//! How much of what is held.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::quantity::Quantity;

/// An amount of what is held, in its smallest part: thousandths of a unit for goods, minor units for value. From 0 to
/// [`Amount::MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Amount(u64);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The most that a register holds: what a signed 64-bit integer of a database can.
    pub const MAX: Self = Self(i64::MAX as u64);

    /// From a number of smallest parts, where a register holds it.
    #[must_use]
    pub const fn new(parts: u64) -> Option<Self> {
        if parts <= Self::MAX.0 { Some(Self(parts)) } else { None }
    }

    /// In smallest parts.
    #[must_use]
    pub const fn parts(self) -> u64 {
        self.0
    }

    /// True for nothing.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The sum, where a register holds it.
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        // Two of them always fit into 64 bits.
        Self::new(self.0 + other.0)
    }

    /// What is left of `self` above `other`; nothing where there is none.
    #[must_use]
    pub const fn above(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

/// Why a number is not an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not an amount from 0 to {max}", max = Amount::MAX.parts())]
pub struct AmountError(i128);

impl TryFrom<u64> for Amount {
    type Error = AmountError;

    fn try_from(parts: u64) -> Result<Self, AmountError> {
        Self::new(parts).ok_or(AmountError(parts.into()))
    }
}

impl From<Amount> for u64 {
    fn from(amount: Amount) -> Self {
        amount.0
    }
}

/// A quantity of goods that is not negative.
impl TryFrom<Quantity> for Amount {
    type Error = AmountError;

    fn try_from(quantity: Quantity) -> Result<Self, AmountError> {
        let thousandths = quantity.thousandths();
        u64::try_from(thousandths)
            .map(Self)
            .map_err(|_| AmountError(thousandths.into()))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
