//! The link's task, and what its owner holds of it.
//!
//! The task connects, introduces itself, carries messages both ways and, when the connection is lost, comes back after a
//! pause that grows. It retries nothing that was published: a publish belongs to one session, and ends with it.

mod client;
mod connection;
mod incoming;
mod mailbox;
mod outgoing;
mod size_limit;
mod trouble;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use self::connection::Ended;
pub use self::incoming::AckToken;
use self::mailbox::Mailbox;
use self::size_limit::SizeLimit;
pub use self::trouble::Trouble;
use super::config::LinkConfig;
use super::topics::Topic;
use crate::backoff::Backoff;

/// How many publishes may wait for their turn before [`LinkHandle::publish`] waits itself.
const COMMANDS_MAX: usize = 64;

/// What a link tells its owner.
#[derive(Debug)]
pub enum LinkEvent {
    /// Subscriptions stand and presence is published: messages flow.
    Connected(Connected),
    /// The link is down. Said when it goes down, and again whenever the reason changes while it is down; what was
    /// published and not answered for is lost.
    Disconnected(Trouble),
    /// A message.
    Message(Message),
}

/// A connection that stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connected {
    /// The session's random number, never 0; publishes name it.
    pub session: u64,
    /// The most bytes that a payload may have, on any of our topics.
    pub payload_bytes_max: u32,
    /// How many publishes are under way at once; further ones wait.
    pub publishes_max: usize,
}

/// A message that came.
#[derive(Debug)]
pub struct Message {
    /// Its topic.
    pub topic: Topic,
    /// Its bytes.
    pub payload: Vec<u8>,
    /// Whether the broker had kept it from before the subscription.
    pub retained: bool,
    /// Holds the broker back until the message is dealt with.
    pub token: AckToken,
}

/// What everybody is told about this side, kept by the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presence {
    /// Published, retained, on every connection.
    pub here: Vec<u8>,
    /// Published, retained, when this side goes: by itself where it stops, by the broker where it vanishes.
    pub gone: Vec<u8>,
}

/// Something to publish. It is acknowledged by the broker (QoS 1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// The session for which it was made; in another it is not sent.
    pub session: u64,
    /// Its topic.
    pub topic: Topic,
    /// Its bytes.
    pub payload: Vec<u8>,
    /// Whether the broker keeps it for those who subscribe later.
    pub retain: bool,
}

/// Why a publish did not reach the broker, or nobody knows whether it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PublishFailed {
    /// It is over what the broker takes: sending it again is pointless.
    #[error("a packet of {bytes} bytes is over the broker's largest")]
    TooLarge {
        /// The size of the packet, in bytes.
        bytes: u32,
    },
    /// The broker's rules do not let this client publish there.
    #[error("the broker does not let this client publish on the topic")]
    NotAuthorized,
    /// The broker has no room for it now.
    #[error("the broker's quota is exceeded")]
    QuotaExceeded,
    /// The broker refuses it for another reason.
    #[error("the broker refuses it with reason code {code}")]
    Refused {
        /// MQTT 5's reason code.
        code: u8,
    },
    /// Messages came faster than they are taken, so that the link has stopped reading and cannot send either.
    #[error("too many received messages wait to be taken")]
    Congested,
    /// Its session ended first. It may have arrived.
    #[error("the connection ended before the broker acknowledged it")]
    Disconnected,
}

/// What becomes of a publish. Waiting for it is optional.
///
/// Success says that the broker has it, and no more: only headquarters' own acknowledgement says that a fact is safe.
#[derive(Debug)]
#[must_use = "drop it explicitly where the fate of the publish does not matter"]
pub struct Receipt(oneshot::Receiver<Result<(), PublishFailed>>);

impl Future for Receipt {
    type Output = Result<(), PublishFailed>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = Pin::new(&mut self.0).poll(context);
        answer.map(|answer| answer.unwrap_or(Err(PublishFailed::Disconnected)))
    }
}

/// The link has been stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the link has been stopped")]
pub struct LinkStopped;

/// The owner's side of a link. When the last one is dropped, the link stops as if told to.
#[derive(Debug, Clone)]
pub struct LinkHandle {
    commands: mpsc::Sender<Command>,
    stop: Arc<watch::Sender<bool>>,
}

impl LinkHandle {
    /// Hands over something to publish; waits while too much is waiting already. May be called by the task that takes
    /// the events: the link never waits for those in order to make room.
    ///
    /// # Errors
    /// Where the link has been stopped.
    pub async fn publish(&self, publish: Publish) -> Result<Receipt, LinkStopped> {
        let (answer, receipt) = oneshot::channel();
        let command = Command { publish, answer };
        self.commands.send(command).await.map_err(|_| LinkStopped)?;
        Ok(Receipt(receipt))
    }

    /// Says goodbye, disconnects and returns when that is done, or after a few seconds where the broker does not answer.
    pub async fn stop(&self) {
        self.stop.send_replace(true);
        self.commands.closed().await;
    }
}

/// Starts a link on the current tokio runtime.
///
/// `presence` is asked at each attempt to connect, with the session's number. `random` gives any numbers: it keeps
/// clients apart and spreads their attempts. The link ends when it is told to stop, when its last handle is dropped and
/// when its events are not listened to any more; the events then end too.
pub fn spawn(
    config: LinkConfig,
    presence: impl FnMut(u64) -> Presence + Send + 'static,
    mut random: impl FnMut() -> u64 + Send + 'static,
) -> (LinkHandle, mpsc::Receiver<LinkEvent>) {
    let (commands, waiting) = mpsc::channel(COMMANDS_MAX);
    let (stop, stopped) = watch::channel(false);
    let (mailbox, events) = Mailbox::new();
    // Two copies of one disk share a name. Under one client id they would throw each other off for ever; under two they
    // are connected side by side, and headquarters can tell them apart.
    let client_id = format!("{}-{:016x}", config.role.name(), random());
    let link = Link {
        config,
        client_id,
        presence: Box::new(presence),
        random: Box::new(random),
        commands: waiting,
        stop: stopped,
        mailbox,
        size_limit: SizeLimit::default(),
        trouble: None,
    };
    tokio::spawn(link.run());
    let handle = LinkHandle {
        commands,
        stop: Arc::new(stop),
    };
    (handle, events)
}

#[derive(Debug)]
struct Command {
    publish: Publish,
    answer: oneshot::Sender<Result<(), PublishFailed>>,
}

impl Command {
    fn fail(self, why: PublishFailed) {
        // Whoever dropped the receipt does not want to know.
        let _ = self.answer.send(Err(why));
    }
}

/// The task.
struct Link {
    config: LinkConfig,
    client_id: String,
    presence: Box<dyn FnMut(u64) -> Presence + Send>,
    random: Box<dyn FnMut() -> u64 + Send>,
    commands: mpsc::Receiver<Command>,
    stop: watch::Receiver<bool>,
    mailbox: Mailbox,
    size_limit: SizeLimit,
    /// Why the link is down, where it is and that has been said.
    trouble: Option<Trouble>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

impl Link {
    async fn run(mut self) {
        let mut backoff = Backoff::default();
        while let Ended::Failed { trouble, open_for } = self.connect().await {
            self.report(trouble);
            let pause = backoff.pause(open_for, (self.random)());
            if !self.rest(pause).await {
                break;
            }
        }
        tracing::info!(client = %self.client_id, "link stopped");
    }

    /// Says why the link is down. The log gets each kind of reason once: a broker that hangs up does so in turn with a
    /// reset and with an end, and would fill it.
    fn report(&mut self, trouble: Trouble) {
        if self.trouble.as_ref() == Some(&trouble) {
            return;
        }
        let kind = Some(std::mem::discriminant(&trouble));
        if self.trouble.as_ref().map(std::mem::discriminant) != kind {
            let broker = &self.config.broker;
            tracing::warn!(
                client = %self.client_id,
                "no link to {}:{}: {trouble}; trying again until it stands",
                broker.host,
                broker.port
            );
        }
        self.mailbox.push(LinkEvent::Disconnected(trouble.clone()));
        self.trouble = Some(trouble);
    }

    /// Waits before the next attempt. False where the link is to stop.
    async fn rest(&mut self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(until) => return true,
                () = told_to_stop(&mut self.stop) => return false,
                delivered = self.mailbox.deliver() => if delivered.is_err() {
                    return false;
                },
                command = self.commands.recv() => match command {
                    Some(command) => command.fail(PublishFailed::Disconnected),
                    None => return false,
                },
            }
        }
    }
}

/// Returns when the link is told to stop or nobody can tell it any more.
async fn told_to_stop(stop: &mut watch::Receiver<bool>) {
    // An error says that the last handle is gone, which means the same.
    let _ = stop.wait_for(|stop| *stop).await;
}
