//! Rights that earlier incarnations of this node handed on to a kiosk, sent to it when it connects.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::domain::escrow::ReplicaId;
use crate::operations::grants_of_earlier;
use crate::store::{Snapshot, Store};
use crate::sync::wire::Down;

/// Sends a kiosk, in its session, what earlier incarnations of this node handed on to it and it has not taken over. What is
/// lost on the way is sent again when it connects next.
pub(super) async fn send_earlier(
    store: &Arc<Store>,
    to_children: &mpsc::Sender<Down>,
    (session, kiosk): (u64, ReplicaId),
) {
    let read = move |snapshot: &Snapshot<'_>| grants_of_earlier(snapshot, &kiosk);
    match store.readers.run(read).await {
        Ok(messages) => {
            for (from, granted) in messages {
                // Where the loop to the kiosks has ended, the node ends.
                let _ = to_children.send(Down::Granted { session, from, granted }).await;
            }
        }
        Err(error) => {
            tracing::error!(%error, "what an earlier incarnation handed on to a kiosk could not be read; it is sent when that connects next");
        }
    }
}
