//! Why a shelf's figures are what they are: its history, row by row, and its account.

mod bodies;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use utoipa::IntoParams;

use super::parameters::{InPath, InQuery, page_limit};
use super::problem::{Problem, kind};
use super::receipts::wants_text;
use super::state::ApiState;
use crate::domain::ids::Sku;
use crate::domain::stock::Place;
use crate::operations::{StatementHead, explain, follow_history, history_is_behind, pruned_steps, statement, steps};
use crate::store::{Failure, Position, StorageError};

pub use bodies::{ExplainBody, HistoryBody, StepBody};

/// How many steps an account tells one by one where the client does not say.
const STEPS_DEFAULT: u32 = 20;

/// Which part of a history.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct HistoryQuery {
    /// The most entries; 50 where it is not given.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<i64>,
    /// Where the goods stand: `sellable` where it is not given, or `damaged`.
    #[param(value_type = Option<String>)]
    place: Option<Place>,
}

/// What of an account.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExplainQuery {
    /// The most steps that are told one by one; 20 where it is not given.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// `json` where it is not given, or `text`: an account statement for people.
    format: Option<String>,
}

/// What moved an item, record by record.
#[utoipa::path(
    get, operation_id = "get_stock_history", path = "/v1/stock/{sku}/history", tag = "stock",
    params(("sku" = String, Path, description = "The organisation's own number"), HistoryQuery),
    responses((status = 200, body = HistoryBody)),
)]
pub(super) async fn history(
    State(api): State<ApiState>,
    InPath(sku): InPath<Sku>,
    InQuery(query): InQuery<HistoryQuery>,
) -> Result<Json<HistoryBody>, Problem> {
    let limit = page_limit(query.limit)?;
    let (place, before) = (query.place.unwrap_or_default(), query.cursor.map(Position::from_number));
    let asked = sku.clone();
    catch_up(&api).await?;
    let found = api
        .readers
        .run(move |snapshot| -> Result<_, StorageError> {
            let found = steps(snapshot, place, &asked, before, limit)?;
            let full = found.len() == limit as usize;
            let pruned = if full {
                Vec::new()
            } else {
                pruned_steps(snapshot, place, &asked)?
            };
            let known = !found.is_empty() || !pruned.is_empty() || before.is_some() || snapshot.item(&asked)?.is_some();
            Ok((found, pruned, full, known))
        })
        .await?;
    let (found, pruned, full, known) = found;
    if !known {
        return Err(missing(&sku));
    }
    let next = found.last().filter(|_| full).map(|step| step.row.position.get());
    let history = found.into_iter().map(StepBody::from);
    let history = history.chain(pruned.into_iter().map(StepBody::from)).collect();
    Ok(Json(HistoryBody { history, next }))
}

/// Why an item's figures are what they are: everything that moved it by kind, who may promise it, what is promised to
/// whom, what is owed and by which sales. As JSON, or as an account statement with `format=text` or
/// `Accept: text/plain`.
#[utoipa::path(
    get, operation_id = "explain_stock", path = "/v1/stock/{sku}/explain", tag = "stock",
    params(("sku" = String, Path, description = "The organisation's own number"), ExplainQuery),
    responses((status = 200, content((ExplainBody = "application/json"), (String = "text/plain")))),
)]
pub(super) async fn account(
    State(api): State<ApiState>,
    InPath(sku): InPath<Sku>,
    InQuery(query): InQuery<ExplainQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let steps_max = page_limit(Some(query.limit.unwrap_or(STEPS_DEFAULT)))?;
    let as_text = match query.format.as_deref() {
        None => wants_text(&headers),
        Some("text") => true,
        Some("json") => false,
        Some(_) => return Err(Problem::new(&kind::INVALID_PARAMETER, "format is json or text")),
    };
    catch_up(&api).await?;
    let asked = sku.clone();
    let found = api
        .readers
        .run(move |snapshot| -> Result<_, StorageError> {
            let name = snapshot.item(&asked)?.map(|listed| listed.item.name.to_string());
            Ok((explain(snapshot, &asked, steps_max)?, name.unwrap_or_default()))
        })
        .await?;
    let (explained, name) = (found.0.ok_or_else(|| missing(&sku))?, found.1);
    let now = api.now();
    let head = StatementHead {
        node: api.node.node.clone(),
        site: api.node.site.clone(),
        name,
        at_ms: now.unix_ms,
        running_ms: api.running.at(now),
    };
    if as_text {
        let text = statement(&head, &explained);
        return Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response());
    }
    Ok(Json(ExplainBody::of(&head, explained)).into_response())
}

/// Lets the history have every record before it is read.
pub(super) async fn catch_up(api: &ApiState) -> Result<(), Problem> {
    let Some(last) = api.readers.run(history_is_behind).await? else {
        return Ok(());
    };
    while api
        .write(move |tx| follow_history(tx, last).map_err(Failure::<std::convert::Infallible>::Storage))
        .await
        .map_err(StorageError::from)?
    {}
    Ok(())
}

fn missing(sku: &Sku) -> Problem {
    Problem::new(&kind::PRODUCT_NOT_FOUND, format!("no item has the SKU {sku}"))
}
