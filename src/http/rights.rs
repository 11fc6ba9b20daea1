//! Where handlers ask for rights that this node lacks, and tell what customers wanted.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::gathered::Gathered;
use crate::domain::escrow::{Amount, ReplicaId};
use crate::domain::ids::Sku;

/// What a handler asks. Answered before long; dropped where there is nothing to answer.
#[derive(Debug)]
pub enum RightsAsk {
    /// Rights for a promise that could not be made.
    Wanted {
        /// What the promise needs in all, each item once.
        lines: Vec<(Sku, Amount)>,
        /// Takes the rights, before long; dropped where there are none.
        answer: oneshot::Sender<Ready>,
    },
    /// Which replica the parent is, where it can be reached.
    Parent(oneshot::Sender<ReplicaId>),
    /// A kiosk's node was retired: it is told, where it can be reached, and nobody counts on it.
    Retired(ReplicaId),
}

/// How long demand gathers before it is looked at.
const DEMAND_GATHERS: Duration = Duration::from_millis(500);

/// Rights that are here, and are kept for the promise until this is dropped.
#[derive(Debug)]
pub struct Ready(#[allow(dead_code, reason = "whoever kept the rights hears when it is dropped")] oneshot::Sender<()>);

impl Ready {
    /// With whom to tell when the promise is made or given up.
    #[must_use]
    pub const fn new(done: oneshot::Sender<()>) -> Self {
        Self(done)
    }
}

/// The way to whoever moves rights. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RightsDesk {
    asks: mpsc::Sender<RightsAsk>,
    demand: Gathered<Amount>,
}

impl RightsDesk {
    /// A desk, where what is asked arrives, and how much of each item customers have asked for, whether they got it or not.
    #[must_use]
    pub fn new(waiting_max: usize) -> (Self, mpsc::Receiver<RightsAsk>, Gathered<Amount>) {
        let (asks, asked) = mpsc::channel(waiting_max);
        let demand = Gathered::new(DEMAND_GATHERS);
        let desk = Self {
            asks,
            demand: demand.clone(),
        };
        (desk, asked, demand)
    }

    /// Asks for rights; none where there are none to be had now.
    pub(super) async fn want(&self, lines: Vec<(Sku, Amount)>) -> Option<Ready> {
        let (answer, answered) = oneshot::channel();
        self.asks.try_send(RightsAsk::Wanted { lines, answer }).ok()?;
        answered.await.ok()
    }

    /// Which replica the parent is; none where it cannot be reached.
    pub(super) async fn parent(&self) -> Option<ReplicaId> {
        let (answer, answered) = oneshot::channel();
        self.asks.try_send(RightsAsk::Parent(answer)).ok()?;
        answered.await.ok()
    }

    /// Tells that a kiosk's node was retired. Where too much is waiting it is told at its next introduction.
    pub(super) fn retired(&self, replica: ReplicaId) {
        let _ = self.asks.try_send(RightsAsk::Retired(replica));
    }

    /// Tells what a customer asked for.
    pub(super) fn demand(&self, lines: impl IntoIterator<Item = (Sku, Amount)>) {
        // More than can be counted is as much as can be.
        self.demand
            .add(lines, |known, more| *known = known.checked_add(more).unwrap_or(*known));
    }
}
