//! `GET /v1/link`: a kiosk's own node, whose parent this one is, over a WebSocket. Frames are carried both ways as they
//! are; what they mean is the business of whoever listens to [`ChildEvent`].

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::HeaderValue;
use axum::response::Response;
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::Instant;
use utoipa::IntoParams;

use super::caller::Caller;
use super::parameters::InQuery;
use super::problem::{Problem, kind};
use super::serve::stopped;
use super::standbys::{StandbyReport, StandbyStatus};
use super::state::ApiState;
use crate::domain::ids::{NodeId, OrgId, SiteId};
use crate::store::Device;

/// The most bytes of a message: more than any record takes.
const MESSAGE_BYTES_MAX: usize = 2 << 20;
/// How many kiosks' nodes are connected at once.
const CONNECTIONS_MAX: usize = 64;
/// How many messages wait for a slow kiosk before it is cut off; it comes again and is told anew.
const OUTBOX_MAX: usize = 256;
/// How many events wait for their listener before connections wait too.
const EVENTS_MAX: usize = 64;
/// A connection that says nothing for so long is dead: the kiosk pings three times as often.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// How long a kiosk may take to take one message.
const SEND_MAX: Duration = Duration::from_secs(20);

/// Tells a kiosk's node who may take the place of its parent: addresses with blanks between.
const STANDBYS_HEADER: &str = "finalmarket-standbys";

/// What happens on the connections of kiosks' nodes.
#[derive(Debug)]
pub enum ChildEvent {
    /// One is connected.
    Opened {
        /// The connection's number.
        connection: u64,
        /// The kiosk's node, by its token.
        node: NodeId,
        /// The device that it is paired as.
        device: Arc<Device>,
        /// Takes what it is to hear. Dropping it hangs up.
        outbox: mpsc::Sender<Vec<u8>>,
    },
    /// One has said something.
    Message {
        /// The connection's number.
        connection: u64,
        /// What it said.
        payload: Vec<u8>,
    },
    /// One is gone.
    Closed {
        /// The connection's number.
        connection: u64,
    },
}

/// Takes kiosks' nodes in. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Children {
    events: mpsc::Sender<ChildEvent>,
    connections: Arc<AtomicU64>,
    places: Arc<Semaphore>,
    connected: watch::Receiver<BTreeSet<NodeId>>,
}

impl Children {
    /// Where kiosks' nodes are taken in, and what happens there. `connected` says which are, once they have introduced
    /// themselves.
    #[must_use]
    pub fn new(connected: watch::Receiver<BTreeSet<NodeId>>) -> (Self, mpsc::Receiver<ChildEvent>) {
        let (events, happened) = mpsc::channel(EVENTS_MAX);
        let children = Self {
            connected,
            events,
            connections: Arc::default(),
            places: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
        };
        (children, happened)
    }

    /// The kiosks' nodes that are connected.
    pub(super) fn connected(&self) -> BTreeSet<NodeId> {
        self.connected.borrow().clone()
    }
}

/// Who connects, as its own configuration says.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ChildQuery {
    /// Its organisation.
    #[param(value_type = String, example = "market")]
    org: OrgId,
    /// Its node's name: the one that it is paired under.
    #[param(value_type = String, example = "kiosk-1")]
    node: NodeId,
    /// Its site: the store's.
    #[param(value_type = String, example = "store-1")]
    site: SiteId,
}

/// Connects a kiosk's own node, whose parent this one is: a WebSocket of binary frames, as `docs/wire.md` says.
#[utoipa::path(
    get, operation_id = "attach_child", path = "/v1/link", tag = "node", params(ChildQuery),
    responses((status = 101, description = "The WebSocket is open")),
)]
pub(super) async fn attach(
    State(api): State<ApiState>,
    caller: Caller,
    InQuery(child): InQuery<ChildQuery>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let children = api
        .children
        .clone()
        .ok_or_else(|| Problem::new(&kind::NOT_A_PARENT, "this node is no store's node that takes kiosks"))?;
    check(&api, &caller, &child)?;
    let standbys = api.readers.run(|snapshot| snapshot.standbys()).await?;
    let addresses: BTreeSet<String> = standbys.into_iter().map(|standby| standby.address).collect();
    let knows = Some(addresses.clone());
    let mut response = accept(api, caller, (child.node, knows), children, upgrade)?;
    let addresses: Vec<String> = addresses.into_iter().collect();
    if let Ok(addresses) = HeaderValue::from_str(&addresses.join(" ")) {
        response.headers_mut().insert(STANDBYS_HEADER, addresses);
    }
    Ok(response)
}

/// Takes a WebSocket in, where there is a place for it. `knows` are the standbys that it was told of, where it is told.
pub(super) fn accept(
    api: ApiState,
    caller: Caller,
    (node, knows): (NodeId, Option<BTreeSet<String>>),
    children: Children,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let upgrade = upgrade.map_err(|rejection| Problem::new(&kind::MALFORMED_REQUEST, rejection.body_text()))?;
    let place = Arc::clone(&children.places)
        .try_acquire_owned()
        .map_err(|_| Problem::new(&kind::OVERLOADED, "as many are connected as the node takes").retry_after(30))?;
    let upgrade = upgrade
        .max_message_size(MESSAGE_BYTES_MAX)
        .max_frame_size(MESSAGE_BYTES_MAX);
    Ok(upgrade.on_upgrade(move |socket| carry(api, caller, (node, knows), children, socket, place)))
}

fn check(api: &ApiState, caller: &Caller, child: &ChildQuery) -> Result<(), Problem> {
    let differs = |what: &str, theirs: &str, ours: &str| {
        let detail = format!("the kiosk says that its {what} is {theirs}, and it is paired for {ours}");
        Err(Problem::new(&kind::OTHER_NODE, detail))
    };
    if child.org != api.node.org {
        return differs("organisation", child.org.as_str(), api.node.org.as_str());
    }
    if child.site != api.node.site {
        return differs("site", child.site.as_str(), api.node.site.as_str());
    }
    if child.node.as_str() != caller.name {
        return differs("name", child.node.as_str(), &caller.name);
    }
    if child.node == api.node.node {
        return differs("name", child.node.as_str(), "a node beside this one");
    }
    Ok(())
}

/// Carries frames until one side goes, the device's rights end, there is a standby that the other side does not know, or the
/// node stops. Who comes again is told of all standbys; a kiosk that was connected before the first one came would else not
/// know whom to ask when this node is gone.
async fn carry(
    api: ApiState,
    caller: Caller,
    (node, knows): (NodeId, Option<BTreeSet<String>>),
    children: Children,
    mut socket: WebSocket,
    _place: OwnedSemaphorePermit,
) {
    let connection = children.connections.fetch_add(1, Ordering::Relaxed);
    let (outbox, mut waiting) = mpsc::channel::<Vec<u8>>(OUTBOX_MAX);
    let opened = ChildEvent::Opened {
        connection,
        node,
        device: caller.device(),
        outbox,
    };
    if children.events.send(opened).await.is_err() {
        return;
    }
    let (mut stop, mut commits) = (api.stop.clone(), api.commits.follow());
    let mut standbys = knows.and_then(|knows| Some((knows, api.standbys.report.clone()?)));
    let mut heard = Instant::now();
    // Looked at after each commit: a device's rights end with one.
    while api.devices.by_token(caller.token).is_some() {
        let said = tokio::select! {
            said = socket.recv() => said,
            message = waiting.recv() => {
                let Some(message) = message else { break };
                let sending = socket.send(Message::Binary(Bytes::from(message)));
                match tokio::time::timeout(SEND_MAX, sending).await {
                    Ok(Ok(())) => continue,
                    _ => break,
                }
            }
            changed = commits.changed() => match changed {
                Ok(()) => continue,
                Err(_) => break,
            },
            () = unknown_standby(&mut standbys) => break,
            () = tokio::time::sleep_until(heard + SILENCE_MAX) => break,
            () = stopped(&mut stop) => break,
        };
        heard = Instant::now();
        let payload = match said {
            Some(Ok(Message::Binary(payload))) => Vec::from(payload),
            // The library answers pings by itself.
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
            Some(Ok(Message::Text(_) | Message::Close(_)) | Err(_)) | None => break,
        };
        let said = ChildEvent::Message { connection, payload };
        if children.events.send(said).await.is_err() {
            break;
        }
    }
    // The kiosk notices either way; this way it need not wait.
    let _ = tokio::time::timeout(Duration::from_secs(1), socket.send(Message::Close(None))).await;
    let _ = children.events.send(ChildEvent::Closed { connection }).await;
}

/// Waits until a standby is there that is not among those known.
async fn unknown_standby(standbys: &mut Option<(BTreeSet<String>, watch::Receiver<StandbyReport>)>) {
    let Some((knows, report)) = standbys else {
        return std::future::pending().await;
    };
    // One whose rights have ended is in the report still, and connected no more.
    let is_news = |standby: &StandbyStatus| standby.connected && !knows.contains(&standby.address);
    let unknown = |report: &StandbyReport| report.standbys.iter().any(is_news);
    if report.wait_for(unknown).await.is_err() {
        // The node stops, and says so otherwise.
        std::future::pending().await
    }
}
