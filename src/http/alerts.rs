//! Alerts: what is wrong with the stock, told once, and who has seen it.

use std::convert::Infallible;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::caller::Caller;
use super::command::Command;
use super::explain::catch_up;
use super::kept::kept;
use super::parameters::{InPath, InQuery, page_limit};
use super::problem::Problem;
use super::state::ApiState;
use super::sync::instant;
use crate::domain::ids::Sku;
use crate::domain::quantity::Quantity;
use crate::domain::stock::{AlertKind, Severity};
use crate::operations::{acknowledge_alert, alerts_are_due, judge_alerts, set_threshold};
use crate::store::{AlertRow, Failure, StorageError};

/// Which part of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AlertsQuery {
    /// The most entries; 50 where it is not given.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<i64>,
    /// Whether those that are over are told too; the newest thousand are kept.
    #[serde(default)]
    cleared: bool,
}

/// Something that is wrong, or was.
#[derive(Debug, Serialize, ToSchema)]
pub struct AlertBody {
    /// Its number.
    id: i64,
    /// `low_stock`, `out_of_stock`, `high_reservation`, `oversold`, `stale` or `transfer_difference`.
    #[schema(value_type = String, example = "low_stock")]
    kind: AlertKind,
    /// `info`, `warning` or `critical`.
    #[schema(value_type = String, example = "warning")]
    severity: Severity,
    /// The item, where it is of one.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    sku: Option<Sku>,
    /// In words; of `oversold`, with the sales.
    detail: String,
    raised_at: String,
    /// When somebody saw it.
    #[serde(skip_serializing_if = "Option::is_none")]
    acknowledged_at: Option<String>,
    /// Who saw it.
    #[serde(skip_serializing_if = "Option::is_none")]
    acknowledged_by: Option<String>,
    /// When it was over; left out while it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    cleared_at: Option<String>,
}

/// A page of alerts, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct AlertsBody {
    alerts: Vec<AlertBody>,
    /// The cursor of the next page, where there may be one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<i64>,
}

/// Nothing to say.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct AcknowledgeRequest {}

/// From how much left an item counts as low.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct ThresholdRequest {
    /// From so much left on, not below 0; `null` for the site's default.
    #[schema(value_type = Option<String>, example = "12")]
    threshold: Option<Quantity>,
}

/// What is wrong with the stock.
#[utoipa::path(
    get, operation_id = "list_alerts", path = "/v1/alerts", tag = "stock", params(AlertsQuery),
    responses((status = 200, body = AlertsBody)),
)]
pub(super) async fn list(
    State(api): State<ApiState>,
    InQuery(query): InQuery<AlertsQuery>,
) -> Result<Json<AlertsBody>, Problem> {
    let limit = page_limit(query.limit)?;
    judge(&api).await?;
    let found = api
        .readers
        .run(move |snapshot| snapshot.alerts(query.cleared, query.cursor, limit))
        .await?;
    let full = found.len() == limit as usize;
    let next = found.last().filter(|_| full).map(|alert| alert.ix);
    let alerts = found.into_iter().map(AlertBody::from).collect();
    Ok(Json(AlertsBody { alerts, next }))
}

/// Keeps that somebody has seen an alert: whoever saw it first stays. It is over only when what it tells of is.
#[utoipa::path(
    post, operation_id = "acknowledge_alert", path = "/v1/alerts/{alert}/acknowledge", tag = "stock",
    request_body = AcknowledgeRequest,
    params(("alert" = i64, Path, description = "The alert's number"),
        ("Idempotency-Key" = String, Header, description = "The client's name for this request")),
    responses((status = 200, description = "The alert", body = AlertBody)),
)]
pub(super) async fn acknowledge(
    State(api): State<ApiState>,
    caller: Caller,
    InPath(alert): InPath<i64>,
    command: Command<AcknowledgeRequest>,
) -> Result<Response, Problem> {
    let (request, AcknowledgeRequest {}) = command.into_request(&caller);
    let (device, now) = (caller.device(), api.now());
    let kept = api
        .write(move |tx| {
            kept(tx, &request, now, |tx| {
                let alert = acknowledge_alert(tx, now, &device, alert)?;
                Ok((StatusCode::OK, AlertBody::from(alert)))
            })
        })
        .await?;
    Ok(kept.into_response())
}

/// Says from how much left an item counts as low at this site.
#[utoipa::path(
    post, operation_id = "set_threshold", path = "/v1/stock/{sku}/threshold", tag = "stock",
    request_body = ThresholdRequest,
    params(("sku" = String, Path, description = "The organisation's own number"),
        ("Idempotency-Key" = String, Header, description = "The client's name for this request")),
    responses((status = 200, description = "The threshold", body = ThresholdRequest)),
)]
pub(super) async fn threshold(
    State(api): State<ApiState>,
    caller: Caller,
    InPath(sku): InPath<Sku>,
    command: Command<ThresholdRequest>,
) -> Result<Response, Problem> {
    let (request, body) = command.into_request(&caller);
    let (device, now) = (caller.device(), api.now());
    let kept = api
        .write(move |tx| {
            kept(tx, &request, now, |tx| {
                set_threshold(tx, now, &device, &sku, body.threshold)?;
                Ok((StatusCode::OK, body))
            })
        })
        .await?;
    Ok(kept.into_response())
}

/// Judges what has moved before it is read.
async fn judge(api: &ApiState) -> Result<(), Problem> {
    catch_up(api).await?;
    let (now, low_stock) = (api.now(), api.settings.low_stock);
    if !api
        .readers
        .run(move |snapshot| alerts_are_due(snapshot, low_stock))
        .await?
    {
        return Ok(());
    }
    while api
        .write(move |tx| judge_alerts(tx, now, low_stock).map_err(Failure::<Infallible>::Storage))
        .await
        .map_err(StorageError::from)?
    {}
    Ok(())
}

impl From<AlertRow> for AlertBody {
    fn from(alert: AlertRow) -> Self {
        let (acknowledged_at, acknowledged_by) = alert.acknowledged.unzip();
        Self {
            id: alert.ix,
            kind: alert.kind,
            severity: alert.kind.severity(),
            sku: alert.sku,
            detail: alert.detail,
            raised_at: instant(alert.raised_ms),
            acknowledged_at: acknowledged_at.map(instant),
            acknowledged_by,
            cleared_at: alert.cleared_ms.map(instant),
        }
    }
}
