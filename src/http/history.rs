//! What was sold: one document by its identity, and lists, newest first.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::caller::Caller;
use super::documents::{RefundBody, SaleBody, answer};
use super::money::Amount;
use super::parameters::{InPath, InQuery, page_limit};
use super::problem::{Problem, kind};
use super::state::ApiState;
use crate::domain::fact::Fact;
use crate::domain::ids::Series;
use crate::domain::money::{Currency, Minor};
use crate::domain::sale::{Refund, Sale};
use crate::domain::time::BusinessDay;
use crate::store::{Position, Role, Snapshot, StorageError};

/// How many records one page looks through for documents, where no day is given.
const RECORDS_LOOKED_AT: i64 = 2_000;

/// A recorded document, and where it stands.
#[derive(Debug)]
pub(super) enum Recorded {
    /// A sale.
    Sale(Sale, Position),
    /// A refund.
    Refund(Refund, Position),
}

impl Recorded {
    /// The document at a position, where there is one that is still kept.
    pub(super) fn read(snapshot: &Snapshot<'_>, position: Position) -> Result<Option<Self>, StorageError> {
        Ok(match snapshot.entry(position)?.map(|entry| entry.fact) {
            Some(Fact::Sale(sale)) => Some(Self::Sale(sale, position)),
            Some(Fact::Refund(refund)) => Some(Self::Refund(refund, position)),
            _ => None,
        })
    }

    /// The series that it was made under.
    pub(super) fn series(&self) -> &Series {
        match self {
            Self::Sale(sale, _) => &sale.id.series,
            Self::Refund(refund, _) => &refund.id.series,
        }
    }

    /// Its body.
    fn body(&self) -> DocumentBody<'_> {
        match self {
            Self::Sale(sale, position) => DocumentBody::Sale(SaleBody::from(sale).at(*position)),
            Self::Refund(refund, position) => DocumentBody::Refund(RefundBody::from(refund).at(*position)),
        }
    }

    /// The answer that shows it.
    pub(super) fn answer(&self) -> Response {
        answer(StatusCode::OK, &self.body(), false)
    }

    /// Itself, where the caller may see it: a kiosk sees its own only.
    ///
    /// # Errors
    /// `role-forbidden`.
    pub(super) fn shown_to(self, caller: &Caller) -> Result<Self, Problem> {
        let own = caller.till.as_ref().is_some_and(|till| till.series == *self.series());
        if own || caller.role != Role::Kiosk {
            Ok(self)
        } else {
            Err(Problem::new(&kind::ROLE_FORBIDDEN, "a kiosk sees its own sales only"))
        }
    }
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

/// Which documents.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct HistoryQuery {
    /// Those of one business day; those of all days where it is not given.
    #[param(value_type = Option<String>, example = "2024-03-01")]
    day: Option<String>,
    /// The most entries; 50 where it is not given.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<i64>,
    /// `newest`: the newest first, which is the only order that there is.
    #[param(value_type = Option<String>, example = "newest")]
    order: Option<Order>,
}

/// In which order.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// The newest first.
    Newest,
}

/// A page of documents.
#[derive(Debug, Serialize, ToSchema)]
pub struct HistoryBody<'a> {
    /// Sales and refunds, newest first.
    sales: Vec<DocumentBody<'a>>,
    /// The cursor of the next page, where there may be one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<i64>,
}

/// One sale or refund by its identity.
#[utoipa::path(
    get, operation_id = "get_sale", path = "/v1/sales/{series}/{counter}", tag = "sales",
    params(
        ("series" = String, Path, description = "The till's series"),
        ("counter" = u64, Path, description = "The till's count"),
    ),
    responses((status = 200, body = DocumentBody)),
)]
pub(super) async fn by_identity(
    State(api): State<ApiState>,
    caller: Caller,
    InPath((series, counter)): InPath<(Series, u64)>,
) -> Result<Response, Problem> {
    let missing = format!("nothing was recorded here under {series}:{counter}");
    let find = move |snapshot: &Snapshot<'_>| -> Result<_, StorageError> {
        let Some(series) = snapshot.series(&series)? else {
            return Ok(None);
        };
        match snapshot.document(series, counter)? {
            Some(document) => Recorded::read(snapshot, document.position),
            None => Ok(None),
        }
    };
    let found = api.readers.run(find).await?;
    let found = found.ok_or_else(|| Problem::new(&kind::DOCUMENT_NOT_FOUND, missing))?;
    Ok(found.shown_to(&caller)?.answer())
}

/// Sales and refunds, newest first: those of one business day, or those of all.
///
/// A page of all days may have fewer entries than asked for, or none, and still name a next one.
#[utoipa::path(
    get, operation_id = "list_sales", path = "/v1/sales", tag = "sales", params(HistoryQuery),
    responses((status = 200, body = HistoryBody)),
)]
pub(super) async fn list(
    State(api): State<ApiState>,
    InQuery(query): InQuery<HistoryQuery>,
) -> Result<Response, Problem> {
    let limit = page_limit(query.limit)?;
    let HistoryQuery { day, cursor, order, .. } = query;
    let Order::Newest = order.unwrap_or(Order::Newest);
    let day: Option<BusinessDay> = day.map(|day| day.parse()).transpose().map_err(|_| {
        Problem::new(
            &kind::INVALID_PARAMETER,
            "day is a date as ISO 8601 writes it, such as 2024-03-01",
        )
    })?;
    let before = cursor.map(Position::from_number);
    let read = move |snapshot: &Snapshot<'_>| match day {
        Some(day) => of_day(snapshot, day, before, limit),
        None => of_all(snapshot, before, limit),
    };
    let (found, next) = api.readers.run(read).await?;
    let sales = found.iter().map(Recorded::body).collect();
    Ok(answer(StatusCode::OK, &HistoryBody { sales, next }, false))
}

/// Documents, and before which position the next page begins.
type Page = (Vec<Recorded>, Option<i64>);

fn of_day(
    snapshot: &Snapshot<'_>,
    day: BusinessDay,
    before: Option<Position>,
    limit: u32,
) -> Result<Page, StorageError> {
    let rows = snapshot.documents_of_day(day, before, limit)?;
    let full = rows.len() == limit as usize;
    let next = rows.last().filter(|_| full).map(|last| last.position.get());
    let found = rows
        .iter()
        .filter_map(|row| Recorded::read(snapshot, row.position).transpose());
    Ok((found.collect::<Result<_, _>>()?, next))
}

fn of_all(snapshot: &Snapshot<'_>, before: Option<Position>, limit: u32) -> Result<Page, StorageError> {
    let lives = snapshot.incarnations()?;
    let end = lives.last().map_or(0, |life| life.position(life.head.seq).get());
    let before = before.map_or(end + 1, |before| before.get().min(end + 1));
    let (mut found, mut position) = (Vec::new(), before);
    while position > 1 && found.len() < limit as usize && before - position < RECORDS_LOOKED_AT {
        position -= 1;
        // A record that this version cannot read is set aside elsewhere; it does not end the list.
        match Recorded::read(snapshot, Position::from_number(position)) {
            Ok(recorded) => found.extend(recorded),
            Err(StorageError::Inconsistent(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok((found, (position > 1).then_some(position)))
}

/// The present business day so far. Amounts in the node's currency.
#[derive(Debug, Serialize, ToSchema)]
pub struct TodayBody {
    #[schema(value_type = String, example = "2024-03-01")]
    business_day: BusinessDay,
    #[schema(value_type = String, example = "USD")]
    currency: Currency,
    sales: u64,
    #[schema(value_type = String, example = "1234.56")]
    sold: Amount,
    refunds: u64,
    #[schema(value_type = String, example = "12.00")]
    refunded: Amount,
    /// What was sold less what was paid back.
    #[schema(value_type = String, example = "1222.56")]
    total: Amount,
}

/// What the present business day came to so far.
#[utoipa::path(get, operation_id = "get_today", path = "/v1/today", tag = "sales", responses((status = 200, body = TodayBody)))]
pub(super) async fn today(State(api): State<ApiState>) -> Result<Json<TodayBody>, Problem> {
    let (business_day, currency) = (api.settings.business_day(api.now().local()), api.node.currency);
    let after = BusinessDay(business_day.0.succ_opt().unwrap_or(business_day.0));
    let days = api
        .readers
        .run(move |snapshot| snapshot.day_totals(Some(after), 1))
        .await?;
    let day = days.first().filter(|day| day.business_day == business_day);
    let (sold, refunded) = day.map_or_else(Default::default, |day| (day.sold, day.refunded));
    Ok(Json(TodayBody {
        business_day,
        currency,
        sales: day.map_or(0, |day| day.sales),
        sold: Amount(sold, currency),
        refunds: day.map_or(0, |day| day.refunds),
        refunded: Amount(refunded, currency),
        total: Amount(sold.checked_sub(refunded).unwrap_or(Minor(0)), currency),
    }))
}
