//! `POST /v1/stock/movements`: goods in, opening stock, corrections.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::caller::Caller;
use super::command::Command;
use super::documents::answer;
use super::problem::{Problem, kind};
use super::state::ApiState;
use crate::domain::ids::Sku;
use crate::domain::quantity::Quantity;
use crate::domain::stock::MovementKind;
use crate::operations::{ReceiveAmount, ReceiveCommand, ReceiveLine, Received, receive};

/// A movement of stock as it is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct MovementRequest {
    /// `opening` (the stock that a site opens with), `receipt` (goods that came in), `adjustment` (a correction).
    #[schema(value_type = String, example = "receipt")]
    kind: MovementKind,
    /// The document's own reference, such as a delivery note; at most 200 characters.
    reference: Option<String>,
    /// What moves; 1 to 1,000 lines. All of it or nothing.
    lines: Vec<MovementLineRequest>,
}

/// One item of a movement. It says by how much the stock changes, or what it is then.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct MovementLineRequest {
    #[schema(value_type = String)]
    sku: Sku,
    /// By how much, negative where goods go out; not 0.
    #[schema(value_type = Option<String>, example = "12")]
    change: Option<Quantity>,
    /// What there is then, whatever was there before.
    #[schema(value_type = Option<String>)]
    quantity: Option<Quantity>,
}

/// A movement of stock.
#[derive(Debug, Serialize, ToSchema)]
pub struct MovementBody<'a> {
    #[schema(value_type = String, example = "receipt")]
    kind: MovementKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<&'a str>,
    /// What moved; an item that has the quantity asked for already is left out.
    lines: Vec<MovementLineBody<'a>>,
}

/// One item of a movement.
#[derive(Debug, Serialize, ToSchema)]
pub struct MovementLineBody<'a> {
    #[schema(value_type = String)]
    sku: &'a Sku,
    #[schema(value_type = String, example = "12")]
    change: Quantity,
}

/// Moves stock.
#[utoipa::path(
    post, operation_id = "move_stock", path = "/v1/stock/movements", tag = "stock", request_body = MovementRequest,
    params(("Idempotency-Key" = String, Header, description = "The client's name for this request")),
    responses((status = 201, description = "The movement", body = MovementBody)),
)]
pub(super) async fn create(
    State(api): State<ApiState>,
    caller: Caller,
    command: Command<MovementRequest>,
) -> Result<Response, Problem> {
    let (request, body) = command.into_request(&caller);
    let lines = body
        .lines
        .into_iter()
        .zip(0..)
        .map(|(line, index)| line.into_line(index));
    let command = ReceiveCommand {
        kind: body.kind,
        reference: body.reference,
        lines: lines.collect::<Result<_, _>>()?,
    };
    let now = api.now();
    let received = api.write(move |tx| receive(tx, now, &request, &command)).await?;
    if received.repeated {
        api.metrics.replays.inc();
    } else {
        api.metrics.movements.inc();
    }
    let repeated = received.repeated;
    Ok(answer(StatusCode::CREATED, &MovementBody::from(&received), repeated))
}

impl MovementLineRequest {
    fn into_line(self, index: usize) -> Result<ReceiveLine, Problem> {
        let amount = match (self.change, self.quantity) {
            (Some(change), None) => ReceiveAmount::By(change),
            (None, Some(quantity)) => ReceiveAmount::To(quantity),
            _ => {
                let pointer = format!("/lines/{index}");
                let detail = format!("{pointer}: a line says change or quantity, and one of them only");
                return Err(Problem::new(&kind::INVALID_FIELD, detail)
                    .at(pointer)
                    .with("line", index + 1));
            }
        };
        Ok(ReceiveLine { sku: self.sku, amount })
    }
}

impl<'a> From<&'a Received> for MovementBody<'a> {
    fn from(received: &'a Received) -> Self {
        let movement = &received.movement;
        let lines = movement.lines.iter().map(|line| MovementLineBody {
            sku: &line.sku,
            change: line.change,
        });
        Self {
            kind: movement.kind,
            reference: movement.reference.as_deref(),
            lines: lines.collect(),
        }
    }
}
