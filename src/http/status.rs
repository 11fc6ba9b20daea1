//! `GET /v1/status`: the node at a glance, for the operator.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::money::Amount;
use super::problem::Problem;
use super::state::ApiState;
use super::sync::{self, Pending, SyncBody, instant};
use crate::domain::money::Currency;
use crate::domain::time::BusinessDay;
use crate::store::{DayTotals, StorageError};

/// How many days and how many things set aside are shown.
const DAYS: u32 = 7;
const SET_ASIDE: u32 = 20;

/// The node at a glance.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatusBody {
    #[schema(example = "market")]
    org: String,
    #[schema(example = "store-1")]
    node: String,
    #[schema(example = "store-1")]
    site: String,
    #[schema(value_type = String, example = "USD")]
    currency: Currency,
    /// The program's version.
    software: String,
    /// What the node's clock shows.
    now: String,
    uptime_seconds: u64,
    /// How many items the catalog has.
    items: u64,
    /// How many devices may ask.
    devices: usize,
    /// The last business days, newest first.
    days: Vec<DayBody>,
    sync: SyncBody,
    /// What was set aside last, newest first.
    set_aside: Vec<SetAsideBody>,
    /// Memory of the process that is in use, where the system tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    resident_bytes: Option<u64>,
}

/// One business day. Amounts in the node's currency.
#[derive(Debug, Serialize, ToSchema)]
pub struct DayBody {
    #[schema(value_type = String, example = "2024-03-01")]
    business_day: BusinessDay,
    sales: u64,
    #[schema(value_type = String, example = "1234.56")]
    sold: Amount,
    refunds: u64,
    #[schema(value_type = String, example = "12.00")]
    refunded: Amount,
}

/// What could not be read, sent or applied.
#[derive(Debug, Serialize, ToSchema)]
pub struct SetAsideBody {
    /// Where it came from: `journal`, `feed:catalog`.
    source: String,
    /// What it was there: a position, a version and a key.
    reference: String,
    reason: String,
    at: String,
}

/// The node at a glance.
#[utoipa::path(get, operation_id = "get_status", path = "/v1/status", tag = "node", responses((status = 200, body = StatusBody)))]
pub(super) async fn show(State(api): State<ApiState>) -> Result<Json<StatusBody>, Problem> {
    let currency = api.node.currency;
    let (pending, items, devices, days, set_aside) = api
        .readers
        .run(move |snapshot| -> Result<_, StorageError> {
            let devices = snapshot.devices()?;
            let devices = devices.iter().filter(|device| device.revoked_ms.is_none()).count();
            Ok((
                Pending::read(snapshot)?,
                snapshot.items_count()?,
                devices,
                snapshot.day_totals(None, DAYS)?,
                snapshot.set_asides(SET_ASIDE)?,
            ))
        })
        .await?;
    let set_aside = set_aside.into_iter().map(|aside| SetAsideBody {
        source: aside.source,
        reference: aside.reference,
        reason: aside.reason,
        at: instant(aside.at_ms),
    });
    Ok(Json(StatusBody {
        org: api.node.org.to_string(),
        node: api.node.node.to_string(),
        site: api.node.site.to_string(),
        currency,
        software: api.software.clone(),
        now: api.now().local().to_string(),
        uptime_seconds: api.metrics.uptime().as_secs(),
        items,
        devices,
        days: days.iter().map(|day| day_body(day, currency)).collect(),
        sync: sync::body(&api, pending),
        set_aside: set_aside.collect(),
        resident_bytes: super::metrics::resident_bytes().await,
    }))
}

fn day_body(day: &DayTotals, currency: Currency) -> DayBody {
    DayBody {
        business_day: day.business_day,
        sales: day.sales,
        sold: Amount(day.sold, currency),
        refunds: day.refunds,
        refunded: Amount(day.refunded, currency),
    }
}
