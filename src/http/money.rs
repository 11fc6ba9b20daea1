//! Amounts and quantities as the API writes them: decimals in quotes, because a JSON number with a point is not exact.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::domain::money::{Currency, Minor};

/// An amount in a document's currency, written as a decimal: `"3.99"`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Amount(pub Minor, pub Currency);

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.of(self.1).to_decimal().fmt(f)
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
