//! What the node counts and measures, for Prometheus (OpenMetrics text), and `GET /metrics`.
//!
//! Counting is a few atomics on the way of a sale and never waits for the database; what only the database knows is
//! read when somebody asks.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::commits::Committed;
use super::problem::Problem;
use super::standbys::StandbyReport;
use super::state::ApiState;
use super::sync::{LinkState, Pending};
use crate::domain::stock::AlertKind;
use crate::store::GateState;

/// The upper bounds of the request times, in seconds: a sale waits for the disk, so that milliseconds matter.
const SECONDS: [f64; 12] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];

/// All of it.
#[derive(Debug)]
pub struct Metrics {
    started: Instant,
    registry: Registry,
    /// Sales recorded; repeats are not counted again.
    pub sales: Counter,
    /// Refunds recorded.
    pub refunds: Counter,
    /// Movements of stock recorded.
    pub movements: Counter,
    /// Requests that were answered from an earlier answer.
    pub replays: Counter,
    problems: Family<ProblemLabels, Counter>,
    durations: Family<RouteLabels, Histogram, fn() -> Histogram>,
    /// Requests under way.
    in_flight: Gauge,
    /// Requests that wait for the writer.
    pub writes_waiting: Gauge,
    groups: Counter,
    grouped: Counter,
    /// Event streams that are open.
    pub streams: Gauge,
    journal_seq: Gauge,
    acked_seq: Gauge,
    pending: Gauge,
    oldest_pending_seconds: Gauge,
    set_aside: Gauge,
    alerts: Family<AlertLabels, Gauge>,
    link: Family<LinkLabels, Gauge>,
    standby_lag: Family<StandbyLabels, Gauge>,
    standby_connected: Family<StandbyLabels, Gauge>,
    disks: Gauge,
    uptime_seconds: Gauge,
    resident_bytes: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProblemLabels {
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AlertLabels {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StandbyLabels {
    standby: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    method: &'static str,
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LinkLabels {
    state: LinkState,
}

impl EncodeLabelValue for LinkState {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        EncodeLabelValue::encode(&self.name(), encoder)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(SECONDS);
        let mut metrics = Self {
            started: Instant::now(),
            registry: Registry::with_prefix("finalmarket"),
            sales: Counter::default(),
            refunds: Counter::default(),
            movements: Counter::default(),
            replays: Counter::default(),
            problems: Family::default(),
            durations: Family::new_with_constructor(histogram),
            in_flight: Gauge::default(),
            writes_waiting: Gauge::default(),
            groups: Counter::default(),
            grouped: Counter::default(),
            streams: Gauge::default(),
            journal_seq: Gauge::default(),
            acked_seq: Gauge::default(),
            pending: Gauge::default(),
            oldest_pending_seconds: Gauge::default(),
            set_aside: Gauge::default(),
            alerts: Family::default(),
            link: Family::default(),
            standby_lag: Family::default(),
            standby_connected: Family::default(),
            disks: Gauge::default(),
            uptime_seconds: Gauge::default(),
            resident_bytes: Gauge::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    /// The measure of one route's times. Asked once, when the router is made.
    pub(super) fn duration(&self, method: &'static str, route: &str) -> Histogram {
        let route = route.to_owned();
        self.durations.get_or_create_owned(&RouteLabels { method, route })
    }

    /// Counts an answer that was a problem.
    pub(super) fn count_problem(&self, code: &'static str) {
        self.problems.get_or_create(&ProblemLabels { code }).inc();
    }

    /// For how long the node has run.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    fn register(&mut self) {
        let to = &mut self.registry;
        to.register("sales", "Sales recorded", self.sales.clone());
        to.register("refunds", "Refunds recorded", self.refunds.clone());
        to.register("movements", "Movements of stock recorded", self.movements.clone());
        let help = "Requests answered from an earlier answer under the same key";
        to.register("replays", help, self.replays.clone());
        to.register("problems", "Answers that were problems, by code", self.problems.clone());
        let help = "Time from a request's head to its answer's head";
        to.register_with_unit("http_request_duration", help, Unit::Seconds, self.durations.clone());
        to.register("http_requests_under_way", "Requests under way", self.in_flight.clone());
        to.register(
            "writes_waiting",
            "Requests that wait for the writer",
            self.writes_waiting.clone(),
        );
        to.register(
            "commit_groups",
            "Groups that the writer has committed",
            self.groups.clone(),
        );
        let help = "Sales, refunds and movements in those groups";
        to.register("committed_documents", help, self.grouped.clone());
        to.register("event_streams", "Event streams that are open", self.streams.clone());
        to.register(
            "journal_seq",
            "The newest record of the journal",
            self.journal_seq.clone(),
        );
        let help = "The last record that headquarters has acknowledged";
        to.register("acked_seq", help, self.acked_seq.clone());
        let help = "Records that headquarters has not acknowledged";
        to.register("pending_records", help, self.pending.clone());
        let help = "Age of the oldest record that headquarters has not acknowledged";
        to.register_with_unit(
            "oldest_pending",
            help,
            Unit::Seconds,
            self.oldest_pending_seconds.clone(),
        );
        to.register(
            "set_aside",
            "Records and entries that were set aside",
            self.set_aside.clone(),
        );
        let help = "Alerts about stock that are open, by kind";
        to.register("alerts_open", help, self.alerts.clone());
        to.register("link", "1 for the state that the link is in", self.link.clone());
        let help = "Records of this node that a standby is not known to have";
        to.register("standby_lag_records", help, self.standby_lag.clone());
        let help = "1 where a standby follows now";
        to.register("standby_connected", help, self.standby_connected.clone());
        let help = "On how many disks a sale is when it is answered for";
        to.register("answer_disks", help, self.disks.clone());
        let help = "Time since the node started";
        to.register_with_unit("uptime", help, Unit::Seconds, self.uptime_seconds.clone());
        let help = "Memory of the process that is in use";
        to.register_with_unit(
            "process_resident_memory",
            help,
            Unit::Bytes,
            self.resident_bytes.clone(),
        );
    }

    fn set_pending(&self, pending: &Pending, now_ms: u64) {
        self.journal_seq.set(signed(pending.journal_seq));
        self.acked_seq.set(signed(pending.acknowledged_seq));
        self.pending.set(signed(pending.records));
        let age_ms = pending
            .oldest_ms
            .map_or(0, |oldest_ms| now_ms.saturating_sub(oldest_ms));
        self.oldest_pending_seconds.set(signed(age_ms / 1000));
        self.set_aside.set(signed(pending.set_aside));
    }

    fn set_alerts(&self, open: &[(AlertKind, u64)]) {
        for kind in AlertKind::ALL {
            let count = open
                .iter()
                .find(|(open, _)| *open == kind)
                .map_or(0, |(_, count)| *count);
            self.alerts
                .get_or_create(&AlertLabels { kind: kind.name() })
                .set(signed(count));
        }
    }

    fn set_standbys(&self, report: &StandbyReport, journal_seq: u64) {
        for standby in &report.standbys {
            let labels = StandbyLabels {
                standby: standby.name.clone(),
            };
            let lag = signed(journal_seq.saturating_sub(standby.has_seq));
            self.standby_lag.get_or_create(&labels).set(lag);
            self.standby_connected
                .get_or_create(&labels)
                .set(i64::from(standby.connected));
        }
        self.disks.set(if report.disks == Some(GateState::TwoDisks) {
            2
        } else {
            1
        });
    }

    fn set_commits(&self, committed: Committed) {
        self.groups.inner().store(committed.groups, Ordering::Relaxed);
        self.grouped.inner().store(committed.documents, Ordering::Relaxed);
    }

    fn set_link(&self, now: LinkState) {
        for state in LinkState::ALL {
            self.link
                .get_or_create(&LinkLabels { state })
                .set((state == now).into());
        }
    }
}

/// What the node counts and measures, as OpenMetrics text.
#[utoipa::path(
    get, operation_id = "metrics", path = "/metrics", tag = "node",
    responses((status = 200, description = "The measures", content_type = "application/openmetrics-text", body = String)),
)]
pub(super) async fn scrape(State(api): State<ApiState>) -> Result<Response, Problem> {
    let metrics = &api.metrics;
    let pending = api.readers.run(Pending::read).await?;
    metrics.set_pending(&pending, api.now().unix_ms);
    metrics.set_alerts(&api.readers.run(|snapshot| snapshot.alerts_open()).await?);
    metrics.set_link(LinkState::of(&api));
    metrics.set_standbys(&api.standbys.now(), pending.journal_seq);
    metrics.set_commits(*api.commits.follow().borrow());
    metrics.in_flight.set(in_flight(&api));
    metrics.uptime_seconds.set(signed(metrics.uptime().as_secs()));
    if let Some(bytes) = resident_bytes().await {
        metrics.resident_bytes.set(signed(bytes));
    }
    let mut text = String::with_capacity(16 << 10);
    // Writing to a string does not fail.
    let _ = encode(&mut text, &metrics.registry);
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

/// The process's memory in use, where the system tells (Linux).
pub(super) async fn resident_bytes() -> Option<u64> {
    let status = tokio::fs::read_to_string("/proc/self/status").await.ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

fn in_flight(api: &ApiState) -> i64 {
    i64::try_from(api.in_flight.load(Ordering::Relaxed)).unwrap_or(i64::MAX)
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
