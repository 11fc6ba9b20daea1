//! The engines of a store's node that pass its kiosks' records on: one for each kiosk, so that none holds up another.
//! They share the store's link with the store's own engine.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::clock::MachineClock;
use super::link_engines::{Answer, answer};
use crate::domain::ids::{NodeId, SiteId};
use crate::domain::journal::Head;
use crate::operations::relay;
use crate::store::{Failure, StorageError, Store, WriteTransaction};
use crate::sync::node::{Input, NodeEngine, NodeLimits, Output};
use crate::sync::wire::{HubState, Up};

/// How many acknowledgements may wait for the disk.
const ACKS_MAX: usize = 256;

/// What the side that takes kiosks' batches tells the side that passes them on.
#[derive(Debug)]
pub(super) struct Grown {
    /// The kiosk's node.
    pub node: NodeId,
    /// Where one of its incarnations stands here.
    pub head: Head,
}

/// What headquarters says of a kiosk, for the side that talks to the kiosk.
#[derive(Debug)]
pub(super) enum FromAbove {
    /// Headquarters has committed everything up to here.
    Committed {
        /// The kiosk's node.
        node: NodeId,
        /// Up to here.
        acked: Head,
    },
    /// Headquarters cannot take a batch as it is; it is not here any more.
    GivenBack {
        /// The kiosk's node.
        node: NodeId,
        /// What is committed here, and which batch is asked for again.
        back: relay::GivenBack,
        /// Why, for people.
        reason: String,
    },
    /// Headquarters knows another branch.
    Fenced {
        /// The kiosk's node.
        node: NodeId,
        /// What is committed here.
        acked: Head,
        /// Up to here both branches are the same.
        common: u64,
        /// Whether the kiosk's disk was simply set back.
        set_back: bool,
    },
}

/// What ties the two sides together.
pub(super) struct RelayEnds {
    /// What has come from kiosks.
    pub grown: mpsc::Receiver<Grown>,
    /// Takes what headquarters says of them.
    pub from_above: mpsc::Sender<FromAbove>,
    /// Which kiosks are connected now.
    pub online: watch::Receiver<BTreeSet<NodeId>>,
}

struct Relay {
    engine: NodeEngine,
    /// How long ago everything that the kiosk had told of was here, when its streams were read last.
    complete_age_ms: u64,
}

/// All kiosks' engines.
pub(super) struct Relays {
    site: SiteId,
    store: Arc<Store>,
    clock: MachineClock,
    relays: BTreeMap<NodeId, Relay>,
    from_above: mpsc::Sender<FromAbove>,
    acks: mpsc::Sender<(NodeId, Head)>,
    session: Option<u64>,
    hub: Option<HubState>,
}

impl Relays {
    /// Of a store's node; `from_above` takes what headquarters says of its kiosks.
    pub(super) fn new(
        site: SiteId,
        store: &Arc<Store>,
        clock: MachineClock,
        from_above: mpsc::Sender<FromAbove>,
    ) -> Self {
        let (acks, waiting) = mpsc::channel(ACKS_MAX);
        tokio::spawn(save_acks(Arc::clone(store), waiting, from_above.clone()));
        Self {
            site,
            store: Arc::clone(store),
            clock,
            relays: BTreeMap::new(),
            from_above,
            acks,
            session: None,
            hub: None,
        }
    }

    /// The kiosks whose records are on this disk.
    pub(super) async fn known(&self) -> Vec<NodeId> {
        let known = self.store.readers.run(|snapshot| snapshot.relay_origins()).await;
        match known {
            Ok(origins) => {
                let names: BTreeSet<NodeId> = origins.into_iter().map(|origin| origin.node).collect();
                names.into_iter().collect()
            }
            Err(error) => {
                tracing::error!(%error, "the kiosks' records cannot be listed; each is passed on once it is heard of");
                Vec::new()
            }
        }
    }

    /// When the first of them wants to be woken.
    pub(super) fn deadline_ms(&self) -> Option<u64> {
        let deadlines = self.relays.values().filter_map(|relay| relay.engine.deadline());
        deadlines.map(|(at_ms, _)| at_ms).min()
    }

    /// Their names.
    pub(super) fn names(&self) -> Vec<NodeId> {
        self.relays.keys().cloned().collect()
    }

    /// The link stands, is gone, or headquarters comes or goes: for all of them, and for those to come.
    pub(super) fn follow(&mut self, input: &Input) {
        match input {
            Input::Connected { session } => (self.session, self.hub) = (Some(*session), None),
            Input::Disconnected => (self.session, self.hub) = (None, None),
            Input::Hub(state) => self.hub = Some(state.clone()),
            _ => {}
        }
    }

    /// Lets a kiosk's engine take an input, and gives what it wants done. One that is not there is made.
    pub(super) fn handle(&mut self, node: &NodeId, input: Input) -> Vec<Output> {
        let now_ms = self.clock.monotonic_ms();
        let mut outputs = Vec::new();
        let relay = match self.relays.get_mut(node) {
            Some(relay) => relay,
            None => {
                let engine = NodeEngine::relay(self.site.clone(), NodeLimits::default());
                let relay = self.relays.entry(node.clone()).or_insert(Relay {
                    engine,
                    complete_age_ms: u64::MAX,
                });
                if let Some(session) = self.session {
                    relay.engine.handle(now_ms, Input::Connected { session });
                }
                if let Some(state) = &self.hub {
                    relay.engine.handle(now_ms, Input::Hub(state.clone()));
                }
                relay
            }
        };
        relay.engine.handle(now_ms, input);
        outputs.extend(std::iter::from_fn(|| relay.engine.poll()));
        outputs
    }

    /// What is known of a kiosk's completeness, from when its streams were read.
    pub(super) fn note_complete(&mut self, node: &NodeId, complete_age_ms: u64) {
        if let Some(relay) = self.relays.get_mut(node) {
            relay.complete_age_ms = complete_age_ms;
        }
    }

    /// What a kiosk's engine says, as it goes up in this node's name.
    pub(super) fn wrap(&self, node: &NodeId, message: &Up) -> Up {
        Up::Relayed {
            node: node.clone(),
            complete_age_ms: self.relays.get(node).map_or(u64::MAX, |relay| relay.complete_age_ms),
            message: message.encode(),
        }
    }

    /// Does what a kiosk's engine wants done with the disk. What it wants sent is the loop's.
    pub(super) async fn act(&self, node: NodeId, output: Output, answers: &mpsc::Sender<Answer>) {
        let (store, now) = (Arc::clone(&self.store), self.clock.now());
        let whose = Some(node.clone());
        match output {
            Output::LoadStreams => answer(answers, whose, async move {
                let name = node.clone();
                let read = move |snapshot: &crate::store::Snapshot<'_>| relay::relayed_streams(snapshot, now, &name);
                let streams = store.readers.run(read).await?;
                Ok::<_, StorageError>(Answer::Relayed { node, streams })
            }),
            Output::LoadBatch { incarnation, from, .. } => answer(answers, whose.clone(), async move {
                let load = move |snapshot: &crate::store::Snapshot<'_>| {
                    relay::load_relayed(snapshot, &node, incarnation, from)
                };
                let batch = store.readers.run(load).await?;
                Ok::<_, StorageError>(Answer::Input(whose, Input::BatchLoaded(batch)))
            }),
            // In order: what headquarters says last is what counts.
            Output::SaveAck(acked) => {
                let _ = self.acks.send((node, acked)).await;
            }
            Output::GiveBack {
                incarnation,
                first,
                count,
                reason,
            } => {
                tracing::warn!(%node, %incarnation, first, count, reason,
                    "headquarters cannot take a kiosk's batch: the kiosk is asked for it in smaller parts");
                let from_above = self.from_above.clone();
                answer(answers, whose.clone(), async move {
                    let name = node.clone();
                    let give = move |tx: &mut WriteTransaction<'_>| relay::give_back(tx, &name, incarnation, first);
                    let back = store.writer.run(give).await.map_err(storage)?;
                    if let Some(back) = back {
                        // The kiosk hears it where it is connected; else it sends again when it comes.
                        let _ = from_above.send(FromAbove::GivenBack { node, back, reason }).await;
                    }
                    Ok::<_, StorageError>(Answer::Input(whose, Input::Rehomed))
                });
            }
            Output::Rehome {
                incarnation,
                common,
                set_back,
            } => {
                tracing::error!(%node, %incarnation, common, set_back, "headquarters knows another branch of a kiosk's disk");
                let from_above = self.from_above.clone();
                answer(answers, whose.clone(), async move {
                    let name = node.clone();
                    let fence = move |tx: &mut WriteTransaction<'_>| {
                        relay::fence_relayed(tx, &name, incarnation, common, set_back)
                    };
                    let fenced = store.writer.run(fence).await.map_err(storage)?;
                    if let Some(origin) = fenced {
                        let _ = from_above
                            .send(FromAbove::Fenced {
                                node,
                                acked: origin.acked,
                                common,
                                set_back,
                            })
                            .await;
                    }
                    Ok::<_, StorageError>(Answer::Input(whose, Input::Rehomed))
                });
            }
            // An engine that passes records on takes no feeds, sets nothing aside and has headquarters for its parent.
            Output::Send(_) | Output::SetAside { .. } | Output::ApplyFeed(_) | Output::SaveTopAck(_) => {}
        }
    }
}

fn storage(failure: Failure<StorageError>) -> StorageError {
    match failure {
        Failure::Refused(error) | Failure::Storage(error) => error,
    }
}

/// Saves what headquarters has of kiosks' journals, in the order in which it was said, and has the kiosks told.
async fn save_acks(
    store: Arc<Store>,
    mut waiting: mpsc::Receiver<(NodeId, Head)>,
    from_above: mpsc::Sender<FromAbove>,
) {
    while let Some((node, acked)) = waiting.recv().await {
        let name = node.clone();
        let save = move |tx: &mut WriteTransaction<'_>| relay::save_relayed_ack(tx, &name, acked);
        match store.writer.run(save).await {
            Ok(true) => {
                let _ = from_above.send(FromAbove::Committed { node, acked }).await;
            }
            Ok(false) => tracing::warn!(%node, seq = acked.seq, "headquarters acknowledges what is not here"),
            Err(error) => tracing::warn!(%node, %error, "an acknowledgement for a kiosk could not be saved"),
        }
    }
}
