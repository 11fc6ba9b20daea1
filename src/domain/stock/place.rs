//! Where at a site goods stand.

use serde::{Deserialize, Serialize};

/// A place of a site. Only goods at [`Place::Sellable`] carry rights; what stands elsewhere is only counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// On sale.
    #[default]
    Sellable,
    /// Set apart as damaged.
    Damaged,
}

impl Place {
    /// Its number, for rows and documents.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Sellable => 0,
            Self::Damaged => 1,
        }
    }

    /// The place of a number that [`number`](Self::number) gave.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Sellable),
            1 => Some(Self::Damaged),
            _ => None,
        }
    }
}
