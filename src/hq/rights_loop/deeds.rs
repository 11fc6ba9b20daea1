//! What an engine of rights wants done at headquarters, and the input that answers it.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::{RightsLoop, Running};
use crate::domain::escrow::{Amount, ReplicaId};
use crate::domain::ids::SiteId;
use crate::hq::link_loop::wall_ms;
use crate::hq::rights::{GiveError, RightsError};
use crate::hq::storage::StorageError;
use crate::sync::rights::{Figures, Input, Output, Resolution, ShelfKey};
use crate::sync::wire::Down;

impl RightsLoop {
    pub(super) async fn act(&self, running: &mut Running, site: &SiteId, output: Output) -> Option<Input> {
        tracing::debug!(?output, "rights");
        match output {
            Output::Send { to, message } => {
                if let Some(session) = running.session_of(&to) {
                    // What does not get through is asked for again.
                    let _ = self.to_nodes.try_send((to.node, Down::Rights { session, message }));
                }
                None
            }
            Output::Give {
                to,
                shelf,
                amount,
                request,
            } => Some(self.give(to, shelf, amount, request).await),
            Output::SendGrants { to, shelf, after } => {
                let session = running.session_of(&to)?;
                let (receiver, of) = (to.clone(), shelf.clone());
                let (granted, total) = self
                    .ask(move |headquarters| {
                        let granted = headquarters.grants_behind(&receiver, &of.site, &of.sku, after)?;
                        let total = headquarters.own_row(&of.site, &of.sku)?.given(&receiver);
                        Ok::<_, StorageError>((granted, total))
                    })
                    .await?;
                if granted.is_empty() {
                    return Some(Input::TakenOver { by: to, shelf, total });
                }
                let from = running.own.clone();
                let _ = self
                    .to_nodes
                    .try_send((to.node, Down::Granted { session, from, granted }));
                None
            }
            Output::LookUp { shelf } => {
                let peers = running.peers.values().filter(|peer| peer.site == *site);
                let nodes = peers.map(|peer| peer.replica.clone()).collect();
                Some(self.look_up(shelf, nodes).await)
            }
            Output::Resolved { need, resolution } => {
                let waiting = running.waiting.remove(&(site.clone(), need));
                if resolution == Resolution::Ready {
                    let (done, finished) = oneshot::channel();
                    if let Some(waiting) = waiting {
                        // Where nobody waits any more, the rights are free at once.
                        let _ = waiting.send(done);
                    }
                    let (closed, site) = (running.closed.clone(), site.clone());
                    tokio::spawn(async move {
                        let _ = finished.await;
                        let _ = closed.send((site, need));
                    });
                }
                None
            }
        }
    }

    async fn look_up(&self, shelf: ShelfKey, nodes: Vec<ReplicaId>) -> Input {
        let of = (shelf.site.clone(), shelf.sku.clone());
        let known = self
            .ask(move |headquarters| {
                let own = headquarters.own_row(&of.0, &of.1)?;
                Ok::<_, StorageError>((own, headquarters.site_shelf(&of.0, &of.1)?))
            })
            .await;
        let (own, replicas) = known.map_or_else(Default::default, |(own, known)| (own, known.replicas));
        let theirs = replicas.into_iter().filter(|known| nodes.contains(&known.replica));
        let rights = theirs.map(|known| (known.replica, Figures::from(&known.row).rights));
        Input::Known {
            shelf,
            figures: (&own).into(),
            rights: rights.collect(),
        }
    }

    async fn give(&self, to: ReplicaId, shelf: ShelfKey, amount: Amount, request: Option<u64>) -> Input {
        let (receiver, of) = (to.clone(), (shelf.site.clone(), shelf.sku.clone()));
        let headquarters = Arc::clone(&self.headquarters);
        let work = move || headquarters.give(receiver, of, amount, request, wall_ms());
        match tokio::task::spawn_blocking(work).await {
            Ok(Ok(given)) => Input::Granted {
                to,
                shelf,
                request,
                total: given.total,
                figures: (&given.row).into(),
            },
            failed => {
                if let Ok(Err(GiveError::Rights(RightsError::Storage(error)))) = failed {
                    tracing::error!(%error, "rights could not be handed on; they are asked for again");
                }
                let rows = self.rows(shelf.site.clone(), vec![shelf.sku.clone()]).await;
                let row = rows.into_iter().next().map(|(_, row)| row).unwrap_or_default();
                Input::NotGiven {
                    to,
                    shelf,
                    request,
                    figures: (&row).into(),
                }
            }
        }
    }
}
