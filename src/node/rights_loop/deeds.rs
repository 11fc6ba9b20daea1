//! What the engine of rights wants done at a node, and the input that answers it.

use tokio::sync::oneshot;

use super::{RightsLoop, Running};
use crate::domain::escrow::{Amount, ReplicaId, Row};
use crate::domain::stock::Place;
use crate::http::Ready;
use crate::operations::{give, grants_behind, own_replica, own_row};
use crate::store::{Failure, Snapshot, StorageError, WriteTransaction};
use crate::sync::rights::{Input, Output, Resolution, RightsMessage, ShelfKey};
use crate::sync::wire::{Down, Up};

impl RightsLoop {
    pub(super) async fn act(&self, running: &mut Running, output: Output) -> Option<Input> {
        tracing::debug!(?output, "rights");
        match output {
            Output::Send { to, message } => {
                self.send(running, &to, message);
                None
            }
            Output::Give {
                to,
                shelf,
                amount,
                request,
            } => Some(self.give(to, shelf, amount, request).await),
            Output::SendGrants { to, shelf, after } => self.send_grants(running, to, shelf, after).await,
            Output::LookUp { shelf } => {
                let children: Vec<ReplicaId> = running.children.values().cloned().collect();
                Some(self.look_up(shelf, children).await)
            }
            Output::Resolved { need, resolution } => {
                let waiting = running.waiting.remove(&need);
                if resolution == Resolution::Ready {
                    let (done, finished) = oneshot::channel();
                    if let Some(waiting) = waiting {
                        // Where nobody waits any more, the rights are free at once.
                        let _ = waiting.send(Ready::new(done));
                    }
                    let closed = running.closed.clone();
                    tokio::spawn(async move {
                        let _ = finished.await;
                        let _ = closed.send(need);
                    });
                }
                None
            }
        }
    }

    fn send(&self, running: &Running, to: &ReplicaId, message: RightsMessage) {
        let parent = running.parent.as_ref().filter(|(_, parent)| parent == to);
        let child = running.children.iter().find(|(_, child)| *child == to);
        // What does not get through is asked for again.
        if let Some((session, _)) = parent {
            let session = *session;
            let _ = self.to_parent.try_send(Up::Rights { session, message });
        } else if let Some((session, _)) = child {
            let session = *session;
            let _ = self.to_children.try_send(Down::Rights { session, message });
        }
    }

    async fn give(&self, to: ReplicaId, shelf: ShelfKey, amount: Amount, request: Option<u64>) -> Input {
        let now = self.clock.now();
        let (receiver, sku) = (to.clone(), shelf.sku.clone());
        let work = move |tx: &mut WriteTransaction<'_>| give(tx, now, &receiver, &sku, amount, request);
        match self.store.writer.run(work).await {
            Ok(given) => Input::Granted {
                to,
                shelf,
                request,
                total: given.total,
                figures: (&given.row).into(),
            },
            Err(failure) => {
                if let Failure::Storage(error) = failure {
                    tracing::error!(%error, "rights could not be handed on; they are asked for again");
                }
                let sku = shelf.sku.clone();
                let row = self.store.readers.run(move |snapshot| own_row(snapshot, &sku)).await;
                Input::NotGiven {
                    to,
                    shelf,
                    request,
                    figures: (&row.unwrap_or_default()).into(),
                }
            }
        }
    }

    async fn send_grants(&self, running: &Running, to: ReplicaId, shelf: ShelfKey, after: Amount) -> Option<Input> {
        let (session, _) = running.children.iter().find(|(_, child)| **child == to)?;
        let (session, receiver, sku) = (*session, to.clone(), shelf.sku.clone());
        let read = move |snapshot: &Snapshot<'_>| {
            let grants = grants_behind(snapshot, &receiver, &sku, after)?;
            let given = own_row(snapshot, &sku)?.given(&receiver);
            Ok::<_, StorageError>((own_replica(snapshot)?, grants, given))
        };
        match self.store.readers.run(read).await {
            Ok((_, granted, total)) if granted.is_empty() => Some(Input::TakenOver { by: to, shelf, total }),
            Ok((from, granted, _)) => {
                let _ = self.to_children.try_send(Down::Granted { session, from, granted });
                None
            }
            Err(error) => {
                tracing::error!(%error, "rights that were handed on could not be read; they are sent later");
                None
            }
        }
    }

    async fn look_up(&self, shelf: ShelfKey, children: Vec<ReplicaId>) -> Input {
        let sku = shelf.sku.clone();
        let read = move |snapshot: &Snapshot<'_>| {
            let known = snapshot.shelf(Place::Sellable, &sku)?;
            Ok::<_, StorageError>((own_row(snapshot, &sku)?, known))
        };
        let (own, rights) = match self.store.readers.run(read).await {
            Ok((own, known)) => {
                let rights = children.into_iter().filter_map(|child| {
                    let rights = known.row(&child)?.rights();
                    Some((child, Amount::new(u64::try_from(rights).ok()?)?))
                });
                (own, rights.collect())
            }
            Err(error) => {
                tracing::error!(%error, "a shelf could not be read");
                (Row::default(), Vec::new())
            }
        };
        Input::Known {
            shelf,
            figures: (&own).into(),
            rights,
        }
    }
}
