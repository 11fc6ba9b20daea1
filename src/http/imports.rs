//! `POST /v1/products/import`: brings a part of a catalog, where headquarters does not.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::caller::Caller;
use super::command::Command;
use super::kept::kept;
use super::problem::{Problem, kind};
use super::state::ApiState;
use crate::domain::catalog::Item;
use crate::operations::import_catalog;
use crate::store::WriteTransaction;

/// The most items of one request: sales wait while they are written.
const ITEMS_MAX: usize = 500;

/// A part of a catalog.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct CatalogImportRequest {
    /// Items to add, or to put in place of those with the same SKU; at most 500.
    #[schema(value_type = Vec<ItemRequest>)]
    items: Vec<Item>,
}

/// One item of a catalog. Texts have at most 200 characters and may be empty.
#[derive(Debug, ToSchema)]
#[expect(
    dead_code,
    reason = "describes the JSON of an item, which is read as the domain's own type"
)]
pub struct ItemRequest {
    /// The organisation's own number.
    #[schema(example = "1029743")]
    sku: String,
    /// The number in the bar code, with 8, 12, 13 or 14 digits.
    gtin: Option<String>,
    name: String,
    department: String,
    brand: String,
    size: String,
    /// The price of one unit.
    #[schema(example = "3.99")]
    price: String,
    /// The class that its tax follows.
    #[schema(example = "standard")]
    tax_class: String,
}

/// What was brought.
#[derive(Debug, Serialize, ToSchema)]
pub struct CatalogImportBody {
    /// How many items.
    items: usize,
}

/// Adds items to the catalog, and replaces those with the same SKU. All of them or none.
#[utoipa::path(
    post, operation_id = "import_catalog", path = "/v1/products/import", tag = "products", request_body = CatalogImportRequest,
    params(("Idempotency-Key" = String, Header, description = "The client's name for this request")),
    responses((status = 200, body = CatalogImportBody)),
)]
pub(super) async fn catalog(
    State(api): State<ApiState>,
    caller: Caller,
    command: Command<CatalogImportRequest>,
) -> Result<Response, Problem> {
    let (request, body) = command.into_request(&caller);
    let (items, now) = (body.items, api.now());
    if items.len() > ITEMS_MAX {
        let detail = format!("/items: at most {ITEMS_MAX} items, and there are {}", items.len());
        return Err(Problem::new(&kind::TOO_MANY_LINES, detail).at("/items"));
    }
    let bring = move |tx: &mut WriteTransaction<'_>| {
        import_catalog(tx, &items)?;
        Ok::<_, crate::store::Failure<Problem>>((StatusCode::OK, CatalogImportBody { items: items.len() }))
    };
    let kept = api.write(move |tx| kept(tx, &request, now, bring)).await?;
    if kept.repeated {
        api.metrics.replays.inc();
    }
    Ok(kept.into_response())
}
