//! Why a shelf of a site is as it is: its history, record by record, and its account, by everything that its nodes and
//! headquarters did.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::state::HqApi;
use super::totals::{cursor, next};
use crate::domain::ids::{SiteId, Sku};
use crate::domain::stock::{Place, StatementHead};
use crate::hq::StorageError;
use crate::http::account::{ExplainBody, ExplainQuery, StepBody};
use crate::http::parameters::{InPath, InQuery, page_limit};
use crate::http::problem::{Problem, kind};

/// Which part of a history.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct HistoryParameters {
    /// The most entries; 50 where it is not given.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// Where the goods stand: `sellable` where it is not given, or `damaged`.
    #[param(value_type = Option<String>)]
    place: Option<Place>,
}

/// A page of a shelf's history, the newest first: in the order in which headquarters took it in.
#[derive(Debug, Serialize, ToSchema)]
pub struct HistoryBody {
    history: Vec<StepBody>,
    /// Where the next page begins; missing on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// What moved an item at a site, record by record, of all its nodes.
#[utoipa::path(
    get, path = "/v1/sites/{site}/stock/{sku}/history", tag = "stock",
    params(("site" = String, Path, description = "The site"), ("sku" = String, Path, description = "The item"),
        HistoryParameters),
    responses((status = 200, body = HistoryBody)),
)]
pub(super) async fn history(
    State(api): State<HqApi>,
    InPath((site, sku)): InPath<(SiteId, Sku)>,
    InQuery(asked): InQuery<HistoryParameters>,
) -> Result<Json<HistoryBody>, Problem> {
    let limit = page_limit(asked.limit)?;
    let (place, before) = (asked.place.unwrap_or_default(), cursor::<u64>(asked.cursor.as_deref())?);
    let missing = missing(&site, &sku);
    let found = api
        .ask::<_, StorageError>(move |headquarters| headquarters.shelf_history(&site, place, &sku, before, limit))
        .await?;
    if !found.known {
        return Err(missing);
    }
    let next_cursor = next(&found.steps, limit, |step| step.number);
    Ok(Json(HistoryBody {
        history: found.steps.into_iter().map(StepBody::from).collect(),
        next_cursor,
    }))
}

/// Why an item's figures at a site are what they are: what each node's journal says by kind, who may promise it, what is
/// promised to whom, what is under way, what is owed and by which sales, and up to when each node is in it. As JSON, or
/// as an account statement with `format=text` or `Accept: text/plain`.
#[utoipa::path(
    get, path = "/v1/sites/{site}/stock/{sku}/explain", tag = "stock",
    params(("site" = String, Path, description = "The site"), ("sku" = String, Path, description = "The item"),
        ExplainQuery),
    responses((status = 200, content((ExplainBody = "application/json"), (String = "text/plain")))),
)]
pub(super) async fn explain(
    State(api): State<HqApi>,
    InPath((site, sku)): InPath<(SiteId, Sku)>,
    InQuery(query): InQuery<ExplainQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (wanted, now_ms) = (query.wanted(&headers)?, api.now_ms());
    let (missing, of) = (missing(&site, &sku), site.clone());
    let found = api
        .ask::<_, StorageError>(move |headquarters| headquarters.account(&of, &sku, wanted.steps_max, now_ms))
        .await?;
    let (account, name) = found.ok_or(missing)?;
    let head = StatementHead {
        node: api.headquarters.name().clone(),
        site,
        name,
        at_ms: now_ms,
    };
    Ok(wanted.answer(&head, account))
}

fn missing(site: &SiteId, sku: &Sku) -> Problem {
    let detail = format!("headquarters has heard of nothing with the SKU {sku} at the site {site}");
    Problem::new(&kind::PRODUCT_NOT_FOUND, detail)
}
