//! The loop between a node's disk, its engine and its link.
//!
//! It does what the engine asks and decides nothing itself. No sale ever waits for it, and it ends only with the node:
//! a disk that fails or a broker that is gone are inputs like any other.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::domain::fact::OpenedReason;
use crate::domain::ids::{Incarnation, NodeId, SiteId};
use crate::domain::journal::Head;
use crate::http::{Committed, Link, LinkReport};
use crate::mqtt::{LinkConfig, LinkEvent, LinkHandle, Presence, Publish, PublishFailed, Topic};
use crate::operations;
use crate::store::{Snapshot, StorageError, Store, WriteTransaction};
use crate::sync::node::{Input, LinkState, NodeEngine, NodeLimits, Output};
use crate::sync::wire::{Birth, Down, HubState, Up};

use super::ack_saver::AckSaver;
use super::clock::MachineClock;
use super::randomness;

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
    /// Changes with every commit.
    pub commits: watch::Receiver<Committed>,
    /// How to reach the broker.
    pub link: LinkConfig,
    /// True while a person has cut the link.
    pub cut: watch::Receiver<bool>,
    /// Where the link stands, for people.
    pub report: watch::Sender<LinkReport>,
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
        let mut engine = NodeEngine::new(
            self.site.clone(),
            env!("CARGO_PKG_VERSION").to_owned(),
            NodeLimits::default(),
        );
        let (answers, mut answered) = mpsc::channel(ANSWERS_MAX);
        let acks = AckSaver::spawn(Arc::clone(&self.store));
        let mut link = self.open_link();
        let mut trouble = None;
        loop {
            let wake = engine.deadline().map(|(at_ms, _)| self.clock.instant(at_ms));
            let input = tokio::select! {
                () = told(&mut stop) => break,
                event = next_event(&mut link) => match event {
                    Some(event) => {
                        trouble = match &event {
                            LinkEvent::Disconnected(trouble) => Some(trouble.to_string()),
                            LinkEvent::Connected(_) => None,
                            LinkEvent::Message(_) => trouble,
                        };
                        read(event)
                    }
                    None => {
                        link = None;
                        Some(Input::Disconnected)
                    }
                },
                Some(input) = answered.recv() => Some(input),
                Ok(()) = self.commits.changed() => {
                    self.commits.borrow_and_update();
                    let store = Arc::clone(&self.store);
                    answer(&answers, async move { store.readers.run(head).await.map(Input::Appended) });
                    None
                }
                Ok(()) = self.cut.changed() => {
                    let cut = *self.cut.borrow_and_update();
                    tracing::info!(cut, "a person has cut or mended the link");
                    close(link.take()).await;
                    trouble = None;
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
                self.act(output, link.as_ref(), &answers, &acks).await;
            }
            self.tell(engine.link_state(), trouble.as_deref());
        }
        close(link).await;
    }

    /// Says where the link stands, where that is another place than before.
    fn tell(&self, state: LinkState, reason: Option<&str>) {
        let state = match state {
            LinkState::Offline => Link::Offline,
            LinkState::WaitingForParent => Link::WaitingForParent,
            LinkState::Introducing => Link::Introducing,
            LinkState::Online => Link::Online,
        };
        self.report.send_if_modified(|report| {
            let reason = reason.filter(|_| state != Link::Online).map(str::to_owned);
            if report.state == state && report.reason == reason {
                return false;
            }
            // Why there is none was told where it broke.
            if state != Link::Offline {
                tracing::info!(?state, "link");
            }
            *report = LinkReport {
                state,
                since_ms: self.clock.now().unix_ms,
                reason,
            };
            true
        });
    }

    fn open_link(&self) -> Option<OpenLink> {
        if *self.cut.borrow() {
            return None;
        }
        let config = self.link.clone();
        let node = self.node.clone();
        let presence = move |session| {
            let birth = Birth {
                node: node.clone(),
                session,
                online: true,
                software: env!("CARGO_PKG_VERSION").to_owned(),
                head: None,
            };
            Presence {
                here: birth.encode(),
                gone: Birth { online: false, ..birth }.encode(),
            }
        };
        let (handle, events) = crate::mqtt::spawn(config, presence, randomness::number);
        Some(OpenLink { handle, events })
    }

    /// Does what the engine wants done. What takes the disk runs beside the loop and answers through `answers`.
    async fn act(&self, output: Output, link: Option<&OpenLink>, answers: &mpsc::Sender<Input>, acks: &AckSaver) {
        let store = Arc::clone(&self.store);
        let now = self.clock.now();
        match output {
            Output::Send(message) => {
                if let Some(link) = link {
                    self.send(message, &link.handle, answers).await;
                }
            }
            Output::LoadStreams => answer(answers, async move {
                let (streams, feeds) = store.readers.run(operations::streams).await?;
                Ok::<_, StorageError>(Input::Streams { streams, feeds })
            }),
            Output::LoadBatch {
                incarnation,
                from,
                records_max,
                bytes_max,
            } => {
                let node = self.node.clone();
                answer(answers, async move {
                    let load = move |snapshot: &Snapshot<'_>| {
                        operations::load_batch(snapshot, &node, incarnation, from, records_max, bytes_max)
                    };
                    // The engine asks only for what is there: what is not is a disk that cannot be read.
                    let packed = store.readers.run(load).await?.ok_or_else(|| {
                        StorageError::Inconsistent(format!("record {from} of incarnation {incarnation} is not there"))
                    })?;
                    for (seq, reason) in packed.damaged {
                        tracing::error!(%incarnation, seq, reason, "a record on this disk is damaged and is withheld");
                        let aside = move |tx: &mut WriteTransaction<'_>| {
                            operations::set_record_aside(tx, now, incarnation, seq, &reason)
                        };
                        if let Err(error) = store.writer.run(aside).await {
                            tracing::error!(%error, seq, "it could not be set aside here");
                        }
                    }
                    Ok::<_, StorageError>(Input::BatchLoaded(packed.batch))
                });
            }
            Output::SaveAck(acked) => acks.save(acked).await,
            Output::SetAside {
                incarnation,
                seq,
                reason,
            } => {
                tracing::error!(%incarnation, seq, reason, "a record is set aside; the others go on");
                answer(answers, async move {
                    let aside = move |tx: &mut WriteTransaction<'_>| {
                        operations::set_record_aside(tx, now, incarnation, seq, &reason)
                    };
                    store
                        .writer
                        .run(aside)
                        .await
                        .map(|()| Input::SetAside { incarnation, seq })
                });
            }
            Output::Rehome {
                incarnation,
                common,
                set_back,
            } => {
                tracing::error!(%incarnation, common, set_back, "headquarters knows another branch of this disk");
                let seed = randomness::incarnation_seed();
                let reason = if set_back {
                    OpenedReason::SetBack
                } else {
                    OpenedReason::Copied
                };
                answer(answers, async move {
                    let leave = move |tx: &mut WriteTransaction<'_>| {
                        operations::reincarnate(tx, now, incarnation, common, reason, &seed)
                    };
                    store.writer.run(leave).await.map(|_| Input::Rehomed)
                });
            }
            Output::ApplyFeed(page) => answer(answers, async move {
                let applied = store
                    .writer
                    .run(move |tx| operations::apply_feed_page(tx, now, &page))
                    .await;
                applied.map(Input::FeedApplied)
            }),
        }
    }

    async fn send(&self, message: Up, link: &LinkHandle, answers: &mpsc::Sender<Input>) {
        let session = match &message {
            Up::Hello(hello) => hello.session,
            Up::Batch { session, .. } | Up::FeedApplied { session, .. } | Up::Shelves { session, .. } => *session,
        };
        let batch = batch_of(&message);
        let payload = message.encode();
        let publish = Publish {
            session,
            topic: Topic::Up(self.node.clone()),
            payload,
            retain: false,
        };
        let Ok(receipt) = link.publish(publish).await else {
            return;
        };
        let answers = answers.clone();
        tokio::spawn(async move {
            match (receipt.await, batch) {
                (Err(PublishFailed::TooLarge { bytes }), Some((incarnation, first, count))) => {
                    tracing::warn!(bytes, first, count, "a batch is over the broker's largest message");
                    let _ = answers
                        .send(Input::TooLarge {
                            incarnation,
                            first,
                            count,
                        })
                        .await;
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

/// Where the journal stands.
fn head(snapshot: &Snapshot<'_>) -> Result<Head, StorageError> {
    let newest = snapshot.incarnations()?.pop();
    newest
        .map(|row| row.head)
        .ok_or_else(|| StorageError::Inconsistent("no incarnation is open".into()))
}

/// What an event means to the engine. A message that cannot be read is told and passed.
fn read(event: LinkEvent) -> Option<Input> {
    match event {
        LinkEvent::Connected(connected) => Some(Input::Connected {
            session: connected.session,
        }),
        LinkEvent::Disconnected(_) => Some(Input::Disconnected),
        LinkEvent::Message(message) => {
            let input = match message.topic {
                Topic::Hub => HubState::decode(&message.payload).map(Input::Hub),
                _ => Down::decode(&message.payload).map(Input::Received),
            };
            input
                .inspect_err(|error| tracing::warn!(%error, "a message is passed over"))
                .ok()
        }
    }
}

/// Returns when the node is to stop, or nobody could say so any more.
async fn told(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
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
