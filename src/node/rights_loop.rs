//! The loop between this node's shelves and those who have rights on the same ones: its parent, and its kiosks.
//!
//! It does what the rights engine asks and decides nothing itself. No sale ever waits for it: it moves rights that are
//! idle, settles debt, and answers customers who want more than this node may promise.

mod deeds;

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::clock::MachineClock;
use super::earlier_grants::send_earlier;
use super::randomness;
pub(super) use super::rights_event::RightsEvent;
use crate::domain::escrow::{Amount, ReplicaId, Row};
use crate::domain::ids::{SiteId, Sku};
use crate::domain::stock::{GrantLine, Granted};
use crate::http::{Gathered, Ready, RightsAsk};
use crate::operations::{Retirement, accept, grants_outstanding, own_row, own_rows, retirement_word, taken_over};
use crate::store::{Failure, Snapshot, StorageError, Store, WriteTransaction};
use crate::sync::rights::{Input, Place, RightsConfig, RightsEngine, ShelfKey};
use crate::sync::wire::{Down, RetiredWord, Up};

/// What the loop is made of.
pub(super) struct RightsLoop {
    /// The node's site.
    pub site: SiteId,
    /// Its disk.
    pub store: Arc<Store>,
    /// Its clocks.
    pub clock: MachineClock,
    /// How rights are moved.
    pub config: RightsConfig,
    /// What handlers ask.
    pub asks: mpsc::Receiver<RightsAsk>,
    /// What others tell.
    pub events: mpsc::Receiver<RightsEvent>,
    /// Which rows have moved.
    pub touched: Gathered<()>,
    /// How much of each item customers have asked for.
    pub demand: Gathered<Amount>,
    /// Takes what the parent is to be told.
    pub to_parent: mpsc::Sender<Up>,
    /// Takes what kiosks are to be told.
    pub to_children: mpsc::Sender<Down>,
}

/// What the loop keeps in mind.
struct Running {
    engine: RightsEngine,
    parent: Option<(u64, ReplicaId)>,
    children: BTreeMap<u64, ReplicaId>,
    /// Promises that wait, by the engine's number.
    waiting: HashMap<u64, oneshot::Sender<Ready>>,
    next_need: u64,
    closed: mpsc::UnboundedSender<u64>,
}

impl Running {
    fn has_peers(&self) -> bool {
        self.parent.is_some() || !self.children.is_empty()
    }
}

impl RightsLoop {
    /// Runs until `stop` is true.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let (closed, mut closes) = mpsc::unbounded_channel();
        let mut running = Running {
            engine: RightsEngine::new(self.config.clone(), randomness::number()),
            parent: None,
            children: BTreeMap::new(),
            waiting: HashMap::new(),
            next_need: 1,
            closed,
        };
        let mut inputs = Vec::new();
        let mut knows_rows = false;
        loop {
            if !knows_rows && running.has_peers() {
                inputs.extend(self.own_rows().await);
                knows_rows = true;
            }
            for input in std::mem::take(&mut inputs) {
                running.engine.handle(self.clock.monotonic_ms(), input);
                self.drain(&mut running).await;
            }
            let wake = running.engine.deadline().map(|at_ms| self.clock.instant(at_ms));
            inputs = tokio::select! {
                () = told(&mut stop) => return,
                Some(event) = self.events.recv() => self.on_event(&mut running, event).await,
                Some(ask) = self.asks.recv() => self.on_ask(&mut running, ask).await,
                Some(need) = closes.recv() => vec![Input::Closed { need }],
                // Where nobody is there to move rights with, nothing is read.
                skus = self.touched.take(), if running.has_peers() => self.rows_of(skus.into_keys()).await,
                wanted = self.demand.take() => self.demanded(wanted),
                () = sleep_until(wake) => vec![Input::Timeout],
            };
        }
    }

    fn shelf(&self, sku: &Sku) -> ShelfKey {
        ShelfKey {
            site: self.site.clone(),
            sku: sku.clone(),
        }
    }

    fn row(&self, sku: &Sku, row: &Row) -> Input {
        Input::Row {
            shelf: self.shelf(sku),
            figures: row.into(),
        }
    }

    async fn own_rows(&self) -> Vec<Input> {
        let kept: Vec<Sku> = self.config.kept_items().cloned().collect();
        let read = move |snapshot: &Snapshot<'_>| {
            let mut rows = own_rows(snapshot)?;
            for sku in kept {
                rows.push((sku.clone(), own_row(snapshot, &sku)?));
            }
            Ok::<_, StorageError>(rows)
        };
        match self.store.readers.run(read).await {
            Ok(rows) => {
                let found = |(sku, row): &(Sku, Row)| Input::Found {
                    shelf: self.shelf(sku),
                    figures: row.into(),
                };
                rows.iter().map(found).collect()
            }
            Err(error) => {
                tracing::error!(%error, "the shelves could not be read: rights move once they are touched");
                Vec::new()
            }
        }
    }

    async fn rows_of(&self, skus: impl IntoIterator<Item = Sku>) -> Vec<Input> {
        let skus: Vec<Sku> = skus.into_iter().collect();
        let read = move |snapshot: &Snapshot<'_>| {
            let rows = skus.into_iter().map(|sku| Ok((own_row(snapshot, &sku)?, sku)));
            rows.collect::<Result<Vec<_>, StorageError>>()
        };
        match self.store.readers.run(read).await {
            Ok(rows) => rows.iter().map(|(row, sku)| self.row(sku, row)).collect(),
            Err(error) => {
                tracing::error!(%error, "shelves could not be read: rights move once they are touched again");
                Vec::new()
            }
        }
    }

    fn demanded(&self, wanted: HashMap<Sku, Amount>) -> Vec<Input> {
        let demand = wanted.into_iter().map(|(sku, amount)| Input::Demand {
            shelf: self.shelf(&sku),
            amount,
        });
        demand.collect()
    }

    async fn on_ask(&self, running: &mut Running, ask: RightsAsk) -> Vec<Input> {
        match ask {
            RightsAsk::Parent(answer) => {
                if let Some((_, parent)) = &running.parent {
                    // Where nobody waits any more, nobody is told.
                    let _ = answer.send(parent.clone());
                }
                Vec::new()
            }
            RightsAsk::Retired(replica) => {
                let session = running.children.iter().find(|(_, child)| **child == replica);
                let Some(session) = session.map(|(session, _)| *session) else {
                    return Vec::new();
                };
                self.is_retired(session, &replica).await;
                let gone = running.children.remove(&session);
                gone.map(|peer| Input::Disconnected { peer }).into_iter().collect()
            }
            RightsAsk::Wanted { lines, answer } => {
                let need = running.next_need;
                running.next_need += 1;
                running.waiting.insert(need, answer);
                let lines = lines.into_iter().map(|(sku, amount)| (self.shelf(&sku), amount));
                let lines = lines.collect();
                vec![Input::Wanted { need, lines }]
            }
        }
    }

    async fn on_event(&self, running: &mut Running, event: RightsEvent) -> Vec<Input> {
        tracing::debug!(?event, "rights");
        match event {
            RightsEvent::Parent { session, replica } => {
                let before = running.parent.replace((session, replica.clone()));
                let mut inputs = Vec::new();
                if let Some((_, peer)) = before.filter(|(_, known)| *known != replica) {
                    inputs.push(Input::Disconnected { peer });
                }
                let (peer, place) = (replica, Place::Parent);
                inputs.push(Input::Connected { peer, place });
                inputs
            }
            RightsEvent::ParentGone => {
                let gone = running.parent.take();
                gone.map(|(_, peer)| Input::Disconnected { peer }).into_iter().collect()
            }
            RightsEvent::FromParent(message) => {
                let from = running.parent.clone();
                from.map(|(_, from)| Input::Received { from, message })
                    .into_iter()
                    .collect()
            }
            RightsEvent::GrantedByParent { from, granted } => {
                let mut inputs = Vec::new();
                for granted in granted {
                    inputs.extend(self.take_over(&from, granted).await);
                }
                inputs
            }
            RightsEvent::Child { session, replica } => {
                if self.is_retired(session, &replica).await {
                    return Vec::new();
                }
                running.children.retain(|_, known| *known != replica);
                running.children.insert(session, replica.clone());
                send_earlier(&self.store, &self.to_children, (session, replica.clone())).await;
                let mut inputs = vec![Input::Connected {
                    peer: replica.clone(),
                    place: Place::Child,
                }];
                inputs.extend(self.outstanding(replica).await);
                inputs
            }
            RightsEvent::ChildGone { session } => {
                let gone = running.children.remove(&session);
                gone.map(|peer| Input::Disconnected { peer }).into_iter().collect()
            }
            RightsEvent::FromChild { session, message } => {
                let from = running.children.get(&session).cloned();
                from.map(|from| Input::Received { from, message }).into_iter().collect()
            }
            RightsEvent::Posted { skus } => self.rows_of(skus).await,
            RightsEvent::ChildTookOver { by, lines } => self.note_taken_over(by, lines).await,
            RightsEvent::FromChildAccepted { from, request, skus } => {
                let accepted = |row: Input| match row {
                    Input::Row { shelf, figures } => Input::Accepted {
                        from: from.clone(),
                        shelf,
                        request,
                        figures,
                    },
                    other => other,
                };
                self.rows_of(skus).await.into_iter().map(accepted).collect()
            }
        }
    }

    /// Whether a kiosk was retired in this incarnation; it is told so then.
    async fn is_retired(&self, session: u64, replica: &ReplicaId) -> bool {
        let kiosk = replica.clone();
        match self
            .store
            .readers
            .run(move |snapshot| retirement_word(snapshot, &kiosk))
            .await
        {
            Ok(None) => false,
            Ok(Some(Retirement {
                incarnation,
                seq,
                by,
                reason,
            })) => {
                let word = RetiredWord {
                    session,
                    incarnation,
                    seq,
                    by,
                    reason,
                };
                let _ = self.to_children.send(Down::Retired(word)).await;
                true
            }
            Err(error) => {
                tracing::error!(%error, "whether a kiosk is retired could not be read; it is asked at its next introduction");
                true
            }
        }
    }

    /// What a kiosk has not taken over, from before this node was started or the kiosk was gone.
    async fn outstanding(&self, to: ReplicaId) -> Vec<Input> {
        let child = to.clone();
        let read = move |snapshot: &Snapshot<'_>| grants_outstanding(snapshot, &child);
        match self.store.readers.run(read).await {
            Ok(steps) => steps
                .into_iter()
                .map(|(sku, total, request, row)| Input::Granted {
                    to: to.clone(),
                    shelf: self.shelf(&sku),
                    request,
                    total,
                    figures: (&row).into(),
                })
                .collect(),
            Err(error) => {
                tracing::error!(%error, "rights that were handed on could not be read; they are sent when they are asked for");
                Vec::new()
            }
        }
    }

    async fn take_over(&self, from: &ReplicaId, granted: Granted) -> Vec<Input> {
        let now = self.clock.now();
        let (giver, request) = (from.clone(), granted.request);
        let work = move |tx: &mut WriteTransaction<'_>| {
            accept(tx, now, &giver, &granted).map_err(Failure::<Infallible>::Storage)
        };
        match self.store.writer.run(work).await {
            Ok(grown) => grown
                .into_iter()
                .map(|(sku, row)| Input::Accepted {
                    from: from.clone(),
                    shelf: self.shelf(&sku),
                    request,
                    figures: (&row).into(),
                })
                .collect(),
            Err(error) => {
                tracing::error!(%error, "rights could not be taken over; their giver sends them again");
                Vec::new()
            }
        }
    }

    async fn note_taken_over(&self, by: ReplicaId, lines: Vec<GrantLine>) -> Vec<Input> {
        let (child, taken) = (by.clone(), lines.clone());
        let work =
            move |tx: &mut WriteTransaction<'_>| taken_over(tx, &child, &taken).map_err(Failure::<Infallible>::Storage);
        if let Err(error) = self.store.writer.run(work).await {
            tracing::warn!(%error, "what a kiosk took over could not be noted; it is noted with the next");
        }
        let taken_over = |line: GrantLine| Input::TakenOver {
            by: by.clone(),
            shelf: self.shelf(&line.sku),
            total: line.grant.after,
        };
        lines.into_iter().map(taken_over).collect()
    }

    /// Does all that the engine wants done.
    async fn drain(&self, running: &mut Running) {
        while let Some(output) = running.engine.poll() {
            if let Some(input) = self.act(running, output).await {
                running.engine.handle(self.clock.monotonic_ms(), input);
            }
        }
    }
}

/// Returns when the node is to stop, or nobody could say so any more.
async fn told(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
