//! The loop between a node's disk, its engine and its link.
//!
//! It does what the engine asks and decides nothing itself. No sale ever waits for it, and it ends only with the node:
//! a disk that fails or a broker that is gone are inputs like any other.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use crate::domain::fact::OpenedReason;
use crate::domain::ids::{NodeId, SiteId};
use crate::domain::journal::Head;
use crate::http::{Committed, Link, LinkReport};
use crate::operations;
use crate::store::{Snapshot, StorageError, Store, WriteTransaction};
use crate::sync::node::{Input, LinkState, NodeEngine, NodeLimits, Output};
use crate::sync::wire::{Down, Up};

use super::ack_saver::AckSaver;
use super::carriage_loop::ParentEnd;
use super::clock::{MachineClock, sleep_until};
use super::link_engines::{Answer, LinkEngines, Whose, answer};
use super::randomness;
use super::relays::{Grown, RelayEnds, Relays};
use super::rights_loop::RightsEvent;
use super::uplink::{ParentLink, Uplink, UplinkEvent};

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
    /// Who its parent is and how it is reached.
    pub parent: ParentLink,
    /// The kiosks whose records it passes on, where it is a store's node.
    pub relays: Option<RelayEnds>,
    /// Where documents of shelves come from and go to.
    pub carriage: ParentEnd,
    /// True while a person has cut the link.
    pub cut: watch::Receiver<bool>,
    /// Where the link stands, for people.
    pub report: watch::Sender<LinkReport>,
    /// Is told of the parent, and of what it says of rights.
    pub rights: mpsc::Sender<RightsEvent>,
    /// What the parent is to be told of rights.
    pub of_rights: mpsc::Receiver<Up>,
    /// Takes what the parent shows where a standby has taken this node's place.
    pub succession: mpsc::Sender<Vec<u8>>,
}

/// How many answers from the disk may wait for the engine. It asks for few things at a time.
const ANSWERS_MAX: usize = 64;

impl SyncLoop {
    /// Runs until `stop` is true, then says goodbye.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let (answers, mut answered) = mpsc::channel(ANSWERS_MAX);
        let (mut grown, relays, mut online) = match self.relays.take() {
            None => (None, None, None),
            Some(ends) => {
                let relays = Relays::new(self.site.clone(), &self.store, self.clock, ends.from_above);
                (Some(ends.grown), Some(relays), Some(ends.online))
            }
        };
        let mut running = LinkEngines {
            engine: NodeEngine::new(
                self.site.clone(),
                env!("CARGO_PKG_VERSION").to_owned(),
                NodeLimits::default(),
            ),
            relays,
            link: self.open_link(),
            answers,
            acks: AckSaver::spawn(Arc::clone(&self.store)),
            session: None,
            online: online.clone(),
        };
        running.wake_known_relays().await;
        let mut trouble = None;
        loop {
            let wake = running.deadline_ms().map(|at_ms| self.clock.instant(at_ms));
            let inputs = tokio::select! {
                () = told(&mut stop) => break,
                event = next_event(&mut running.link) => match event {
                    Some(event) => {
                        self.carriage.see(&event).await;
                        self.tell_rights(&event, running.session).await;
                        self.hear_retired(&event, &running);
                        trouble = match &event {
                            UplinkEvent::Disconnected(trouble) => Some(trouble.clone()),
                            UplinkEvent::Connected { .. } => None,
                            _ => trouble,
                        };
                        running.read(event)
                    }
                    None => {
                        running.link = None;
                        self.parent_is_gone().await;
                        running.everybody(&Input::Disconnected)
                    }
                },
                Some(answer) = answered.recv() => running.take(answer),
                Some(message) = self.carriage.outgoing.recv() => {
                    running.send(None, message).await;
                    Vec::new()
                }
                Ok(()) = self.commits.changed() => {
                    self.commits.borrow_and_update();
                    let store = Arc::clone(&self.store);
                    answer(&running.answers, None, async move {
                        store.readers.run(head).await.map(|head| Answer::Input(None, Input::Appended(head)))
                    });
                    Vec::new()
                }
                Some(message) = self.of_rights.recv() => {
                    running.send(None, message).await;
                    Vec::new()
                }
                Some(Grown { node, head }) = next_grown(&mut grown) => vec![(Some(node), Input::Appended(head))],
                () = changed(&mut online) => {
                    running.tell_children().await;
                    Vec::new()
                }
                Ok(()) = self.cut.changed() => {
                    let cut = *self.cut.borrow_and_update();
                    tracing::info!(cut, "a person has cut or mended the link");
                    close(running.link.take()).await;
                    self.parent_is_gone().await;
                    trouble = None;
                    if !cut {
                        running.link = self.open_link();
                    }
                    running.everybody(&Input::Disconnected)
                }
                () = sleep_until(wake) => running.everybody(&Input::Timeout),
            };
            for (whose, input) in inputs {
                for output in running.handle(&self.clock, whose.as_ref(), input) {
                    self.act(whose.clone(), output, &running).await;
                }
            }
            let state = running.engine.link_state();
            self.carriage.follow(state, running.session).await;
            self.tell(state, trouble.as_deref());
        }
        close(running.link).await;
    }

    /// Tells whoever moves rights what the link says of them.
    async fn tell_rights(&self, event: &UplinkEvent, open: Option<u64>) {
        let word = match event {
            UplinkEvent::Disconnected(_) => RightsEvent::ParentGone,
            UplinkEvent::Hub(state) if !state.online => RightsEvent::ParentGone,
            // Another copy of this disk may share our name: what it is told is not ours.
            UplinkEvent::Message(message) if message.session() == open => match message.clone() {
                Down::Here { session, replica } => RightsEvent::Parent { session, replica },
                Down::Rights { message, .. } => RightsEvent::FromParent(message),
                Down::Granted { from, granted, .. } => RightsEvent::GrantedByParent { from, granted },
                Down::Succeeded { sealed, .. } => {
                    // One at a time is enough: it is shown again at each introduction.
                    let _ = self.succession.try_send(sealed);
                    return;
                }
                _ => return,
            },
            _ => return,
        };
        // Only a node that stops does not listen.
        let _ = self.rights.send(word).await;
    }

    /// The parent's operator has retired the incarnation that this node writes: it goes on under another one.
    fn hear_retired(&self, event: &UplinkEvent, running: &LinkEngines) {
        let UplinkEvent::Message(Down::Retired(word)) = event else {
            return;
        };
        if Some(word.session) != running.session {
            return;
        }
        tracing::error!(incarnation = %word.incarnation, record = word.seq, by = word.by, reason = word.reason,
            "this node was retired: it goes on under another incarnation, without rights");
        let retirement = operations::Retirement {
            incarnation: word.incarnation,
            seq: word.seq,
            by: word.by.clone(),
            reason: word.reason.clone(),
        };
        let (store, now, seed) = (
            Arc::clone(&self.store),
            self.clock.now(),
            randomness::incarnation_seed(),
        );
        answer(&running.answers, None, async move {
            let leave = move |tx: &mut WriteTransaction<'_>| operations::retired_myself(tx, now, &retirement, &seed);
            store
                .writer
                .run(leave)
                .await
                .map(|_| Answer::Input(None, Input::Rehomed))
        });
    }

    async fn parent_is_gone(&self) {
        let _ = self.rights.send(RightsEvent::ParentGone).await;
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

    fn open_link(&self) -> Option<Uplink> {
        (!*self.cut.borrow()).then(|| Uplink::open(&self.parent, &self.node))
    }

    /// Does what an engine wants done. What takes the disk runs beside the loop and answers later.
    async fn act(&self, whose: Whose, output: Output, running: &LinkEngines) {
        let message = match (output, &whose) {
            (Output::Send(message), _) => message,
            (output, Some(node)) => {
                if let Some(relays) = &running.relays {
                    relays.act(node.clone(), output, &running.answers).await;
                }
                return;
            }
            (output, None) => return self.act_for_itself(output, running).await,
        };
        let introduces = whose.is_none() && matches!(message, Up::Hello(_));
        running.send(whose, message).await;
        if introduces {
            running.tell_children().await;
        }
    }

    async fn act_for_itself(&self, output: Output, running: &LinkEngines) {
        let (answers, store, now) = (&running.answers, Arc::clone(&self.store), self.clock.now());
        let own = |input| Answer::Input(None, input);
        match output {
            // Sent by the caller; and given back is only what is another node's.
            Output::Send(_) | Output::GiveBack { .. } => {}
            Output::LoadStreams => answer(answers, None, async move {
                let (streams, feeds) = store.readers.run(operations::streams).await?;
                Ok::<_, StorageError>(own(Input::Streams { streams, feeds }))
            }),
            Output::LoadBatch {
                incarnation,
                from,
                records_max,
                bytes_max,
            } => {
                let node = self.node.clone();
                answer(answers, None, async move {
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
                    Ok::<_, StorageError>(own(Input::BatchLoaded(packed.batch)))
                });
            }
            // A store's word is asked for anew at each introduction; only headquarters' outlives the connection.
            Output::SaveAck(acked) if self.parent.is_headquarters() => running.acks.save(acked).await,
            Output::SaveAck(_) => {}
            Output::SaveTopAck(acked) => running.acks.save(acked).await,
            Output::SetAside {
                incarnation,
                seq,
                reason,
            } => {
                tracing::error!(%incarnation, seq, reason, "a record is set aside; the others go on");
                answer(answers, None, async move {
                    let aside = move |tx: &mut WriteTransaction<'_>| {
                        operations::set_record_aside(tx, now, incarnation, seq, &reason)
                    };
                    store
                        .writer
                        .run(aside)
                        .await
                        .map(|()| own(Input::SetAside { incarnation, seq }))
                });
            }
            Output::Rehome {
                incarnation,
                common,
                set_back,
            } => {
                tracing::error!(%incarnation, common, set_back, "the parent knows another branch of this disk");
                let seed = randomness::incarnation_seed();
                let reason = if set_back {
                    OpenedReason::SetBack
                } else {
                    OpenedReason::Copied
                };
                answer(answers, None, async move {
                    let leave = move |tx: &mut WriteTransaction<'_>| {
                        operations::reincarnate(tx, now, incarnation, common, reason, &seed)
                    };
                    store.writer.run(leave).await.map(|_| own(Input::Rehomed))
                });
            }
            Output::ApplyFeed(page) => answer(answers, None, async move {
                let applied = store
                    .writer
                    .run(move |tx| operations::apply_feed_page(tx, now, &page))
                    .await;
                applied.map(|cursor| own(Input::FeedApplied(cursor)))
            }),
        }
    }
}

/// Where the journal stands.
fn head(snapshot: &Snapshot<'_>) -> Result<Head, StorageError> {
    let newest = snapshot.incarnations()?.pop();
    newest
        .map(|row| row.head)
        .ok_or_else(|| StorageError::Inconsistent("no incarnation is open".into()))
}

/// Returns when the node is to stop, or nobody could say so any more.
async fn told(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn next_event(link: &mut Option<Uplink>) -> Option<UplinkEvent> {
    match link {
        Some(link) => link.next().await,
        None => std::future::pending().await,
    }
}

async fn next_grown(grown: &mut Option<mpsc::Receiver<Grown>>) -> Option<Grown> {
    match grown {
        Some(grown) => grown.recv().await,
        None => std::future::pending().await,
    }
}

/// Returns when other kiosks are connected than before; never where there can be none.
async fn changed(online: &mut Option<watch::Receiver<BTreeSet<NodeId>>>) {
    let changed = match online {
        Some(online) => online.changed().await.is_ok(),
        None => false,
    };
    if !changed {
        std::future::pending().await
    }
}

async fn close(link: Option<Uplink>) {
    if let Some(link) = link {
        link.close().await;
    }
}
