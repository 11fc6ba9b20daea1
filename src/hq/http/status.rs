//! `GET /v1/status`: headquarters at a glance, and what needs a person.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::nodes::NodeBody;
use super::state::HqApi;
use crate::hq::{Counts, NodeStatus, StorageError};
use crate::http::problem::Problem;
use crate::http::sync::instant;

/// Headquarters at a glance.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatusBody {
    /// Its name as the writer of a journal.
    #[schema(example = "hq")]
    headquarters: String,
    /// The program's version.
    software: &'static str,
    /// What its clock shows.
    now: String,
    /// How many batches of the ledger are not in the figures yet.
    behind: u64,
    nodes: Vec<NodeBody>,
    /// What needs a person.
    alerts: Vec<AlertBody>,
}

/// Something that needs a person.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AlertBody {
    /// `set_apart`, `lost_records`, `damaged_batches`, `key_disputed`, `set_aside` or `conflicts`.
    #[schema(example = "set_apart")]
    code: &'static str,
    /// In words.
    detail: String,
}

/// Headquarters at a glance.
#[utoipa::path(get, path = "/v1/status", tag = "headquarters", responses((status = 200, body = StatusBody)))]
pub(super) async fn show(State(api): State<HqApi>) -> Result<Json<StatusBody>, Problem> {
    let (nodes, counts) = api
        .ask::<_, StorageError>(|headquarters| Ok((headquarters.nodes()?, headquarters.counts()?)))
        .await?;
    Ok(Json(StatusBody {
        headquarters: api.headquarters.name().to_string(),
        software: env!("CARGO_PKG_VERSION"),
        now: instant(api.now_ms()),
        behind: counts.behind,
        alerts: alerts(&nodes, counts),
        nodes: nodes.into_iter().map(Into::into).collect(),
    }))
}

fn alerts(nodes: &[NodeStatus], counts: Counts) -> Vec<AlertBody> {
    let mut alerts = Vec::new();
    for node in nodes {
        if node.complete.set_apart > 0 {
            alerts.push(AlertBody {
                code: "set_apart",
                detail: format!(
                    "{} records of {} are set apart until somebody decides whether they count",
                    node.complete.set_apart, node.node
                ),
            });
        }
        alerts.extend(link_alerts(node));
        for (first, last) in node.incarnations.iter().flat_map(|incarnation| &incarnation.holes) {
            alerts.push(AlertBody {
                code: "lost_records",
                detail: format!(
                    "records {first} to {last} of {} are lost: headquarters was set back, and the node had pruned them",
                    node.node
                ),
            });
        }
    }
    if counts.set_aside > 0 {
        alerts.push(AlertBody {
            code: "set_aside",
            detail: format!(
                "{} records could not be read or counted and wait for a repair",
                counts.set_aside
            ),
        });
    }
    if counts.conflicts > 0 {
        alerts.push(AlertBody {
            code: "conflicts",
            detail: format!(
                "{} sales came again under a taken identity with another content; they are not counted",
                counts.conflicts
            ),
        });
    }
    alerts
}

/// What is wrong with what a node sends. One batch that came damaged is nothing: it is sent again.
fn link_alerts(node: &NodeStatus) -> Vec<AlertBody> {
    let mut alerts = Vec::new();
    let Some(trouble) = &node.trouble else {
        return alerts;
    };
    if let Some(damaged) = trouble.damaged.as_ref().filter(|damaged| damaged.count > 1) {
        alerts.push(AlertBody {
            code: "damaged_batches",
            detail: format!(
                "{} batches of {} in a row came damaged since {}: {}",
                damaged.count,
                node.node,
                instant(damaged.since_ms),
                damaged.reason
            ),
        });
    }
    if let Some(reason) = &trouble.disputed {
        alerts.push(AlertBody {
            code: "key_disputed",
            detail: format!("nothing of {} is taken: {reason}", node.node),
        });
    }
    alerts
}
