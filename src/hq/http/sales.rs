//! `/v1/sales` and `/v1/conflicts`: sales and refunds, one with everything in it, and those that came again.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::instants::instant_if_any;
use super::state::HqApi;
use super::totals::{cursor, first_day, last_day, next};
use crate::domain::fact::Fact;
use crate::domain::ids::{ChannelId, CustomerRef, NodeId, SaleId, Series, SiteId};
use crate::domain::journal::RecordId;
use crate::domain::money::Currency;
use crate::domain::time::{BusinessDay, LocalTime};
use crate::hq::{Repeat, SaleKind, SaleSummary, SalesQuery, StorageError};
use crate::http::documents::{RefundBody, SaleBody};
use crate::http::money::Amount;
use crate::http::parameters::{InPath, InQuery, page_limit};
use crate::http::problem::{Problem, kind};

/// Which sales.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SalesParameters {
    /// Of one site, or of all.
    #[param(value_type = Option<String>)]
    site: Option<SiteId>,
    /// Of one business day; `from` and `to` are not given then.
    #[param(value_type = Option<String>, example = "2024-03-01")]
    day: Option<BusinessDay>,
    /// The first business day; the first of all where it is not given.
    #[param(value_type = Option<String>)]
    from: Option<BusinessDay>,
    /// The last business day; the last of all where it is not given.
    #[param(value_type = Option<String>)]
    to: Option<BusinessDay>,
    /// The most entries; 50 where it is not given.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Sales and refunds in the order of day, site and time.
#[derive(Debug, Serialize, ToSchema)]
pub struct SalesBody {
    sales: Vec<SummaryBody>,
    /// Where the next page begins; missing on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// A sale or a refund without its lines.
#[derive(Debug, Serialize, ToSchema)]
pub struct SummaryBody {
    /// `sale` or `refund`.
    #[schema(value_type = String, example = "sale")]
    kind: SaleKind,
    /// The till's series.
    #[schema(value_type = String)]
    series: Series,
    /// The till's own count.
    counter: u64,
    record: RecordBody,
    #[schema(value_type = String, example = "store-1")]
    site: SiteId,
    #[schema(value_type = String, example = "2024-03-01")]
    business_day: BusinessDay,
    /// When it was made, at the till.
    #[schema(value_type = String)]
    at: LocalTime,
    /// When its node recorded it.
    recorded: Option<String>,
    /// The receipt's number.
    receipt: String,
    #[schema(value_type = String)]
    channel: ChannelId,
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    customer: Option<CustomerRef>,
    #[schema(value_type = String, example = "USD")]
    currency: Currency,
    /// What was paid, or paid back; positive.
    #[schema(value_type = String, example = "9.99")]
    total: Amount,
    /// The sale that a refund takes back from.
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<SaleIdBody>,
}

/// A till's identity of a sale.
#[derive(Debug, Serialize, ToSchema)]
pub struct SaleIdBody {
    #[schema(value_type = String)]
    series: Series,
    counter: u64,
}

/// A record of a node's journal.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecordBody {
    #[schema(value_type = String, example = "store-1")]
    node: NodeId,
    #[schema(example = "1-00c0ffee00c0ffee")]
    incarnation: String,
    seq: u64,
}

/// A sale or a refund with everything in it.
#[derive(Debug, Serialize, ToSchema)]
pub struct SaleDetailBody<'a> {
    /// The record that it is.
    record: RecordBody,
    #[schema(value_type = String)]
    site: SiteId,
    /// When its node recorded it.
    recorded: Option<String>,
    /// The document, as its node answers with it.
    document: DocumentBody<'a>,
}

/// A sale or a refund; `kind` says which.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum DocumentBody<'a> {
    /// A sale.
    Sale(SaleBody<'a>),
    /// A refund.
    Refund(RefundBody<'a>),
}

/// Which of those that came again.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ConflictsParameters {
    /// Those that came again with the same content instead, which is harmless.
    #[serde(default)]
    repeats: bool,
    /// The most entries; 50 where it is not given.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
}

/// Sales that came again under an identity that is taken, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConflictsBody {
    conflicts: Vec<ConflictBody>,
}

/// A sale that came again. It is not counted.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConflictBody {
    #[schema(value_type = String)]
    series: Series,
    counter: u64,
    /// The record that came again.
    record: RecordBody,
    /// The record that counts.
    counted: RecordBody,
    /// When it came.
    found: Option<String>,
}

impl From<RecordId> for RecordBody {
    fn from(record: RecordId) -> Self {
        Self {
            node: record.node,
            incarnation: record.incarnation.to_string(),
            seq: record.seq,
        }
    }
}

impl From<SaleSummary> for SummaryBody {
    fn from(sale: SaleSummary) -> Self {
        Self {
            kind: sale.kind,
            series: sale.id.series,
            counter: sale.id.counter,
            record: sale.record.into(),
            site: sale.site,
            business_day: sale.business_day,
            at: sale.at,
            recorded: instant_if_any(sale.recorded_ms),
            receipt: sale.receipt.to_string(),
            channel: sale.channel,
            customer: sale.customer,
            currency: sale.currency,
            total: Amount(sale.total, sale.currency),
            of: sale.of.map(|of| SaleIdBody {
                series: of.series,
                counter: of.counter,
            }),
        }
    }
}

impl From<Repeat> for ConflictBody {
    fn from(repeat: Repeat) -> Self {
        Self {
            series: repeat.id.series,
            counter: repeat.id.counter,
            record: repeat.record.into(),
            counted: repeat.counted.into(),
            found: instant_if_any(repeat.found_ms),
        }
    }
}

/// Sales and refunds of a site, of a run of days, or of all.
#[utoipa::path(
    get, path = "/v1/sales", tag = "figures", params(SalesParameters),
    responses((status = 200, body = SalesBody)),
)]
pub(super) async fn list(
    State(api): State<HqApi>,
    InQuery(asked): InQuery<SalesParameters>,
) -> Result<Json<SalesBody>, Problem> {
    let limit = page_limit(asked.limit)?;
    if asked.day.is_some() && (asked.from.is_some() || asked.to.is_some()) {
        let detail = "day stands for both from and to: give it or them";
        return Err(Problem::new(&kind::INVALID_PARAMETER, detail));
    }
    let query = SalesQuery {
        from: asked.day.or(asked.from).unwrap_or(first_day()),
        to: asked.day.or(asked.to).unwrap_or(last_day()),
        site: asked.site,
        after: cursor(asked.cursor.as_deref())?,
        limit,
    };
    let sales = api
        .ask::<_, StorageError>(move |headquarters| headquarters.sales(&query))
        .await?;
    let next_cursor = next(&sales, limit, SaleSummary::cursor);
    Ok(Json(SalesBody {
        sales: sales.into_iter().map(Into::into).collect(),
        next_cursor,
    }))
}

/// One sale or refund with everything in it.
#[utoipa::path(
    get, path = "/v1/sales/{series}/{counter}", tag = "figures",
    params(("series" = String, Path, description = "The till's series"), ("counter" = u64, Path, description = "The till's own count")),
    responses((status = 200, body = SaleDetailBody)),
)]
pub(super) async fn show(
    State(api): State<HqApi>,
    InPath((series, counter)): InPath<(Series, u64)>,
) -> Result<Response, Problem> {
    let id = SaleId { series, counter };
    let asked = id.clone();
    let found = api
        .ask::<_, StorageError>(move |headquarters| headquarters.sale(&asked))
        .await?;
    let Some((summary, entry)) = found else {
        let detail = format!("no sale or refund {id} has been counted");
        return Err(Problem::new(&kind::DOCUMENT_NOT_FOUND, detail));
    };
    let document = match &entry.fact {
        Fact::Sale(sale) => DocumentBody::Sale(sale.into()),
        Fact::Refund(refund) => DocumentBody::Refund(refund.into()),
        _ => {
            let detail = "headquarters' records are not as they should be";
            return Err(Problem::fault(&kind::INTERNAL, detail, format_args!("{id} is no sale")));
        }
    };
    let body = SaleDetailBody {
        record: summary.record.into(),
        site: summary.site,
        recorded: instant_if_any(summary.recorded_ms),
        document,
    };
    Ok(Json(body).into_response())
}

/// Sales that came again under an identity that is taken, with another content. They are not counted: somebody has to
/// look at them.
#[utoipa::path(
    get, path = "/v1/conflicts", tag = "figures", params(ConflictsParameters),
    responses((status = 200, body = ConflictsBody)),
)]
pub(super) async fn conflicts(
    State(api): State<HqApi>,
    InQuery(asked): InQuery<ConflictsParameters>,
) -> Result<Json<ConflictsBody>, Problem> {
    let limit = page_limit(asked.limit)?;
    let repeats = api
        .ask::<_, StorageError>(move |headquarters| headquarters.repeats(!asked.repeats, limit))
        .await?;
    Ok(Json(ConflictsBody {
        conflicts: repeats.into_iter().map(Into::into).collect(),
    }))
}
