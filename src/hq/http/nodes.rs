//! `/v1/nodes` and `/v1/sites`: what headquarters has of each node, and what is missing.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::command::Command;
use super::instants::instant_if_any;
use super::state::HqApi;
use crate::domain::fact::OpenedReason;
use crate::domain::ids::{NodeId, SiteId};
use crate::hq::{Happening, IncarnationStatus, NodeStatus, StorageError, introduce};
use crate::http::problem::Problem;
use crate::sync::wire::StreamState;

/// All nodes, by name.
#[derive(Debug, Serialize, ToSchema)]
pub struct NodesBody {
    nodes: Vec<NodeBody>,
}

/// One node.
#[derive(Debug, Serialize, ToSchema)]
pub struct NodeBody {
    #[schema(value_type = String, example = "store-1")]
    node: NodeId,
    #[schema(value_type = String, example = "store-1")]
    site: SiteId,
    /// The store's node that passes its records on; missing where it comes by itself.
    #[schema(value_type = Option<String>, example = "store-1")]
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<NodeId>,
    /// Its program's version; empty until it has introduced itself.
    software: String,
    /// Since when it is known.
    enrolled: Option<String>,
    /// Whether it is connected now, as far as the broker has said, or its parent.
    online: bool,
    /// When it was last heard of; missing for never.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_heard: Option<String>,
    /// Everything that it recorded until then is in the figures, as far as it has told; missing where nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    complete_through: Option<String>,
    /// How many records it has told of that are not in the figures yet.
    pending: u64,
    /// How many of its records are set apart until an operator decides.
    set_apart: u64,
    incarnations: Vec<IncarnationBody>,
}

/// One life of a node's journal.
#[derive(Debug, Serialize, ToSchema)]
pub struct IncarnationBody {
    #[schema(example = "1-00c0ffee00c0ffee")]
    incarnation: String,
    /// `counted`, `set_apart` or `excluded`.
    #[schema(value_type = String, example = "counted")]
    state: StreamState,
    /// Why it opened: `first`, `restored`, `set_back`, `copied`, `moved`, `retired`,
    /// `promoted`; missing until its first record is here.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<OpenedReason>,
    /// Where the one before it stood on that disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    predecessor: Option<PredecessorBody>,
    /// Where a standby took the place of the one before it: how many records of that one it has never seen, as far as
    /// they are known by now.
    #[serde(skip_serializing_if = "Option::is_none")]
    unseen: Option<u64>,
    /// The last record that is on headquarters' disk.
    acknowledged_seq: u64,
    /// The highest number that its node has told of.
    told_seq: u64,
    /// How many records its node has told of that are not on headquarters' disk.
    lag: u64,
    /// The last record that is in the figures.
    counted_seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_heard: Option<String>,
    /// When another branch of it was last offered: its disk was copied or set back.
    #[serde(skip_serializing_if = "Option::is_none")]
    branched: Option<String>,
    /// Its parent's operator has retired it; missing where nobody did.
    #[serde(skip_serializing_if = "Option::is_none")]
    retired: Option<RetiredBody>,
    /// Records that headquarters has lost and its node no longer had.
    holes: Vec<HoleBody>,
}

/// How an incarnation was retired.
#[derive(Debug, Serialize, ToSchema)]
pub struct RetiredBody {
    /// The last of its records that its parent had then; what is behind comes late.
    record: u64,
    by: String,
    reason: String,
}

/// Where an incarnation stood.
#[derive(Debug, Serialize, ToSchema)]
pub struct PredecessorBody {
    incarnation: String,
    seq: u64,
}

/// A run of records, both ends included.
#[derive(Debug, Serialize, ToSchema)]
pub struct HoleBody {
    first: u64,
    last: u64,
}

/// All sites, by name.
#[derive(Debug, Serialize, ToSchema)]
pub struct SitesBody {
    sites: Vec<SiteBody>,
}

/// One site: as complete as the worst of its nodes.
#[derive(Debug, Serialize, ToSchema)]
pub struct SiteBody {
    #[schema(value_type = String, example = "store-1")]
    site: SiteId,
    #[schema(value_type = Vec<String>)]
    nodes: Vec<NodeId>,
    /// Whether all of its nodes are connected now.
    online: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    complete_through: Option<String>,
    pending: u64,
    set_apart: u64,
}

/// A node to be known.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EnrolRequest {
    #[schema(value_type = String, example = "store-1")]
    node: NodeId,
    #[schema(value_type = String, example = "store-1")]
    site: SiteId,
}

/// A node that is known.
#[derive(Debug, Serialize, ToSchema)]
pub struct EnrolledBody {
    #[schema(value_type = String)]
    node: NodeId,
    #[schema(value_type = String)]
    site: SiteId,
}

impl From<NodeStatus> for NodeBody {
    fn from(node: NodeStatus) -> Self {
        Self {
            node: node.node,
            site: node.site,
            parent: node.parent,
            software: node.software,
            enrolled: instant_if_any(node.enrolled_ms),
            online: node.online,
            last_heard: instant_if_any(node.last_heard_ms),
            complete_through: instant_if_any(node.complete.through_ms),
            pending: node.complete.pending,
            set_apart: node.complete.set_apart,
            incarnations: node.incarnations.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<IncarnationStatus> for IncarnationBody {
    fn from(status: IncarnationStatus) -> Self {
        let lag = status.lag();
        let holes = status.holes.into_iter().map(|(first, last)| HoleBody { first, last });
        Self {
            incarnation: status.incarnation.to_string(),
            state: status.state,
            reason: status.reason,
            predecessor: status.predecessor.map(|head| PredecessorBody {
                incarnation: head.incarnation.to_string(),
                seq: head.seq,
            }),
            unseen: status.unseen,
            acknowledged_seq: status.acked.seq,
            told_seq: status.told_seq,
            lag,
            counted_seq: status.projected_seq,
            last_heard: instant_if_any(status.last_heard_ms),
            branched: instant_if_any(status.branched_ms),
            retired: status
                .retired
                .map(|(record, by, reason)| RetiredBody { record, by, reason }),
            holes: holes.collect(),
        }
    }
}

/// All nodes: their incarnations, what is missing of each, and up to when they are in the figures.
#[utoipa::path(get, path = "/v1/nodes", tag = "nodes", responses((status = 200, body = NodesBody)))]
pub(super) async fn list(State(api): State<HqApi>) -> Result<Json<NodesBody>, Problem> {
    let nodes = api.ask::<_, StorageError>(|headquarters| headquarters.nodes()).await?;
    Ok(Json(NodesBody {
        nodes: nodes.into_iter().map(Into::into).collect(),
    }))
}

/// Makes a node known, or changes its site. Needed where headquarters takes facts from enrolled nodes only.
#[utoipa::path(
    post, path = "/v1/nodes", tag = "nodes", request_body = EnrolRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "The client's name for this request")),
    responses((status = 200, body = EnrolledBody)),
)]
pub(super) async fn enrol(State(api): State<HqApi>, command: Command<EnrolRequest>) -> Result<Response, Problem> {
    let done = command
        .once(&api, StatusCode::OK, |writing, asked, _, now_ms| {
            introduce::enrol(writing, asked.node.clone(), asked.site.clone(), now_ms)?;
            Ok::<_, StorageError>(EnrolledBody {
                node: asked.node,
                site: asked.site,
            })
        })
        .await?;
    if !done.replayed {
        api.headquarters.watch.tell(Happening::Nodes);
    }
    Ok(done.response)
}

/// All sites.
#[utoipa::path(get, path = "/v1/sites", tag = "nodes", responses((status = 200, body = SitesBody)))]
pub(super) async fn sites(State(api): State<HqApi>) -> Result<Json<SitesBody>, Problem> {
    let nodes = api.ask::<_, StorageError>(|headquarters| headquarters.nodes()).await?;
    let mut by_site: BTreeMap<SiteId, Vec<NodeStatus>> = BTreeMap::new();
    for node in nodes {
        by_site.entry(node.site.clone()).or_default().push(node);
    }
    let sites = by_site.into_iter().map(|(site, nodes)| SiteBody {
        site,
        online: nodes.iter().all(|node| node.online),
        complete_through: instant_if_any(
            nodes
                .iter()
                .map(|node| node.complete.through_ms)
                .min()
                .unwrap_or_default(),
        ),
        pending: nodes.iter().map(|node| node.complete.pending).sum(),
        set_apart: nodes.iter().map(|node| node.complete.set_apart).sum(),
        nodes: nodes.into_iter().map(|node| node.node).collect(),
    });
    Ok(Json(SitesBody { sites: sites.collect() }))
}
