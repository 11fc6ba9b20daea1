//! Carts that tills share: edited in small steps, looked at with what they come to, paid once.

mod body;
mod request;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use self::body::{CartBody, CartsBody};
use self::request::{CheckoutRequest, EditRequest};
use super::caller::Caller;
use super::command::Command;
use super::documents::{SaleBody, answer};
use super::parameters::{InPath, PAGE_MAX};
use super::problem::Problem;
use super::state::ApiState;
use crate::domain::cart::CartId;
use crate::operations::{CartRefusal, checkout, edit_cart, priced_cart};
use crate::store::{Failure, Role};

/// The carts that are open or parked, the one that changed last first. A kiosk sees its own.
#[utoipa::path(
    get, operation_id = "list_carts", path = "/v1/carts", tag = "carts",
    responses((status = 200, body = CartsBody)),
)]
pub(super) async fn list(State(api): State<ApiState>, caller: Caller) -> Result<Json<CartsBody>, Problem> {
    let (settings, device) = (Arc::clone(&api.settings), caller.device());
    let carts = api
        .readers
        .run(move |snapshot| {
            let rows = snapshot.live_carts(PAGE_MAX)?;
            let mine = |opened_by| device.role != Role::Kiosk || opened_by == device.ix;
            let rows = rows.into_iter().filter(|row| mine(row.opened_by));
            // One that cannot be priced any more (an item left the catalog) does not hide the others.
            let shown = rows.map(|row| match priced_cart(snapshot, &settings, row.clone()) {
                Ok(priced) => Ok(CartBody::of(&priced, &settings)),
                Err(Failure::Refused(refusal)) => Ok(CartBody::unpriced(&row, &settings, refusal.to_string())),
                Err(Failure::Storage(error)) => Err(error),
            });
            shown.collect::<Result<Vec<_>, _>>()
        })
        .await?;
    Ok(Json(CartsBody { carts }))
}

/// A cart with what it comes to.
#[utoipa::path(
    get, operation_id = "get_cart", path = "/v1/carts/{cart}", tag = "carts",
    params(("cart" = String, Path, description = "The cart's identity")),
    responses((status = 200, body = CartBody)),
)]
pub(super) async fn by_id(
    State(api): State<ApiState>,
    caller: Caller,
    InPath(id): InPath<CartId>,
) -> Result<Json<CartBody>, Problem> {
    let (settings, device) = (Arc::clone(&api.settings), caller.device());
    let found = api
        .readers
        .run(move |snapshot| -> Result<_, Failure<CartRefusal>> {
            let row = snapshot.cart(&id)?;
            let row = row.filter(|row| device.role != Role::Kiosk || row.opened_by == device.ix);
            let row = row.ok_or(Failure::Refused(CartRefusal::Unknown(id)))?;
            Ok(CartBody::of(&priced_cart(snapshot, &settings, row)?, &settings))
        })
        .await?;
    Ok(Json(found))
}

/// Changes a cart; the first change of a new identity begins it. All steps are taken or none.
///
/// A request that is repeated with its key changes nothing, and is answered with the cart as it is by then.
#[utoipa::path(
    post, operation_id = "edit_cart", path = "/v1/carts/{cart}", tag = "carts", request_body = EditRequest,
    params(("cart" = String, Path, description = "The cart's identity, made by whoever begins it, such as a UUID"),
        ("Idempotency-Key" = String, Header, description = "The client's name for this request")),
    responses((status = 200, description = "The cart", body = CartBody)),
)]
pub(super) async fn edit(
    State(api): State<ApiState>,
    caller: Caller,
    InPath(id): InPath<CartId>,
    command: Command<EditRequest>,
) -> Result<Response, Problem> {
    let (request, body) = command.into_request(&caller);
    let (settings, device, now) = (Arc::clone(&api.settings), caller.device(), api.now());
    let command = body.into_command(id, settings.sale.currency)?;
    let (cart, repeated) = api
        .write(move |tx| {
            let (priced, repeated) = edit_cart(tx, &settings, now, &device, &request, command)?;
            Ok::<_, Failure<CartRefusal>>((CartBody::of(&priced, &settings), repeated))
        })
        .await?;
    Ok(answer(StatusCode::OK, &cart, repeated))
}

/// Sells what is in a cart. Of several tills that ask at once one sells, and the others hear which sale it was.
#[utoipa::path(
    post, operation_id = "check_out_cart", path = "/v1/carts/{cart}/checkout", tag = "carts",
    request_body = CheckoutRequest,
    params(("cart" = String, Path, description = "The cart's identity"),
        ("Idempotency-Key" = String, Header, description = "The client's name for this request")),
    responses((status = 201, description = "The sale", body = SaleBody)),
)]
pub(super) async fn check_out(
    State(api): State<ApiState>,
    caller: Caller,
    InPath(id): InPath<CartId>,
    command: Command<CheckoutRequest>,
) -> Result<Response, Problem> {
    let (request, body) = command.into_request(&caller);
    let (settings, device, now) = (Arc::clone(&api.settings), caller.device(), api.now());
    let command = body.into_command(id, caller.role)?;
    let sold = api
        .write(move |tx| checkout(tx, &settings, now, &device, &request, &command))
        .await?;
    api.sold(&sold);
    Ok(answer(StatusCode::CREATED, &SaleBody::from(&sold.sale), sold.repeated))
}
