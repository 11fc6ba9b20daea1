//! `POST /v1/settlements`: an operator says whether what an incarnation did counts.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::command::Command;
use super::sales::RecordBody;
use super::state::HqApi;
use crate::domain::fact::{Settlement, SettlementDecision};
use crate::domain::ids::{Incarnation, NodeId};
use crate::hq::{Happening, SettleError, settle};
use crate::http::problem::Problem;

/// A decision about an incarnation that is set apart.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SettlementRequest {
    #[schema(value_type = String, example = "store-1")]
    node: NodeId,
    #[schema(value_type = String, example = "2-00c0ffee00c0ffee")]
    #[serde(deserialize_with = "incarnation_text")]
    incarnation: Incarnation,
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

/// An incarnation as people write it.
fn incarnation_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Incarnation, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(serde::de::Error::custom)
}

/// Decides an incarnation that is set apart, or takes back that it was excluded.
#[utoipa::path(
    post, path = "/v1/settlements", tag = "nodes", request_body = SettlementRequest,
    responses((status = 201, body = SettlementBody)),
)]
pub(super) async fn decide(State(api): State<HqApi>, command: Command<SettlementRequest>) -> Result<Response, Problem> {
    let done = command
        .once(&api, StatusCode::CREATED, |writing, asked, by, now_ms| {
            let settlement = Settlement {
                node: asked.node,
                incarnation: asked.incarnation,
                decision: asked.decision,
                reason: asked.reason,
                by,
            };
            let settlement = settle::settle(writing, settlement, now_ms)?.into();
            Ok::<_, SettleError>(SettlementBody { settlement })
        })
        .await?;
    if !done.replayed {
        api.headquarters.watch.tell(Happening::Nodes);
        api.grown();
    }
    Ok(done.response)
}
