//! Sales and refunds as the API answers with them. Each is made anew from its record, so that a repeat gets to the byte
//! what the first answer was.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::money::Amount;
use crate::domain::ids::{ChannelId, CustomerRef, Sku, StaffId};
use crate::domain::money::{Currency, Minor, Price};
use crate::domain::quantity::Quantity;
use crate::domain::sale::{Fulfilment, Refund, RefundReason, Sale, Tender, TenderKind, TenderReference, Totals};
use crate::domain::stock::Place;
use crate::domain::tax::{AppliedTax, TaxBasis, TaxClass, TaxRate};
use crate::domain::time::{BusinessDay, LocalTime};
use crate::store::Position;

/// Marks an answer that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// A sale. Amounts are decimals in `currency`.
#[derive(Debug, Serialize, ToSchema)]
pub struct SaleBody<'a> {
    /// `sale`.
    #[schema(example = "sale")]
    kind: &'static str,
    #[serde(flatten)]
    head: HeadBody<'a>,
    /// The version of the price feed that its prices came from; 0 where the till stated them.
    price_version: u64,
    lines: Vec<SaleLineBody<'a>>,
    tenders: Vec<TenderBody<'a>>,
    totals: TotalsBody<'a>,
}

/// Goods brought back against a receipt. Amounts are decimals in `currency`, positive.
#[derive(Debug, Serialize, ToSchema)]
pub struct RefundBody<'a> {
    /// `refund`.
    #[schema(example = "refund")]
    kind: &'static str,
    #[serde(flatten)]
    head: HeadBody<'a>,
    /// The sale that it takes back from.
    of: OfBody<'a>,
    /// Why, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    lines: Vec<RefundLineBody<'a>>,
    tenders: Vec<TenderBody<'a>>,
    totals: TotalsBody<'a>,
}

/// What sales and refunds have in common.
#[derive(Debug, Serialize, ToSchema)]
pub struct HeadBody<'a> {
    /// The record's number in this node's journal, over all incarnations; not in the answer to the request itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    /// The till's series.
    #[schema(example = "STORE-1-T1-7KQ2")]
    series: &'a str,
    /// The till's own count.
    counter: u64,
    /// The receipt's number.
    #[schema(example = "STORE-1-R1-7KQ2-000042")]
    receipt: String,
    /// When it was made, at the till.
    #[schema(value_type = String, example = "2024-03-01T12:26:30+01:00")]
    at: LocalTime,
    /// The business day that it belongs to.
    #[schema(value_type = String, example = "2024-03-01")]
    business_day: BusinessDay,
    #[schema(value_type = String)]
    channel: &'a ChannelId,
    #[schema(value_type = String, example = "USD")]
    currency: Currency,
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    customer: Option<&'a CustomerRef>,
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    staff: Option<&'a StaffId>,
    /// Whether prices contain the tax (`included`) or it is on top (`added`).
    #[schema(value_type = String, example = "included")]
    tax_basis: TaxBasis,
}

/// The sale that a refund takes back from.
#[derive(Debug, Serialize, ToSchema)]
pub struct OfBody<'a> {
    series: &'a str,
    counter: u64,
}

/// One line of a sale.
#[derive(Debug, Serialize, ToSchema)]
pub struct SaleLineBody<'a> {
    /// Counted from 1.
    line: usize,
    #[schema(value_type = String)]
    sku: &'a Sku,
    #[schema(value_type = String, example = "1.25")]
    quantity: Quantity,
    #[schema(value_type = String, example = "3.99")]
    unit_price: Price,
    /// The line's own discount.
    #[schema(value_type = String, example = "0.00")]
    discount: Amount,
    /// Its share of the discount on the whole basket.
    #[schema(value_type = String, example = "0.00")]
    basket_discount: Amount,
    /// What is paid for the line as priced, before any tax that is added on top.
    #[schema(value_type = String, example = "4.99")]
    amount: Amount,
    #[schema(value_type = String, example = "standard")]
    tax_class: Option<&'a TaxClass>,
    /// How much of it was beyond the node's rights: debt, which later rights settle; left out where there is none.
    #[schema(value_type = Option<String>, example = "1")]
    #[serde(skip_serializing_if = "Option::is_none")]
    oversold: Option<Quantity>,
    /// The hold that it came out of, where it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Option<String>,
}

/// One line of a refund.
#[derive(Debug, Serialize, ToSchema)]
pub struct RefundLineBody<'a> {
    /// The line of the sale, counted from 1.
    line: usize,
    #[schema(value_type = String)]
    sku: &'a Sku,
    #[schema(value_type = String, example = "1")]
    quantity: Quantity,
    /// What is paid back for it, as priced.
    #[schema(value_type = String, example = "3.99")]
    amount: Amount,
    /// The tax in it, or on it.
    #[schema(value_type = String, example = "0.64")]
    tax: Amount,
    #[schema(value_type = String, example = "standard")]
    tax_class: Option<&'a TaxClass>,
    /// Where the goods went: `sellable` or `damaged`.
    #[schema(value_type = String, example = "sellable")]
    place: Place,
}

/// One payment.
#[derive(Debug, Serialize, ToSchema)]
pub struct TenderBody<'a> {
    #[schema(value_type = String, example = "cash")]
    kind: TenderKind,
    #[schema(value_type = String, example = "20.00")]
    amount: Amount,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<&'a str>,
}

/// The sums of a document.
#[derive(Debug, Serialize, ToSchema)]
pub struct TotalsBody<'a> {
    /// Quantity times price, over all lines.
    #[schema(value_type = String, example = "10.99")]
    gross: Amount,
    /// All discounts.
    #[schema(value_type = String, example = "1.00")]
    discount: Amount,
    /// The tax by class.
    taxes: Vec<TaxBody<'a>>,
    /// What the goods come to, tax and all.
    #[schema(value_type = String, example = "9.99")]
    total: Amount,
    /// For the staff.
    #[schema(value_type = String, example = "0.00")]
    tip: Amount,
    /// What rounding a sum paid in coins adds, or takes off.
    #[schema(value_type = String, example = "0.00")]
    rounding: Amount,
    /// What is to be paid: total, tip and rounding.
    #[schema(value_type = String, example = "9.99")]
    to_pay: Amount,
    /// What is given back in cash.
    #[schema(value_type = String, example = "10.01")]
    change: Amount,
}

/// The tax of one class.
#[derive(Debug, Serialize, ToSchema)]
pub struct TaxBody<'a> {
    #[schema(value_type = String, example = "standard")]
    class: &'a TaxClass,
    /// In per cent.
    #[schema(value_type = String, example = "19")]
    rate: TaxRate,
    /// What is taxed, without the tax.
    #[schema(value_type = String, example = "8.39")]
    net: Amount,
    #[schema(value_type = String, example = "1.60")]
    tax: Amount,
}

impl<'a> From<&'a Sale> for SaleBody<'a> {
    fn from(sale: &'a Sale) -> Self {
        let money = |amount: Minor| Amount(amount, sale.currency);
        let lines = sale.lines.iter().zip(1..).map(|(sold, line)| SaleLineBody {
            line,
            sku: &sold.sku,
            quantity: sold.quantity,
            unit_price: sold.unit_price,
            discount: money(sold.discount),
            basket_discount: money(sold.basket_discount),
            // It was decided with an amount that fits.
            amount: money(sold.amount(sale.currency).unwrap_or_default()),
            tax_class: class(&sale.taxes, sold.tax),
            oversold: Some(sold.fulfilment.debt()).filter(|debt| *debt != Quantity::ZERO),
            hold: match sold.fulfilment {
                Fulfilment::Promised { hold, .. } => Some(hold.to_string()),
                Fulfilment::InHand { .. } => None,
            },
        });
        Self {
            kind: "sale",
            head: HeadBody {
                seq: None,
                series: sale.id.series.as_str(),
                counter: sale.id.counter,
                receipt: sale.receipt.to_string(),
                at: sale.at,
                business_day: sale.business_day,
                channel: &sale.channel,
                currency: sale.currency,
                customer: sale.customer.as_ref(),
                staff: sale.staff.as_ref(),
                tax_basis: sale.tax_policy.basis,
            },
            price_version: sale.price_version,
            lines: lines.collect(),
            tenders: tenders(&sale.tenders, sale.currency),
            totals: totals(&sale.totals, sale.currency),
        }
    }
}

impl SaleBody<'_> {
    /// With the record's number.
    pub(super) fn at(mut self, position: Position) -> Self {
        self.head.seq = u64::try_from(position.get()).ok();
        self
    }
}

impl RefundBody<'_> {
    /// With the record's number.
    pub(super) fn at(mut self, position: Position) -> Self {
        self.head.seq = u64::try_from(position.get()).ok();
        self
    }
}

impl<'a> From<&'a Refund> for RefundBody<'a> {
    fn from(refund: &'a Refund) -> Self {
        let money = |amount: Minor| Amount(amount, refund.currency);
        let lines = refund.lines.iter().map(|back| RefundLineBody {
            line: usize::from(back.line) + 1,
            sku: &back.sku,
            quantity: back.quantity,
            amount: money(back.amount),
            tax: money(back.tax_amount),
            tax_class: class(&refund.taxes, back.tax),
            place: back.place,
        });
        Self {
            kind: "refund",
            head: HeadBody {
                seq: None,
                series: refund.id.series.as_str(),
                counter: refund.id.counter,
                receipt: refund.receipt.to_string(),
                at: refund.at,
                business_day: refund.business_day,
                channel: &refund.channel,
                currency: refund.currency,
                customer: refund.customer.as_ref(),
                staff: refund.staff.as_ref(),
                tax_basis: refund.tax_policy.basis,
            },
            of: OfBody {
                series: refund.of.series.as_str(),
                counter: refund.of.counter,
            },
            reason: refund.reason.as_ref().map(RefundReason::as_str),
            lines: lines.collect(),
            tenders: tenders(&refund.tenders, refund.currency),
            totals: totals(&refund.totals, refund.currency),
        }
    }
}

/// An answer in JSON, marked where it was given before.
pub(super) fn answer(status: StatusCode, body: &impl Serialize, replayed: bool) -> Response {
    match serde_json::to_vec(body) {
        Ok(json) => json_answer(status, json, replayed),
        Err(error) => {
            let detail = "the answer could not be written";
            super::problem::Problem::fault(&super::problem::kind::INTERNAL, detail, error).into_response()
        }
    }
}

/// The same, of a body that is JSON already.
pub(super) fn json_answer(status: StatusCode, json: Vec<u8>, replayed: bool) -> Response {
    let mut response = Response::new(Body::from(json));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if replayed {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

fn class(taxes: &[AppliedTax], position: u8) -> Option<&TaxClass> {
    taxes.get(usize::from(position)).map(|applied| &applied.class)
}

fn tenders(tenders: &[Tender], currency: Currency) -> Vec<TenderBody<'_>> {
    let body = |tender: &Tender| Amount(tender.amount, currency);
    tenders
        .iter()
        .map(|tender| TenderBody {
            kind: tender.kind,
            amount: body(tender),
            reference: tender.reference.as_ref().map(TenderReference::as_str),
        })
        .collect()
}

fn totals(totals: &Totals, currency: Currency) -> TotalsBody<'_> {
    let money = |amount: Minor| Amount(amount, currency);
    let taxes = totals.taxes.iter().map(|sum| TaxBody {
        class: &sum.applied.class,
        rate: sum.applied.rate,
        net: money(sum.net),
        tax: money(sum.tax),
    });
    TotalsBody {
        gross: money(totals.gross),
        discount: money(totals.discount),
        taxes: taxes.collect(),
        total: money(totals.total),
        tip: money(totals.tip),
        rounding: money(totals.rounding),
        // It was decided with sums that fit.
        to_pay: money(totals.to_pay().unwrap_or(totals.total)),
        change: money(totals.change),
    }
}
