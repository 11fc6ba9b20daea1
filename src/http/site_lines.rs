//! Items with quantities, as pickups and transfers name them in requests and answers.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::ids::Sku;
use crate::domain::quantity::Quantity;
use crate::domain::stock::HoldLine;

/// One item with a quantity.
#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct SiteLine {
    #[schema(value_type = String)]
    sku: Sku,
    /// How much of it, with up to three places.
    #[schema(value_type = String, example = "1")]
    quantity: Quantity,
}

impl SiteLine {
    /// As an answer has them.
    pub(crate) fn all(lines: &[HoldLine]) -> Vec<Self> {
        let body = |line: &HoldLine| Self {
            sku: line.sku.clone(),
            quantity: line.quantity,
        };
        lines.iter().map(body).collect()
    }

    /// As the domain has them.
    pub(crate) fn into_lines(lines: Vec<Self>) -> Vec<HoldLine> {
        let line = |line: Self| HoldLine {
            sku: line.sku,
            quantity: line.quantity,
        };
        lines.into_iter().map(line).collect()
    }
}
