//! What every handler shares: the store's handles, what is told about commits and the link, bounds and measures.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::watch;

use super::caller::Caller;
use super::children::Children;
use super::commits::Commits;
use super::health::Readiness;
use super::metrics::Metrics;
use super::problem::{Problem, kind};
use super::rate::{Attempts, Meter, Rate};
use super::rights::RightsDesk;
use super::standbys::StandbyDesk;
use super::sync::LinkReport;
use crate::operations::Settings;
use crate::store::{DeviceIx, Devices, Failure, NewNode, Now, Readers, RunningClock, WriteTransaction, Writer};

/// Reads the clocks.
pub type Clock = Arc<dyn Fn() -> Now + Send + Sync>;

/// What bounds requests.
#[derive(Debug, Clone)]
pub struct ApiLimits {
    /// The most bytes of a body.
    pub body_bytes_max: usize,
    /// The most requests of paired devices under way at once; the rest is told to come again.
    pub in_flight_max: usize,
    /// How long a request may take, in milliseconds. An event stream's time begins anew with its first event.
    pub request_timeout_ms: u64,
    /// How often one device may ask.
    pub device_rate: Rate,
    /// The most event streams that are open at once.
    pub streams_max: usize,
    /// The most event streams of one device.
    pub streams_per_device_max: usize,
}

impl Default for ApiLimits {
    fn default() -> Self {
        Self {
            body_bytes_max: 64 << 10,
            in_flight_max: 512,
            request_timeout_ms: 15_000,
            device_rate: Rate {
                per_second: 5_000,
                burst: 10_000,
            },
            streams_max: 64,
            streams_per_device_max: 8,
        }
    }
}

impl ApiLimits {
    pub(super) fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms)
    }
}

/// What the API is made of.
pub struct ApiParts {
    /// Who the node is.
    pub node: NewNode,
    /// The program's version, for people.
    pub software: String,
    /// The one writer.
    pub writer: Writer,
    /// The readers beside it.
    pub readers: Readers,
    /// The devices that may ask.
    pub devices: Devices,
    /// What sales follow.
    pub settings: Settings,
    /// What stands above every receipt: name, address, tax number.
    pub receipt_header: Vec<String>,
    /// The clocks.
    pub clock: Clock,
    /// What holds run out by.
    pub running: RunningClock,
    /// Where rights are asked for; none where there is nobody to ask.
    pub rights: Option<RightsDesk>,
    /// What the store tells after its commits.
    pub commits: Commits,
    /// Where the link stands.
    pub link: watch::Receiver<LinkReport>,
    /// Where kiosks' nodes are taken in; none where this node is no parent.
    pub children: Option<Children>,
    /// What there is to do with standbys.
    pub standbys: StandbyDesk,
    /// Takes true to cut the link by hand and false to mend it, where there is one.
    pub cut: Option<watch::Sender<bool>>,
    /// True once the node is to stop.
    pub stop: watch::Receiver<bool>,
    /// Bounds.
    pub limits: ApiLimits,
}

/// What every handler shares. Cheap to clone.
#[derive(Clone)]
pub struct ApiState(Arc<Api>);

/// The parts, and what the API itself keeps of its callers.
pub struct Api {
    parts: ApiParts,
    /// What is counted and measured.
    pub metrics: Metrics,
    pub(super) settings: Arc<Settings>,
    pub(super) in_flight: AtomicUsize,
    pub(super) pairing_attempts: Attempts,
    pub(super) streams: AtomicUsize,
    pub(super) readiness: Readiness,
    /// The OpenAPI document, once the router is made.
    pub(super) openapi: OnceLock<Bytes>,
    started: Instant,
    askers: RwLock<HashMap<DeviceIx, Arc<Asker>>>,
}

/// What one device uses.
#[derive(Debug, Default)]
pub(super) struct Asker {
    meter: Meter,
    pub(super) streams: AtomicUsize,
}

impl Deref for ApiState {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.0
    }
}

impl Deref for Api {
    type Target = ApiParts;

    fn deref(&self) -> &ApiParts {
        &self.parts
    }
}

impl ApiState {
    /// From its parts.
    #[must_use]
    pub fn new(parts: ApiParts) -> Self {
        Self(Arc::new(Api {
            settings: Arc::new(parts.settings.clone()),
            parts,
            metrics: Metrics::default(),
            in_flight: AtomicUsize::new(0),
            pairing_attempts: Attempts::default(),
            streams: AtomicUsize::new(0),
            readiness: Readiness::default(),
            openapi: OnceLock::new(),
            started: Instant::now(),
            askers: RwLock::default(),
        }))
    }

    /// What the clocks show.
    #[must_use]
    pub fn now(&self) -> Now {
        (self.clock)()
    }

    /// Runs `work` in the writer's next group and gives its result once that is on disk. It runs even where the caller
    /// stops waiting.
    pub(super) async fn write<T: Send + 'static, R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut WriteTransaction<'_>) -> Result<T, Failure<R>> + Send + 'static,
    ) -> Result<T, Failure<R>> {
        let _waiting = Waiting::new(&self.metrics.writes_waiting);
        self.writer.run(work).await
    }

    /// The same for work that is not refused any more once it has written.
    pub(super) async fn write_sure<T: Send + 'static, R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut WriteTransaction<'_>) -> Result<T, Failure<R>> + Send + 'static,
    ) -> Result<T, Failure<R>> {
        let _waiting = Waiting::new(&self.metrics.writes_waiting);
        self.writer.run_sure(work).await
    }

    /// Lets a device's request through, or not yet.
    pub(super) fn pace(&self, caller: &Caller) -> Result<(), Problem> {
        let now_ns = u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let paced = self.asker(caller.ix).meter.take(self.limits.device_rate, now_ns);
        paced.map_err(too_many_requests)
    }

    /// What a device uses. There are as many as devices were ever paired.
    pub(super) fn asker(&self, device: DeviceIx) -> Arc<Asker> {
        // The map is whole after every write, so that a panic elsewhere spoils nothing.
        let known = self
            .askers
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&device)
            .cloned();
        known.unwrap_or_else(|| {
            let mut askers = self.askers.write().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(askers.entry(device).or_default())
        })
    }
}

/// Tells how long to wait.
pub(super) fn too_many_requests(wait: Duration) -> Problem {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    Problem::new(
        &kind::TOO_MANY_REQUESTS,
        "asked more often than this device or address may",
    )
    .retry_after(seconds)
}

/// Counts a request that waits for the writer, for as long as it does.
struct Waiting<'m>(&'m Gauge);

impl<'m> Waiting<'m> {
    fn new(waiting: &'m Gauge) -> Self {
        waiting.inc();
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}
