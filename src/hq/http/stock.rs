//! `GET /v1/stock`: what is on hand, as far as the nodes have told.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::state::HqApi;
use super::totals::{cursor, next};
use crate::domain::ids::{SiteId, Sku};
use crate::domain::quantity::Quantity;
use crate::hq::{StockCursor, StockLine, StorageError};
use crate::http::parameters::{InQuery, page_limit};
use crate::http::problem::Problem;

/// Which stock.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StockParameters {
    /// Of one site, or of all.
    #[param(value_type = Option<String>)]
    site: Option<SiteId>,
    /// The most entries; 50 where it is not given.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Stock in the order of site and SKU.
#[derive(Debug, Serialize, ToSchema)]
pub struct StockBody {
    stock: Vec<StockLineBody>,
    /// Where the next page begins; missing on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// One item at one site.
#[derive(Debug, Serialize, ToSchema)]
pub struct StockLineBody {
    #[schema(value_type = String)]
    site: SiteId,
    #[schema(value_type = String)]
    sku: Sku,
    /// Negative where more was sold than is known to have come in.
    #[schema(value_type = String, example = "12")]
    quantity: Quantity,
}

/// What is on hand of each item. `/v1/nodes` says up to when each node is in it.
#[utoipa::path(
    get, path = "/v1/stock", tag = "figures", params(StockParameters),
    responses((status = 200, body = StockBody)),
)]
pub(super) async fn list(
    State(api): State<HqApi>,
    InQuery(asked): InQuery<StockParameters>,
) -> Result<Json<StockBody>, Problem> {
    let limit = page_limit(asked.limit)?;
    let (site, after) = (asked.site, cursor::<StockCursor>(asked.cursor.as_deref())?);
    let lines = api
        .ask::<_, StorageError>(move |headquarters| headquarters.stock(site.as_ref(), after.as_ref(), limit))
        .await?;
    let next_cursor = next(&lines, limit, StockLine::cursor);
    let stock = lines.into_iter().map(|line| StockLineBody {
        site: line.site,
        sku: line.sku,
        quantity: line.quantity,
    });
    Ok(Json(StockBody {
        stock: stock.collect(),
        next_cursor,
    }))
}
