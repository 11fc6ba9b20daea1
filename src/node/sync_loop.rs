//! The loop between a node's disk, its engine and its link.
//!
//! It does what the engine asks and decides nothing itself. No sale ever waits for it, and it ends only with the node:
//! a disk that fails or a broker that is gone are inputs like any other.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::domain::ids::{Incarnation, NodeId, SiteId};
use crate::domain::journal::Head;
use crate::mqtt::{LinkConfig, LinkEvent, LinkHandle, Presence, Publish, PublishFailed, Topic};
use crate::operations::link as operation;
use crate::store::Store;
use crate::sync::node::{Input, LinkState, NodeEngine, NodeLimits, Output};
use crate::sync::wire::{Birth, Down, HubState, Up};

use super::clock::MachineClock;

/// What the loop is made of.
pub(super) struct SyncLoop {
    /// The node.
    pub node: NodeId,
    /// Its site.
    pub site: SiteId,
    /// Its disk.
    pub store: Arc<Store>,
    /// Its clocks.
    pub clock: MachineClock,
    /// Where the journal stands; changes at every commit that adds to it.
    pub head: watch::Receiver<Head>,
    /// How to reach the broker; nothing where the node stands alone.
    pub link: Option<LinkConfig>,
    /// True while a person has cut the link.
    pub cut: watch::Receiver<bool>,
    /// Where the link stands, for people.
    pub state: watch::Sender<LinkState>,
}

/// The link while it is not cut.
struct OpenLink {
    handle: LinkHandle,
    events: mpsc::Receiver<LinkEvent>,
}

/// How many answers from the disk may wait for the engine. It asks for few things at a time.
const ANSWERS_MAX: usize = 64;

impl SyncLoop {
    /// Runs until `stop` is true, then says goodbye.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut engine =
            NodeEngine::new(self.site.clone(), env!("CARGO_PKG_VERSION").to_owned(), NodeLimits::default());
        let (answers, mut answered) = mpsc::channel(ANSWERS_MAX);
        let mut link = self.open_link();
        loop {
            let wake = engine.deadline().map(|(at_ms, _)| self.clock.instant(at_ms));
            let input = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                event = next_event(&mut link) => match event {
                    Some(event) => read(event),
                    None => {
                        link = None;
                        Some(Input::Disconnected)
                    }
                },
                Some(input) = answered.recv() => Some(input),
                Ok(()) = self.head.changed() => Some(Input::Appended(*self.head.borrow_and_update())),
                Ok(()) = self.cut.changed() => {
                    let cut = *self.cut.borrow_and_update();
                    tracing::info!(cut, "a person has cut or mended the link");
                    close(link.take()).await;
                    if !cut {
                        link = self.open_link();
                    }
                    Some(Input::Disconnected)
                }
                () = sleep_until(wake) => Some(Input::Timeout),
            };
            let Some(input) = input else { continue };
            engine.handle(self.clock.monotonic_ms(), input);
            while let Some(output) = engine.poll() {
                self.act(output, link.as_ref(), &answers).await;
            }
            self.state.send_if_modified(|state| std::mem::replace(state, engine.link_state()) != engine.link_state());
        }
        close(link).await;
    }

    fn open_link(&self) -> Option<OpenLink> {
        if *self.cut.borrow() {
            return None;
        }
        let config = self.link.clone()?;
        let (node, head) = (self.node.clone(), self.head.clone());
        let presence = move |session| {
            let birth = Birth {
                node: node.clone(),
                session,
                online: true,
                software: env!("CARGO_PKG_VERSION").to_owned(),
                head: Some(*head.borrow()),
            };
            Presence { here: birth.encode(), gone: Birth { online: false, ..birth }.encode() }
        };
        let (handle, events) = crate::mqtt::spawn(config, presence, super::randomness::number);
        Some(OpenLink { handle, events })
    }

    /// Does what the engine wants done. What takes the disk runs beside the loop and answers through `answers`.
    async fn act(&self, output: Output, link: Option<&OpenLink>, answers: &mpsc::Sender<Input>) {
        let store = Arc::clone(&self.store);
        let now = self.clock.now();
        match output {
            Output::Send(message) => {
                if let Some(link) = link {
                    self.send(message, &link.handle, answers).await;
                }
            }
            Output::LoadStreams => {
                answer(answers, async move { operation::streams(&store).await });
            }
            Output::LoadBatch { incarnation, from, records_max, bytes_max } => answer(answers, async move {
                operation::load_batch(&store, incarnation, from, records_max, bytes_max).await
            }),
            Output::SaveAck(acked) => {
                tokio::spawn(async move {
                    // Not answered for: it only saves sending again, and the next one carries everything.
                    if let Err(error) = operation::save_ack(&store, acked).await {
                        tracing::warn!(%error, seq = acked.seq, "an acknowledgement could not be saved");
                    }
                });
            }
            Output::SetAside { incarnation, seq, reason } => {
                tracing::error!(%incarnation, seq, reason, "a record is set aside; the others go on");
                answer(answers, async move { operation::withhold(&store, now, incarnation, seq, reason).await });
            }
            Output::Rehome { incarnation, common, set_back } => {
                tracing::error!(%incarnation, common, set_back,
                    "headquarters knows another branch of this disk: what it does not have goes to an incarnation of its own");
                let seed = super::randomness::incarnation_seed();
                answer(answers, async move {
                    operation::rehome(&store, now, seed, incarnation, common, set_back).await
                });
            }
            Output::ApplyFeed(page) => {
                answer(answers, async move { operation::apply_feed_page(&store, now, page).await });
            }
        }
    }

    async fn send(&self, message: Up, link: &LinkHandle, answers: &mpsc::Sender<Input>) {
        let session = match &message {
            Up::Hello(hello) => hello.session,
            Up::Batch { session, .. } | Up::FeedApplied { session, .. } => *session,
        };
        let batch = batch_of(&message);
        let payload = message.encode();
        let publish = Publish { session, topic: Topic::Up(self.node.clone()), payload, retain: false };
        let Ok(receipt) = link.publish(publish).await else { return };
        let answers = answers.clone();
        tokio::spawn(async move {
            match (receipt.await, batch) {
                (Err(PublishFailed::TooLarge { bytes }), Some((incarnation, first, count))) => {
                    tracing::warn!(bytes, first, count, "a batch is over the broker's largest message");
                    let _ = answers.send(Input::TooLarge { incarnation, first, count }).await;
                }
                // The engine's own timer notices what did not arrive.
                (Err(error), _) if error != PublishFailed::Disconnected => {
                    tracing::warn!(%error, "the broker did not take a message");
                }
                _ => {}
            }
        });
    }
}

/// The range of a batch, so that a failure to carry it can be told.
fn batch_of(message: &Up) -> Option<(Incarnation, u64, u32)> {
    let Up::Batch { sealed, .. } = message else { return None };
    let batch = crate::sync::wire::Batch::open(sealed).ok()?;
    Some((batch.header.incarnation, batch.header.first, batch.header.count))
}

/// Runs a disk's work beside the loop; a failure is an input too.
fn answer<E: std::fmt::Display>(
    answers: &mpsc::Sender<Input>,
    work: impl Future<Output = Result<Input, E>> + Send + 'static,
) {
    let answers = answers.clone();
    tokio::spawn(async move {
        let input = match work.await {
            Ok(input) => input,
            Err(error) => {
                tracing::error!(%error, "the disk could not do what the link needs; trying again");
                Input::StorageFailed
            }
        };
        // Only a loop that has ended does not listen.
        let _ = answers.send(input).await;
    });
}

/// What an event means to the engine. A message that cannot be read is told and passed.
fn read(event: LinkEvent) -> Option<Input> {
    match event {
        LinkEvent::Connected(connected) => Some(Input::Connected { session: connected.session }),
        LinkEvent::Disconnected(_) => Some(Input::Disconnected),
        LinkEvent::Message(message) => {
            let input = match message.topic {
                Topic::Hub => HubState::decode(&message.payload).map(Input::Hub),
                _ => Down::decode(&message.payload).map(Input::Received),
            };
            input.inspect_err(|error| tracing::warn!(%error, "a message is passed over")).ok()
        }
    }
}

async fn next_event(link: &mut Option<OpenLink>) -> Option<LinkEvent> {
    match link {
        Some(link) => link.events.recv().await,
        None => std::future::pending().await,
    }
}

async fn close(link: Option<OpenLink>) {
    if let Some(link) = link {
        // A broker that does not answer must not keep the node from stopping; the link has a bound of its own.
        let _ = tokio::time::timeout(Duration::from_secs(10), link.handle.stop()).await;
    }
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
