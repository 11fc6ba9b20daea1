//! Watches the stock, behind the sales and a few records at a time: lets the history of shelves follow the journal, judges
//! the items that have moved, and notices where the parent was not heard from for long.
//!
//! Must never: take the writer from the sales. It rests far longer than it works, so that in a rush the history falls
//! behind and catches up when there is time; whoever reads it lets it catch up first.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::clock::MachineClock;
use crate::domain::quantity::Quantity;
use crate::http::{Link, LinkReport};
use crate::operations::{alerts_are_due, follow_history, history_is_behind, judge_alerts, judge_stale};
use crate::store::{Failure, Snapshot, StorageError, Store, WriteTransaction};

/// How often it looks. Whoever asks for a history or for alerts lets them catch up first.
const EVERY: Duration = Duration::from_secs(1);
/// How many times as long as a step took it rests behind it. A step waits in line with the sales, so that the busier
/// the node is, the longer it rests.
const RESTS: u32 = 50;

/// What it watches by.
pub(super) struct Watch {
    pub store: Arc<Store>,
    pub clock: MachineClock,
    /// From how much left on an item counts as low.
    pub low_stock: Quantity,
    /// For how long the parent may be silent, in milliseconds.
    pub stale_after_ms: u64,
    pub link: watch::Receiver<LinkReport>,
}

/// Runs until `stop` is true.
pub(super) async fn run(watch: Watch, mut stop: watch::Receiver<bool>) {
    let mut was_stale = None;
    let mut due = tokio::time::interval(EVERY);
    due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            _ = due.tick() => {}
        }
        if let Err(error) = watch.look(&mut was_stale, &stop).await {
            tracing::warn!(%error, "the stock could not be watched; it goes on from where it stands");
        }
    }
}

impl Watch {
    async fn look(&self, was_stale: &mut Option<bool>, stop: &watch::Receiver<bool>) -> Result<(), StorageError> {
        if let Some(last) = self.store.readers.run(history_is_behind).await? {
            self.steps(stop, move |tx| follow_history(tx, last)).await?;
        }
        let (now, low_stock) = (self.clock.now(), self.low_stock);
        let due = move |snapshot: &Snapshot<'_>| alerts_are_due(snapshot, low_stock);
        if self.store.readers.run(due).await? {
            self.steps(stop, move |tx| judge_alerts(tx, now, low_stock)).await?;
        }
        if let Some(stale) = self.stale()
            && *was_stale != Some(stale.is_some())
        {
            let is_stale = stale.is_some();
            self.write(move |tx| judge_stale(tx, now, stale)).await?;
            *was_stale = Some(is_stale);
        }
        Ok(())
    }

    /// What there is to say where the parent was not heard from for too long. None while that cannot be told: just after
    /// a start, what was told before stays.
    fn stale(&self) -> Option<Option<String>> {
        let (state, since_ms) = {
            let report = self.link.borrow();
            (report.state, report.since_ms)
        };
        if matches!(state, Link::Online | Link::Disabled) {
            return Some(None);
        }
        let for_ms = self.clock.now().unix_ms.saturating_sub(since_ms);
        (for_ms > self.stale_after_ms).then(|| {
            Some(format!(
                "headquarters was not heard from for over {} minutes: what other sites and kiosks sold since is not known \
                 here",
                self.stale_after_ms / 60_000
            ))
        })
    }

    /// Does steps until there are no more, each a job of its own, so that sales get their turn in between.
    async fn steps(
        &self,
        stop: &watch::Receiver<bool>,
        step: impl Fn(&mut WriteTransaction<'_>) -> Result<bool, StorageError> + Copy + Send + 'static,
    ) -> Result<(), StorageError> {
        let mut stopped = stop.clone();
        loop {
            let began = Instant::now();
            if !self.write(step).await? {
                return Ok(());
            }
            tokio::select! {
                _ = stopped.wait_for(|stop| *stop) => return Ok(()),
                () = tokio::time::sleep(began.elapsed() * RESTS) => {}
            }
        }
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut WriteTransaction<'_>) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let run = self
            .store
            .writer
            .run(move |tx| work(tx).map_err(Failure::<Infallible>::Storage));
        run.await.map_err(StorageError::from)
    }
}
