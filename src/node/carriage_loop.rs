//! The loop between a node's disk and the engine that carries documents of shelves to its parent and its kiosks.
//!
//! It never waits for either link: what finds no room there is lost, and repeated by the engine. Works on documents are
//! done one at a time, beside the writer's thread but for their short commits, so that no sale waits for Automerge.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::clock::{MachineClock, sleep_until};
use super::uplink::UplinkEvent;
use crate::domain::escrow::ReplicaId;
use crate::domain::ids::{NodeId, SiteId};
use crate::http::Committed;
use crate::store::{Failure, Snapshot, StorageError, Store, WriteTransaction};
use crate::sync::carriage::{
    Carrier, CarrierLimits, Child, Input, Link, Neighbour, Output, PerformError, Performed, Work, perform,
};
use crate::sync::hub;
use crate::sync::node::LinkState;
use crate::sync::wire::{Down, Up};

/// How many inputs may wait for the engine, and how many messages for a link.
const WAITING_MAX: usize = 256;

/// What the loop is made of.
pub(super) struct CarriageLoop {
    store: Arc<Store>,
    clock: MachineClock,
    commits: watch::Receiver<Committed>,
    limits: CarrierLimits,
    inputs: mpsc::Receiver<Input>,
    up: mpsc::Sender<Up>,
    down: mpsc::Sender<(NodeId, Down)>,
}

/// The loop's end at the link to the parent.
pub(super) struct ParentEnd {
    inputs: mpsc::Sender<Input>,
    /// What is to be sent.
    pub outgoing: mpsc::Receiver<Up>,
    /// The session of the connection.
    session: Option<u64>,
    /// The session in which the link was opened.
    open: Option<u64>,
    /// Whether the link was seen online since it last was not.
    online: bool,
    /// The run of the parent.
    run: Option<u64>,
}

/// The loop's end at the links to kiosks.
pub(super) struct ChildEnd {
    site: SiteId,
    inputs: mpsc::Sender<Input>,
    /// What is to be sent.
    pub outgoing: mpsc::Receiver<(NodeId, Down)>,
}

impl CarriageLoop {
    /// A loop, and its ends.
    pub(super) fn new(
        store: &Arc<Store>,
        clock: MachineClock,
        commits: watch::Receiver<Committed>,
        limits: CarrierLimits,
    ) -> (Self, ParentEnd, ChildEnd) {
        let (inputs, taken) = mpsc::channel(WAITING_MAX);
        let (up, to_parent) = mpsc::channel(WAITING_MAX);
        let (down, to_children) = mpsc::channel(WAITING_MAX);
        let carriage = Self {
            store: Arc::clone(store),
            clock,
            commits,
            limits,
            inputs: taken,
            up,
            down,
        };
        let parent = ParentEnd {
            inputs: inputs.clone(),
            outgoing: to_parent,
            session: None,
            open: None,
            online: false,
            run: None,
        };
        let children = ChildEnd {
            site: store.opening.node.site.clone(),
            inputs,
            outgoing: to_children,
        };
        (carriage, parent, children)
    }

    /// Runs until `stop` is true.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut carrier = Carrier::new(self.limits.clone());
        let (done, mut has_done) = mpsc::channel(1);
        let (mut works, mut busy) = (VecDeque::new(), false);
        loop {
            let wake = carrier.deadline_ms().map(|at_ms| self.clock.instant(at_ms));
            let input = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                Some(input) = has_done.recv() => {
                    busy = false;
                    input
                }
                Some(input) = self.inputs.recv() => input,
                Ok(()) = self.commits.changed() => {
                    self.commits.borrow_and_update();
                    Input::Touched
                }
                () = sleep_until(wake) => Input::Timeout,
            };
            carrier.handle(self.clock.monotonic_ms(), input);
            while let Some(output) = carrier.poll() {
                match output {
                    Output::Work(work) => works.push_back(work),
                    other => self.act(other),
                }
            }
            if !busy && let Some(work) = works.pop_front() {
                busy = true;
                let (store, done) = (Arc::clone(&self.store), done.clone());
                tokio::spawn(async move {
                    // Only a loop that has ended does not listen.
                    let _ = done.send(answer(&store, work).await).await;
                });
            }
        }
    }

    fn act(&self, output: Output) {
        match output {
            // The loop's own.
            Output::Work(_) => {}
            // What a link does not take now the engine repeats.
            Output::Send { to, session, message } => match to {
                Neighbour::Parent => drop(self.up.try_send(Up::Shelves { session, message })),
                Neighbour::Child(node) => drop(self.down.try_send((node, Down::Shelves { session, message }))),
            },
            Output::Report { neighbour, id, reason } => match id {
                Some(id) => {
                    tracing::warn!(?neighbour, site = %id.site, writer = %id.writer, bucket = id.bucket, reason,
                    "a document of shelves stays behind; the others go on")
                }
                None => tracing::warn!(?neighbour, reason, "a parcel of shelves cannot be read"),
            },
            Output::Refused { sku, reason } => {
                tracing::error!(%sku, reason, "a row is in no document; the others are");
            }
        }
    }
}

/// Does a work and commits what came of it.
async fn answer(store: &Store, work: Work) -> Input {
    let again = work.clone();
    match carry(store, work).await {
        Ok(done) => Input::Done(done),
        Err(error) => {
            tracing::error!(%error, "a work on documents of shelves failed; trying again");
            Input::Failed(again)
        }
    }
}

async fn carry(store: &Store, work: Work) -> Result<crate::sync::carriage::Done, PerformError<StorageError>> {
    let read = move |snapshot: &Snapshot<'_>| perform(snapshot, work);
    let Performed { keep, done } = store.readers.run(read).await?;
    if !keep.is_empty() {
        let write = move |tx: &mut WriteTransaction<'_>| {
            tx.keep_documents(&keep)
                .map_err(Failure::<std::convert::Infallible>::Storage)
        };
        store.writer.run(write).await.map_err(StorageError::from)?;
    }
    Ok(done)
}

impl ChildEnd {
    /// A kiosk that is welcomed takes and brings documents from then on.
    pub(super) async fn welcomed(&self, replica: ReplicaId, session: u64) {
        let site = self.site.clone();
        let link = Link::Child(Child { site, replica });
        self.tell(Input::Opened { link, session }).await;
    }

    /// Looks at what happens to the engine of the kiosks.
    pub(super) async fn see(&self, input: &hub::Input) {
        match input {
            hub::Input::Received {
                node,
                message: Up::Shelves { session, message },
            } => {
                let received = Input::Received {
                    from: Neighbour::Child(node.clone()),
                    session: *session,
                    message: message.clone(),
                };
                self.tell(received).await;
            }
            hub::Input::Gone { node, session } => {
                let closed = Input::Closed {
                    neighbour: Neighbour::Child(node.clone()),
                    session: *session,
                };
                self.tell(closed).await;
            }
            // Its batches are on disk: rows that waited for them may be counted.
            hub::Input::Ingested { .. } => self.tell(Input::JournalsGrew).await,
            _ => {}
        }
    }

    async fn tell(&self, input: Input) {
        // The loop always listens, until it has ended.
        let _ = self.inputs.send(input).await;
    }
}

impl ParentEnd {
    /// Looks at what happens on the link.
    pub(super) async fn see(&mut self, event: &UplinkEvent) {
        let hub = match event {
            UplinkEvent::Message(Down::Shelves { session, message }) => {
                // A parent speaks of shelves as soon as it has welcomed this node, which may be the next message.
                if self.session == Some(*session) {
                    self.open(*session).await;
                }
                let received = Input::Received {
                    from: Neighbour::Parent,
                    session: *session,
                    message: message.clone(),
                };
                return self.tell(received).await;
            }
            UplinkEvent::Hub(state) => Some(state),
            UplinkEvent::Connected { session, hub } => {
                self.session = Some(*session);
                hub.as_ref()
            }
            UplinkEvent::Disconnected(_) => {
                self.session = None;
                None
            }
            _ => None,
        };
        // A parent that has started anew knows nothing of the session.
        if let Some(state) = hub
            && self.run.replace(state.run) != Some(state.run)
        {
            self.close().await;
        }
    }

    /// Follows the link: documents go over it once facts do.
    pub(super) async fn follow(&mut self, state: LinkState, session: Option<u64>) {
        let was_online = std::mem::replace(&mut self.online, state == LinkState::Online);
        match (state, session) {
            // Told again after each introduction: the link may have been left alone.
            (LinkState::Online, Some(session)) if !was_online => {
                self.open = None;
                self.open(session).await;
            }
            (LinkState::Offline | LinkState::WaitingForParent, _) => self.close().await,
            _ => {}
        }
    }

    async fn open(&mut self, session: u64) {
        if self.open != Some(session) {
            self.open = Some(session);
            let link = Link::Parent;
            self.tell(Input::Opened { link, session }).await;
        }
    }

    async fn close(&mut self) {
        if let Some(session) = self.open.take() {
            let neighbour = Neighbour::Parent;
            self.tell(Input::Closed { neighbour, session }).await;
        }
    }

    async fn tell(&self, input: Input) {
        // The loop always listens, until it has ended.
        let _ = self.inputs.send(input).await;
    }
}
