//! Sales: the one call that a store lives on, and what has been sold.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::caller::Caller;
use super::command::Command;
use super::documents::{SaleBody, answer};
use super::problem::{Problem, kind};
use super::state::ApiState;
use super::tenders::{StatedAmount, TenderRequest, stated_tenders};
use crate::domain::catalog::Gtin;
use crate::domain::ids::{ChannelId, CustomerRef, Sku, StaffId};
use crate::domain::money::Price;
use crate::domain::quantity::Quantity;
use crate::domain::sale::Percent;
use crate::domain::stock::HoldId;
use crate::domain::time::LocalTime;
use crate::operations::{ItemRef, SellCommand, SellLine, Sold, StatedDiscount, sell};
use crate::store::Role;

/// A sale as a till asks for it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct SaleRequest {
    /// The till's own count of its sales and refunds, from 1. With the till's series it is the sale's identity: a sale
    /// that is sent twice is made once.
    counter: u64,
    /// When it was made at the till; now where it is not given. Far from now only with the right to backdate. A till
    /// that says it is recognised by headquarters too where it repeats the sale to a node that was restored.
    #[schema(value_type = Option<String>, example = "2024-03-01T12:26:30+01:00")]
    at: Option<LocalTime>,
    /// Who bought: a pseudonymous reference.
    #[schema(value_type = Option<String>)]
    customer: Option<CustomerRef>,
    /// Who sold: a pseudonymous reference.
    #[schema(value_type = Option<String>)]
    staff: Option<StaffId>,
    /// The sales channel; the device's own (`physical_store` or `kiosk`) where it is not given.
    #[schema(value_type = Option<String>)]
    channel: Option<ChannelId>,
    /// The hold that it ends: goods on its lines come out of it. One that has ended already changes nothing.
    #[schema(value_type = Option<String>, example = "09f3a1c2d4e5b687")]
    hold: Option<HoldId>,
    /// What is sold; 1 to 1,000 lines.
    lines: Vec<SaleLineRequest>,
    /// Off the whole basket, after the lines' own discounts.
    discount: Option<DiscountRequest>,
    /// For the staff, where the site takes tips.
    #[schema(value_type = Option<String>, example = "0.00")]
    tip: Option<StatedAmount>,
    /// How it is paid; at most 20. In all at least what is to be paid; only cash gives change.
    tenders: Vec<TenderRequest>,
}

/// One line of a sale. It names its item by `sku` or by `gtin`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct SaleLineRequest {
    /// The organisation's own number.
    #[schema(value_type = Option<String>, example = "1029743")]
    sku: Option<Sku>,
    /// The number in the bar code.
    #[schema(value_type = Option<String>)]
    gtin: Option<Gtin>,
    /// How much of it: over 0, with up to three places.
    #[schema(value_type = String, example = "1")]
    quantity: Quantity,
    /// The price of one unit, where the till states it: another one than the item's only with the right to.
    #[schema(value_type = Option<String>, example = "3.99")]
    unit_price: Option<Price>,
    /// Off this line.
    discount: Option<DiscountRequest>,
}

/// A discount: an amount or a part.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DiscountRequest {
    /// So much, in the sale's currency.
    #[schema(value_type = String, example = "0.15")]
    Amount(StatedAmount),
    /// So many per cent, from 0 to 100.
    #[schema(value_type = String, example = "10")]
    Percent(Percent),
}

/// Sells.
///
/// Recorded and on disk when it is answered. A sale is never refused for lack of stock. Repeated with its key, or as
/// the same sale under another key, it is answered as it was first, with the header `Idempotency-Replayed`.
#[utoipa::path(
    post, operation_id = "sell", path = "/v1/sales", tag = "sales", request_body = SaleRequest,
    params(("Idempotency-Key" = String, Header, description = "The client's name for this request")),
    responses((status = 201, description = "The sale", body = SaleBody)),
)]
pub(super) async fn create(
    State(api): State<ApiState>,
    caller: Caller,
    command: Command<SaleRequest>,
) -> Result<Response, Problem> {
    let (request, body) = command.into_request(&caller);
    let command = body.into_command(caller.role)?;
    let (device, settings, now) = (caller.device(), Arc::clone(&api.settings), api.now());
    let sold = api
        .write_sure(move |tx| sell(tx, &settings, now, &device, &request, &command))
        .await?;
    api.sold(&sold);
    Ok(answer(StatusCode::CREATED, &SaleBody::from(&sold.sale), sold.repeated))
}

impl ApiState {
    /// Counts a sale that was answered, and tells whoever sees to stock what was wanted.
    pub(super) fn sold(&self, sold: &Sold) {
        if sold.repeated {
            self.metrics.replays.inc();
            return;
        }
        self.metrics.sales.inc();
        if let Some(rights) = &self.rights {
            let lines = sold.sale.lines.iter();
            rights.demand(lines.filter_map(|line| Some((line.sku.clone(), line.quantity.try_into().ok()?))));
        }
    }
}

impl SaleRequest {
    fn into_command(self, role: Role) -> Result<SellCommand, Problem> {
        let lines = self
            .lines
            .into_iter()
            .zip(0..)
            .map(|(line, index)| line.into_line(index));
        Ok(SellCommand {
            counter: self.counter,
            at: self.at,
            channel: match self.channel {
                Some(channel) => channel,
                None => own_channel(role)?,
            },
            customer: self.customer,
            staff: self.staff,
            hold: self.hold,
            lines: lines.collect::<Result<_, _>>()?,
            basket_discount: self.discount.map(DiscountRequest::into_stated),
            tip: self.tip.map(|StatedAmount(tip)| tip),
            tenders: stated_tenders(self.tenders),
        })
    }
}

impl SaleLineRequest {
    fn into_line(self, index: usize) -> Result<SellLine, Problem> {
        let item = match (self.sku, self.gtin) {
            (Some(sku), None) => ItemRef::Sku(sku),
            (None, Some(gtin)) => ItemRef::Gtin(gtin),
            _ => {
                let detail =
                    format!("/lines/{index}: a line names its item by sku or by gtin, and by one of them only");
                return Err(Problem::new(&kind::INVALID_FIELD, detail)
                    .at(format!("/lines/{index}"))
                    .with("line", index + 1));
            }
        };
        Ok(SellLine {
            item,
            quantity: self.quantity,
            unit_price: self.unit_price,
            discount: self.discount.map(DiscountRequest::into_stated),
        })
    }
}

impl DiscountRequest {
    pub(super) fn into_stated(self) -> StatedDiscount {
        match self {
            Self::Amount(StatedAmount(amount)) => StatedDiscount::Amount(amount),
            Self::Percent(part) => StatedDiscount::Percent(part),
        }
    }
}

/// The channel that a device sells in unless it says otherwise.
pub(super) fn own_channel(role: Role) -> Result<ChannelId, Problem> {
    let name = match role {
        Role::Kiosk => "kiosk",
        Role::Till | Role::Manager | Role::Node | Role::Standby => "physical_store",
    };
    name.parse()
        .map_err(|error| Problem::fault(&kind::INTERNAL, "the device's channel has no name", error))
}
