//! The loop between headquarters' ledger, its engine and the broker.
//!
//! Promises: a batch is acknowledged to the broker only once it is on disk, which is what holds the broker back when the
//! disk is slow (an introduction, which a node repeats until it is answered, at once); batches that wait are committed together; figures follow on a thread of their own and
//! hold nothing up.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc as blocking;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::{broadcast, mpsc, watch};

use super::carriage_loop::{CarriageEnd, Teller};
use super::headquarters::Headquarters;
use super::ingest::{Incoming, Ingested};
use super::introduce::IntroduceError;
use super::rights_desk::RightsEvent;
use crate::domain::escrow::ReplicaId;
use crate::domain::ids::{Incarnation, NodeId};
use crate::mqtt::{AckToken, LinkConfig, LinkEvent, LinkHandle, Message, Presence, Publish, Topic};
use crate::sync::hub::{HubEngine, HubLimits, Input, Introduction, Outcome, Output};
use crate::sync::wire::{Birth, Down, FeedCursor, HubState, Up, WIRE_VERSION};

/// How many batches are committed at once at most. Together they are a few megabytes.
const GROUP_MAX: usize = 64;
/// How many results may wait for the engine.
const RESULTS_MAX: usize = 256;

/// What the loop is made of.
pub struct LinkLoop {
    /// Headquarters.
    pub headquarters: Arc<Headquarters>,
    /// The broker.
    pub link: LinkConfig,
    /// Names of feeds that have a new version.
    pub published: broadcast::Receiver<String>,
    /// Told whenever the ledger has grown.
    pub grown: Arc<tokio::sync::Notify>,
    /// Where documents of shelves come from and go to.
    pub(super) carriage: CarriageEnd,
    /// Is told of nodes that can be reached, and of what they say of rights.
    pub rights: mpsc::Sender<RightsEvent>,
    /// What nodes are to be told of rights.
    pub of_rights: mpsc::Receiver<(NodeId, Down)>,
    /// Numbers nobody guesses.
    pub random: fn() -> u64,
}

/// Where the engine's outputs go.
struct Ways {
    link: LinkHandle,
    results: mpsc::Sender<Input>,
    ledger: blocking::SyncSender<Waiting>,
}

/// How a kiosk's session is reached: through its store's node.
#[derive(Debug, Clone)]
struct Route {
    via: NodeId,
    /// When the store last had everything that the kiosk had told of, milliseconds since 1970; 0 for never.
    complete_ms: u64,
}

/// The routes to kiosks' sessions.
type Routes = HashMap<(NodeId, u64), Route>;

/// How many routes are kept. Beyond that all are forgotten: stores introduce their kiosks again when they notice that
/// nobody answers.
const ROUTES_MAX: usize = 20_000;

/// A batch on its way to the ledger, and what holds the broker back meanwhile.
struct Waiting {
    incoming: Incoming,
    token: Option<AckToken>,
}

impl LinkLoop {
    /// Runs until `stop` is true, then says goodbye.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let started = Instant::now();
        let now_ms = move || u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let state = HubState {
            online: true,
            run: (self.random)(),
            wire: WIRE_VERSION,
        };
        let presence = move |_session| Presence {
            here: state.encode(),
            gone: HubState {
                online: false,
                ..state.clone()
            }
            .encode(),
        };
        let (link, mut events) = crate::mqtt::spawn(self.link.clone(), presence, self.random);
        let (results, mut resulted) = mpsc::channel(RESULTS_MAX);
        let ledger = start_ledger(
            Arc::clone(&self.headquarters),
            results.clone(),
            (Arc::clone(&self.grown), self.carriage.teller()),
        );
        let ways = Ways { link, results, ledger };
        let mut engine = HubEngine::new(HubLimits::default());
        let mut site_feeds = self.headquarters.site_feeds();
        let mut session = None;
        let mut routes = Routes::new();
        // The message that is being handled holds the broker back until what follows from it is under way.
        let mut token = None;
        loop {
            let wake = engine
                .deadline_ms()
                .map(|at_ms| tokio::time::Instant::from(started + Duration::from_millis(at_ms)));
            let input = tokio::select! {
                () = told(&mut stop) => break,
                event = events.recv() => match event {
                    None => break,
                    Some(LinkEvent::Connected(connected)) => {
                        session = Some(connected.session);
                        None
                    }
                    Some(LinkEvent::Disconnected(_)) => {
                        session = None;
                        None
                    }
                    Some(LinkEvent::Message(message)) => self.read(message, &mut token, &mut routes),
                },
                Some((node, message)) = self.of_rights.recv() => {
                    self.act(Output::Send { node, message }, &ways, session, &mut token, &routes).await;
                    None
                }
                Some((node, message)) = self.carriage.outgoing.recv() => {
                    self.act(Output::Send { node, message }, &ways, session, &mut token, &routes).await;
                    None
                }
                Some(input) = resulted.recv() => Some(input),
                feed = self.published.recv() => feed.ok().map(|feed| Input::Published { feed }),
                // What is missed where too much waits is offered when the node comes again.
                feed = site_feeds.recv() => feed.ok().map(|feed| Input::Published { feed }),
                () = sleep_until(wake) => Some(Input::Timeout),
            };
            if let Some(input) = input {
                engine.handle(now_ms(), input);
            }
            while let Some(output) = engine.poll() {
                self.act(output, &ways, session, &mut token, &routes).await;
            }
            token = None;
        }
        let _ = tokio::time::timeout(Duration::from_secs(10), ways.link.stop()).await;
    }

    /// Tells whoever moves rights. What is lost where too much waits is said again.
    fn tell_rights(&self, event: RightsEvent) {
        let _ = self.rights.try_send(event);
    }

    /// What a message means to the engine. One that cannot be read is told and passed.
    fn read(&self, message: Message, token: &mut Option<AckToken>, routes: &mut Routes) -> Option<Input> {
        match message.topic {
            Topic::Up(node) => match Up::decode(&message.payload) {
                Ok(Up::Children { online, .. }) => {
                    self.headquarters.children_present(&node, online);
                    None
                }
                Ok(Up::Relayed {
                    node: child,
                    complete_age_ms,
                    message: relayed,
                }) => {
                    *token = Some(message.token);
                    let message = unwrap(&node, &child, &relayed)?;
                    if routes.len() >= ROUTES_MAX {
                        routes.clear();
                    }
                    let route = Route {
                        via: node,
                        complete_ms: wall_ms().saturating_sub(complete_age_ms),
                    };
                    routes.insert((child.clone(), message.session()?), route);
                    Some(Input::Received { node: child, message })
                }
                Ok(Up::Shelves { session, message }) => {
                    self.carriage.received(node, session, message);
                    None
                }
                Ok(Up::Rights { session, message }) => {
                    self.tell_rights(RightsEvent::Received { session, message });
                    None
                }
                Ok(up) => {
                    *token = Some(message.token);
                    Some(Input::Received { node, message: up })
                }
                Err(error) => {
                    tracing::warn!(%node, %error, "a message is passed over");
                    None
                }
            },
            Topic::On(node) => {
                let birth = Birth::decode(&message.payload).ok()?;
                self.headquarters.present(&node, birth.online);
                let (headquarters, heard) = (Arc::clone(&self.headquarters), node.clone());
                if !birth.online {
                    routes.retain(|_, route| route.via != node);
                }
                if birth.online {
                    tokio::task::spawn_blocking(move || {
                        if let Err(error) = headquarters.heard(&heard, wall_ms()) {
                            tracing::warn!(node = %heard, %error, "a node's presence could not be noted");
                        }
                    });
                }
                if !birth.online {
                    let session = birth.session;
                    self.carriage.closed(node.clone(), session);
                    self.tell_rights(RightsEvent::Gone { session });
                }
                (!birth.online).then_some(Input::Gone {
                    node,
                    session: birth.session,
                })
            }
            Topic::Down(_) | Topic::Hub => None,
        }
    }

    async fn act(
        &self,
        output: Output,
        ways: &Ways,
        session: Option<u64>,
        token: &mut Option<AckToken>,
        routes: &Routes,
    ) {
        let Ways { link, results, ledger } = ways;
        let headquarters = Arc::clone(&self.headquarters);
        match output {
            Output::Send { node, message } => {
                let Some(session) = session else { return };
                let route = message.session().and_then(|of| routes.get(&(node.clone(), of)));
                let (topic, message) = match route {
                    None => (Topic::Down(node), message),
                    Some(route) => {
                        let message = message.encode();
                        (Topic::Down(route.via.clone()), Down::Relayed { node, message })
                    }
                };
                let publish = Publish {
                    session,
                    topic,
                    payload: message.encode(),
                    retain: false,
                };
                // What does not arrive is asked for again by the node.
                if let Ok(receipt) = link.publish(publish).await {
                    drop(receipt);
                }
            }
            Output::Introduce { node, hello } => {
                let session = hello.session;
                let route = routes.get(&(node.clone(), session)).cloned();
                // Kiosks have their rights of their store.
                let newest = hello.streams.last().filter(|_| route.is_none());
                let newest = newest.map(|stream| (hello.site.clone(), stream.head.incarnation));
                let (rights, carriage) = (self.rights.clone(), self.carriage.teller());
                let introduce = move |node: &NodeId| match route {
                    None => headquarters.introduce(node, hello, wall_ms()),
                    Some(Route { via, complete_ms }) => {
                        headquarters.introduce_relayed(&via, node, hello, complete_ms, wall_ms())
                    }
                };
                answer(results, move || match introduce(&node) {
                    Ok(result) => {
                        if let (Introduction::Known(_), Some((site, incarnation))) = (&result, newest) {
                            let node = node.clone();
                            let replica = ReplicaId { node, incarnation };
                            // Where too much waits, the next introduction tells it.
                            carriage.opened(site.clone(), replica.clone(), session);
                            let _ = rights.try_send(RightsEvent::Connected { session, site, replica });
                        }
                        Some(Input::Introduced { node, session, result })
                    }
                    Err(IntroduceError::Storage(error)) => {
                        tracing::error!(%node, %error, "an introduction could not be looked up");
                        None
                    }
                    Err(error) => {
                        tracing::warn!(%error, "an introduction is not taken");
                        None
                    }
                });
            }
            Output::Ingest { node, session, sealed } => {
                let incoming = Incoming {
                    relayed: routes.contains_key(&(node.clone(), session)),
                    sender: node,
                    session,
                    sealed,
                };
                // The broker sends no more than its window, so the queue has room for what it may send.
                if ledger
                    .try_send(Waiting {
                        incoming,
                        token: token.take(),
                    })
                    .is_err()
                {
                    tracing::warn!("the ledger is behind: a batch is left for its node to send again");
                }
            }
            Output::LoadPage {
                node,
                session,
                feed,
                after,
                epoch,
                bytes_max,
            } => answer(results, move || {
                let cursor = FeedCursor {
                    feed,
                    version: after,
                    epoch,
                };
                let page = headquarters
                    .may_follow(&node, &cursor.feed)
                    .and_then(|may| {
                        if may {
                            headquarters.feed_page(&cursor, bytes_max)
                        } else {
                            Ok(None)
                        }
                    })
                    .inspect_err(|error| tracing::error!(%node, feed = cursor.feed, %error, "a feed could not be read"))
                    .ok()?;
                if page.as_ref().is_some_and(|page| page.afresh) {
                    tracing::warn!(%node, feed = cursor.feed, version = after,
                        "a node has versions of a feed that headquarters has lost: it gets the whole feed afresh");
                }
                let feed = cursor.feed;
                Some(Input::PageLoaded {
                    node,
                    session,
                    feed,
                    page,
                })
            }),
        }
    }
}

/// What a store's node passes on for a kiosk's. A message that cannot be read, or is passed on twice, is told and passed.
fn unwrap(via: &NodeId, node: &NodeId, relayed: &[u8]) -> Option<Up> {
    match Up::decode(relayed) {
        Ok(Up::Relayed { .. } | Up::Children { .. }) => {
            tracing::warn!(%via, %node, "a message that is passed on twice is passed over");
            None
        }
        Ok(message) => Some(message),
        Err(error) => {
            tracing::warn!(%via, %node, %error, "a message is passed over");
            None
        }
    }
}

/// Runs blocking work beside the loop.
fn answer(results: &mpsc::Sender<Input>, work: impl FnOnce() -> Option<Input> + Send + 'static) {
    let results = results.clone();
    tokio::task::spawn_blocking(move || {
        if let Some(input) = work() {
            // Only a loop that has ended does not listen.
            let _ = results.blocking_send(input);
        }
    });
}

/// The thread that commits batches, as many at once as wait.
fn start_ledger(
    headquarters: Arc<Headquarters>,
    results: mpsc::Sender<Input>,
    (grown, carriage): (Arc<tokio::sync::Notify>, Teller),
) -> blocking::SyncSender<Waiting> {
    let (queue, waiting) = blocking::sync_channel::<Waiting>(4 * GROUP_MAX);
    tokio::task::spawn_blocking(move || {
        while let Ok(first) = waiting.recv() {
            let mut group = vec![first];
            group.extend(waiting.try_iter().take(GROUP_MAX - 1));
            let (batches, tokens): (Vec<_>, Vec<_>) = group
                .into_iter()
                .map(|waiting| (waiting.incoming, waiting.token))
                .unzip();
            match headquarters.ingest(batches, wall_ms()) {
                Ok(ingested) => {
                    if ingested.iter().any(|batch| batch.taken > 0) {
                        grown.notify_one();
                        carriage.journals_grew();
                    }
                    for input in latest(ingested) {
                        let _ = results.blocking_send(input);
                    }
                }
                Err(error) => tracing::error!(%error, "batches could not be committed; their nodes send them again"),
            }
            drop(tokens);
        }
    });
    queue
}

/// The answers to a group. An acknowledgement is cumulative: of several to one session only the last is worth sending.
fn latest(ingested: Vec<Ingested>) -> Vec<Input> {
    let mut last: HashMap<(NodeId, u64, Incarnation), usize> = HashMap::new();
    for (at, batch) in ingested.iter().enumerate() {
        if let Outcome::Committed { acked } = &batch.outcome {
            last.insert((batch.sender.clone(), batch.session, acked.incarnation), at);
        }
    }
    let worth_sending = |(at, batch): &(usize, Ingested)| match &batch.outcome {
        Outcome::Committed { acked } => last.get(&(batch.sender.clone(), batch.session, acked.incarnation)) == Some(at),
        _ => true,
    };
    ingested
        .into_iter()
        .enumerate()
        .filter(worth_sending)
        .map(
            |(
                _,
                Ingested {
                    sender,
                    session,
                    outcome,
                    ..
                },
            )| Input::Ingested {
                node: sender,
                session,
                outcome,
            },
        )
        .collect()
}

pub(super) fn wall_ms() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_millis()).unwrap_or_default()
}

async fn sleep_until(wake: Option<tokio::time::Instant>) {
    match wake {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Returns when headquarters is to stop, or nobody could say so any more.
async fn told(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
