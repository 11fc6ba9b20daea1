//! `/v1/nodes/{node}/retire` and `/release`: an operator decides that a node will not come back, and when what it left may
//! be promised again. The bodies are those of a node's API.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::command::Command;
use super::state::HqApi;
use crate::domain::ids::NodeId;
use crate::hq::{RetireAsk, RetireError, retire as decide};
use crate::http::parameters::{InPath, InQuery};
use crate::http::problem::Problem;
use crate::http::retirements::{ReleaseRequest, ReleasedBody, RetireRequest, RetirementBody, RetirementQuery};

/// What retiring a node would do. Nothing is done.
#[utoipa::path(
    get, operation_id = "look_at_retirement", path = "/v1/nodes/{node}/retire", tag = "nodes",
    params(("node" = String, Path, description = "The node"), RetirementQuery),
    responses((status = 200, body = RetirementBody)),
)]
pub(super) async fn look(
    State(api): State<HqApi>,
    InPath(node): InPath<NodeId>,
    InQuery(asked): InQuery<RetirementQuery>,
) -> Result<Json<RetirementBody>, Problem> {
    let look = api
        .ask(move |headquarters| headquarters.look_at(&node, asked.incarnation))
        .await?;
    Ok(Json(look.into()))
}

/// Retires a node at the last of its records that is in the ledger. Its holds end; what it left is headquarters', and
/// nobody may promise it until it is counted or released. What it still sells counts as always, and is posted here.
#[utoipa::path(
    post, operation_id = "retire_node", path = "/v1/nodes/{node}/retire", tag = "nodes", request_body = RetireRequest,
    params(("node" = String, Path, description = "The node"),
        ("Idempotency-Key" = Option<String>, Header, description = "The client's name for this request")),
    responses((status = 201, body = RetirementBody)),
)]
pub(super) async fn retire(
    State(api): State<HqApi>,
    InPath(node): InPath<NodeId>,
    command: Command<RetireRequest>,
) -> Result<Response, Problem> {
    let asked = (node.clone(), command.body.incarnation);
    let (of, incarnation) = asked.clone();
    let before = api
        .ask::<_, RetireError>(move |headquarters| {
            headquarters.project()?;
            headquarters.folds_of(&of, incarnation)
        })
        .await?;
    let done = command
        .once(&api, StatusCode::CREATED, move |writing, body, by, now_ms| {
            let ask = RetireAsk {
                node,
                incarnation: body.incarnation,
                by,
                reason: body.reason,
            };
            decide::retire(writing, &ask, &before, now_ms).map(RetirementBody::from)
        })
        .await?;
    if !done.replayed {
        let (node, incarnation) = asked;
        api.ask::<_, RetireError>(move |headquarters| {
            let look = headquarters.look_at(&node, incarnation)?;
            headquarters.tell_retired(&look.replica);
            Ok(())
        })
        .await?;
    }
    Ok(done.response)
}

/// Says that what a retired node left is there: headquarters may promise it, and hand it on.
#[utoipa::path(
    post, operation_id = "release_left", path = "/v1/nodes/{node}/release", tag = "nodes",
    request_body = ReleaseRequest,
    params(("node" = String, Path, description = "The node"),
        ("Idempotency-Key" = Option<String>, Header, description = "The client's name for this request")),
    responses((status = 201, body = ReleasedBody)),
)]
pub(super) async fn release(
    State(api): State<HqApi>,
    InPath(node): InPath<NodeId>,
    command: Command<ReleaseRequest>,
) -> Result<Response, Problem> {
    let told = std::sync::Arc::new(std::sync::OnceLock::new());
    let released = std::sync::Arc::clone(&told);
    let done = command
        .once(&api, StatusCode::CREATED, move |writing, body, by, now_ms| {
            let ask = RetireAsk {
                node,
                incarnation: body.incarnation,
                by,
                reason: body.reason,
            };
            let (site, left) = decide::release_left(writing, &ask, &body.skus, now_ms)?;
            let skus = left.iter().map(|(sku, _)| sku.clone()).collect::<Vec<_>>();
            // Filled once: the work is not done twice.
            let _ = released.set((site, skus));
            Ok::<_, RetireError>(ReleasedBody::from(left))
        })
        .await?;
    if let Some((site, skus)) = told.get() {
        api.headquarters.tell_posted(site.clone(), skus.clone());
    }
    Ok(done.response)
}
