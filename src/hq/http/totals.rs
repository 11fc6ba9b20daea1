//! `GET /v1/totals`: what was sold by site and business day, and up to when each node is in it.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::instants::instant_if_any;
use super::state::HqApi;
use crate::domain::ids::SiteId;
use crate::domain::money::Currency;
use crate::domain::quantity::Quantity;
use crate::domain::time::BusinessDay;
use crate::hq::{Complete, SiteDay, StorageError, TotalsQuery};
use crate::http::money::Amount;
use crate::http::parameters::{InQuery, page_limit};
use crate::http::problem::{Problem, kind};

/// Which totals.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TotalsParameters {
    /// The first business day; the first of all where it is not given.
    #[param(value_type = Option<String>, example = "2024-03-01")]
    from: Option<BusinessDay>,
    /// The last business day; the last of all where it is not given.
    #[param(value_type = Option<String>, example = "2024-03-31")]
    to: Option<BusinessDay>,
    /// Of one site, or of all.
    #[param(value_type = Option<String>)]
    site: Option<SiteId>,
    /// The most entries; 50 where it is not given.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Totals in the order of day, site and currency.
#[derive(Debug, Serialize, ToSchema)]
pub struct TotalsBody {
    totals: Vec<TotalBody>,
    /// Up to when each node is in these figures.
    complete_through: Vec<CompleteBody>,
    /// Where the next page begins; missing on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// The totals of one site, day and currency. Amounts are decimals in `currency`.
#[derive(Debug, Serialize, ToSchema)]
pub struct TotalBody {
    #[schema(value_type = String)]
    site: SiteId,
    #[schema(value_type = String, example = "2024-03-01")]
    business_day: BusinessDay,
    #[schema(value_type = String, example = "USD")]
    currency: Currency,
    /// How many sales.
    sales: u64,
    /// Quantity times price over all lines of the sales.
    #[schema(value_type = String)]
    gross: Amount,
    /// All discounts on them.
    #[schema(value_type = String)]
    discount: Amount,
    /// The tax in or on them.
    #[schema(value_type = String)]
    tax: Amount,
    /// What was paid for them, tax and all.
    #[schema(value_type = String, example = "1234.56")]
    total: Amount,
    /// How much was sold, over all items.
    #[schema(value_type = String)]
    units: Quantity,
    /// How many refunds.
    refunds: u64,
    /// What was paid back, tax and all; positive.
    #[schema(value_type = String)]
    refunded: Amount,
    /// The tax that was paid back.
    #[schema(value_type = String)]
    refunded_tax: Amount,
    /// How much came back, over all items.
    #[schema(value_type = String)]
    returned_units: Quantity,
}

/// Up to when a node is in the figures.
#[derive(Debug, Serialize, ToSchema)]
pub struct CompleteBody {
    #[schema(value_type = String)]
    node: String,
    #[schema(value_type = String)]
    site: SiteId,
    /// Everything that it recorded until then is in them, as far as it has told; missing where nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    complete_through: Option<String>,
    /// How many records it has told of that are not in the figures yet.
    pending: u64,
    /// How many of its records are set apart until an operator decides.
    set_apart: u64,
    /// When it was last heard of; missing for never.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_heard: Option<String>,
}

impl From<Complete> for CompleteBody {
    fn from(complete: Complete) -> Self {
        Self {
            node: complete.node.to_string(),
            site: complete.site,
            complete_through: instant_if_any(complete.through_ms),
            pending: complete.pending,
            set_apart: complete.set_apart,
            last_heard: instant_if_any(complete.last_heard_ms),
        }
    }
}

impl From<SiteDay> for TotalBody {
    fn from(day: SiteDay) -> Self {
        let money = |amount| Amount(amount, day.currency);
        let total = day.total;
        Self {
            site: day.site,
            business_day: day.business_day,
            currency: day.currency,
            sales: total.sales,
            gross: money(total.gross),
            discount: money(total.discount),
            tax: money(total.tax),
            total: money(total.total),
            units: total.units,
            refunds: total.refunds,
            refunded: money(total.refunded),
            refunded_tax: money(total.refunded_tax),
            returned_units: total.returned_units,
        }
    }
}

/// What was sold by site and business day.
///
/// A day may still change as long as a node has something pending: `complete_through` says up to when each is in it.
#[utoipa::path(
    get, path = "/v1/totals", tag = "figures", params(TotalsParameters),
    responses((status = 200, body = TotalsBody)),
)]
pub(super) async fn list(
    State(api): State<HqApi>,
    InQuery(asked): InQuery<TotalsParameters>,
) -> Result<Json<TotalsBody>, Problem> {
    let limit = page_limit(asked.limit)?;
    let query = TotalsQuery {
        from: asked.from.unwrap_or(first_day()),
        to: asked.to.unwrap_or(last_day()),
        site: asked.site,
        after: cursor(asked.cursor.as_deref())?,
        limit,
    };
    let totals = api
        .ask::<_, StorageError>(move |headquarters| headquarters.totals(&query))
        .await?;
    let next_cursor = next(&totals.days, limit, SiteDay::cursor);
    Ok(Json(TotalsBody {
        totals: totals.days.into_iter().map(Into::into).collect(),
        complete_through: totals.complete.into_iter().map(Into::into).collect(),
        next_cursor,
    }))
}

/// A cursor that the client gives back.
pub(super) fn cursor<T: std::str::FromStr<Err: std::fmt::Display>>(text: Option<&str>) -> Result<Option<T>, Problem> {
    let parsed = text.map(str::parse).transpose();
    parsed.map_err(|error| Problem::new(&kind::INVALID_PARAMETER, format!("cursor: {error}")))
}

/// The place of a full page's last entry. A page that is not full is the last.
pub(super) fn next<T, C: ToString>(page: &[T], limit: u32, cursor: impl Fn(&T) -> C) -> Option<String> {
    let last = page.last().filter(|_| page.len() >= limit as usize)?;
    Some(cursor(last).to_string())
}

/// Before every business day.
pub(super) fn first_day() -> BusinessDay {
    BusinessDay(chrono::NaiveDate::MIN)
}

/// After every business day.
pub(super) fn last_day() -> BusinessDay {
    BusinessDay(chrono::NaiveDate::MAX)
}
