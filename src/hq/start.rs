//! Starts headquarters and stops it.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::{Notify, broadcast, mpsc, watch};
use tokio::task::JoinHandle;

use super::backup::database_path;
use super::carriage_loop::CarriageLoop;
use super::config::HqConfig;
use super::headquarters::{Headquarters, Settings};
use super::http::{HqApi, HqApiLimits, HqApiParts};
use super::link_loop::{LinkLoop, wall_ms};
use super::projector;
use super::rights_loop::RightsLoop;
use super::stock_watch;
use super::storage::OpenError;
use crate::http::ServeLimits;
use crate::mqtt::{LinkConfig, Role};
use crate::operator::{Operator, OperatorError};

/// Why headquarters does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its data folder cannot be made.
    #[error("cannot make the folder {folder}: {source}")]
    Folder {
        /// The folder.
        folder: String,
        /// Why.
        source: std::io::Error,
    },
    /// Its database does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Its address cannot be listened to.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why: another process has the port, or the address is not this machine's.
        source: std::io::Error,
    },
    /// The operator's file cannot be written.
    #[error(transparent)]
    Operator(#[from] OperatorError),
    /// A part of the process broke while it started.
    #[error("headquarters could not start: {0}")]
    Broken(String),
}

/// A running headquarters.
pub struct RunningHq {
    /// Where it answers, with a token that may do everything until it stops.
    pub operator: Operator,
    /// The handle to its data.
    pub headquarters: Arc<Headquarters>,
    /// Grows whenever figures have moved.
    pub projected: watch::Receiver<u64>,
    /// Takes the names of feeds that have a new version.
    pub published: broadcast::Sender<String>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

/// How many publications may wait to be offered to the nodes; beyond that they are offered at the next introduction.
const PUBLISHED_MAX: usize = 64;
/// How many words may wait between the link and whoever moves rights; what is over that is said again.
const RIGHTS_WAITING_MAX: usize = 4_096;

/// Runs headquarters until `stop` is true.
///
/// # Errors
/// Where it does not start.
pub async fn run(config: HqConfig, mut stop: watch::Receiver<bool>) -> Result<(), StartError> {
    let running = RunningHq::start(config).await?;
    // Where the sender is gone nobody could say "stop" any more: that is taken for it.
    let _ = stop.wait_for(|stop| *stop).await;
    running.stop().await;
    Ok(())
}

/// Any number. Without randomness two links could not be told apart, and the process must not go on.
fn random() -> u64 {
    getrandom::u64().unwrap_or_else(|error| {
        tracing::error!(%error, "the system gives no randomness");
        std::process::abort()
    })
}

impl RunningHq {
    /// Starts headquarters.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(config: HqConfig) -> Result<Self, StartError> {
        let folder = config.data.clone();
        let organisation = config.org.to_string();
        std::fs::create_dir_all(&folder).map_err(|source| StartError::Folder {
            folder: folder.display().to_string(),
            source,
        })?;
        let name = "hq".parse().map_err(|error| StartError::Broken(format!("{error}")))?;
        let site = "hq".parse().map_err(|error| StartError::Broken(format!("{error}")))?;
        let settings = Settings {
            name,
            site,
            admission: config.admission,
            vfs: None,
        };
        let opened =
            tokio::task::spawn_blocking(move || Headquarters::open(&database_path(&folder), settings, wall_ms())).await;
        let headquarters = Arc::new(opened.map_err(|error| StartError::Broken(error.to_string()))??);
        let listen = |source| StartError::Listen {
            address: config.listen,
            source,
        };
        let listener = TcpListener::bind(config.listen).await.map_err(listen)?;
        let token: String = (0..4).map(|_| format!("{:016x}", random())).collect();
        let operator = Operator::at(listener.local_addr().map_err(listen)?, token);
        operator.write(&config.data)?;
        let (stop, stopped) = watch::channel(false);
        let (published, publications) = broadcast::channel(PUBLISHED_MAX);
        let (projected, projections) = watch::channel(0);
        let grown = Arc::new(Notify::new());
        let (carriage_loop, carriage) = CarriageLoop::new(&headquarters);
        let (rights, rights_events) = mpsc::channel(RIGHTS_WAITING_MAX);
        let (to_nodes, of_rights) = mpsc::channel(RIGHTS_WAITING_MAX);
        let rights_loop = RightsLoop {
            headquarters: Arc::clone(&headquarters),
            settings: config.rights.clone(),
            events: rights_events,
            to_nodes,
            random,
        };
        let link_loop = LinkLoop {
            headquarters: Arc::clone(&headquarters),
            link: LinkConfig {
                broker: config.broker,
                org: config.org,
                role: Role::Hub,
            },
            published: publications,
            grown: Arc::clone(&grown),
            carriage,
            rights: rights.clone(),
            of_rights,
            random,
        };
        let api = HqApi::new(HqApiParts {
            headquarters: Arc::clone(&headquarters),
            published: published.clone(),
            grown: Arc::clone(&grown),
            rights: rights.into(),
            operator_token: Some(operator.token.clone()),
            now_ms: wall_ms,
            stop: stopped.clone(),
            limits: HqApiLimits::default(),
        });
        let router = super::http::router(api).merge(super::web::router(&organisation));
        tracing::info!(url = operator.url, "headquarters answers");
        let tasks = vec![
            tokio::spawn(crate::http::serve(
                listener,
                router,
                ServeLimits::default(),
                stopped.clone(),
            )),
            tokio::spawn(link_loop.run(stopped.clone())),
            tokio::spawn(carriage_loop.run(stopped.clone())),
            tokio::spawn(rights_loop.run(stopped.clone())),
            tokio::spawn(stock_watch::run(
                stock_watch::Watch {
                    headquarters: Arc::clone(&headquarters),
                    config: config.stock,
                    now_ms: wall_ms,
                },
                stopped.clone(),
            )),
            tokio::spawn(projector::run(Arc::clone(&headquarters), grown, projected, stopped)),
        ];
        Ok(Self {
            operator,
            headquarters,
            projected: projections,
            published,
            stop,
            tasks,
        })
    }

    /// Says goodbye to the nodes and closes the database.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a part of headquarters ended by a defect");
            }
        }
    }
}
