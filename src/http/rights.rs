//! Where handlers ask for rights that this node lacks, and tell what customers wanted.

use tokio::sync::{mpsc, oneshot};

use crate::domain::escrow::{Amount, ReplicaId};
use crate::domain::ids::Sku;

/// What a handler asks.
#[derive(Debug)]
pub enum RightsAsk {
    /// Rights for a promise that could not be made. Answered before long, or dropped where there are none.
    Wanted {
        /// What the promise needs in all, each item once.
        lines: Vec<(Sku, Amount)>,
        /// Takes the rights.
        answer: oneshot::Sender<Ready>,
    },
    /// A customer asked for so much, whether they got it or not.
    Demand(Vec<(Sku, Amount)>),
    /// Which replica the parent is. Dropped where it cannot be reached.
    Parent(oneshot::Sender<ReplicaId>),
}

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
pub struct RightsDesk(mpsc::Sender<RightsAsk>);

impl RightsDesk {
    /// A desk, and where what is asked arrives.
    #[must_use]
    pub fn new(waiting_max: usize) -> (Self, mpsc::Receiver<RightsAsk>) {
        let (asks, asked) = mpsc::channel(waiting_max);
        (Self(asks), asked)
    }

    /// Asks for rights; none where there are none to be had now.
    pub(super) async fn want(&self, lines: Vec<(Sku, Amount)>) -> Option<Ready> {
        let (answer, answered) = oneshot::channel();
        self.0.try_send(RightsAsk::Wanted { lines, answer }).ok()?;
        answered.await.ok()
    }

    /// Which replica the parent is; none where it cannot be reached.
    pub(super) async fn parent(&self) -> Option<ReplicaId> {
        let (answer, answered) = oneshot::channel();
        self.0.try_send(RightsAsk::Parent(answer)).ok()?;
        answered.await.ok()
    }

    /// Tells what a customer asked for. Where too much is waiting it is not noted: it only makes rights come sooner.
    pub(super) fn demand(&self, lines: impl IntoIterator<Item = (Sku, Amount)>) {
        let _ = self.0.try_send(RightsAsk::Demand(lines.into_iter().collect()));
    }
}
