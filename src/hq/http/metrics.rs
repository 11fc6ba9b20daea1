//! What headquarters counts and measures, for Prometheus (OpenMetrics text): `GET /metrics`. What only the database
//! knows is read when somebody asks.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::state::HqApi;
use crate::hq::{NodeStatus, StorageError};
use crate::http::problem::Problem;

/// All of it.
#[derive(Debug)]
pub(super) struct Metrics {
    registry: Registry,
    problems: Family<ProblemLabels, Counter>,
    nodes_online: Family<NodeLabels, Gauge>,
    pending: Family<NodeLabels, Gauge>,
    set_apart: Family<NodeLabels, Gauge>,
    last_heard_ms: Family<NodeLabels, Gauge>,
    set_aside: Gauge,
    conflicts: Gauge,
    behind: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProblemLabels {
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NodeLabels {
    node: String,
    site: String,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("finalmarket_hq"),
            problems: Family::default(),
            nodes_online: Family::default(),
            pending: Family::default(),
            set_apart: Family::default(),
            last_heard_ms: Family::default(),
            set_aside: Gauge::default(),
            conflicts: Gauge::default(),
            behind: Gauge::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    /// Counts an answer that was a problem.
    pub(super) fn count_problem(&self, code: &'static str) {
        self.problems.get_or_create(&ProblemLabels { code }).inc();
    }

    fn register(&mut self) {
        let to = &mut self.registry;
        to.register("problems", "Answers that were problems, by code", self.problems.clone());
        let help = "1 where the node is connected, as far as the broker has said";
        to.register("node_online", help, self.nodes_online.clone());
        let help = "Records that the node has told of and that are not in the figures";
        to.register("node_pending_records", help, self.pending.clone());
        let help = "Records of the node that are set apart until an operator decides";
        to.register("node_set_apart_records", help, self.set_apart.clone());
        let help = "When the node was last heard of, in milliseconds since 1970";
        to.register("node_last_heard_ms", help, self.last_heard_ms.clone());
        let help = "Records that wait for a person or an upgrade";
        to.register("set_aside", help, self.set_aside.clone());
        let help = "Sales that came again with another content";
        to.register("conflicts", help, self.conflicts.clone());
        let help = "Batches of the ledger that are not in the figures yet";
        to.register("behind_batches", help, self.behind.clone());
    }

    fn set_node(&self, node: &NodeStatus) {
        let labels = NodeLabels {
            node: node.node.to_string(),
            site: node.site.to_string(),
        };
        self.nodes_online.get_or_create(&labels).set(node.online.into());
        self.pending.get_or_create(&labels).set(signed(node.complete.pending));
        self.set_apart
            .get_or_create(&labels)
            .set(signed(node.complete.set_apart));
        self.last_heard_ms
            .get_or_create(&labels)
            .set(signed(node.last_heard_ms));
    }
}

/// What headquarters counts and measures, as OpenMetrics text.
#[utoipa::path(
    get, path = "/metrics", tag = "headquarters",
    responses((status = 200, description = "The measures", content_type = "application/openmetrics-text", body = String)),
)]
pub(super) async fn scrape(State(api): State<HqApi>) -> Result<Response, Problem> {
    let (nodes, counts) = api
        .ask::<_, StorageError>(|headquarters| Ok((headquarters.nodes()?, headquarters.counts()?)))
        .await?;
    let metrics = &api.metrics;
    for node in &nodes {
        metrics.set_node(node);
    }
    metrics.set_aside.set(signed(counts.set_aside));
    metrics.conflicts.set(signed(counts.conflicts));
    metrics.behind.set(signed(counts.behind));
    let mut text = String::with_capacity(16 << 10);
    // Writing to a string does not fail.
    let _ = encode(&mut text, &metrics.registry);
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
