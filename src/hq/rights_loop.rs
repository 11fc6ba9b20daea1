//! The loop between headquarters' own rights and the sites that hold the rest: one rights engine for each site.
//!
//! It does what the engines ask and decides nothing itself. Nothing that is being taken in waits for it.

mod deeds;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{mpsc, oneshot, watch};

use super::happenings::{Happening, RightsMoved};
use super::headquarters::Headquarters;
use super::link_loop::wall_ms;
use super::rights_desk::RightsEvent;
use crate::domain::escrow::{ReplicaId, Row};
use crate::domain::ids::{NodeId, SiteId, Sku};
use crate::sync::rights::{Input, Place, RightsConfig, RightsEngine, RightsSettings, ShelfKey};
use crate::sync::wire::{Down, RetiredWord};

/// How often holds are looked at that may have run out: one lasts up to so much longer than it says, never less.
const HOLDS_EVERY: Duration = Duration::from_secs(1);

/// What the loop is made of.
pub(super) struct RightsLoop {
    /// Headquarters.
    pub headquarters: Arc<Headquarters>,
    /// How rights are moved, by site.
    pub settings: RightsSettings,
    /// What others tell.
    pub events: mpsc::Receiver<RightsEvent>,
    /// Takes what nodes are to be told.
    pub to_nodes: mpsc::Sender<(NodeId, Down)>,
    /// Numbers nobody guesses.
    pub random: fn() -> u64,
}

/// A node that can be reached.
#[derive(Debug, Clone)]
struct Peer {
    site: SiteId,
    replica: ReplicaId,
}

/// What the loop keeps in mind.
struct Running {
    started: Instant,
    engines: BTreeMap<SiteId, RightsEngine>,
    peers: HashMap<u64, Peer>,
    waiting: HashMap<(SiteId, u64), oneshot::Sender<oneshot::Sender<()>>>,
    next_need: u64,
    closed: mpsc::UnboundedSender<(SiteId, u64)>,
    own: ReplicaId,
}

impl Running {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn session_of(&self, of: &ReplicaId) -> Option<u64> {
        self.peers
            .iter()
            .find(|(_, peer)| peer.replica == *of)
            .map(|(at, _)| *at)
    }
}

impl RightsLoop {
    /// Runs until `stop` is true.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut happenings = self.headquarters.watch();
        let own = match self.ask(|headquarters| headquarters.replica()).await {
            Some(own) => own,
            None => return,
        };
        let (closed, mut closes) = mpsc::unbounded_channel();
        let mut running = Running {
            started: Instant::now(),
            engines: BTreeMap::new(),
            peers: HashMap::new(),
            waiting: HashMap::new(),
            next_need: 1,
            closed,
            own,
        };
        let mut holds_due = tokio::time::interval(HOLDS_EVERY);
        let rows = self.own_rows().await.into_iter();
        let mut inputs: Vec<_> = rows.map(|(site, input)| (site, found(input))).collect();
        loop {
            for (site, input) in std::mem::take(&mut inputs) {
                self.handle(&mut running, &site, input).await;
            }
            let due = running.engines.values().filter_map(RightsEngine::deadline).min();
            let wake = due.map(|at_ms| tokio::time::Instant::from(running.started + Duration::from_millis(at_ms)));
            inputs = tokio::select! {
                () = told(&mut stop) => return,
                Some(event) = self.events.recv() => self.on_event(&mut running, event).await,
                Some((site, need)) = closes.recv() => vec![(site, Input::Closed { need })],
                happening = happenings.recv() => match happening {
                    Ok(Happening::Rights(moved)) => self.on_moved(&mut running, moved).await,
                    Ok(_) => Vec::new(),
                    // What was missed is asked for, or granted, again.
                    Err(RecvError::Lagged(_)) => self.own_rows().await,
                    Err(RecvError::Closed) => return,
                },
                _ = holds_due.tick() => self.expire().await,
                () = sleep_until(wake) => {
                    let sites: Vec<SiteId> = running.engines.keys().cloned().collect();
                    sites.into_iter().map(|site| (site, Input::Timeout)).collect()
                }
            };
        }
    }

    fn config(&self, site: &SiteId) -> RightsConfig {
        self.settings.over(RightsConfig::headquarters(), site)
    }

    async fn own_rows(&self) -> Vec<(SiteId, Input)> {
        let rows = self.ask(|headquarters| headquarters.own_rows()).await;
        let rows = rows.unwrap_or_default().into_iter();
        rows.map(|(site, sku, row)| row_of(site, sku, &row)).collect()
    }

    async fn rows(&self, site: SiteId, skus: Vec<Sku>) -> Vec<(Sku, Row)> {
        let read = self.ask(move |headquarters| {
            let rows = skus
                .into_iter()
                .map(|sku| Ok((headquarters.own_row(&site, &sku)?, sku)));
            rows.map(|row| row.map(|(row, sku)| (sku, row)))
                .collect::<Result<Vec<_>, super::storage::StorageError>>()
        });
        read.await.unwrap_or_default()
    }

    async fn on_event(&self, running: &mut Running, event: RightsEvent) -> Vec<(SiteId, Input)> {
        tracing::debug!(?event, "rights");
        match event {
            RightsEvent::Connected { session, site, replica } => {
                if let Some(word) = self.retired_word(session, replica.clone()).await {
                    let _ = self.to_nodes.send((replica.node, Down::Retired(word))).await;
                    return Vec::new();
                }
                running.peers.retain(|_, peer| peer.replica != replica);
                let (node, incarnation) = (replica.node.clone(), replica.incarnation);
                let proof = self
                    .ask(move |headquarters| headquarters.proof_of_succession(&node, incarnation))
                    .await;
                if let Some(sealed) = proof.flatten() {
                    // It sells no more: rights would be stranded there.
                    let _ = self
                        .to_nodes
                        .send((replica.node, Down::Succeeded { session, sealed }))
                        .await;
                    return Vec::new();
                }
                let peer = Peer {
                    site: site.clone(),
                    replica: replica.clone(),
                };
                running.peers.insert(session, peer);
                let here = Down::Here {
                    session,
                    replica: running.own.clone(),
                };
                let _ = self.to_nodes.send((replica.node.clone(), here)).await;
                let connected = Input::Connected {
                    peer: replica.clone(),
                    place: Place::Child,
                };
                let kept = self.config(&site).kept_items().cloned().collect();
                let mut inputs = vec![(site.clone(), connected)];
                inputs.extend(self.outstanding(replica).await);
                let rows = self.rows(site.clone(), kept).await.into_iter();
                inputs.extend(rows.map(|(sku, row)| row_of(site.clone(), sku, &row)));
                inputs
            }
            RightsEvent::Gone { session } => {
                let gone = running.peers.remove(&session);
                let gone = gone.map(|peer| (peer.site, Input::Disconnected { peer: peer.replica }));
                gone.into_iter().collect()
            }
            RightsEvent::Received { session, message } => {
                let from = running.peers.get(&session).cloned();
                let received = from.map(|peer| {
                    let from = peer.replica;
                    (peer.site, Input::Received { from, message })
                });
                received.into_iter().collect()
            }
            RightsEvent::Wanted { site, lines, answer } => {
                let need = running.next_need;
                running.next_need += 1;
                running.waiting.insert((site.clone(), need), answer);
                let shelf = |sku| ShelfKey {
                    site: site.clone(),
                    sku,
                };
                let lines = lines.into_iter().map(|(sku, amount)| (shelf(sku), amount));
                let wanted = Input::Wanted {
                    need,
                    lines: lines.collect(),
                };
                vec![(site, wanted)]
            }
            RightsEvent::Demand { site, lines } => lines
                .into_iter()
                .map(|(sku, amount)| {
                    let shelf = ShelfKey {
                        site: site.clone(),
                        sku,
                    };
                    (site.clone(), Input::Demand { shelf, amount })
                })
                .collect(),
            RightsEvent::Touched { site, skus } => {
                let rows = self.rows(site.clone(), skus).await.into_iter();
                rows.map(|(sku, row)| row_of(site.clone(), sku, &row)).collect()
            }
        }
    }

    /// What a node has not taken over, from before headquarters was started or the node was gone.
    async fn outstanding(&self, to: ReplicaId) -> Vec<(SiteId, Input)> {
        let node = to.clone();
        let steps = self
            .ask(move |headquarters| headquarters.grants_outstanding(&node))
            .await;
        let steps = steps.unwrap_or_default().into_iter();
        steps
            .map(|(site, sku, total, request, row)| {
                let shelf = ShelfKey {
                    site: site.clone(),
                    sku,
                };
                let granted = Input::Granted {
                    to: to.clone(),
                    shelf,
                    request,
                    total,
                    figures: (&row).into(),
                };
                (site, granted)
            })
            .collect()
    }

    /// What a node is told that was retired in this incarnation; nothing where it was not.
    async fn retired_word(&self, session: u64, replica: ReplicaId) -> Option<RetiredWord> {
        let word = self.ask(move |headquarters| headquarters.retired_word(&replica, session));
        word.await?
    }

    async fn on_moved(&self, running: &mut Running, moved: RightsMoved) -> Vec<(SiteId, Input)> {
        match moved {
            RightsMoved::Retired { replica } => {
                let mut inputs = Vec::new();
                if let Some(session) = running.session_of(&replica) {
                    if let Some(word) = self.retired_word(session, replica.clone()).await {
                        let _ = self.to_nodes.send((replica.node, Down::Retired(word))).await;
                    }
                    let gone = running.peers.remove(&session);
                    inputs.extend(gone.map(|peer| (peer.site, Input::Disconnected { peer: peer.replica })));
                }
                // What it owed is headquarters' debt now, which asks others of its site for rights.
                inputs.extend(self.own_rows().await);
                inputs
            }
            RightsMoved::Posted { site, skus } => {
                let rows = self.rows(site.clone(), skus).await.into_iter();
                rows.map(|(sku, row)| row_of(site.clone(), sku, &row)).collect()
            }
            RightsMoved::Accepted {
                from,
                site,
                request,
                skus,
            } => {
                let rows = self.rows(site.clone(), skus).await.into_iter();
                rows.map(|(sku, row)| {
                    let shelf = ShelfKey {
                        site: site.clone(),
                        sku,
                    };
                    let accepted = Input::Accepted {
                        from: from.clone(),
                        shelf,
                        request,
                        figures: (&row).into(),
                    };
                    (site.clone(), accepted)
                })
                .collect()
            }
            RightsMoved::HandedOver { to, site, skus } => {
                let rows = self.rows(site.clone(), skus).await.into_iter();
                rows.map(|(sku, row)| {
                    let granted = Input::Granted {
                        to: to.clone(),
                        shelf: ShelfKey {
                            site: site.clone(),
                            sku,
                        },
                        request: None,
                        total: row.given(&to),
                        figures: (&row).into(),
                    };
                    (site.clone(), granted)
                })
                .collect()
            }
            RightsMoved::TakenOver { by, site, lines } => lines
                .into_iter()
                .map(|line| {
                    let shelf = ShelfKey {
                        site: site.clone(),
                        sku: line.sku,
                    };
                    let taken_over = Input::TakenOver {
                        by: by.clone(),
                        shelf,
                        total: line.grant.after,
                    };
                    (site.clone(), taken_over)
                })
                .collect(),
        }
    }

    /// Ends holds that have run out.
    async fn expire(&self) -> Vec<(SiteId, Input)> {
        let ended = self.ask(|headquarters| headquarters.expire_holds(wall_ms())).await;
        let ended = ended.unwrap_or_default();
        if ended.is_empty() {
            return Vec::new();
        }
        tracing::info!(ended = ended.len(), "holds of online channels have run out");
        let mut inputs = Vec::new();
        for hold in ended {
            let skus = hold.opened.lines.into_iter().map(|line| line.sku).collect();
            let site = hold.opened.site;
            let rows = self.rows(site.clone(), skus).await.into_iter();
            inputs.extend(rows.map(|(sku, row)| row_of(site.clone(), sku, &row)));
        }
        inputs
    }

    /// Has a site's engine take an input, and does all that it wants done.
    async fn handle(&self, running: &mut Running, site: &SiteId, input: Input) {
        let random = self.random;
        let now_ms = running.now_ms();
        let engine = running
            .engines
            .entry(site.clone())
            .or_insert_with(|| RightsEngine::new(self.config(site), random()));
        engine.handle(now_ms, input);
        loop {
            let Some(output) = running.engines.get_mut(site).and_then(RightsEngine::poll) else {
                return;
            };
            if let Some(input) = self.act(running, site, output).await {
                let now_ms = running.now_ms();
                if let Some(engine) = running.engines.get_mut(site) {
                    engine.handle(now_ms, input);
                }
            }
        }
    }

    /// Asks headquarters on a thread that may wait. Where it fails, that is told, and the next time is another one.
    async fn ask<T, E>(&self, question: impl FnOnce(&Headquarters) -> Result<T, E> + Send + 'static) -> Option<T>
    where
        T: Send + 'static,
        E: std::fmt::Display + Send + 'static,
    {
        let headquarters = Arc::clone(&self.headquarters);
        match tokio::task::spawn_blocking(move || question(&headquarters)).await {
            Ok(Ok(answer)) => Some(answer),
            Ok(Err(error)) => {
                tracing::error!(%error, "headquarters' own shelves could not be read or moved");
                None
            }
            Err(error) => {
                tracing::error!(%error, "what moves rights broke; going on");
                None
            }
        }
    }
}

/// A row that the engine begins with.
fn found(input: Input) -> Input {
    match input {
        Input::Row { shelf, figures } => Input::Found { shelf, figures },
        other => other,
    }
}

fn row_of(site: SiteId, sku: Sku, row: &Row) -> (SiteId, Input) {
    let shelf = ShelfKey {
        site: site.clone(),
        sku,
    };
    let figures = row.into();
    (site, Input::Row { shelf, figures })
}

/// Returns when headquarters is to stop, or nobody could say so any more.
async fn told(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn sleep_until(wake: Option<tokio::time::Instant>) {
    match wake {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
