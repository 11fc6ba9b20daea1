//! `POST /v1/settlements`: an operator says whether what an incarnation did counts.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::guard::Caller;
use super::sales::RecordBody;
use super::set_aside::incarnation;
use super::state::HqApi;
use crate::domain::fact::{Settlement, SettlementDecision};
use crate::domain::ids::NodeId;
use crate::hq::SettleError;
use crate::http::body;
use crate::http::problem::Problem;

/// A decision about an incarnation that is set apart.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SettlementRequest {
    #[schema(value_type = String, example = "store-1")]
    node: NodeId,
    #[schema(example = "2-00c0ffee00c0ffee")]
    incarnation: String,
    /// `count`: it is a real branch, and what it sold counts, each sale once. `exclude`: it is kept and never counts.
    #[schema(value_type = String, example = "count")]
    decision: SettlementDecision,
    /// Why, in words.
    reason: String,
}

/// The decision as it is recorded.
#[derive(Debug, Serialize, ToSchema)]
pub struct SettlementBody {
    /// Its record in headquarters' own journal.
    settlement: RecordBody,
}

/// Decides an incarnation that is set apart, or takes back that it was excluded.
#[utoipa::path(
    post, path = "/v1/settlements", tag = "nodes", request_body = SettlementRequest,
    responses((status = 201, body = SettlementBody)),
)]
pub(super) async fn settle(
    State(api): State<HqApi>,
    Caller(token): Caller,
    request: Request,
) -> Result<(StatusCode, Json<SettlementBody>), Problem> {
    let asked: SettlementRequest = body::parse(&body::read(request).await?)?;
    let settlement = Settlement {
        incarnation: incarnation(&asked.incarnation)?,
        node: asked.node,
        decision: asked.decision,
        reason: asked.reason,
        by: token.name,
    };
    let now_ms = api.now_ms();
    let record = api
        .ask::<_, SettleError>(move |headquarters| headquarters.settle(settlement, now_ms))
        .await?;
    api.grown();
    let settlement = record.into();
    Ok((StatusCode::CREATED, Json(SettlementBody { settlement })))
}
