//! Transfers: goods that go from one site to another.

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
use super::site_lines::SiteLine;
use super::state::ApiState;
use super::sync::instant;
use crate::domain::escrow::Amount;
use crate::domain::ids::{SiteId, Sku, StaffId};
use crate::domain::quantity::Quantity;
use crate::domain::stock::{By, DifferenceReason, HoldId, HoldLine, Transfer, TransferId, TransferState};
use crate::operations::{
    DispatchCommand, EnteredBy, ReceiptCommand, TransferCommand, TransferRefusal, call_off_transfer, dispatch_transfer,
    receive_transfer, request_transfer,
};
use crate::store::{Failure, TransferRow, WriteTransaction};

/// Goods that are to go from or to another site: exactly one of `from` and `to`; the other end is this site.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct TransferRequest {
    /// The site that the goods are wanted from.
    #[schema(value_type = Option<String>)]
    from: Option<SiteId>,
    /// The site that the goods are to go to.
    #[schema(value_type = Option<String>)]
    to: Option<SiteId>,
    /// What is wanted; 1 to 100 lines, each item once.
    lines: Vec<SiteLine>,
    /// Who asks: a pseudonymous reference.
    #[schema(value_type = Option<String>)]
    staff: Option<StaffId>,
    /// In words; at most 200 characters.
    note: Option<String>,
}

/// Who calls it off.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct CallOffRequest {
    /// Who does it: a pseudonymous reference.
    #[schema(value_type = Option<String>)]
    staff: Option<StaffId>,
    /// In words; at most 200 characters.
    note: Option<String>,
}

/// Goods that leave.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct DispatchRequest {
    /// What leaves; 1 to 100 lines, each item once. It need not be what was asked for.
    lines: Vec<SiteLine>,
    /// The hold that it comes out of, which ends with it; else this node's rights must cover it.
    #[schema(value_type = Option<String>)]
    hold: Option<HoldId>,
    /// Who sends it: a pseudonymous reference.
    #[schema(value_type = Option<String>)]
    staff: Option<StaffId>,
    /// In words; at most 200 characters.
    note: Option<String>,
}

/// Goods that arrived.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct ReceiptRequest {
    /// What arrived; 1 to 100 lines, each item once, 0 of one that was sent and is missing.
    lines: Vec<SiteLine>,
    /// The site that sent it, as the paper says, where this site has not heard of the transfer.
    #[schema(value_type = Option<String>)]
    from: Option<SiteId>,
    /// Why it is not what was sent: `missing`, `damaged`, `surplus`, `wrong_paper`, or `other` with a note.
    #[schema(value_type = Option<String>)]
    reason: Option<DifferenceReason>,
    /// Who takes it in: a pseudonymous reference.
    #[schema(value_type = Option<String>)]
    staff: Option<StaffId>,
    /// In words; at most 200 characters.
    note: Option<String>,
}

/// A transfer, as far as it is known.
#[derive(Debug, Serialize, ToSchema)]
pub struct TransferBody {
    /// Its identity, which stands on the paper that goes with the goods.
    #[schema(example = "09f3a1c2d4e5b687")]
    pub(crate) id: String,
    /// `requested`, `called_off`, `in_transit`, `received_early` (before the source was heard of) or `received`.
    #[schema(value_type = String, example = "in_transit")]
    pub(crate) state: TransferState,
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<SiteId>,
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<SiteId>,
    /// What was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    requested: Option<TransferLegBody>,
    /// Who called it off.
    #[serde(skip_serializing_if = "Option::is_none")]
    called_off: Option<TransferLegBody>,
    /// What left.
    #[serde(skip_serializing_if = "Option::is_none")]
    dispatched: Option<TransferLegBody>,
    /// What arrived.
    #[serde(skip_serializing_if = "Option::is_none")]
    received: Option<TransferLegBody>,
    /// Where other goods arrived than left.
    differences: Vec<TransferDifferenceBody>,
    /// Why, where the receiver said so.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<DifferenceReason>,
}

/// What was done about a transfer, by whom.
#[derive(Debug, Serialize, ToSchema)]
pub struct TransferLegBody {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lines: Vec<SiteLine>,
    /// At which device, or by whom at headquarters.
    by: String,
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    staff: Option<StaffId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// An item of which not so much arrived as left.
#[derive(Debug, Serialize, ToSchema)]
pub struct TransferDifferenceBody {
    #[schema(value_type = String)]
    sku: Sku,
    #[schema(value_type = String)]
    sent: Quantity,
    #[schema(value_type = String)]
    arrived: Quantity,
}

/// A transfer in this site's list.
#[derive(Debug, Serialize, ToSchema)]
pub struct ListedTransferBody {
    #[serde(flatten)]
    transfer: TransferBody,
    /// When this site first heard of it.
    heard_at: String,
    /// When something about it was last new here.
    changed_at: String,
}

/// A page of transfers, the oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct TransfersBody {
    transfers: Vec<ListedTransferBody>,
    /// The cursor of the next page, where there may be one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<i64>,
}

/// Which part of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TransfersQuery {
    /// The most entries; 50 where it is not given.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<i64>,
    /// Those that are over, in place of those that are not; the newest thousand are kept.
    #[serde(default)]
    over: bool,
}

/// The transfers from and to this site.
#[utoipa::path(
    get, operation_id = "list_transfers", path = "/v1/transfers", tag = "stock", params(TransfersQuery),
    responses((status = 200, body = TransfersBody)),
)]
pub(super) async fn list(
    State(api): State<ApiState>,
    InQuery(query): InQuery<TransfersQuery>,
) -> Result<Json<TransfersBody>, Problem> {
    let limit = page_limit(query.limit)?;
    let found = api
        .readers
        .run(move |snapshot| snapshot.transfers(query.over, query.cursor.unwrap_or(0), limit))
        .await?;
    let full = found.len() == limit as usize;
    let next = found.last().filter(|_| full).map(|row| row.ix);
    let transfers = found.iter().map(ListedTransferBody::of).collect();
    Ok(Json(TransfersBody { transfers, next }))
}

/// Asks for goods of another site, or says that goods are to go there. The other site hears of it through headquarters.
#[utoipa::path(
    post, operation_id = "request_transfer", path = "/v1/transfers", tag = "stock", request_body = TransferRequest,
    params(("Idempotency-Key" = String, Header, description = "The client's name for this request")),
    responses((status = 201, description = "The transfer", body = TransferBody)),
)]
pub(super) async fn request(
    State(api): State<ApiState>,
    caller: Caller,
    command: Command<TransferRequest>,
) -> Result<Response, Problem> {
    let key = command.key.clone();
    let (request, body) = command.into_request(&caller);
    let (other, comes) = match (body.from, body.to) {
        (Some(from), None) => (from, true),
        (None, Some(to)) => (to, false),
        _ => {
            let detail = "exactly one of /from and /to: the other end is this site";
            return Err(Problem::new(&kind::INVALID_FIELD, detail).at("/from"));
        }
    };
    let command = TransferCommand {
        other,
        comes,
        lines: SiteLine::into_lines(body.lines),
        by: entered(body.staff, body.note),
    };
    let (device, now) = (caller.device(), api.now());
    let done = api
        .write(move |tx| {
            kept(tx, &request, now, |tx| {
                let row = request_transfer(tx, now, &device, &key, &command)?;
                Ok((StatusCode::CREATED, TransferBody::of(&row.transfer)))
            })
        })
        .await?;
    Ok(done.into_response())
}

/// Calls a transfer off of which nothing has left.
#[utoipa::path(
    post, operation_id = "call_off_transfer", path = "/v1/transfers/{transfer}/call-off", tag = "stock",
    request_body = CallOffRequest,
    params(("transfer" = String, Path, description = "The transfer's identity"),
        ("Idempotency-Key" = String, Header, description = "The client's name for this request")),
    responses((status = 200, description = "The transfer", body = TransferBody)),
)]
pub(super) async fn call_off(
    State(api): State<ApiState>,
    caller: Caller,
    InPath(id): InPath<TransferId>,
    command: Command<CallOffRequest>,
) -> Result<Response, Problem> {
    let (request, body) = command.into_request(&caller);
    let by = entered(body.staff, body.note);
    let (device, now) = (caller.device(), api.now());
    let done = api
        .write(move |tx| {
            kept(tx, &request, now, |tx| {
                let row = call_off_transfer(tx, now, &device, id, &by)?;
                Ok((StatusCode::OK, TransferBody::of(&row.transfer)))
            })
        })
        .await?;
    Ok(done.into_response())
}

/// Lets goods go: what this node has rights to, or what a hold holds. Where rights lack they are asked for, for a moment.
#[utoipa::path(
    post, operation_id = "dispatch_transfer", path = "/v1/transfers/{transfer}/dispatch", tag = "stock",
    request_body = DispatchRequest,
    params(("transfer" = String, Path, description = "The transfer's identity"),
        ("Idempotency-Key" = String, Header, description = "The client's name for this request")),
    responses((status = 200, description = "The transfer", body = TransferBody)),
)]
pub(super) async fn dispatch(
    State(api): State<ApiState>,
    caller: Caller,
    InPath(id): InPath<TransferId>,
    command: Command<DispatchRequest>,
) -> Result<Response, Problem> {
    let (request, body) = command.into_request(&caller);
    let command = DispatchCommand {
        lines: SiteLine::into_lines(body.lines),
        hold: body.hold,
        by: entered(body.staff, body.note),
    };
    let wanted = |line: &HoldLine| Some((line.sku.clone(), Amount::try_from(line.quantity).ok()?));
    let lines: Vec<(Sku, Amount)> = command.lines.iter().filter_map(wanted).collect();
    let device = caller.device();
    let send = || {
        let (device, request, command, now) = (device.clone(), request.clone(), command.clone(), api.now());
        api.write(move |tx: &mut WriteTransaction<'_>| {
            kept(tx, &request, now, |tx| {
                let row = dispatch_transfer(tx, now, &device, id, &command)?;
                Ok((StatusCode::OK, TransferBody::of(&row.transfer)))
            })
        })
    };
    let first: Result<Kept, Failure<KeptRefusal<TransferRefusal>>> = send().await;
    let done = match (&api.rights, first) {
        (Some(rights), Err(Failure::Refused(KeptRefusal::Refused(TransferRefusal::NotEnough(short))))) => {
            match rights.want(lines).await {
                Some(ready) => {
                    let sent = send().await;
                    drop(ready);
                    sent?
                }
                None => return Err(TransferRefusal::NotEnough(short).into()),
            }
        }
        (_, first) => first?,
    };
    Ok(done.into_response())
}

/// Takes goods in that another site sent, against the paper that came with them, also where this site has not heard of
/// them yet.
#[utoipa::path(
    post, operation_id = "receive_transfer", path = "/v1/transfers/{transfer}/receive", tag = "stock",
    request_body = ReceiptRequest,
    params(("transfer" = String, Path, description = "The transfer's identity"),
        ("Idempotency-Key" = String, Header, description = "The client's name for this request")),
    responses((status = 200, description = "The transfer", body = TransferBody)),
)]
pub(super) async fn receive(
    State(api): State<ApiState>,
    caller: Caller,
    InPath(id): InPath<TransferId>,
    command: Command<ReceiptRequest>,
) -> Result<Response, Problem> {
    let (request, body) = command.into_request(&caller);
    let command = ReceiptCommand {
        from: body.from,
        lines: SiteLine::into_lines(body.lines),
        reason: body.reason,
        by: entered(body.staff, body.note),
    };
    let (device, now) = (caller.device(), api.now());
    let done = api
        .write(move |tx| {
            kept(tx, &request, now, |tx| {
                let row = receive_transfer(tx, now, &device, id, &command)?;
                Ok((StatusCode::OK, TransferBody::of(&row.transfer)))
            })
        })
        .await?;
    Ok(done.into_response())
}

fn entered(staff: Option<StaffId>, note: Option<String>) -> EnteredBy {
    EnteredBy { staff, note }
}

impl TransferBody {
    /// Of a transfer.
    pub(crate) fn of(transfer: &Transfer) -> Self {
        let leg = |lines: &[HoldLine], by: &By| TransferLegBody {
            lines: SiteLine::all(lines),
            by: by.device.clone(),
            staff: by.staff.clone(),
            note: by.note.clone(),
        };
        let differences = transfer.differences().into_iter().map(|one| TransferDifferenceBody {
            sku: one.sku,
            sent: one.sent,
            arrived: one.arrived,
        });
        Self {
            id: transfer.id.to_string(),
            state: transfer.state(),
            from: transfer.from().cloned(),
            to: transfer.to().cloned(),
            requested: transfer.requested.as_ref().map(|fact| leg(&fact.lines, &fact.by)),
            called_off: transfer.called_off.as_ref().map(|fact| leg(&[], &fact.by)),
            dispatched: transfer.dispatched.as_ref().map(|fact| leg(&fact.lines, &fact.by)),
            received: transfer.received.as_ref().map(|fact| leg(&fact.lines, &fact.by)),
            differences: differences.collect(),
            reason: transfer.received.as_ref().and_then(|fact| fact.reason),
        }
    }
}

impl ListedTransferBody {
    fn of(row: &TransferRow) -> Self {
        Self {
            transfer: TransferBody::of(&row.transfer),
            heard_at: instant(row.heard_ms),
            changed_at: instant(row.changed_ms),
        }
    }
}
