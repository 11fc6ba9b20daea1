//! An item of the catalog.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Gtin;
use crate::domain::ids::Sku;
use crate::domain::money::Price;
use crate::domain::tax::TaxClass;

/// What a shop sells: one stock keeping unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The organisation's own number.
    pub sku: Sku,
    /// The number in the bar code, where it has one.
    pub gtin: Option<Gtin>,
    /// What people call it.
    pub name: ItemText,
    /// The department it stands in; empty where it has none.
    pub department: ItemText,
    /// The brand; empty where it has none.
    pub brand: ItemText,
    /// The size as printed (`15.75 OZ`); empty where it has none.
    pub size: ItemText,
    /// The price of one unit, in the organisation's currency.
    pub price: Price,
    /// The class that its tax follows.
    pub tax_class: TaxClass,
}

/// A text that people read: at most 200 characters, no control characters, may be empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ItemText(String);

/// Why a text cannot be shown to people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ItemTextError {
    /// Over 200 characters.
    #[error("the text has {0} characters; 200 are allowed")]
    TooLong(usize),
    /// A control character.
    #[error("the text has the control character {0:?} at position {1}")]
    Control(char, usize),
}

impl ItemText {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ItemText {
    type Error = ItemTextError;

    fn try_from(text: String) -> Result<Self, ItemTextError> {
        let length = text.chars().count();
        if length > 200 {
            return Err(ItemTextError::TooLong(length));
        }
        match text.chars().enumerate().find(|(_, c)| c.is_control()) {
            Some((at, c)) => Err(ItemTextError::Control(c, at + 1)),
            None => Ok(Self(text)),
        }
    }
}

impl std::str::FromStr for ItemText {
    type Err = ItemTextError;

    fn from_str(text: &str) -> Result<Self, ItemTextError> {
        text.trim().to_owned().try_into()
    }
}

impl From<ItemText> for String {
    fn from(text: ItemText) -> Self {
        text.0
    }
}

impl fmt::Display for ItemText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
