//! `/v1/nodes/{node}/retire` and `/release`: a manager decides that a kiosk's node will not come back, and when what it
//! left may be promised again. Headquarters' API has the same bodies for its nodes.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::caller::Caller;
use super::command::Command;
use super::kept::kept;
use super::parameters::{InPath, InQuery};
use super::problem::Problem;
use super::state::ApiState;
use super::sync::instant;
use crate::domain::escrow::{Amount, ReplicaId};
use crate::domain::ids::{Incarnation, NodeId, SiteId, Sku};
use crate::domain::quantity::Quantity;
use crate::domain::stock::{LookLine, RetirementLook, quantity};
use crate::operations::{Decision, RetireRefusal, look_at_kiosk, release_left, retire_kiosk};

/// Which incarnation of a node is meant.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RetirementQuery {
    /// The incarnation; the newest where it is not given.
    #[param(value_type = Option<String>)]
    #[serde(default, deserialize_with = "incarnation_text")]
    pub(crate) incarnation: Option<Incarnation>,
}

/// The decision to retire a node.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetireRequest {
    /// In which of its incarnations; in its newest where none is named.
    #[schema(value_type = Option<String>, example = "1-00c0ffee00c0ffee")]
    #[serde(default, deserialize_with = "incarnation_text")]
    pub(crate) incarnation: Option<Incarnation>,
    /// Why, in words. The node's staff reads it where the node comes back.
    pub(crate) reason: String,
}

/// The decision that what a retired node left is there.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleaseRequest {
    /// In which of its incarnations it was retired; the one retired last where none is named.
    #[schema(value_type = Option<String>)]
    #[serde(default, deserialize_with = "incarnation_text")]
    pub(crate) incarnation: Option<Incarnation>,
    /// Why, in words.
    pub(crate) reason: String,
    /// Which items; all of them where none is named.
    #[schema(value_type = Vec<String>)]
    #[serde(default)]
    pub(crate) skus: Vec<Sku>,
}

/// What retiring a node would do, or has done.
#[derive(Debug, Serialize, ToSchema)]
pub struct RetirementBody {
    #[schema(value_type = String, example = "kiosk-1")]
    node: NodeId,
    #[schema(example = "1-00c0ffee00c0ffee")]
    incarnation: String,
    #[schema(value_type = String, example = "store-1")]
    site: SiteId,
    /// Whether it is retired.
    retired: bool,
    /// The last of its records that was here: what it recorded behind that comes late.
    record: u64,
    /// Its chain's hash after that record, as it signed it.
    hash: String,
    /// The highest number that it has told of.
    told_record: u64,
    /// When it was last heard from; missing for never.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_heard: Option<String>,
    /// What it has; of a retired node, what nobody may promise yet.
    items: Vec<RetirementItemBody>,
}

/// One item of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct RetirementItemBody {
    #[schema(value_type = String)]
    sku: Sku,
    /// In its open holds, which end with it.
    #[schema(value_type = String, example = "1")]
    held: Quantity,
    /// What nobody may promise until it is counted or released.
    #[schema(value_type = String, example = "4")]
    unpromised: Quantity,
    /// What it owed, which its parent owes from then on.
    #[schema(value_type = String, example = "0")]
    debt: Quantity,
}

/// What may be promised again.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReleasedBody {
    items: Vec<ReleasedItemBody>,
}

/// One item of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReleasedItemBody {
    #[schema(value_type = String)]
    sku: Sku,
    #[schema(value_type = String, example = "4")]
    released: Quantity,
}

impl From<RetirementLook> for RetirementBody {
    fn from(look: RetirementLook) -> Self {
        let ReplicaId { node, incarnation } = look.replica;
        Self {
            node,
            incarnation: incarnation.to_string(),
            site: look.site,
            retired: look.retired,
            record: look.seq,
            hash: look.hash.to_string(),
            told_record: look.told_seq,
            last_heard: (look.last_heard_ms > 0).then(|| instant(look.last_heard_ms)),
            items: look.lines.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<LookLine> for RetirementItemBody {
    fn from(line: LookLine) -> Self {
        Self {
            sku: line.sku,
            held: quantity(line.held),
            unpromised: quantity(line.unpromised),
            debt: quantity(line.debt),
        }
    }
}

impl From<Vec<(Sku, Amount)>> for ReleasedBody {
    fn from(released: Vec<(Sku, Amount)>) -> Self {
        let items = released.into_iter().map(|(sku, amount)| ReleasedItemBody {
            sku,
            released: quantity(amount),
        });
        Self { items: items.collect() }
    }
}

/// What retiring a kiosk's node would do. Nothing is done.
#[utoipa::path(
    get, operation_id = "look_at_retirement", path = "/v1/nodes/{node}/retire", tag = "nodes",
    params(("node" = String, Path, description = "The kiosk's node"), RetirementQuery),
    responses((status = 200, body = RetirementBody)),
)]
pub(super) async fn look(
    State(api): State<ApiState>,
    InPath(node): InPath<NodeId>,
    InQuery(asked): InQuery<RetirementQuery>,
) -> Result<Json<RetirementBody>, Problem> {
    let look = api
        .readers
        .run(move |snapshot| look_at_kiosk(snapshot, &node, asked.incarnation))
        .await?;
    Ok(Json(look.into()))
}

/// Retires a kiosk's node at the last of its records that is here. Its holds end; what it left is this node's, and nobody
/// may promise it until it is counted or released. What the kiosk still sells is taken in when it comes, and posted here.
#[utoipa::path(
    post, operation_id = "retire_node", path = "/v1/nodes/{node}/retire", tag = "nodes", request_body = RetireRequest,
    params(("node" = String, Path, description = "The kiosk's node"),
        ("Idempotency-Key" = String, Header, description = "The client's name for this request")),
    responses((status = 201, description = "What was done", body = RetirementBody)),
)]
pub(super) async fn retire(
    State(api): State<ApiState>,
    caller: Caller,
    InPath(node): InPath<NodeId>,
    command: Command<RetireRequest>,
) -> Result<Response, Problem> {
    let (request, body) = command.into_request(&caller);
    let now = api.now();
    let decision = Decision {
        node,
        incarnation: body.incarnation,
        by: caller.device().name.clone(),
        reason: body.reason,
    };
    let asked = (decision.node.clone(), decision.incarnation);
    let kept = api
        .write(move |tx| {
            kept(tx, &request, now, |tx| {
                let look = retire_kiosk(tx, now, &decision)?;
                Ok::<_, crate::store::Failure<RetireRefusal>>((StatusCode::CREATED, RetirementBody::from(look)))
            })
        })
        .await?;
    if let (Some(rights), false) = (&api.rights, kept.repeated) {
        let (node, incarnation) = asked;
        let retired = api
            .readers
            .run(move |snapshot| look_at_kiosk(snapshot, &node, incarnation))
            .await?;
        // A kiosk that is connected is told at once.
        rights.retired(retired.replica);
    }
    Ok(kept.into_response())
}

/// Says that what a retired kiosk left is there: it may be promised again.
#[utoipa::path(
    post, operation_id = "release_left", path = "/v1/nodes/{node}/release", tag = "nodes",
    request_body = ReleaseRequest,
    params(("node" = String, Path, description = "The kiosk's node"),
        ("Idempotency-Key" = String, Header, description = "The client's name for this request")),
    responses((status = 201, description = "What may be promised again", body = ReleasedBody)),
)]
pub(super) async fn release(
    State(api): State<ApiState>,
    caller: Caller,
    InPath(node): InPath<NodeId>,
    command: Command<ReleaseRequest>,
) -> Result<Response, Problem> {
    let (request, body) = command.into_request(&caller);
    let now = api.now();
    let decision = Decision {
        node,
        incarnation: body.incarnation,
        by: caller.device().name.clone(),
        reason: body.reason,
    };
    let kept = api
        .write(move |tx| {
            kept(tx, &request, now, |tx| {
                let released = release_left(tx, now, &decision, &body.skus)?;
                Ok::<_, crate::store::Failure<RetireRefusal>>((StatusCode::CREATED, ReleasedBody::from(released)))
            })
        })
        .await?;
    Ok(kept.into_response())
}

/// An incarnation as people write it, where they do.
fn incarnation_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Incarnation>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| text.parse().map_err(serde::de::Error::custom))
        .transpose()
}
