//! The link's task: connects, carries frames both ways, and comes back after a pause that grows.

use std::future::Future;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::header::{AUTHORIZATION, HeaderValue};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::config::{Door, ParentAddress, ParentConfig};
use super::others::Parents;
use crate::backoff::Backoff;

/// How many messages may wait for their turn before [`LinkHandle::send`] waits itself.
const COMMANDS_MAX: usize = 64;
/// How many events may wait for their owner before the parent is no longer read.
const EVENTS_MAX: usize = 64;
/// The most bytes of a message; the parent takes no more either.
const MESSAGE_BYTES_MAX: usize = 2 << 20;
/// Where a parent names who may take its place: addresses with blanks between.
const STANDBYS_HEADER: &str = "finalmarket-standbys";
/// How long connecting may take.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// How often the parent is pinged.
const PING_EVERY: Duration = Duration::from_secs(15);
/// A parent that says nothing for so long, not even that it heard a ping, is gone.
const SILENCE_MAX: Duration = Duration::from_secs(40);
/// How long the parent may take to take one message.
const SEND_MAX: Duration = Duration::from_secs(20);

/// What a link tells its owner.
#[derive(Debug)]
pub enum LinkEvent {
    /// The parent has taken the connection: messages flow. The session's random number is never 0.
    Connected(u64),
    /// The link is down, for this reason. Said when it goes down, and again whenever the reason changes.
    Disconnected(String),
    /// A message.
    Message(Vec<u8>),
}

/// Why a message did not get onto the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendFailed {
    /// It is over what the parent takes: sending it again is pointless.
    #[error("a message of {bytes} bytes is over the parent's largest")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Its session ended first. It may have arrived.
    #[error("the connection ended")]
    Disconnected,
}

/// The owner's side of a link. When it is dropped, the link stops as if told to.
#[derive(Debug, Clone)]
pub struct LinkHandle {
    commands: mpsc::Sender<Command>,
    stop: std::sync::Arc<watch::Sender<bool>>,
}

#[derive(Debug)]
struct Command {
    session: u64,
    payload: Vec<u8>,
    answer: oneshot::Sender<Result<(), SendFailed>>,
}

impl LinkHandle {
    /// Hands a message over, to be sent in a session and no other; waits while too much is waiting already. The future
    /// that it gives says what became of it; success says that it is on its way, and no more.
    pub async fn send(
        &self,
        session: u64,
        payload: Vec<u8>,
    ) -> impl Future<Output = Result<(), SendFailed>> + Send + use<> {
        let (answer, answered) = oneshot::channel();
        let command = Command {
            session,
            payload,
            answer,
        };
        let handed = self.commands.send(command).await;
        async move {
            handed.map_err(|_| SendFailed::Disconnected)?;
            answered.await.unwrap_or(Err(SendFailed::Disconnected))
        }
    }

    /// Hangs up, and returns when that is done.
    pub async fn stop(&self) {
        self.stop.send_replace(true);
        self.commands.closed().await;
    }
}

/// Starts a link on the current tokio runtime. `random` gives any numbers: sessions, and what spreads attempts.
pub fn spawn(config: ParentConfig, random: fn() -> u64) -> (LinkHandle, mpsc::Receiver<LinkEvent>) {
    let (commands, waiting) = mpsc::channel(COMMANDS_MAX);
    let (events, happened) = mpsc::channel(EVENTS_MAX);
    let (stop, stopped) = watch::channel(false);
    let link = Link {
        parents: Parents::of(&config.address, &config.folder),
        config,
        random,
        commands: waiting,
        events,
        stop: stopped,
        trouble: None,
    };
    tokio::spawn(link.run());
    let handle = LinkHandle {
        commands,
        stop: std::sync::Arc::new(stop),
    };
    (handle, happened)
}

/// The task.
struct Link {
    config: ParentConfig,
    parents: Parents,
    random: fn() -> u64,
    commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<LinkEvent>,
    stop: watch::Receiver<bool>,
    /// Why the link is down, where it is and that has been said.
    trouble: Option<String>,
}

/// How a connection ended.
enum Ended {
    /// It failed, after it had stood for so long where it did.
    Failed(String, Option<Duration>),
    /// The owner wants no more.
    Stopped,
}

impl Link {
    async fn run(mut self) {
        let mut backoff = Backoff::default();
        loop {
            let ended = match self.connect().await {
                Ok(socket) => self.carry(socket).await,
                Err(ended) => ended,
            };
            let Ended::Failed(trouble, open_for) = ended else {
                return;
            };
            if self.config.door == Door::Kiosk {
                self.parents.try_another();
            }
            if self.trouble.as_ref() != Some(&trouble) {
                tracing::warn!(
                    "no link to {}: {trouble}; trying again until it stands",
                    self.config.address
                );
                self.trouble = Some(trouble.clone());
                if !self.tell(LinkEvent::Disconnected(trouble)).await {
                    return;
                }
            }
            let until = Instant::now() + backoff.pause(open_for, (self.random)());
            if !self.rest(until).await {
                return;
            }
        }
    }

    /// Waits before the next attempt. False where the link is to stop.
    async fn rest(&mut self, until: Instant) -> bool {
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(until) => return true,
                () = told_to_stop(&mut self.stop) => return false,
                command = self.commands.recv() => match command {
                    Some(command) => drop(command.answer.send(Err(SendFailed::Disconnected))),
                    None => return false,
                },
            }
        }
    }

    /// Tells the owner something. The owner may be waiting to send meanwhile: that is answered, so that neither waits
    /// for the other. False where the owner is gone.
    async fn tell(&mut self, event: LinkEvent) -> bool {
        loop {
            tokio::select! {
                room = self.events.reserve() => {
                    return room.map(|room| room.send(event)).is_ok();
                }
                command = self.commands.recv() => match command {
                    Some(command) => drop(command.answer.send(Err(SendFailed::Disconnected))),
                    None => return false,
                },
            }
        }
    }

    async fn connect(&mut self) -> Result<WebSocketStream<TcpStream>, Ended> {
        let mut stop = self.stop.clone();
        tokio::select! {
            opened = tokio::time::timeout(CONNECT_MAX, open(&self.config, self.parents.now())) => {
                let opened = opened.unwrap_or_else(|_| Err("the parent does not answer".into()));
                let (socket, standbys) = opened.map_err(|trouble| Ended::Failed(trouble, None))?;
                self.parents.learn(&standbys);
                Ok(socket)
            }
            () = told_to_stop(&mut stop) => Err(Ended::Stopped),
        }
    }

    async fn carry(&mut self, mut socket: WebSocketStream<TcpStream>) -> Ended {
        let session = loop {
            match (self.random)() {
                0 => {}
                session => break session,
            }
        };
        let opened = Instant::now();
        self.trouble = None;
        if !self.tell(LinkEvent::Connected(session)).await {
            return Ended::Stopped;
        }
        let failed = |trouble: &str| Ended::Failed(trouble.to_owned(), Some(opened.elapsed()));
        let mut heard = Instant::now();
        let mut ping = tokio::time::interval(PING_EVERY);
        ping.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                next = next(&self.events, &mut socket) => {
                    let Some((room, said)) = next else { return Ended::Stopped };
                    heard = Instant::now();
                    match said {
                        Some(Ok(Message::Binary(payload))) => room.send(LinkEvent::Message(payload.into())),
                        Some(Ok(Message::Close(_))) | None => return failed("the parent hung up"),
                        // The library answers pings by itself.
                        Some(Ok(_)) => {}
                        Some(Err(error)) => return failed(&error.to_string()),
                    }
                }
                command = self.commands.recv() => {
                    let Some(command) = command else { return Ended::Stopped };
                    let bytes = command.payload.len();
                    let outcome = if command.session != session {
                        Err(SendFailed::Disconnected)
                    } else if bytes > MESSAGE_BYTES_MAX {
                        Err(SendFailed::TooLarge { bytes })
                    } else {
                        put(&mut socket, Message::Binary(command.payload.into())).await
                    };
                    // Whoever dropped the answer does not want to know.
                    let _ = command.answer.send(outcome);
                    if outcome == Err(SendFailed::Disconnected) && command.session == session {
                        return failed("the parent takes nothing");
                    }
                }
                _ = ping.tick() => {
                    if put(&mut socket, Message::Ping(Vec::new().into())).await.is_err() {
                        return failed("the parent takes nothing");
                    }
                }
                () = tokio::time::sleep_until(heard + SILENCE_MAX) => return failed("the parent is silent"),
                () = told_to_stop(&mut self.stop) => {
                    let _ = tokio::time::timeout(Duration::from_secs(1), socket.close(None)).await;
                    return Ended::Stopped;
                }
            }
        }
    }
}

/// The next thing that the parent says, read only once there is room for it; none where the owner is gone.
async fn next<'e>(
    events: &'e mpsc::Sender<LinkEvent>,
    socket: &mut WebSocketStream<TcpStream>,
) -> Option<(mpsc::Permit<'e, LinkEvent>, Option<Result<Message, Error>>)> {
    let room = events.reserve().await.ok()?;
    Some((room, socket.next().await))
}

async fn put(socket: &mut WebSocketStream<TcpStream>, message: Message) -> Result<(), SendFailed> {
    match tokio::time::timeout(SEND_MAX, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        _ => Err(SendFailed::Disconnected),
    }
}

/// Connects; beside the connection it gives who may take the parent's place, as the parent says.
async fn open(
    config: &ParentConfig,
    parent: Option<&ParentAddress>,
) -> Result<(WebSocketStream<TcpStream>, String), String> {
    let authority = parent.unwrap_or(&config.address).authority();
    let stream = TcpStream::connect(&authority)
        .await
        .map_err(|error| error.to_string())?;
    // A message is written at once; waiting for more to send would only delay it.
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    let (org, node, site) = (&config.org, &config.node, &config.site);
    let url = match config.door {
        Door::Kiosk => format!("ws://{authority}/v1/link?org={org}&node={node}&site={site}"),
        Door::Standby => format!("ws://{authority}/v1/standby/link"),
    };
    let mut request = url.into_client_request().map_err(|error| error.to_string())?;
    let token = HeaderValue::from_str(&format!("Bearer {}", config.token));
    let token = token.map_err(|_| "the token cannot be sent".to_owned())?;
    request.headers_mut().insert(AUTHORIZATION, token);
    let limits = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    match tokio_tungstenite::client_async_with_config(request, stream, Some(limits)).await {
        Ok((socket, answer)) => {
            let standbys = answer
                .headers()
                .get(STANDBYS_HEADER)
                .and_then(|told| told.to_str().ok());
            Ok((socket, standbys.unwrap_or_default().to_owned()))
        }
        Err(Error::Http(refusal)) => Err(refused(refusal.status().as_u16(), refusal.body().as_deref())),
        Err(error) => Err(error.to_string()),
    }
}

/// What a parent says where it does not take the connection, for people.
fn refused(status: u16, body: Option<&[u8]>) -> String {
    let problem = body.and_then(|body| serde_json::from_slice::<serde_json::Value>(body).ok());
    let detail = problem.as_ref().and_then(|problem| problem.get("detail")?.as_str());
    match detail {
        Some(detail) => format!(
            "the parent refuses ({status}): {}",
            detail.chars().take(300).collect::<String>()
        ),
        None => format!("the parent refuses ({status})"),
    }
}

/// Returns when the link is told to stop or nobody can tell it any more.
async fn told_to_stop(stop: &mut watch::Receiver<bool>) {
    // An error says that the last handle is gone, which means the same.
    let _ = stop.wait_for(|stop| *stop).await;
}
