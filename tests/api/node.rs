//! A node for one test: a small shop's store, the API over it, and a socket.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use finalmarket::domain::catalog::Item;
use finalmarket::domain::money::{Currency, Rounding};
use finalmarket::domain::sale::SaleRules;
use finalmarket::domain::tax::{TaxBasis, TaxPolicy, TaxRoundingBy};
use finalmarket::http::{ApiLimits, ApiParts, ApiState, Commits, Link, LinkReport, ServeLimits, router, serve};
use finalmarket::operations::{PairingSeed, Settings, import_catalog, pair, redeem};
use finalmarket::store::{
    Device, Failure, Faults, IncarnationSeed, NewDevice, NewNode, Now, Rights, Role, StorageError, Store, StoreOptions,
    TokenHash,
};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::client::Client;

/// 2024-02-29 12:00 UTC.
pub const NOON_MS: u64 = 1_709_208_000_000;

pub struct Node {
    pub address: SocketAddr,
    pub link: watch::Sender<LinkReport>,
    pub cut: watch::Receiver<bool>,
    pub clock_ms: Arc<AtomicU64>,
    pub store: Store,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    directory: TempDir,
}

/// What a device is paired as.
#[derive(Clone, Copy)]
pub struct As {
    pub role: Role,
    pub register: Option<&'static str>,
    pub rights: Rights,
}

impl As {
    pub const fn role(role: Role, register: Option<&'static str>) -> Self {
        let rights = Rights {
            backdate: false,
            state_prices: false,
        };
        Self { role, register, rights }
    }
}

impl Node {
    pub async fn start() -> Self {
        Self::start_with(ApiLimits::default()).await
    }

    pub async fn start_with(limits: ApiLimits) -> Self {
        let directory = TempDir::new().unwrap();
        let node = Self::open(directory, limits, NOON_MS, 1).await;
        let items = [
            item("1001", Some("4006381333931"), "Chocolate", "3.99", "standard"),
            item("1002", None, "Coffee, ground", "12.50", "reduced"),
            item("1003", Some("96385074"), "Paper bag", "0.00", "standard"),
            item("odd/sku", None, "Über-Größe", "1.00", "reduced"),
        ];
        let import = move |tx: &mut finalmarket::store::WriteTransaction<'_>| {
            import_catalog(tx, &items).map_err(Failure::<StorageError>::Storage)
        };
        node.store.writer.run(import).await.unwrap();
        node
    }

    async fn open(directory: TempDir, limits: ApiLimits, clock_ms: u64, seed: u64) -> Self {
        let clock_ms = Arc::new(AtomicU64::new(clock_ms));
        let clock = Arc::clone(&clock_ms);
        let commits = Commits::default();
        let tell = commits.clone();
        let options = options(&directory, seed);
        let now = at(clock.load(Ordering::Relaxed));
        let store = Store::open(&options, now, Box::new(move |changes| tell.tell(changes))).unwrap();
        let (link, link_report) = watch::channel(LinkReport {
            state: Link::Offline,
            since_ms: NOON_MS,
            reason: Some("the broker does not answer".into()),
        });
        let (cut, cut_told) = watch::channel(false);
        let (stop, stopped) = watch::channel(false);
        let state = ApiState::new(ApiParts {
            node: store.opening.node.clone(),
            software: "0.0.0-test".into(),
            writer: store.writer.clone(),
            readers: store.readers.clone(),
            devices: store.devices.clone(),
            settings: settings(),
            receipt_header: vec!["Corner shop".into(), "1 High Street".into()],
            clock: Arc::new(move || at(clock.fetch_add(1, Ordering::Relaxed))),
            running: store.running,
            rights: None,
            commits,
            link: link_report,
            children: None,
            standbys: finalmarket::http::StandbyDesk::default(),
            cut: Some(cut),
            stop: stopped.clone(),
            limits,
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let limits = ServeLimits {
            head_timeout_ms: 2_000,
            ..ServeLimits::default()
        };
        let serving = tokio::spawn(serve(listener, router(state), limits, stopped));
        Self {
            address,
            link,
            cut: cut_told,
            clock_ms,
            store,
            stop,
            serving,
            directory,
        }
    }

    /// Stops the node and starts it again over the same database.
    pub async fn restart(self) -> Self {
        let clock_ms = self.clock_ms.load(Ordering::Relaxed);
        self.stop.send_replace(true);
        self.serving.await.unwrap();
        let (store, directory) = (self.store, self.directory);
        tokio::task::spawn_blocking(move || drop(store)).await.unwrap();
        Self::open(directory, ApiLimits::default(), clock_ms, 2).await
    }

    /// Asks without a token.
    pub fn nobody(&self) -> Client {
        Client::new(self.address, None)
    }

    pub async fn till(&self, register: &'static str) -> Client {
        self.device(As::role(Role::Till, Some(register))).await
    }

    pub async fn manager(&self) -> Client {
        self.device(As::role(Role::Manager, None)).await
    }

    pub async fn device(&self, what: As) -> Client {
        let now = at(self.clock_ms.fetch_add(1, Ordering::Relaxed));
        let new = NewDevice {
            name: format!("device-{}", now.unix_ms - NOON_MS),
            role: what.role,
            rights: what.rights,
            register: what.register.map(|register| register.parse().unwrap()),
        };
        let seed = PairingSeed {
            code: now.unix_ms,
            salt: [7; 16],
        };
        let shown = self
            .store
            .writer
            .run(move |tx| pair(tx, now, &new, &seed))
            .await
            .unwrap();
        let redeemed = self
            .store
            .writer
            .run(move |tx| redeem(tx, now, &shown.code, None, None))
            .await;
        let paired = redeemed.unwrap();
        let series = paired.device.till.map(|till| till.series.to_string());
        Client::new(self.address, Some(paired.token)).with_series(series)
    }

    /// The operator of the machine, whose token is never stored.
    pub fn operator(&self) -> Client {
        self.store.devices.admit(Device::operator(TokenHash::of("operator")));
        Client::new(self.address, Some("operator".into()))
    }
}

pub fn at(unix_ms: u64) -> Now {
    Now {
        unix_ms,
        monotonic_ms: unix_ms - NOON_MS + 1_000_000,
        utc_offset_minutes: 60,
    }
}

fn item(sku: &str, gtin: Option<&str>, name: &str, price: &str, tax_class: &str) -> Item {
    Item {
        sku: sku.parse().unwrap(),
        gtin: gtin.map(|gtin| gtin.parse().unwrap()),
        name: name.parse().unwrap(),
        department: "GROCERY".parse().unwrap(),
        brand: "Own".parse().unwrap(),
        size: "100 G".parse().unwrap(),
        price: price.parse().unwrap(),
        tax_class: tax_class.parse().unwrap(),
    }
}

fn settings() -> Settings {
    let rates = [("standard", "19"), ("reduced", "7")];
    Settings {
        sale: SaleRules {
            currency: Currency::USD,
            tax_policy: TaxPolicy {
                basis: TaxBasis::Included,
                rounding_by: TaxRoundingBy::Document,
                rounding: Rounding::HALF_UP,
            },
            tax_rates: rates
                .iter()
                .map(|(class, rate)| (class.parse().unwrap(), rate.parse().unwrap()))
                .collect(),
            cash_rounding: finalmarket::domain::money::CashRounding::NONE,
            tips: false,
        },
        day_starts_at: "04:00:00".parse().unwrap(),
        unlisted_tax_class: "standard".parse().unwrap(),
        backdate_days: 7,
        holds: finalmarket::operations::HoldSettings::default(),
        low_stock: finalmarket::operations::Settings::LOW_STOCK,
        in_store_codes: vec!["21IIIIIWWWWWC".parse().unwrap()],
    }
}

fn options(directory: &TempDir, seed: u64) -> StoreOptions {
    StoreOptions {
        directory: directory.path().to_owned(),
        vfs: None,
        create: Some(NewNode {
            org: "market".parse().unwrap(),
            node: "store-1".parse().unwrap(),
            site: "store-1".parse().unwrap(),
            currency: Currency::USD,
        }),
        machine_id: "a machine".into(),
        seed: IncarnationSeed {
            random: 0x1234_5678_9abc_def0 + seed,
            secret_key: [seed as u8; 32],
        },
        readers: 2,
        faults: Faults::default(),
    }
}
