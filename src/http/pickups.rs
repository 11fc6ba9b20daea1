//! Pickups: goods ordered online that customers fetch here.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::caller::Caller;
use super::command::Command;
use super::kept::kept;
use super::parameters::{InPath, InQuery, page_limit};
use super::problem::Problem;
use super::site_lines::SiteLine;
use super::state::ApiState;
use super::sync::instant;
use crate::domain::ids::{ChannelId, CustomerRef, SaleId, StaffId};
use crate::domain::stock::{HoldId, Pickup, PickupAct, PickupReason, PickupState};
use crate::operations::{PickupCommand, PickupDecision, PickupRefusal, decide_pickup};
use crate::store::PickupRow;

/// Who decides.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct PickupRequest {
    /// Who decides: a pseudonymous reference.
    #[schema(value_type = Option<String>)]
    staff: Option<StaffId>,
    /// In words; at most 200 characters.
    note: Option<String>,
}

/// Why the store cannot do it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct RefusePickupRequest {
    /// `not_there`, `damaged`, or `other` with a note.
    #[schema(value_type = String, example = "not_there")]
    reason: PickupReason,
    /// Who decides: a pseudonymous reference.
    #[schema(value_type = Option<String>)]
    staff: Option<StaffId>,
    /// In words; at most 200 characters.
    note: Option<String>,
}

/// A pickup.
#[derive(Debug, Serialize, ToSchema)]
pub struct PickupBody {
    /// Its identity, and that of its hold.
    #[schema(example = "09f3a1c2d4e5b687")]
    pub(crate) id: String,
    /// `requested`, `accepted`, `ready`, `collected`, `refused`, `cancelled` or `lapsed`.
    #[schema(value_type = String, example = "requested")]
    pub(crate) state: PickupState,
    #[schema(value_type = String)]
    channel: ChannelId,
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    customer: Option<CustomerRef>,
    /// What the channel calls the order.
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    /// Whether it is paid already.
    paid: bool,
    ordered_at: String,
    /// The decision that brought it furthest.
    #[serde(skip_serializing_if = "Option::is_none")]
    decided: Option<PickupDecisionBody>,
    pub(crate) lines: Vec<SiteLine>,
}

/// What was decided of a pickup.
#[derive(Debug, Serialize, ToSchema)]
pub struct PickupDecisionBody {
    /// At which device, or by whom at headquarters.
    by: String,
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    staff: Option<StaffId>,
    /// Why it was refused.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<PickupReason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    /// The sale, where the customer paid at the store.
    #[serde(skip_serializing_if = "Option::is_none")]
    sale: Option<String>,
}

/// A pickup in the store's queue.
#[derive(Debug, Serialize, ToSchema)]
pub struct QueuedPickupBody {
    #[serde(flatten)]
    pickup: PickupBody,
    /// Whether its hold is the store's already. Where it is not, the goods go out in hand, and the hold's rights settle
    /// it later.
    hold_is_here: bool,
    /// How long its hold still lasts here, by the node's own running time.
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds_left: Option<u64>,
    /// When it last went further here.
    changed_at: String,
}

/// A page of pickups, the oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct PickupsBody {
    pickups: Vec<QueuedPickupBody>,
    /// The cursor of the next page, where there may be one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<i64>,
}

/// Which part of the queue.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PickupsQuery {
    /// The most entries; 50 where it is not given.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<i64>,
    /// Those that are over, in place of those that are not; the newest thousand are kept.
    #[serde(default)]
    over: bool,
}

/// The queue of pickups.
#[utoipa::path(
    get, operation_id = "list_pickups", path = "/v1/pickups", tag = "stock", params(PickupsQuery),
    responses((status = 200, body = PickupsBody)),
)]
pub(super) async fn list(
    State(api): State<ApiState>,
    InQuery(query): InQuery<PickupsQuery>,
) -> Result<Json<PickupsBody>, Problem> {
    let limit = page_limit(query.limit)?;
    let running_ms = api.running.at(api.now());
    let pickups = api
        .readers
        .run(move |snapshot| {
            let rows = snapshot
                .pickups(query.over, query.cursor.unwrap_or(0), limit)?
                .into_iter();
            rows.map(|row| {
                let left_ms = snapshot.hold(row.pickup.ordered.id)?;
                let left_ms = left_ms.map(|hold| hold.hold.remaining_ms(running_ms));
                Ok::<_, crate::store::StorageError>((row, left_ms))
            })
            .collect::<Result<Vec<_>, _>>()
        })
        .await?;
    let full = pickups.len() == limit as usize;
    let next = pickups.last().filter(|_| full).map(|(row, _)| row.ix);
    let pickups = pickups
        .into_iter()
        .map(|(row, left_ms)| QueuedPickupBody::of(&row, left_ms));
    let pickups = pickups.collect();
    Ok(Json(PickupsBody { pickups, next }))
}

/// Takes a pickup on. Headquarters hands its hold over as soon as it hears of it; nobody waits for that.
#[utoipa::path(
    post, operation_id = "accept_pickup", path = "/v1/pickups/{pickup}/accept", tag = "stock",
    request_body = PickupRequest,
    params(("pickup" = String, Path, description = "The pickup's identity"),
        ("Idempotency-Key" = String, Header, description = "The client's name for this request")),
    responses((status = 200, description = "The pickup", body = PickupBody)),
)]
pub(super) async fn accept(
    State(api): State<ApiState>,
    caller: Caller,
    InPath(id): InPath<HoldId>,
    command: Command<PickupRequest>,
) -> Result<Response, Problem> {
    decide(&api, &caller, id, command, PickupRequest::of(PickupDecision::Accept)).await
}

/// Says that the goods lie ready.
#[utoipa::path(
    post, operation_id = "ready_pickup", path = "/v1/pickups/{pickup}/ready", tag = "stock",
    request_body = PickupRequest,
    params(("pickup" = String, Path, description = "The pickup's identity"),
        ("Idempotency-Key" = String, Header, description = "The client's name for this request")),
    responses((status = 200, description = "The pickup", body = PickupBody)),
)]
pub(super) async fn ready(
    State(api): State<ApiState>,
    caller: Caller,
    InPath(id): InPath<HoldId>,
    command: Command<PickupRequest>,
) -> Result<Response, Problem> {
    decide(&api, &caller, id, command, PickupRequest::of(PickupDecision::Ready)).await
}

/// Says that the customer has fetched what was paid before. What is paid here is a sale that names the hold.
#[utoipa::path(
    post, operation_id = "collect_pickup", path = "/v1/pickups/{pickup}/collect", tag = "stock",
    request_body = PickupRequest,
    params(("pickup" = String, Path, description = "The pickup's identity"),
        ("Idempotency-Key" = String, Header, description = "The client's name for this request")),
    responses((status = 200, description = "The pickup", body = PickupBody)),
)]
pub(super) async fn collect(
    State(api): State<ApiState>,
    caller: Caller,
    InPath(id): InPath<HoldId>,
    command: Command<PickupRequest>,
) -> Result<Response, Problem> {
    decide(&api, &caller, id, command, PickupRequest::of(PickupDecision::Collect)).await
}

/// Says that the store cannot do it. Its hold ends, and headquarters and the channel hear of it.
#[utoipa::path(
    post, operation_id = "refuse_pickup", path = "/v1/pickups/{pickup}/refuse", tag = "stock",
    request_body = RefusePickupRequest,
    params(("pickup" = String, Path, description = "The pickup's identity"),
        ("Idempotency-Key" = String, Header, description = "The client's name for this request")),
    responses((status = 200, description = "The pickup", body = PickupBody)),
)]
pub(super) async fn refuse(
    State(api): State<ApiState>,
    caller: Caller,
    InPath(id): InPath<HoldId>,
    command: Command<RefusePickupRequest>,
) -> Result<Response, Problem> {
    let decided = |body: RefusePickupRequest| PickupCommand {
        decision: PickupDecision::Refuse(body.reason),
        staff: body.staff,
        note: body.note,
    };
    decide(&api, &caller, id, command, decided).await
}

async fn decide<T>(
    api: &ApiState,
    caller: &Caller,
    id: HoldId,
    command: Command<T>,
    decided: impl FnOnce(T) -> PickupCommand,
) -> Result<Response, Problem> {
    let (request, body) = command.into_request(caller);
    let (command, device, now) = (decided(body), caller.device(), api.now());
    let kept = api
        .write(move |tx| {
            kept::<_, PickupRefusal>(tx, &request, now, |tx| {
                let row = decide_pickup(tx, now, &device, id, &command)?;
                Ok((StatusCode::OK, PickupBody::of(&row.pickup)))
            })
        })
        .await?;
    Ok(kept.into_response())
}

impl PickupRequest {
    fn of(decision: PickupDecision) -> impl FnOnce(Self) -> PickupCommand {
        move |body| PickupCommand {
            decision,
            staff: body.staff,
            note: body.note,
        }
    }
}

impl PickupBody {
    /// Of a pickup.
    pub(crate) fn of(pickup: &Pickup) -> Self {
        let ordered = &pickup.ordered;
        let decided = pickup.last.as_ref().map(|last| {
            let (mut reason, mut sale) = (None, None);
            match &last.act {
                PickupAct::Refused { reason: why } => reason = Some(*why),
                PickupAct::Collected { sale: by, .. } => sale = by.as_ref().map(SaleId::to_string),
                PickupAct::Accepted | PickupAct::Ready | PickupAct::Cancelled | PickupAct::Lapsed => {}
            }
            PickupDecisionBody {
                by: last.by.clone(),
                staff: last.staff.clone(),
                reason,
                note: last.note.clone(),
                sale,
            }
        });
        Self {
            id: ordered.id.to_string(),
            state: pickup.state(),
            channel: ordered.channel.clone(),
            customer: ordered.customer.clone(),
            reference: ordered.reference.clone(),
            paid: ordered.paid,
            ordered_at: instant(ordered.ordered_ms),
            decided,
            lines: SiteLine::all(&ordered.lines),
        }
    }
}

impl QueuedPickupBody {
    fn of(row: &PickupRow, left_ms: Option<u64>) -> Self {
        Self {
            pickup: PickupBody::of(&row.pickup),
            hold_is_here: left_ms.is_some(),
            seconds_left: left_ms.map(|left_ms| left_ms.div_ceil(1_000)),
            changed_at: instant(row.changed_ms),
        }
    }
}
