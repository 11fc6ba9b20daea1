//! Codes: what a scanner typed, read and looked up in one step, so that every till reads them alike.

use axum::Json;
use axum::extract::State;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::parameters::InQuery;
use super::problem::{Problem, kind};
use super::products::ProductBody;
use super::state::ApiState;
use crate::domain::barcode::{BarcodeError, CodeReader, Named, Particulars};
use crate::domain::money::Currency;
use crate::operations::look_up;

/// What was scanned.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CodeQuery {
    /// The characters that the scanner typed, without the Enter behind them: a GTIN, a GS1 element string (FNC1 as the
    /// character 29), a GS1 Digital Link, a label of the shop's own scales, or a SKU. A symbology identifier (`]C1`) may
    /// stand in front.
    #[param(example = "(01)90012345678908(3103)001750(10)ABC")]
    code: String,
}

/// A code that was read.
#[derive(Debug, Serialize, ToSchema)]
pub struct CodeBody {
    /// What it names the item by: `gtin`, `in_store` (a label of the shop's own scales) or `text`.
    #[schema(example = "gtin")]
    kind: &'static str,
    /// The GTIN, the item's number on the label, or the text.
    #[schema(example = "90012345678908")]
    number: String,
    /// Batch or lot, AI (10).
    #[serde(skip_serializing_if = "Option::is_none")]
    lot: Option<String>,
    /// Serial number, AI (21).
    #[serde(skip_serializing_if = "Option::is_none")]
    serial: Option<String>,
    /// The last day of its life, AI (17).
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<NaiveDate>,
    /// The last day of its best, AI (15).
    #[serde(skip_serializing_if = "Option::is_none")]
    best_before: Option<NaiveDate>,
    /// The last day on which it may be sold, AI (16).
    #[serde(skip_serializing_if = "Option::is_none")]
    sell_by: Option<NaiveDate>,
    /// True where it must not be sold any more: one of `expires` and `sell_by` is before today.
    out_of_date: bool,
    /// Net weight in kilograms.
    #[schema(example = "1.75")]
    #[serde(skip_serializing_if = "Option::is_none")]
    net_weight: Option<String>,
    /// How many pieces.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u32>,
    /// What is to be paid for all of it.
    #[schema(example = "4.99")]
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<String>,
    /// The currency of the prices.
    #[schema(value_type = String, example = "USD")]
    currency: Currency,
    /// The items that it names: most often one; none where the catalog has none.
    products: Vec<ProductBody>,
}

impl From<BarcodeError> for Problem {
    fn from(error: BarcodeError) -> Self {
        Self::new(&kind::CODE, error.to_string())
    }
}

/// What a scanned code says, and the items that it names.
#[utoipa::path(
    get, operation_id = "read_code", path = "/v1/codes", tag = "products", params(CodeQuery),
    responses((status = 200, body = CodeBody)),
)]
pub(super) async fn read(
    State(api): State<ApiState>,
    InQuery(query): InQuery<CodeQuery>,
) -> Result<Json<CodeBody>, Problem> {
    let today = (api.clock)().local().day();
    let reader = CodeReader {
        patterns: api.settings.in_store_codes.clone(),
        minor_digits: api.node.currency.minor_digits(),
        today,
    };
    let reading = reader.read(&query.code)?;
    let named = reading.named.clone();
    let found = api.readers.run(move |snapshot| look_up(snapshot, &named)).await?;
    let (kind, number) = match reading.named {
        Named::Gtin(gtin) => ("gtin", gtin.to_string()),
        Named::InStore { number, .. } => ("in_store", number),
        Named::Text(text) => ("text", text),
    };
    let Particulars {
        lot,
        serial,
        expires,
        best_before,
        sell_by,
        net_weight,
        count,
        price,
    } = reading.particulars;
    Ok(Json(CodeBody {
        kind,
        number,
        lot,
        serial,
        out_of_date: [expires, sell_by].into_iter().flatten().any(|last| last < today),
        expires,
        best_before,
        sell_by,
        net_weight: net_weight.map(|weight| weight.to_string()),
        count,
        price: price.map(|price| price.to_string()),
        currency: api.node.currency,
        products: found.into_iter().map(ProductBody::from).collect(),
    }))
}
