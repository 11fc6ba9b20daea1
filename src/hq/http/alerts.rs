//! Alerts: what is wrong with the stock of any site, told once, and who has seen it.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::command::Command;
use super::state::HqApi;
use super::totals::{cursor, next};
use crate::domain::ids::{NodeId, SiteId, Sku};
use crate::domain::stock::{AlertKind, Severity};
use crate::hq::alerts::{AcknowledgeError, acknowledge as acknowledge_alert};
use crate::hq::{Alert, StorageError};
use crate::http::parameters::{InPath, InQuery, page_limit};
use crate::http::problem::{Problem, kind};
use crate::http::sync::instant;

/// Which part of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AlertsParameters {
    /// Of one site, or of all.
    #[param(value_type = Option<String>)]
    site: Option<SiteId>,
    /// Whether those that are over are told too.
    #[serde(default)]
    cleared: bool,
    /// The most entries; 50 where it is not given.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Something that is wrong with the stock of a site, or was.
#[derive(Debug, Serialize, ToSchema)]
pub struct StockAlertBody {
    /// Its number.
    id: i64,
    /// `low_stock`, `out_of_stock`, `high_reservation`, `oversold`, `stale` or `count_difference`.
    #[schema(value_type = String, example = "low_stock")]
    kind: AlertKind,
    /// `info`, `warning` or `critical`.
    #[schema(value_type = String, example = "warning")]
    severity: Severity,
    #[schema(value_type = String)]
    site: SiteId,
    /// The item, where it is of one.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    sku: Option<Sku>,
    /// The node, of `stale`.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<NodeId>,
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
    alerts: Vec<StockAlertBody>,
    /// Where the next page begins; missing on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Nothing to say.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcknowledgeRequest {}

/// What is wrong with the stock of the sites, as far as their nodes have told.
#[utoipa::path(
    get, path = "/v1/alerts", tag = "stock", params(AlertsParameters),
    responses((status = 200, body = AlertsBody)),
)]
pub(super) async fn list(
    State(api): State<HqApi>,
    InQuery(asked): InQuery<AlertsParameters>,
) -> Result<Json<AlertsBody>, Problem> {
    let limit = page_limit(asked.limit)?;
    let before = cursor::<i64>(asked.cursor.as_deref())?;
    let found = api
        .ask::<_, StorageError>(move |headquarters| {
            headquarters.alerts(asked.site.as_ref(), asked.cleared, before, limit)
        })
        .await?;
    let next_cursor = next(&found, limit, |alert| alert.id);
    let alerts = found.into_iter().map(StockAlertBody::from).collect();
    Ok(Json(AlertsBody { alerts, next_cursor }))
}

/// Keeps that somebody has seen an alert: whoever saw it first stays. It is over only when what it tells of is.
#[utoipa::path(
    post, path = "/v1/alerts/{alert}/acknowledge", tag = "stock", request_body = AcknowledgeRequest,
    params(("alert" = i64, Path, description = "The alert's number"),
        ("Idempotency-Key" = Option<String>, Header, description = "The client's name for this request")),
    responses((status = 200, body = StockAlertBody)),
)]
pub(super) async fn acknowledge(
    State(api): State<HqApi>,
    InPath(alert): InPath<i64>,
    command: Command<AcknowledgeRequest>,
) -> Result<Response, Problem> {
    let done = command
        .once(
            &api,
            StatusCode::OK,
            move |writing, AcknowledgeRequest {}, by, now_ms| {
                let alert = acknowledge_alert(writing, alert, &by, now_ms)?;
                Ok::<_, AcknowledgeError>(StockAlertBody::from(alert))
            },
        )
        .await?;
    if !done.replayed {
        api.headquarters.tell_alerts();
    }
    Ok(done.response)
}

impl From<AcknowledgeError> for Problem {
    fn from(error: AcknowledgeError) -> Self {
        match error {
            AcknowledgeError::Unknown(_) => Self::new(&kind::ALERT_NOT_FOUND, error.to_string()),
            AcknowledgeError::Storage(error) => error.into(),
        }
    }
}

impl From<Alert> for StockAlertBody {
    fn from(alert: Alert) -> Self {
        let (acknowledged_at, acknowledged_by) = alert.acknowledged.unzip();
        Self {
            id: alert.id,
            kind: alert.subject.kind,
            severity: alert.subject.kind.severity(),
            site: alert.subject.site,
            sku: alert.subject.sku,
            node: alert.subject.node,
            detail: alert.detail,
            raised_at: instant(alert.raised_ms),
            acknowledged_at: acknowledged_at.map(instant),
            acknowledged_by,
            cleared_at: alert.cleared_ms.map(instant),
        }
    }
}
