//! The loop between a store's disk and the nodes of its kiosks: the parent's engine, with a WebSocket for each kiosk.
//!
//! Promises: a batch is acknowledged only once it is on this disk; it never waits for headquarters; a kiosk that is slow
//! or sends nonsense costs the others nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::carriage_loop::ChildEnd;
use super::clock::{MachineClock, sleep_until};
use super::relays::{FromAbove, Grown};
use super::rights_loop::RightsEvent;
use crate::domain::escrow::ReplicaId;
use crate::domain::ids::NodeId;
use crate::domain::journal::Head;
use crate::http::{ChildEvent, Committed};
use crate::operations::relay::{self, ChildBatch, ChildRights};
use crate::operations::{own_replica, serve_feed};
use crate::store::{CATALOG_FEED, Failure, PRICES_FEED, Snapshot, StorageError, Store, WriteTransaction};
use crate::sync::hub::{HubEngine, HubLimits, Input, Introduction, Output};
use crate::sync::wire::{Ack, Down, FeedCursor, Fenced, Hello, Refused, Resend, Up};

/// How many batches are put on disk together at most.
const GROUP_MAX: usize = 32;
/// How many batches may wait for the disk; beyond that their kiosks send them again.
const BATCHES_MAX: usize = 256;
/// How many results may wait for the engine.
const RESULTS_MAX: usize = 256;

/// What the loop is made of.
pub(super) struct ChildLoop {
    /// The store's disk.
    pub store: Arc<Store>,
    /// Its clocks.
    pub clock: MachineClock,
    /// Changes with every commit.
    pub commits: watch::Receiver<Committed>,
    /// What happens on the kiosks' connections.
    pub events: mpsc::Receiver<ChildEvent>,
    /// Takes what has come from kiosks, where it is passed on.
    pub grown: Option<mpsc::Sender<Grown>>,
    /// What headquarters says of kiosks.
    pub from_above: mpsc::Receiver<FromAbove>,
    /// Which kiosks are connected.
    pub online: watch::Sender<BTreeSet<NodeId>>,
    /// Where documents of shelves come from and go to.
    pub carriage: ChildEnd,
    /// Is told of kiosks that can be reached, and of rights that change hands.
    pub rights: mpsc::Sender<RightsEvent>,
    /// What kiosks are to be told of rights.
    pub of_rights: mpsc::Receiver<Down>,
}

/// A kiosk's connection.
struct Connection {
    node: NodeId,
    outbox: mpsc::Sender<Vec<u8>>,
    /// The session that it speaks in, once it has said so.
    session: Option<u64>,
}

/// What the disk answers.
enum Answer {
    Engine(Input),
    /// What a kiosk is told behind the welcome.
    Welcomed(Welcomed),
}

/// What a kiosk is told behind the welcome.
struct Welcomed {
    /// The kiosk, as it introduced itself.
    child: ReplicaId,
    session: u64,
    /// What headquarters has of its incarnations.
    at_top: Vec<Head>,
    /// Which replica this node is.
    replica: ReplicaId,
}

impl ChildLoop {
    /// Runs until `stop` is true.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let (answers, mut answered) = mpsc::channel(RESULTS_MAX);
        let (batches, waiting) = mpsc::channel(BATCHES_MAX);
        tokio::spawn(take_batches(
            Arc::clone(&self.store),
            self.clock,
            waiting,
            answers.clone(),
            (self.grown.clone(), self.rights.clone()),
        ));
        let mut engine = HubEngine::new(HubLimits::default());
        let mut connections: BTreeMap<u64, Connection> = BTreeMap::new();
        let mut catalogs = self.commits.borrow().catalogs;
        loop {
            let wake = engine.deadline_ms().map(|at_ms| self.clock.instant(at_ms));
            let mut inputs = Vec::new();
            tokio::select! {
                // An acknowledgement was there before headquarters could say anything about what it acknowledges.
                biased;
                () = told(&mut stop) => break,
                Some(answer) = answered.recv() => match answer {
                    Answer::Engine(input) => inputs.push(input),
                    Answer::Welcomed(Welcomed { child, session, at_top, replica }) => {
                        for acked in at_top {
                            send(&mut connections, &child.node, &Down::AckedAtTop(Ack { session, acked }));
                        }
                        send(&mut connections, &child.node, &Down::Here { session, replica });
                        self.carriage.welcomed(child.clone(), session).await;
                        self.tell_rights(Some(RightsEvent::Child { session, replica: child })).await;
                    }
                },
                Some(word) = self.from_above.recv() => pass_down(&mut connections, &word),
                Some((node, message)) = self.carriage.outgoing.recv() => send(&mut connections, &node, &message),
                Some(message) = self.of_rights.recv() => {
                    let spoken_in = |connection: &&Connection| connection.session == message.session();
                    if let Some(node) = connections.values().find(spoken_in).map(|connection| connection.node.clone()) {
                        send(&mut connections, &node, &message);
                    }
                }
                event = self.events.recv() => match event {
                    Some(event) => {
                        let (input, word) = read(event, &mut connections);
                        inputs.extend(input);
                        self.tell_rights(word).await;
                        self.tell_online(&connections);
                    }
                    None => break,
                },
                Ok(()) = self.commits.changed() => {
                    let committed = self.commits.borrow_and_update().catalogs;
                    if std::mem::replace(&mut catalogs, committed) != committed {
                        let published = |feed: &str| Input::Published { feed: feed.to_owned() };
                        inputs.extend([CATALOG_FEED, PRICES_FEED].map(published));
                    }
                }
                () = sleep_until(wake) => inputs.push(Input::Timeout),
            }
            for input in inputs {
                self.carriage.see(&input).await;
                engine.handle(self.clock.monotonic_ms(), input);
                while let Some(output) = engine.poll() {
                    self.act(output, &mut connections, &answers, &batches);
                }
            }
        }
    }

    async fn tell_rights(&self, word: Option<RightsEvent>) {
        if let Some(word) = word {
            // Only a node that stops does not listen.
            let _ = self.rights.send(word).await;
        }
    }

    fn tell_online(&self, connections: &BTreeMap<u64, Connection>) {
        let now: BTreeSet<NodeId> = connections.values().map(|connection| connection.node.clone()).collect();
        self.online.send_if_modified(|before| {
            let changed = *before != now;
            *before = now;
            changed
        });
    }

    /// Does what the engine wants done. What takes the disk runs beside the loop.
    fn act(
        &self,
        output: Output,
        connections: &mut BTreeMap<u64, Connection>,
        answers: &mpsc::Sender<Answer>,
        batches: &mpsc::Sender<ChildBatch>,
    ) {
        match output {
            Output::Send { node, message } => send(connections, &node, &message),
            Output::Introduce { node, hello } => {
                let (store, now, answers) = (Arc::clone(&self.store), self.clock.now(), answers.clone());
                let grown = self.grown.clone();
                tokio::spawn(introduce(store, now, node, hello, answers, grown));
            }
            Output::Ingest { node, session, sealed } => {
                let batch = ChildBatch {
                    sender: node,
                    session,
                    sealed,
                };
                if batches.try_send(batch).is_err() {
                    tracing::warn!("the disk is behind: a batch is left for its kiosk to send again");
                }
            }
            Output::LoadPage {
                node,
                session,
                feed,
                after,
                epoch,
                bytes_max,
            } => {
                let (store, answers) = (Arc::clone(&self.store), answers.clone());
                tokio::spawn(async move {
                    let cursor = FeedCursor {
                        feed: feed.clone(),
                        version: after,
                        epoch,
                    };
                    let load = move |snapshot: &Snapshot<'_>| serve_feed(snapshot, &cursor, bytes_max);
                    match store.readers.run(load).await {
                        Ok(page) => {
                            let loaded = Input::PageLoaded {
                                node,
                                session,
                                feed,
                                page,
                            };
                            let _ = answers.send(Answer::Engine(loaded)).await;
                        }
                        Err(error) => tracing::error!(%node, feed, %error, "a feed could not be read"),
                    }
                });
            }
        }
    }
}

/// What an event means to the engine, and to whoever moves rights. A message that cannot be read is told and passed.
fn read(event: ChildEvent, connections: &mut BTreeMap<u64, Connection>) -> (Option<Input>, Option<RightsEvent>) {
    match event {
        ChildEvent::Opened {
            connection,
            node,
            outbox,
            ..
        } => {
            tracing::info!(%node, "a kiosk is connected");
            let session = None;
            connections.insert(connection, Connection { node, outbox, session });
            (None, None)
        }
        ChildEvent::Message { connection, payload } => {
            let Some(from) = connections.get_mut(&connection) else {
                return (None, None);
            };
            match Up::decode(&payload) {
                Ok(Up::Rights { session, message }) => (None, Some(RightsEvent::FromChild { session, message })),
                Ok(message) => {
                    if let Up::Hello(hello) = &message {
                        from.session = Some(hello.session);
                    }
                    let node = from.node.clone();
                    (Some(Input::Received { node, message }), None)
                }
                Err(error) => {
                    tracing::warn!(node = %from.node, %error, "a message of a kiosk is passed over");
                    (None, None)
                }
            }
        }
        ChildEvent::Closed { connection } => {
            let Some(gone) = connections.remove(&connection) else {
                return (None, None);
            };
            tracing::info!(node = %gone.node, "a kiosk is gone");
            let (node, session) = (gone.node, gone.session);
            let input = session.map(|session| Input::Gone { node, session });
            (input, session.map(|session| RightsEvent::ChildGone { session }))
        }
    }
}

/// Sends a message to the connection that speaks in its session. One that does not take it is cut off: the kiosk comes
/// again and is told anew.
fn send(connections: &mut BTreeMap<u64, Connection>, node: &NodeId, message: &Down) {
    let session = message.session();
    let found = connections
        .iter()
        .find(|(_, connection)| connection.session == session && connection.node == *node);
    if let Some((number, connection)) = found
        && connection.outbox.try_send(message.encode()).is_err()
    {
        tracing::warn!(%node, "a kiosk does not take what it is told and is cut off");
        let number = *number;
        connections.remove(&number);
    }
}

/// Tells a kiosk what headquarters says of it, on all of its connections.
fn pass_down(connections: &mut BTreeMap<u64, Connection>, word: &FromAbove) {
    let node = match word {
        FromAbove::Committed { node, .. } | FromAbove::GivenBack { node, .. } | FromAbove::Fenced { node, .. } => node,
    };
    let of_node = connections.values().filter(|connection| connection.node == *node);
    let sessions: Vec<u64> = of_node.filter_map(|connection| connection.session).collect();
    for session in sessions {
        match word {
            FromAbove::Committed { acked, .. } => {
                let acked = *acked;
                send(connections, node, &Down::AckedAtTop(Ack { session, acked }));
            }
            FromAbove::GivenBack { back, reason, .. } => {
                let acked = back.acked;
                send(connections, node, &Down::Resend(Resend { session, acked }));
                let refused = Refused {
                    session,
                    incarnation: acked.incarnation,
                    first: back.first,
                    count: back.count,
                    reason: reason.clone(),
                };
                send(connections, node, &Down::Refused(refused));
            }
            FromAbove::Fenced {
                acked,
                common,
                set_back,
                ..
            } => {
                let fenced = Fenced {
                    session,
                    acked: *acked,
                    common: *common,
                    set_back: *set_back,
                };
                send(connections, node, &Down::Fenced(fenced));
            }
        }
    }
}

async fn introduce(
    store: Arc<Store>,
    now: crate::store::Now,
    node: NodeId,
    hello: Hello,
    answers: mpsc::Sender<Answer>,
    grown: Option<mpsc::Sender<Grown>>,
) {
    let session = hello.session;
    let newest = hello.streams.last().map(|stream| stream.head.incarnation);
    let name = node.clone();
    let work = move |tx: &mut WriteTransaction<'_>| {
        let result = relay::introduce_child(tx, now, &name, &hello)?;
        Ok((result, tx.relay_origins_of(&name)?, own_replica(tx)?))
    };
    match store.writer.run(work).await {
        Ok((result, origins, replica)) => {
            let welcome = matches!(result, Introduction::Known(_));
            let introduced = Input::Introduced {
                node: node.clone(),
                session,
                result,
            };
            let _ = answers.send(Answer::Engine(introduced)).await;
            if let Some(incarnation) = newest.filter(|_| welcome) {
                let at_top = origins.iter().map(|origin| origin.top).filter(|top| top.seq > 0);
                let node = node.clone();
                let welcomed = Welcomed {
                    child: ReplicaId { node, incarnation },
                    session,
                    at_top: at_top.collect(),
                    replica,
                };
                let _ = answers.send(Answer::Welcomed(welcomed)).await;
            }
            // A kiosk that is new here is introduced at headquarters too.
            if let (Some(grown), Some(newest)) = (grown, origins.last()) {
                let head = newest.acked;
                let _ = grown.send(Grown { node, head }).await;
            }
        }
        Err(Failure::Refused(refusal)) => tracing::warn!(%refusal, "an introduction is not taken"),
        Err(Failure::Storage(error)) => tracing::error!(%node, %error, "an introduction could not be kept"),
    }
}

/// Puts batches on disk in the order in which they came, as many at once as wait.
async fn take_batches(
    store: Arc<Store>,
    clock: MachineClock,
    mut waiting: mpsc::Receiver<ChildBatch>,
    answers: mpsc::Sender<Answer>,
    (grown, rights): (Option<mpsc::Sender<Grown>>, mpsc::Sender<RightsEvent>),
) {
    let mut group = Vec::new();
    while waiting.recv_many(&mut group, GROUP_MAX).await > 0 {
        let now = clock.now();
        let batches = std::mem::take(&mut group);
        let read = move |snapshot: &Snapshot<'_>| {
            let read = |batch: ChildBatch| Ok((relay::read_child_batch(snapshot, &batch)?, batch));
            batches.into_iter().map(read).collect::<Result<Vec<_>, StorageError>>()
        };
        let read = match store.readers.run(read).await {
            Ok(read) => read,
            Err(error) => {
                tracing::error!(%error, "batches could not be checked; their kiosks send them again");
                continue;
            }
        };
        let take = move |tx: &mut WriteTransaction<'_>| {
            let mut taken = Vec::with_capacity(read.len());
            for (read, batch) in read {
                let received = match read {
                    Ok(read) => relay::take_child_batch(tx, now, &batch, &read)?,
                    Err(outcome) => relay::Received {
                        outcome,
                        grown: None,
                        rights: Vec::new(),
                    },
                };
                taken.push((batch.sender, batch.session, received));
            }
            Ok::<_, Failure<StorageError>>(taken)
        };
        match store.writer.run(take).await {
            Ok(taken) => {
                let mut heads: HashMap<(NodeId, crate::domain::ids::Incarnation), Head> = HashMap::new();
                for (node, session, received) in taken {
                    if let Some(head) = received.grown {
                        heads.insert((node.clone(), head.incarnation), head);
                    }
                    for changed in received.rights {
                        let _ = rights.send(changed.into()).await;
                    }
                    let outcome = received.outcome;
                    let ingested = Input::Ingested { node, session, outcome };
                    let _ = answers.send(Answer::Engine(ingested)).await;
                }
                if let Some(grown) = &grown {
                    for ((node, _), head) in heads {
                        let _ = grown.send(Grown { node, head }).await;
                    }
                }
            }
            Err(error) => tracing::error!(%error, "batches could not be kept; their kiosks send them again"),
        }
    }
}

impl From<ChildRights> for RightsEvent {
    fn from(rights: ChildRights) -> Self {
        match rights {
            ChildRights::TookOver { by, lines } => Self::ChildTookOver { by, lines },
            ChildRights::Accepted { from, request, skus } => Self::FromChildAccepted { from, request, skus },
            ChildRights::Posted { skus } => Self::Posted { skus },
        }
    }
}

/// Returns when the node is to stop, or nobody could say so any more.
async fn told(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
