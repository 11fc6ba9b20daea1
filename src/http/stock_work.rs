//! Stock work: goods in, losses, corrections, moves between places, counts.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::caller::Caller;
use super::children::Children;
use super::command::Command;
use super::explain::catch_up;
use super::kept::kept;
use super::problem::Problem;
use super::state::ApiState;
use crate::domain::ids::{NodeId, Sku, StaffId};
use crate::domain::money::{Currency, Price};
use crate::domain::quantity::Quantity;
use crate::domain::stock::{Place, StockWork, WorkKind, WorkReason};
use crate::operations::{Others, TakenMark, WorkCommand, WorkEntry, WorkRefusal, count_mark, stock_work};

/// Work on the stock.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct WorkRequest {
    /// What is done.
    work: WorkKindRequest,
    /// Who does it: a pseudonymous reference.
    #[schema(value_type = Option<String>)]
    staff: Option<StaffId>,
    /// In words; at most 200 characters. Needed for the reason `other`.
    note: Option<String>,
    /// What it is done to; 1 to 1,000 lines, each item once. All of it or nothing.
    lines: Vec<WorkLineRequest>,
}

/// What is done. Reasons: `damaged`, `expired`, `stolen`, `lost`, `own_use`, `wrong_delivery`, `entry_error`, `found`,
/// `repaired`, `other`. Places: `sellable` where none is given, `damaged`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum WorkKindRequest {
    /// Goods came in and are on sale.
    GoodsIn {
        /// Who delivered them.
        supplier: Option<String>,
        /// The supplier's document, such as a delivery note.
        reference: Option<String>,
    },
    /// Goods are gone.
    Loss {
        #[schema(value_type = String, example = "stolen")]
        reason: WorkReason,
        /// Where they stood.
        #[schema(value_type = Option<String>)]
        #[serde(default)]
        place: Place,
    },
    /// The figure was wrong.
    Correction {
        #[schema(value_type = String, example = "found")]
        reason: WorkReason,
        /// Where they stand.
        #[schema(value_type = Option<String>)]
        #[serde(default)]
        place: Place,
    },
    /// Goods go from one place to another: on sale, or set apart as damaged.
    Move {
        #[schema(value_type = String, example = "damaged")]
        reason: WorkReason,
        #[schema(value_type = String, example = "sellable")]
        from: Place,
        #[schema(value_type = String, example = "damaged")]
        to: Place,
    },
    /// Goods on sale were counted, reserved ones included, as they stood when the mark was taken.
    Count {
        /// What `POST /v1/stock/counts` gave.
        mark: u64,
    },
}

/// One item of it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct WorkLineRequest {
    #[schema(value_type = String)]
    sku: Sku,
    /// How much: over 0; of a correction, by how much the figure changes; of a count, what was counted.
    #[schema(value_type = String, example = "12")]
    quantity: Quantity,
    /// What one unit cost, of goods in, in the node's currency.
    #[schema(value_type = Option<String>, example = "2.45")]
    cost: Option<Price>,
}

/// Work that was done.
#[derive(Debug, Serialize, ToSchema)]
pub struct WorkBody {
    /// Its identity.
    id: String,
    /// Of a count, whether it is provisional: not all from before its marks is known. Left out for other work.
    #[serde(skip_serializing_if = "Option::is_none")]
    provisional: Option<bool>,
    lines: Vec<WorkLineBody>,
}

/// One item of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct WorkLineBody {
    #[schema(value_type = String)]
    sku: Sku,
    /// How much; of a count, by how much what was counted differs from what was on the shelf at the mark.
    #[schema(value_type = String)]
    quantity: Quantity,
}

/// A count that begins.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct CountRequest {
    /// Nodes that cannot be heard and, as whoever counts knows, move nothing any more, such as a kiosk that burned: what
    /// they had done comes when it comes, and the count stands. This node's own name stands for its earlier lives.
    #[serde(default)]
    #[schema(value_type = Vec<String>, example = json!(["kiosk-1"]))]
    stopped: BTreeSet<NodeId>,
}

/// The mark of a count.
#[derive(Debug, Serialize, ToSchema)]
pub struct CountBody {
    /// What is counted is what stood on the shelf when this was taken, whatever is sold meanwhile.
    mark: u64,
    /// Whether a count at this mark stays provisional: a node that moves goods of the site could not be asked for its mark.
    provisional: bool,
    /// The other nodes that move goods at the site.
    nodes: Vec<MarkedNodeBody>,
}

/// Another node that moves goods at the site.
#[derive(Debug, Serialize, ToSchema)]
pub struct MarkedNodeBody {
    #[schema(example = "kiosk-1")]
    node: String,
    /// Whether it could be asked, or has stopped.
    marked: bool,
}

/// Enters work on the stock.
#[utoipa::path(
    post, operation_id = "work_on_stock", path = "/v1/stock/work", tag = "stock", request_body = WorkRequest,
    params(("Idempotency-Key" = String, Header, description = "The client's name for this request")),
    responses((status = 201, description = "The work", body = WorkBody)),
)]
pub(super) async fn create(
    State(api): State<ApiState>,
    caller: Caller,
    command: Command<WorkRequest>,
) -> Result<Response, Problem> {
    let key = command.key.clone();
    let (request, body) = command.into_request(&caller);
    let command = body.into_command(api.node.currency);
    let (device, now) = (caller.device(), api.now());
    if matches!(command.kind, WorkKind::Count { .. }) {
        // It reads what has moved since its mark; done here, the sales get their turn in between.
        catch_up(&api).await?;
    }
    let kept = api
        .write(move |tx| {
            kept(tx, &request, now, |tx| {
                let work = stock_work(tx, now, &device, &key, &command)?;
                Ok((StatusCode::CREATED, WorkBody::from(work)))
            })
        })
        .await?;
    if kept.repeated {
        api.metrics.replays.inc();
    } else {
        api.metrics.movements.inc();
    }
    Ok(kept.into_response())
}

/// Takes the mark of a count, from every node that moves goods at the site. Goods are then counted while the site goes on selling, and entered as work of the kind
/// `count`.
#[utoipa::path(
    post, operation_id = "begin_count", path = "/v1/stock/counts", tag = "stock", request_body = CountRequest,
    params(("Idempotency-Key" = String, Header, description = "The client's name for this request")),
    responses((status = 200, description = "The mark", body = CountBody)),
)]
pub(super) async fn mark(
    State(api): State<ApiState>,
    caller: Caller,
    command: Command<CountRequest>,
) -> Result<Response, Problem> {
    let (request, CountRequest { stopped }) = command.into_request(&caller);
    let now = api.now();
    let connected = api.children.as_ref().map(Children::connected).unwrap_or_default();
    let others = Others { connected, stopped };
    let kept = api
        .write(move |tx| {
            kept::<_, WorkRefusal>(tx, &request, now, |tx| {
                let mark = count_mark(tx, now, &others)?;
                Ok((StatusCode::OK, CountBody::from(mark)))
            })
        })
        .await?;
    Ok(kept.into_response())
}

impl WorkRequest {
    fn into_command(self, currency: Currency) -> WorkCommand {
        let kind = match self.work {
            WorkKindRequest::GoodsIn { supplier, reference } => WorkKind::GoodsIn {
                supplier,
                reference,
                currency,
            },
            WorkKindRequest::Loss { reason, place } => WorkKind::Loss { reason, place },
            WorkKindRequest::Correction { reason, place } => WorkKind::Correction { reason, place },
            WorkKindRequest::Move { reason, from, to } => WorkKind::Move { reason, from, to },
            WorkKindRequest::Count { mark } => WorkKind::Count {
                mark,
                others: Vec::new(),
            },
        };
        let lines = self.lines.into_iter().map(|line| WorkEntry {
            sku: line.sku,
            quantity: line.quantity,
            cost: line.cost,
        });
        WorkCommand {
            kind,
            staff: self.staff,
            note: self.note,
            lines: lines.collect(),
        }
    }
}

impl From<TakenMark> for CountBody {
    fn from(mark: TakenMark) -> Self {
        let nodes = mark.nodes.into_iter().map(|(node, marked)| MarkedNodeBody {
            node: node.to_string(),
            marked,
        });
        let nodes: Vec<MarkedNodeBody> = nodes.collect();
        Self {
            mark: mark.number,
            provisional: nodes.iter().any(|node| !node.marked),
            nodes,
        }
    }
}

impl From<StockWork> for WorkBody {
    fn from(work: StockWork) -> Self {
        let provisional = work.kind.is_provisional();
        let lines = work.lines.into_iter().map(|line| WorkLineBody {
            sku: line.sku,
            quantity: line.quantity,
        });
        Self {
            id: work.id.to_string(),
            provisional: matches!(work.kind, WorkKind::Count { .. }).then_some(provisional),
            lines: lines.collect(),
        }
    }
}
