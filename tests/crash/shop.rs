//! A node inside this process: the real store, operations and API on a real socket, over a disk whose power can be cut.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use finalmarket::domain::money::{Currency, Rounding};
use finalmarket::domain::sale::SaleRules;
use finalmarket::domain::tax::{TaxBasis, TaxPolicy, TaxRoundingBy};
use finalmarket::http::{ApiLimits, ApiParts, ApiState, Commits, Link, LinkReport, ServeLimits, router, serve};
use finalmarket::operations::Settings;
use finalmarket::store::{Device, Faults, IncarnationSeed, NewNode, Now, OpenError, Store, StoreOptions, TokenHash};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::sim::power_cut::PowerCut;

/// The operator's token.
pub const OPERATOR: &str = "operator";
/// 2024-02-29 12:00 UTC.
const NOON_MS: u64 = 1_709_208_000_000;

/// A node's disk, and how it is started.
pub struct Shop {
    folder: TempDir,
    pub power: PowerCut,
    /// Planted from the next start on.
    pub faults: Faults,
    clock_ms: Arc<AtomicU64>,
    starts: u64,
}

/// A node that lives.
pub struct Living {
    pub address: SocketAddr,
    store: Store,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    runtime: Runtime,
}

impl Shop {
    /// An empty disk; `name` is its own in this process.
    pub fn new(name: &str) -> Self {
        Self {
            folder: TempDir::new().expect("a folder"),
            power: PowerCut::install(name),
            faults: Faults::default(),
            clock_ms: Arc::new(AtomicU64::new(NOON_MS)),
            starts: 0,
        }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts the node.
    ///
    /// # Errors
    /// Where its database does not open.
    pub fn start(&mut self) -> Result<Living, OpenError> {
        self.starts += 1;
        let commits = Commits::default();
        let tell = commits.clone();
        let store = loop {
            let tell = tell.clone();
            match Store::open(&self.options(), self.now(), Box::new(move |changes| tell.tell(changes))) {
                // Other tests of this process start programs, and between fork and exec such a program has a copy of
                // every lock. It is over when it has started.
                Err(OpenError::AlreadyRunning { pid, .. }) if pid == Some(std::process::id()) => {
                    std::thread::yield_now();
                }
                opened => break opened?,
            }
        };
        store.devices.admit(Device::operator(TokenHash::of(OPERATOR)));
        let (_, link) = watch::channel(LinkReport {
            state: Link::Disabled,
            since_ms: NOON_MS,
            reason: None,
        });
        let (stop, stopped) = watch::channel(false);
        let clock_ms = Arc::clone(&self.clock_ms);
        let state = ApiState::new(ApiParts {
            node: store.opening.node.clone(),
            software: "test".into(),
            writer: store.writer.clone(),
            readers: store.readers.clone(),
            devices: store.devices.clone(),
            settings: settings(),
            receipt_header: Vec::new(),
            clock: Arc::new(move || tick(&clock_ms)),
            commits,
            link,
            cut: None,
            stop: stopped.clone(),
            limits: ApiLimits::default(),
        });
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = runtime
            .block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
            .expect("a port");
        let address = listener.local_addr().expect("its address");
        let serving = runtime.spawn(serve(listener, router(state), ServeLimits::default(), stopped));
        Ok(Living {
            address,
            store,
            stop,
            serving,
            runtime,
        })
    }

    fn now(&self) -> Now {
        tick(&self.clock_ms)
    }

    fn options(&self) -> StoreOptions {
        StoreOptions {
            directory: self.folder().to_owned(),
            vfs: Some(self.power.name().to_owned()),
            create: Some(NewNode {
                org: "market".parse().expect("a name"),
                node: "store-1".parse().expect("a name"),
                site: "store-1".parse().expect("a name"),
                currency: Currency::USD,
            }),
            machine_id: "a machine".into(),
            seed: IncarnationSeed {
                random: self.starts,
                secret_key: [self.starts as u8; 32],
            },
            readers: 2,
            faults: self.faults,
        }
    }
}

impl Living {
    /// Stops serving, as a node in order does: requests under way are answered, further ones are not. The database is
    /// still open, and dropping it closes it.
    pub fn stop_serving(self) -> Store {
        self.stop.send_replace(true);
        self.runtime.block_on(self.serving).expect("a server that ends");
        // Waits for reads under way, which have files open.
        drop(self.runtime);
        self.store
    }
}

fn tick(clock_ms: &AtomicU64) -> Now {
    let unix_ms = clock_ms.fetch_add(1, Ordering::Relaxed);
    Now {
        unix_ms,
        monotonic_ms: unix_ms - NOON_MS,
        utc_offset_minutes: 0,
    }
}

fn settings() -> Settings {
    Settings {
        sale: SaleRules {
            currency: Currency::USD,
            tax_policy: TaxPolicy {
                basis: TaxBasis::Included,
                rounding_by: TaxRoundingBy::Document,
                rounding: Rounding::HALF_UP,
            },
            tax_rates: [("standard".parse().expect("a class"), "19".parse().expect("a rate"))].into(),
        },
        day_starts_at: Default::default(),
        backdate_days: 7,
        unlisted_tax_class: "standard".parse().expect("a class"),
    }
}
