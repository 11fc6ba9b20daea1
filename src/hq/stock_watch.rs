//! Watches the shelves of all sites behind what is taken in: judges those that have moved, and notices which nodes are
//! silent.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::config::StockConfig;
use super::headquarters::Headquarters;
use super::storage::StorageError;
use crate::domain::ids::NodeId;
use crate::http::sync::instant;

/// How often it looks.
const EVERY: Duration = Duration::from_secs(1);
/// How much of that goes to judging shelves at most.
const JUDGING_MAX: Duration = Duration::from_millis(500);
/// How long nodes have to come back after a start before one counts as silent, in milliseconds.
const COMING_MS: u64 = 60_000;

/// What it watches by.
pub(super) struct Watch {
    pub headquarters: Arc<Headquarters>,
    pub config: StockConfig,
    pub now_ms: fn() -> u64,
}

/// Runs until `stop` is true.
pub(super) async fn run(watch: Watch, mut stop: watch::Receiver<bool>) {
    let mut due = tokio::time::interval(EVERY);
    due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let watch = Arc::new(watch);
    let mut nodes = Nodes {
        started_ms: (watch.now_ms)(),
        seen_ms: HashMap::new(),
    };
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            _ = due.tick() => {}
        }
        let working = Arc::clone(&watch);
        let looked = tokio::task::spawn_blocking(move || {
            let looked = working.look(&mut nodes);
            (nodes, looked)
        });
        match looked.await {
            Ok((kept, looked)) => {
                nodes = kept;
                if let Err(error) = looked {
                    tracing::warn!(%error, "the shelves could not be judged; it goes on from where it stands");
                }
            }
            Err(error) => {
                tracing::error!(%error, "the watch over the shelves broke; alerts are not judged until the next start");
                return;
            }
        }
    }
}

/// When each node was last seen connected.
struct Nodes {
    started_ms: u64,
    seen_ms: HashMap<NodeId, u64>,
}

impl Watch {
    fn look(&self, nodes: &mut Nodes) -> Result<(), StorageError> {
        let now_ms = (self.now_ms)();
        // What a rush has moved is judged over several looks, so that figures and answers come first.
        let begun = Instant::now();
        while self.headquarters.judge_some_alerts(self.config.low_stock, now_ms)? && begun.elapsed() < JUDGING_MAX {}
        let limit_ms = u64::from(self.config.stale_minutes) * 60_000;
        let settled = now_ms.saturating_sub(nodes.started_ms) >= limit_ms.min(COMING_MS);
        for node in self.headquarters.nodes()? {
            if node.online {
                nodes.seen_ms.insert(node.node.clone(), now_ms);
            }
            if node.online || !node.is_awaited() {
                self.headquarters.judge_stale(&node.site, &node.node, None, now_ms)?;
                continue;
            }
            let seen_ms = nodes.seen_ms.get(&node.node).copied().unwrap_or_default();
            let since_ms = seen_ms.max(node.last_heard_ms).max(node.enrolled_ms);
            // Just after a start what was told before stays.
            if settled && now_ms.saturating_sub(since_ms) > limit_ms {
                let since = instant(since_ms);
                let silent = format!(
                    "{} was not heard from since {since}: what it did since is in no figure",
                    node.node
                );
                self.headquarters
                    .judge_stale(&node.site, &node.node, Some(silent), now_ms)?;
            }
        }
        Ok(())
    }
}
