//! Starts a node and stops it.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::carriage_loop::CarriageLoop;
use super::child_loop::ChildLoop;
use super::clock::MachineClock;
use super::config::{NodeConfig, StandbyConfig};
use super::operator::Operator;
use super::randomness;
use super::relays::RelayEnds;
use super::rights_loop::RightsLoop;
use super::standbys::StandbyLoop;
use super::start_error::StartError;
use super::sync_loop::SyncLoop;
use super::uplink::ParentLink;
use crate::domain::ids::{NodeId, Sku};
use crate::http::{
    ApiLimits, ApiParts, ApiState, Children, Commits, Gathered, Link, LinkReport, RightsDesk, ServeLimits, StandbyDesk,
    StandbyReport, aside_router, forget_unsent_copies,
};
use crate::lan::{Announcement, Door, Multicast, ParentConfig, StoreNode, announce, read_token, token_path};
use crate::mqtt::{LinkConfig, Role};
use crate::operations::{PairingSeed, pair, repair};
use crate::store::{
    AnswerGate, Change, Device, Failure, Faults, NewDevice, NewNode, Rights, Role as DeviceRole, StorageError, Store,
    StoreOptions, TokenHash,
};
use crate::sync::carriage::CarrierLimits;

/// A running node.
pub struct Node {
    /// Where it answers, with a token that may do everything until it stops.
    pub operator: Operator,
    /// The state of its link, for people.
    pub link: watch::Receiver<LinkReport>,
    /// True once the process is to start over: the node was succeeded, or may become a standby.
    pub(super) again: watch::Receiver<bool>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    store: Arc<Store>,
}

/// How many read-only connections a node has: reads are short, and the machine has few cores.
const READERS: usize = 4;
/// How many words may wait between the loop that talks to kiosks and the one that talks to headquarters.
const BETWEEN_LOOPS_MAX: usize = 256;
/// How many requests may wait for whoever moves rights.
const RIGHTS_ASKED_MAX: usize = 1_024;
/// Rows that moved within this time are read together, for whoever moves rights.
const TOUCHED_GATHERS: Duration = Duration::from_millis(20);

impl Node {
    /// Starts a node. Tills are served when this returns.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(config: NodeConfig) -> Result<Self, StartError> {
        let parent = parent_link(&config)?;
        let clock = MachineClock::start();
        let commits = Commits::default();
        let touched = Gathered::new(TOUCHED_GATHERS);
        let wait_ms_max = config
            .standby
            .wait_ms_max
            .map_or(StandbyConfig::WAIT_MS_MAX, NonZeroU32::get);
        let gate = config
            .standby
            .wait
            .then(|| AnswerGate::new(Duration::from_millis(u64::from(wait_ms_max))));
        let store = open_store(&config, clock, commits.clone(), touched.clone(), gate.clone()).await?;
        let store = Arc::new(store);
        rebuild(&store, clock).await?;
        let succeeded = super::run::succeeded(&store).await?;
        let listener = TcpListener::bind(config.listen)
            .await
            .map_err(|source| StartError::Listen {
                address: config.listen,
                source,
            })?;
        let operator = admit_operator(&config, &store, &listener)?;
        let (stop, stopped) = watch::channel(false);
        let has_link = parent.is_some();
        let report = LinkReport {
            state: if has_link { Link::Offline } else { Link::Disabled },
            since_ms: clock.now().unix_ms,
            reason: None,
        };
        let (link, link_report) = watch::channel(report);
        let (cut, cut_by_person) = watch::channel(false);
        // A kiosk's node is no parent itself: the tree has two levels below headquarters.
        let is_parent = config.parent.is_none();
        let (online, who_is) = watch::channel(BTreeSet::new());
        let (children, child_events) = Children::new(who_is.clone());
        let (standbys, standby_events) = Children::new(watch::channel(BTreeSet::new()).1);
        let announced = match listener.local_addr() {
            Ok(listens) if is_parent => announced(&config, listens),
            _ => None,
        };
        forget_unsent_copies(&config.data);
        let (standby_report, standbys_known) = watch::channel(StandbyReport::default());
        let (again, starts_again) = watch::channel(false);
        let (succession, shown) = mpsc::channel(super::succession::SHOWN_MAX);
        let address = config.own_address(listener.local_addr().unwrap_or(config.listen));
        let (desk, asks, demand) = RightsDesk::new(RIGHTS_ASKED_MAX);
        let state = ApiState::new(ApiParts {
            node: store.opening.node.clone(),
            software: env!("CARGO_PKG_VERSION").into(),
            writer: store.writer.clone(),
            readers: store.readers.clone(),
            devices: store.devices.clone(),
            settings: config.settings(),
            receipt_header: config.receipt_header.clone(),
            clock: Arc::new(move || clock.now()),
            running: store.running,
            rights: Some(desk),
            commits: commits.clone(),
            link: link_report.clone(),
            children: is_parent.then_some(children),
            standbys: StandbyDesk {
                connections: is_parent.then_some(standbys),
                report: is_parent.then_some(standbys_known),
                folder: config.data.clone(),
                address,
            },
            cut: has_link.then_some(cut),
            stop: stopped.clone(),
            limits: ApiLimits::default(),
        });
        let pages = crate::web::router(config.site.as_str(), config.link_switch);
        let router = match &succeeded {
            None => crate::http::router(state).merge(pages),
            Some(by) => {
                tracing::warn!(
                    primary = by.address,
                    "this node was succeeded and sells no more; the rest of it goes up"
                );
                aside_router(super::run::aside(&config, &store, by))
            }
        };
        let serving = tokio::spawn(crate::http::serve(
            listener,
            router,
            ServeLimits::default(),
            stopped.clone(),
        ));
        let mut tasks = vec![serving];
        if let Some(announced) = announced {
            tasks.push(tokio::spawn(say_goodbye(announced, stopped.clone())));
        }
        let carrier_limits = CarrierLimits {
            sync_point_pause_ms: config.shelves_pause_ms,
            ..CarrierLimits::default()
        };
        let (carriage, parent_end, child_end) = CarriageLoop::new(&store, clock, commits.follow(), carrier_limits);
        tasks.push(tokio::spawn(carriage.run(stopped.clone())));
        let (rights, events) = mpsc::channel(BETWEEN_LOOPS_MAX);
        let (to_parent, of_rights) = mpsc::channel(BETWEEN_LOOPS_MAX);
        let (to_children, rights_of_children) = mpsc::channel(BETWEEN_LOOPS_MAX);
        let rights_loop = RightsLoop {
            site: config.site.clone(),
            store: Arc::clone(&store),
            clock,
            config: config.rights(),
            asks,
            events,
            touched,
            demand,
            to_parent,
            to_children,
        };
        if succeeded.is_none() {
            // Rights would be stranded at a node that sells no more.
            tasks.push(tokio::spawn(rights_loop.run(stopped.clone())));
        }
        let relays = is_parent.then(|| {
            let (grown, has_grown) = mpsc::channel(BETWEEN_LOOPS_MAX);
            let (from_above, word) = mpsc::channel(BETWEEN_LOOPS_MAX);
            let child_loop = ChildLoop {
                store: Arc::clone(&store),
                clock,
                commits: commits.follow(),
                events: child_events,
                // Nobody would listen where there is no headquarters.
                grown: has_link.then_some(grown),
                from_above: word,
                online,
                carriage: child_end,
                rights: rights.clone(),
                of_rights: rights_of_children,
            };
            tasks.push(tokio::spawn(child_loop.run(stopped.clone())));
            let standby_loop = StandbyLoop {
                node: config.node.clone(),
                site: config.site.clone(),
                store: Arc::clone(&store),
                clock,
                commits: commits.follow(),
                events: standby_events,
                gate,
                report: standby_report,
            };
            tasks.push(tokio::spawn(standby_loop.run(stopped.clone())));
            tasks.push(tokio::spawn(super::succession::run(
                Arc::clone(&store),
                succeeded.as_ref().map(|_| super::succession::Fenced {
                    may_follow: config.standby.of.is_some(),
                }),
                shown,
                again,
                stopped.clone(),
            )));
            RelayEnds {
                grown: has_grown,
                from_above,
                online: who_is,
            }
        });
        if let Some(parent) = parent {
            let sync_loop = SyncLoop {
                node: config.node.clone(),
                site: config.site.clone(),
                store: Arc::clone(&store),
                clock,
                commits: commits.follow(),
                parent,
                relays,
                carriage: parent_end,
                cut: cut_by_person,
                report: link,
                rights,
                of_rights,
                succession,
            };
            tasks.push(tokio::spawn(sync_loop.run(stopped.clone())));
        }
        tasks.push(tokio::spawn(super::holds::run(
            Arc::clone(&store),
            clock,
            stopped.clone(),
        )));
        tasks.push(tokio::spawn(super::stock_watch::run(
            super::stock_watch::Watch {
                store: Arc::clone(&store),
                clock,
                low_stock: config.stock.low_stock,
                stale_after_ms: u64::from(config.stock.stale_minutes) * 60_000,
                link: link_report.clone(),
            },
            stopped.clone(),
        )));
        tasks.push(tokio::spawn(super::upkeep::run(
            Arc::clone(&store),
            clock,
            config.keep_days,
            stopped,
        )));
        let opening = &store.opening;
        tracing::info!(node = %config.node, site = %config.site, url = operator.url, head = opening.head.seq,
            incarnation = %opening.head.incarnation, "the node serves its tills");
        show_pairing_code(&config.node, &store, clock).await?;
        Ok(Self {
            operator,
            link: link_report,
            again: starts_again,
            stop,
            tasks,
            store,
        })
    }

    /// Lets requests under way finish, says goodbye to headquarters, closes the database.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a part of the node ended by a defect");
            }
        }
        // Closing waits for the writer's last group.
        let store = self.store;
        if tokio::task::spawn_blocking(move || drop(store)).await.is_err() {
            tracing::error!("the database was not closed in order; it is whole all the same");
        }
    }
}

/// Announces a store's node on the LAN. Without multicast it goes on, and its kiosks need its address.
fn announced(config: &NodeConfig, listens: SocketAddr) -> Option<Announcement> {
    if !config.announce || listens.ip().is_loopback() {
        return None;
    }
    let store = StoreNode {
        org: config.org.clone(),
        site: config.site.clone(),
        node: config.node.clone(),
    };
    let announced = announce(Multicast::default(), &store, listens);
    announced
        .inspect_err(|error| tracing::warn!(%error, "kiosks need this node's address: it is not announced"))
        .ok()
}

/// Keeps a node announced until it is to stop.
async fn say_goodbye(announced: Announcement, mut stop: watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
    // It waits for the goodbye to be sent.
    let _ = tokio::task::spawn_blocking(move || drop(announced)).await;
}

/// Who the node's parent is, where it has one.
fn parent_link(config: &NodeConfig) -> Result<Option<ParentLink>, StartError> {
    match (&config.broker, &config.parent) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(StartError::TwoParents),
        (Some(broker), None) => Ok(Some(ParentLink::Broker(LinkConfig {
            broker: broker.clone(),
            org: config.org.clone(),
            role: Role::Node(config.node.clone()),
        }))),
        (None, Some(address)) => {
            let token = read_token(&config.data).map_err(|source| StartError::NotPaired {
                parent: address.to_string(),
                file: token_path(&config.data).display().to_string(),
                source,
            })?;
            Ok(Some(ParentLink::Store(ParentConfig {
                door: Door::Kiosk,
                folder: config.data.clone(),
                address: address.clone(),
                token,
                org: config.org.clone(),
                node: config.node.clone(),
                site: config.site.clone(),
            })))
        }
    }
}

/// The item whose shelf a change moved.
fn moved(change: &Change) -> Option<(Sku, ())> {
    match change {
        Change::Stock(sku) => Some((sku.clone(), ())),
        _ => None,
    }
}

async fn open_store(
    config: &NodeConfig,
    clock: MachineClock,
    commits: Commits,
    touched: Gathered<()>,
    gate: Option<AnswerGate>,
) -> Result<Store, StartError> {
    std::fs::create_dir_all(&config.data).map_err(|source| StartError::Folder {
        folder: config.data.display().to_string(),
        source,
    })?;
    let options = StoreOptions {
        directory: config.data.clone(),
        vfs: None,
        create: Some(NewNode {
            org: config.org.clone(),
            node: config.node.clone(),
            site: config.site.clone(),
            currency: config.sale.currency,
        }),
        machine_id: machine_id(),
        seed: randomness::incarnation_seed(),
        readers: READERS,
        faults: Faults::default(),
    };
    let opened = tokio::task::spawn_blocking(move || {
        let tell = move |changes: &[Change]| {
            commits.tell(changes);
            touched.add(changes.iter().filter_map(moved), |(), ()| {});
        };
        Store::open_with_gate(&options, clock.now(), Box::new(tell), gate)
    });
    Ok(opened.await.map_err(|error| StartError::Broken(error.to_string()))??)
}

/// Makes rows anew that an older version kept in another form, before anything is sold.
async fn rebuild(store: &Store, clock: MachineClock) -> Result<(), StartError> {
    let broken = |error: StorageError| StartError::Broken(error.to_string());
    if !store
        .readers
        .run(|snapshot| snapshot.needs_rebuild())
        .await
        .map_err(broken)?
    {
        return Ok(());
    }
    let now = clock.now();
    let repaired = store
        .writer
        .run(move |tx| repair(tx, now, |_| {}).map_err(Failure::<Infallible>::Storage))
        .await
        .map_err(|failure| broken(failure.into()))?;
    tracing::info!(
        records = repaired.records,
        "the shelves were made anew from the journal, in this version's form"
    );
    Ok(())
}

/// What tells this machine from others, so that a disk that was carried elsewhere is noticed.
pub(crate) fn machine_id() -> String {
    std::fs::read_to_string(Path::new("/etc/machine-id"))
        .map(|id| id.trim().to_owned())
        .unwrap_or_default()
}

fn admit_operator(config: &NodeConfig, store: &Store, listener: &TcpListener) -> Result<Operator, StartError> {
    let token = randomness::token();
    store.devices.admit(Device::operator(TokenHash::of(&token)));
    let address = listener.local_addr().map_err(|source| StartError::Listen {
        address: config.listen,
        source,
    })?;
    let operator = Operator::at(address, token);
    operator.write(&config.data)?;
    Ok(operator)
}

/// Shows a code for the first manager, as long as no device is paired.
async fn show_pairing_code(node: &NodeId, store: &Store, clock: MachineClock) -> Result<(), StartError> {
    let broken = |error: String| StartError::Broken(error);
    let devices = store
        .readers
        .run(|snapshot| snapshot.devices())
        .await
        .map_err(|error| broken(error.to_string()))?;
    if devices
        .iter()
        .any(|device| device.role == DeviceRole::Manager && device.revoked_ms.is_none())
    {
        return Ok(());
    }
    let (now, seed) = (
        clock.now(),
        PairingSeed {
            code: randomness::number(),
            salt: randomness::salt(),
        },
    );
    let manager = NewDevice {
        name: "manager".into(),
        role: DeviceRole::Manager,
        rights: Rights::default(),
        register: None,
    };
    let shown = store
        .writer
        .run(move |tx| pair(tx, now, &manager, &seed))
        .await
        .map_err(|error| broken(error.to_string()))?;
    // To standard error and not through the log, which may be sent elsewhere. It is good once, and for ten minutes.
    eprintln!(
        "node {node}: pairing code for the first manager, good for ten minutes: {}",
        shown.code
    );
    Ok(())
}
