//! `POST /v1/products/import`: brings a part of a catalog to every node.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::command::Command;
use super::state::HqApi;
use crate::domain::catalog::Item;
use crate::hq::{CATALOG_FEED, PublishError, feeds};
use crate::http::problem::{Problem, kind};

/// The most items of one request.
const ITEMS_MAX: usize = 5_000;

/// A part of a catalog.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CatalogRequest {
    /// Items to add, or to put in place of those with the same SKU: `sku`, `gtin`, `name`, `department`, `brand`,
    /// `size`, `price`, `tax_class`. At most 5,000.
    #[schema(value_type = Vec<Object>)]
    items: Vec<Item>,
}

/// What was brought.
#[derive(Debug, Serialize, ToSchema)]
pub struct CatalogBody {
    /// How many items.
    items: usize,
    /// How many of them are new or changed.
    changed: u64,
    /// The version of the catalog now.
    version: u64,
}

/// Adds items to the catalog of every node, and replaces those with the same SKU. All of them or none; repeated, it
/// changes nothing.
#[utoipa::path(
    post, path = "/v1/products/import", tag = "feeds", request_body = CatalogRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "The client's name for this request")),
    responses((status = 200, body = CatalogBody)),
)]
pub(super) async fn import(State(api): State<HqApi>, command: Command<CatalogRequest>) -> Result<Response, Problem> {
    let count = command.body.items.len();
    if count > ITEMS_MAX {
        let detail = format!("/items: at most {ITEMS_MAX} items, and there are {count}");
        return Err(Problem::new(&kind::TOO_MANY_LINES, detail).at("/items"));
    }
    let done = command
        .once(&api, StatusCode::OK, |writing, asked, _, _| {
            let entries = feeds::entries_of(&asked.items)?;
            let published = feeds::publish(writing, CATALOG_FEED, &entries)?;
            Ok::<_, PublishError>(CatalogBody {
                items: asked.items.len(),
                changed: published.changed,
                version: published.version,
            })
        })
        .await?;
    if !done.replayed {
        api.announce(CATALOG_FEED.into());
    }
    Ok(done.response)
}
