//! Ends holds when their time runs out, and notes how long the node has run, so that a restart does not begin anew.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::clock::MachineClock;
use crate::operations::expire_holds;
use crate::store::{Failure, Store};

/// How often it looks. A hold lasts up to so much longer than it says, never less.
const EVERY: Duration = Duration::from_secs(1);
/// How often the running time is noted where nothing runs out: what a power cut lengthens holds by.
const NOTE_EVERY_MS: u64 = 10_000;

/// Runs until `stop` is true.
pub(super) async fn run(store: Arc<Store>, clock: MachineClock, mut stop: watch::Receiver<bool>) {
    let mut noted_ms = 0;
    let mut due = tokio::time::interval(EVERY);
    due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            _ = due.tick() => {}
        }
        let now = clock.now();
        let running_ms = store.running.at(now);
        let next = store.readers.run(|snapshot| snapshot.next_hold_runs_out_ms()).await;
        let is_due = match next {
            Ok(None) => false,
            Ok(Some(at_ms)) => at_ms <= running_ms || running_ms.saturating_sub(noted_ms) >= NOTE_EVERY_MS,
            Err(error) => {
                tracing::warn!(%error, "open holds could not be read; they stay for now");
                false
            }
        };
        if !is_due {
            continue;
        }
        let ended = store
            .writer
            .run(move |tx| expire_holds(tx, now).map_err(Failure::<Infallible>::Storage))
            .await;
        match ended {
            Ok(0) => noted_ms = running_ms,
            Ok(ended) => {
                noted_ms = running_ms;
                tracing::info!(ended, "holds have run out: what they held can be promised again");
            }
            Err(error) => tracing::warn!(%error, "holds that have run out could not be ended; they stay for now"),
        }
    }
}
