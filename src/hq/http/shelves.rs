//! `GET /v1/shelves`: what each replica of a site says of each item on sale there, and the figures that follow.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::state::HqApi;
use super::totals::{cursor, next};
use crate::domain::escrow::{Amount, ReplicaId};
use crate::domain::ids::{SiteId, Sku};
use crate::domain::quantity::Quantity;
use crate::hq::{ReplicaRow, SiteShelf, StorageError};
use crate::http::parameters::{InQuery, page_limit};
use crate::http::problem::Problem;
use crate::sync::wire::StreamState;

/// Which shelves.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ShelvesParameters {
    /// Of which site.
    #[param(value_type = String)]
    site: SiteId,
    /// The most entries; 50 where it is not given.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Shelves in the order of their SKUs.
#[derive(Debug, Serialize, ToSchema)]
pub struct ShelvesBody {
    shelves: Vec<ShelfBody>,
    /// Where the next page begins; missing on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// An item on sale at a site.
#[derive(Debug, Serialize, ToSchema)]
pub struct ShelfBody {
    #[schema(value_type = String)]
    sku: Sku,
    /// What is there; negative where more was sold in hand than is known to have come in.
    #[schema(value_type = String, example = "12")]
    on_hand: Quantity,
    /// What is promised.
    #[schema(value_type = String, example = "2")]
    reserved: Quantity,
    /// What was sold beyond rights and is not settled.
    #[schema(value_type = String, example = "0")]
    owed: Quantity,
    /// Rights on their way from one replica to another.
    #[schema(value_type = String, example = "0")]
    under_way: Quantity,
    /// Part of that, left by nodes that headquarters has retired: nobody may promise it until it is counted or released.
    #[schema(value_type = String, example = "0")]
    unpromised: Quantity,
    /// What each replica says of it.
    replicas: Vec<ReplicaBody>,
}

/// A replica's registers: sums over all time.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReplicaBody {
    /// `NODE/INCARNATION`.
    #[schema(value_type = String)]
    replica: String,
    /// Whether it counts: `counted`, `set_apart` or `excluded`.
    #[schema(value_type = String)]
    state: StreamState,
    /// The last record of its journal that is in these registers for certain.
    through: u64,
    /// The last record of its journal that headquarters has; those between may have moved this shelf.
    journal: u64,
    /// `added`, `removed`, `held`, `freed`, `debt` and `repaid`; what is nothing is left out.
    #[schema(value_type = BTreeMap<String, String>)]
    registers: BTreeMap<&'static str, Quantity>,
    /// Rights handed on, by replica.
    #[schema(value_type = BTreeMap<String, String>)]
    given: BTreeMap<String, Quantity>,
    /// Rights taken over, by replica.
    #[schema(value_type = BTreeMap<String, String>)]
    accepted: BTreeMap<String, Quantity>,
}

/// What each replica of a site says of each item.
#[utoipa::path(
    get, path = "/v1/shelves", tag = "figures", params(ShelvesParameters),
    responses((status = 200, body = ShelvesBody)),
)]
pub(super) async fn list(
    State(api): State<HqApi>,
    InQuery(asked): InQuery<ShelvesParameters>,
) -> Result<Json<ShelvesBody>, Problem> {
    let limit = page_limit(asked.limit)?;
    let (site, after) = (asked.site, cursor::<Sku>(asked.cursor.as_deref())?);
    let shelves = api
        .ask::<_, StorageError>(move |headquarters| headquarters.site_shelves(&site, after.as_ref(), limit))
        .await?;
    let next_cursor = next(&shelves, limit, |shelf| shelf.sku.clone());
    Ok(Json(ShelvesBody {
        shelves: shelves.into_iter().map(ShelfBody::from).collect(),
        next_cursor,
    }))
}

impl From<SiteShelf> for ShelfBody {
    fn from(shelf: SiteShelf) -> Self {
        Self {
            sku: shelf.sku,
            on_hand: shelf.on_hand,
            reserved: shelf.reserved,
            owed: shelf.owed,
            under_way: shelf.under_way,
            unpromised: shelf.unpromised,
            replicas: shelf.replicas.iter().map(ReplicaBody::from).collect(),
        }
    }
}

impl From<&ReplicaRow> for ReplicaBody {
    fn from(row: &ReplicaRow) -> Self {
        let registers = row.row.registers();
        let plain = [
            ("added", registers.added),
            ("removed", registers.removed),
            ("held", registers.held),
            ("freed", registers.freed),
            ("debt", registers.debt),
            ("repaid", registers.repaid),
        ];
        let there = plain.into_iter().filter(|(_, amount)| !amount.is_zero());
        let rights = |entries: &BTreeMap<ReplicaId, Amount>| {
            let named = entries.iter().map(|(of, amount)| (of.to_string(), quantity(*amount)));
            named.collect()
        };
        Self {
            replica: row.replica.to_string(),
            state: row.state,
            through: row.through,
            journal: row.journal,
            registers: there.map(|(name, amount)| (name, quantity(amount))).collect(),
            given: rights(&registers.given),
            accepted: rights(&registers.accepted),
        }
    }
}

fn quantity(amount: Amount) -> Quantity {
    Quantity::from_thousandths(i64::try_from(amount.parts()).unwrap_or(i64::MAX))
}
