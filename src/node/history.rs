//! Lets the history of shelves follow the journal, behind the sales and a few records at a time.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::operations::{follow_history, history_is_behind};
use crate::store::{Failure, StorageError, Store};

/// How often it looks. Whoever asks for a history lets it catch up first, so that this only keeps the way short.
const EVERY: Duration = Duration::from_secs(5);

/// Runs until `stop` is true.
pub(super) async fn run(store: Arc<Store>, mut stop: watch::Receiver<bool>) {
    let mut due = tokio::time::interval(EVERY);
    due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            _ = due.tick() => {}
        }
        if let Err(error) = follow(&store, &stop).await {
            tracing::warn!(%error, "the history of shelves could not follow the journal; it goes on from where it stands");
        }
    }
}

/// One job for each step, so that sales get their turn in between.
async fn follow(store: &Store, stop: &watch::Receiver<bool>) -> Result<(), StorageError> {
    let mut behind = store.readers.run(|snapshot| history_is_behind(snapshot)).await?;
    while behind && !*stop.borrow() {
        behind = store
            .writer
            .run(|tx| follow_history(tx).map_err(Failure::<Infallible>::Storage))
            .await?;
    }
    Ok(())
}
