//! `POST /v1/products/import`: brings a part of a catalog to every node.

use axum::Json;
use axum::extract::{Request, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::state::HqApi;
use crate::domain::catalog::Item;
use crate::hq::{CATALOG_FEED, PublishError};
use crate::http::body;
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
    responses((status = 200, body = CatalogBody)),
)]
pub(super) async fn import(State(api): State<HqApi>, request: Request) -> Result<Json<CatalogBody>, Problem> {
    let CatalogRequest { items } = body::parse(&body::read(request).await?)?;
    let count = items.len();
    if count > ITEMS_MAX {
        let detail = format!("/items: at most {ITEMS_MAX} items, and there are {count}");
        return Err(Problem::new(&kind::TOO_MANY_LINES, detail).at("/items"));
    }
    let published = api
        .ask::<_, PublishError>(move |headquarters| headquarters.publish_items(&items))
        .await?;
    api.announce(CATALOG_FEED.into(), &published);
    Ok(Json(CatalogBody {
        items: count,
        changed: published.changed,
        version: published.version,
    }))
}
