//! What a node does by itself now and then: forgets old keys and what was acknowledged long ago.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::clock::MachineClock;
use crate::operations::{TidiedTo, tidy};
use crate::store::{Failure, Store};

/// How often. Each time does a small part, so that no sale waits long behind it.
const EVERY: Duration = Duration::from_secs(60);

/// Runs until `stop` is true.
pub(super) async fn run(store: Arc<Store>, clock: MachineClock, keep_days: u32, mut stop: watch::Receiver<bool>) {
    let mut tidied_to: TidiedTo = None;
    let mut due = tokio::time::interval(EVERY);
    due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = told(&mut stop) => return,
            _ = due.tick() => {}
        }
        let now = clock.now();
        let after = tidied_to.take();
        let tidied = store
            .writer
            .run(move |tx| tidy(tx, now, keep_days, after).map_err(Failure::<Infallible>::Storage))
            .await;
        match tidied {
            Ok(to) => tidied_to = to,
            Err(error) => tracing::warn!(%error, "old records and answers could not be let go; they stay for now"),
        }
    }
}

/// Returns when the node is to stop, or nobody could say so any more.
async fn told(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
