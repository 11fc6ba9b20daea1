//! Holds: goods promised to somebody for a while.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::caller::Caller;
use super::command::Command;
use super::kept::{Kept, KeptRefusal, kept};
use super::parameters::{InPath, InQuery, page_limit};
use super::problem::{Problem, kind};
use super::sales::own_channel;
use super::state::ApiState;
use crate::domain::escrow::Amount;
use crate::domain::ids::{ChannelId, CustomerRef, Sku, StaffId};
use crate::domain::quantity::Quantity;
use crate::domain::stock::{HoldId, HoldLine, HoldPurpose};
use crate::operations::{self, HoldCommand, HoldRefusal, OpenHoldRefusal, extend_hold, hand_over, hold, release_hold};
use crate::store::{Device, Failure, HoldRow, IdempotencyKey, Role, WriteTransaction};

/// Goods to be held.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct HoldRequest {
    /// What for: `cart` where it is not given, or `pickup`.
    #[schema(value_type = Option<String>, example = "pickup")]
    purpose: Option<HoldPurpose>,
    /// The sales channel; the device's own (`physical_store` or `kiosk`) where it is not given.
    #[schema(value_type = Option<String>)]
    channel: Option<ChannelId>,
    /// Whom it is for: a pseudonymous reference.
    #[schema(value_type = Option<String>)]
    customer: Option<CustomerRef>,
    /// Who opens it: a pseudonymous reference.
    #[schema(value_type = Option<String>)]
    staff: Option<StaffId>,
    /// How long it lasts; as long as the device may where it is not given.
    #[schema(minimum = 1)]
    seconds: Option<u64>,
    /// What is held; each item once. All of it or nothing.
    lines: Vec<HoldLineRequest>,
}

/// One item to be held.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct HoldLineRequest {
    #[schema(value_type = String)]
    sku: Sku,
    /// How much of it: over 0, with up to three places.
    #[schema(value_type = String, example = "1")]
    quantity: Quantity,
}

/// How long a hold is to last from now on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct ExtendRequest {
    /// As long as the device may where it is not given. A hold never lasts less than before.
    #[schema(minimum = 1)]
    seconds: Option<u64>,
}

/// Nothing to say.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct ReleaseRequest {}

/// A hold.
#[derive(Debug, Serialize, ToSchema)]
pub struct HoldBody {
    /// Its identity.
    #[schema(example = "09f3a1c2d4e5b687")]
    id: String,
    #[schema(value_type = String, example = "pickup")]
    purpose: HoldPurpose,
    #[schema(value_type = String)]
    channel: ChannelId,
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    customer: Option<CustomerRef>,
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    staff: Option<StaffId>,
    /// The device that opened it; none where another replica handed it over.
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<i64>,
    /// How long it still lasts, by the node's own running time.
    seconds_left: u64,
    lines: Vec<HoldLineBody>,
}

/// One item of a hold.
#[derive(Debug, Serialize, ToSchema)]
pub struct HoldLineBody {
    #[schema(value_type = String)]
    sku: Sku,
    #[schema(value_type = String, example = "1")]
    quantity: Quantity,
}

/// A page of open holds.
#[derive(Debug, Serialize, ToSchema)]
pub struct HoldsBody {
    holds: Vec<HoldBody>,
    /// The cursor of the next page, where there may be one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Which part of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct HoldsQuery {
    /// The most entries; 50 where it is not given.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// Holds goods.
///
/// All lines or none, and only with rights that this node has: what is held here can be promised nowhere else, whatever
/// is linked and whatever is not. It ends when it is sold (`hold` of a sale), released, or its time runs out.
#[utoipa::path(
    post, operation_id = "hold", path = "/v1/holds", tag = "stock", request_body = HoldRequest,
    params(("Idempotency-Key" = String, Header, description = "The client's name for this request")),
    responses((status = 201, description = "The hold", body = HoldBody)),
)]
pub(super) async fn create(
    State(api): State<ApiState>,
    caller: Caller,
    command: Command<HoldRequest>,
) -> Result<Response, Problem> {
    let key = command.key.clone();
    let (request, body) = command.into_request(&caller);
    let command = body.into_command(caller.role)?;
    let lines: Vec<(Sku, Amount)> = command.lines.iter().filter_map(wanted).collect();
    let opening = Opening {
        device: caller.device(),
        request,
        key,
        command,
    };
    let first = opening.open(&api).await;
    let kept = match (&api.rights, first) {
        (Some(rights), Err(Failure::Refused(KeptRefusal::Refused(HoldRefusal::NotEnough(_))))) => {
            rights.demand(lines.iter().cloned());
            // Whoever has rights to spare is asked, for a moment. They are kept for this hold until it is open.
            // Where nobody had any, some may have come by another way meanwhile: the row decides.
            let ready = rights.want(lines).await;
            let opened = opening.open(&api).await;
            drop(ready);
            opened?
        }
        (Some(rights), Ok(kept)) => {
            if !kept.repeated {
                rights.demand(lines);
            }
            kept
        }
        (_, first) => first?,
    };
    if kept.repeated {
        api.metrics.replays.inc();
    }
    Ok(kept.into_response())
}

/// Has an open hold last longer.
#[utoipa::path(
    post, operation_id = "extend_hold", path = "/v1/holds/{hold}/extend", tag = "stock", request_body = ExtendRequest,
    params(("hold" = String, Path, description = "The hold's identity"),
        ("Idempotency-Key" = String, Header, description = "The client's name for this request")),
    responses((status = 200, description = "The hold", body = HoldBody)),
)]
pub(super) async fn extend(
    State(api): State<ApiState>,
    caller: Caller,
    InPath(id): InPath<HoldId>,
    command: Command<ExtendRequest>,
) -> Result<Response, Problem> {
    let (request, body) = command.into_request(&caller);
    let lifetime_ms = body.seconds.map(|seconds| seconds.saturating_mul(1_000));
    let (device, settings, now) = (caller.device(), Arc::clone(&api.settings), api.now());
    let running_ms = api.running.at(now);
    let kept = api
        .write(move |tx| {
            kept(tx, &request, now, |tx| {
                let row = extend_hold(tx, &settings, now, &device, id, lifetime_ms)?;
                Ok((StatusCode::OK, HoldBody::of(row, running_ms)))
            })
        })
        .await?;
    Ok(kept.into_response())
}

/// Gives a hold up: what it held can be promised again.
#[utoipa::path(
    post, operation_id = "release_hold", path = "/v1/holds/{hold}/release", tag = "stock", request_body = ReleaseRequest,
    params(("hold" = String, Path, description = "The hold's identity"),
        ("Idempotency-Key" = String, Header, description = "The client's name for this request")),
    responses((status = 200, description = "The hold as it was", body = HoldBody)),
)]
pub(super) async fn release(
    State(api): State<ApiState>,
    caller: Caller,
    InPath(id): InPath<HoldId>,
    command: Command<ReleaseRequest>,
) -> Result<Response, Problem> {
    let (request, ReleaseRequest {}) = command.into_request(&caller);
    let (device, now) = (caller.device(), api.now());
    let running_ms = api.running.at(now);
    let kept = api
        .write(move |tx| {
            kept(tx, &request, now, |tx| {
                let row = release_hold(tx, now, &device, id)?;
                Ok((StatusCode::OK, HoldBody::of(row, running_ms)))
            })
        })
        .await?;
    Ok(kept.into_response())
}

/// Hands a kiosk's hold over to its store, so that a till there sells from it.
///
/// On a kiosk's own node. The hold keeps its identity: a sale at the store names it. Between this node's record and the
/// store's it can be used by nobody, and nobody else is promised its goods.
#[utoipa::path(
    post, operation_id = "hand_over_hold", path = "/v1/holds/{hold}/hand-over", tag = "stock",
    request_body = ReleaseRequest,
    params(("hold" = String, Path, description = "The hold's identity"),
        ("Idempotency-Key" = String, Header, description = "The client's name for this request")),
    responses((status = 200, description = "The hold as it was", body = HoldBody)),
)]
pub(super) async fn to_store(
    State(api): State<ApiState>,
    caller: Caller,
    InPath(id): InPath<HoldId>,
    command: Command<ReleaseRequest>,
) -> Result<Response, Problem> {
    let (request, ReleaseRequest {}) = command.into_request(&caller);
    let parent = match &api.rights {
        Some(rights) if api.children.is_none() => rights.parent().await,
        _ => None,
    };
    let (device, now) = (caller.device(), api.now());
    let running_ms = api.running.at(now);
    let kept = api
        .write(move |tx| {
            kept(tx, &request, now, |tx| {
                let to = parent.ok_or(Failure::Refused(OpenHoldRefusal::NoStore))?;
                let row = hand_over(tx, now, &device, &to, id)?;
                Ok((StatusCode::OK, HoldBody::of(row, running_ms)))
            })
        })
        .await?;
    Ok(kept.into_response())
}

/// One open hold.
#[utoipa::path(
    get, operation_id = "get_hold", path = "/v1/holds/{hold}", tag = "stock",
    params(("hold" = String, Path, description = "The hold's identity")),
    responses((status = 200, body = HoldBody)),
)]
pub(super) async fn by_id(
    State(api): State<ApiState>,
    caller: Caller,
    InPath(id): InPath<HoldId>,
) -> Result<Json<HoldBody>, Problem> {
    let running_ms = api.running.at(api.now());
    let found = api.readers.run(move |snapshot| snapshot.hold(id)).await?;
    let own = |row: &HoldRow| caller.role != Role::Kiosk || row.device == Some(caller.ix);
    match found.filter(own) {
        Some(row) => Ok(Json(HoldBody::of(row, running_ms))),
        None => {
            let missing = OpenHoldRefusal::NotOpen(id);
            Err(Problem::new(&kind::HOLD_NOT_OPEN, missing.to_string()))
        }
    }
}

/// The holds that are open on this node. Its own only, for a kiosk.
#[utoipa::path(
    get, operation_id = "list_holds", path = "/v1/holds", tag = "stock", params(HoldsQuery),
    responses((status = 200, body = HoldsBody)),
)]
pub(super) async fn list(
    State(api): State<ApiState>,
    caller: Caller,
    InQuery(query): InQuery<HoldsQuery>,
) -> Result<Json<HoldsBody>, Problem> {
    let limit = page_limit(query.limit)?;
    let after: Option<HoldId> = match &query.cursor {
        Some(cursor) => Some(cursor.parse().map_err(|error: crate::domain::ids::RequestIdError| {
            Problem::new(&kind::INVALID_PARAMETER, format!("cursor: {error}"))
        })?),
        None => None,
    };
    let found = api.readers.run(move |snapshot| snapshot.holds(after, limit)).await?;
    let running_ms = api.running.at(api.now());
    let full = found.len() == limit as usize;
    let next = found.last().filter(|_| full).map(|row| row.hold.opened.id.to_string());
    let own = |row: &HoldRow| caller.role != Role::Kiosk || row.device == Some(caller.ix);
    let holds = found.into_iter().filter(own);
    let holds = holds.map(|row| HoldBody::of(row, running_ms)).collect();
    Ok(Json(HoldsBody { holds, next }))
}

/// A hold on its way: opened at once, or once rights have come.
struct Opening {
    device: Arc<Device>,
    request: operations::Request,
    key: IdempotencyKey,
    command: HoldCommand,
}

impl Opening {
    async fn open(&self, api: &ApiState) -> Result<Kept, Failure<KeptRefusal<HoldRefusal>>> {
        let (settings, now) = (Arc::clone(&api.settings), api.now());
        let running_ms = api.running.at(now);
        let Self {
            device,
            request,
            key,
            command,
        } = self;
        let (device, request, key, command) = (Arc::clone(device), request.clone(), key.clone(), command.clone());
        let open = move |tx: &mut WriteTransaction<'_>| {
            kept(tx, &request, now, |tx| {
                let row = hold(tx, &settings, now, &device, &key, &command)?;
                Ok((StatusCode::CREATED, HoldBody::of(row, running_ms)))
            })
        };
        api.write(open).await
    }
}

fn wanted(line: &HoldLine) -> Option<(Sku, Amount)> {
    Some((line.sku.clone(), Amount::try_from(line.quantity).ok()?))
}

impl HoldRequest {
    fn into_command(self, role: Role) -> Result<HoldCommand, Problem> {
        let purpose = self.purpose.unwrap_or(HoldPurpose::Cart);
        if purpose == HoldPurpose::Transfer {
            let detail = "/purpose: a transfer holds its goods by itself";
            return Err(Problem::new(&kind::INVALID_FIELD, detail).at("/purpose"));
        }
        let lines = self.lines.into_iter().map(|line| HoldLine {
            sku: line.sku,
            quantity: line.quantity,
        });
        Ok(HoldCommand {
            purpose,
            channel: match self.channel {
                Some(channel) => channel,
                None => own_channel(role)?,
            },
            customer: self.customer,
            staff: self.staff,
            lifetime_ms: self.seconds.map(|seconds| seconds.saturating_mul(1_000)),
            lines: lines.collect(),
        })
    }
}

impl HoldBody {
    fn of(row: HoldRow, running_ms: u64) -> Self {
        let seconds_left = row.hold.remaining_ms(running_ms).div_ceil(1_000);
        let opened = row.hold.opened;
        let lines = opened.lines.into_iter().map(|line| HoldLineBody {
            sku: line.sku,
            quantity: line.quantity,
        });
        Self {
            id: opened.id.to_string(),
            purpose: opened.purpose,
            channel: opened.channel,
            customer: opened.customer,
            staff: opened.staff,
            device: row.device.map(crate::store::DeviceIx::get),
            seconds_left,
            lines: lines.collect(),
        }
    }
}
