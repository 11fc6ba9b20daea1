//! `POST /v1/refunds`: goods brought back against a receipt.

use std::num::NonZeroU64;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::caller::Caller;
use super::command::Command;
use super::documents::{RefundBody, answer};
use super::problem::{Problem, kind};
use super::state::ApiState;
use super::tenders::{TenderRequest, stated_tenders};
use crate::domain::ids::{ReceiptNumber, SaleId, Series, StaffId};
use crate::domain::quantity::Quantity;
use crate::domain::sale::{RefundReason, ReturnedLine};
use crate::domain::stock::Place;
use crate::domain::time::LocalTime;
use crate::operations::{RefundCommand, SaleRef, refund};

/// Goods brought back, as a till asks for it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct RefundRequest {
    /// The till's own count of its sales and refunds, from 1. With the till's series it is the refund's identity.
    counter: u64,
    /// The sale that it takes back from.
    of: SaleRefRequest,
    /// When it was made at the till; now where it is not given.
    #[schema(value_type = Option<String>, example = "2024-03-01T12:26:30+01:00")]
    at: Option<LocalTime>,
    /// Who takes it back: a pseudonymous reference.
    #[schema(value_type = Option<String>)]
    staff: Option<StaffId>,
    /// Why, in words.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200)]
    reason: Option<RefundReason>,
    /// What comes back; 1 to 1,000 lines.
    lines: Vec<RefundLineRequest>,
    /// How it is paid back; at most 20. In all exactly the total.
    tenders: Vec<TenderRequest>,
}

/// A sale: by its receipt's number, or by its identity.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct SaleRefRequest {
    /// The receipt's number.
    #[schema(example = "STORE-1-R1-7KQ2-000042")]
    receipt: Option<String>,
    /// The till's series, with `counter`.
    #[schema(value_type = Option<String>)]
    series: Option<Series>,
    /// The till's count, with `series`.
    #[schema(value_type = Option<u64>, minimum = 1)]
    counter: Option<NonZeroU64>,
}

/// One line that comes back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct RefundLineRequest {
    /// The line of the sale, counted from 1.
    #[schema(minimum = 1)]
    line: u16,
    /// How much of it: over 0.
    #[schema(value_type = String, example = "1")]
    quantity: Quantity,
    /// Where it goes: `sellable`, back on sale, where it is not given; `damaged`, set apart.
    #[schema(value_type = Option<String>, example = "damaged")]
    #[serde(default)]
    place: Place,
}

/// Takes goods back.
///
/// Over all refunds of a sale no line gives back more than was sold on it. Each line says where its goods go. Repeated with
/// its key, or as the same refund under another key, it is answered as it was first.
#[utoipa::path(
    post, operation_id = "refund", path = "/v1/refunds", tag = "sales", request_body = RefundRequest,
    params(("Idempotency-Key" = String, Header, description = "The client's name for this request")),
    responses((status = 201, description = "The refund", body = RefundBody)),
)]
pub(super) async fn create(
    State(api): State<ApiState>,
    caller: Caller,
    command: Command<RefundRequest>,
) -> Result<Response, Problem> {
    let (request, body) = command.into_request(&caller);
    let command = body.into_command()?;
    let (device, settings, now) = (caller.device(), Arc::clone(&api.settings), api.now());
    let refunded = api
        .write(move |tx| refund(tx, &settings, now, &device, &request, &command))
        .await?;
    if refunded.repeated {
        api.metrics.replays.inc();
    } else {
        api.metrics.refunds.inc();
    }
    let body = RefundBody::from(&refunded.refund);
    Ok(answer(StatusCode::CREATED, &body, refunded.repeated))
}

impl RefundRequest {
    fn into_command(self) -> Result<RefundCommand, Problem> {
        let lines = self
            .lines
            .iter()
            .zip(0..)
            .map(|(back, index)| match back.line.checked_sub(1) {
                Some(line) => Ok(ReturnedLine {
                    line,
                    quantity: back.quantity,
                    place: back.place,
                }),
                None => {
                    let pointer = format!("/lines/{index}/line");
                    Err(invalid(&pointer, "lines are counted from 1"))
                }
            });
        Ok(RefundCommand {
            counter: self.counter,
            lines: lines.collect::<Result<_, _>>()?,
            of: self.of.into_sale()?,
            at: self.at,
            staff: self.staff,
            reason: self.reason,
            tenders: stated_tenders(self.tenders),
        })
    }
}

impl SaleRefRequest {
    fn into_sale(self) -> Result<SaleRef, Problem> {
        match (self.receipt, self.series, self.counter) {
            (Some(receipt), None, None) => {
                let parsed: Result<ReceiptNumber, _> = receipt.parse();
                let parsed = parsed.map_err(|error| invalid("/of/receipt", &error.to_string()))?;
                Ok(SaleRef::Receipt(parsed))
            }
            (None, Some(series), Some(counter)) => {
                let counter = counter.get();
                Ok(SaleRef::Id(SaleId { series, counter }))
            }
            _ => Err(invalid("/of", "a sale is named by receipt, or by series and counter")),
        }
    }
}

fn invalid(pointer: &str, what: &str) -> Problem {
    Problem::new(&kind::INVALID_FIELD, format!("{pointer}: {what}")).at(pointer)
}
