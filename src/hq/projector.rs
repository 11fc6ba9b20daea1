//! Keeps figures up with the ledger, on a thread of its own: nothing that is being taken in waits for a figure.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::headquarters::Headquarters;

/// How long after a failure it is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// Follows the ledger until `stop` is true. `grown` wakes it; `projected` is told after each time that figures moved.
pub(super) async fn run(
    headquarters: Arc<Headquarters>,
    grown: Arc<Notify>,
    projected: watch::Sender<u64>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let working = Arc::clone(&headquarters);
        let done = tokio::task::spawn_blocking(move || working.project()).await;
        let pause = match done {
            Ok(Ok(0)) => None,
            Ok(Ok(batches)) => {
                projected.send_modify(|total| *total += batches);
                // There may be more by now.
                continue;
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "figures could not follow the ledger; trying again");
                Some(PAUSE)
            }
            Err(error) => {
                tracing::error!(%error, "a projection broke; trying again");
                Some(PAUSE)
            }
        };
        tokio::select! {
            () = told(&mut stop) => return,
            () = grown.notified(), if pause.is_none() => {}
            () = tokio::time::sleep(pause.unwrap_or_default()), if pause.is_some() => {}
        }
    }
}

/// Returns when headquarters is to stop, or nobody could say so any more.
async fn told(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
