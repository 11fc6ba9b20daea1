//! What is told to whoever moves headquarters' rights, and the way there.

use tokio::sync::{mpsc, oneshot};

use crate::domain::escrow::{Amount, ReplicaId};
use crate::domain::ids::{SiteId, Sku};
use crate::sync::rights::RightsMessage;

/// What others tell the loop.
#[derive(Debug)]
pub enum RightsEvent {
    /// A site's node can be reached.
    Connected {
        /// The session in which it is reached.
        session: u64,
        /// Its site.
        site: SiteId,
        /// The node.
        replica: ReplicaId,
    },
    /// A node cannot be reached any more in that session.
    Gone {
        /// The session.
        session: u64,
    },
    /// A node asks, or has nothing to give.
    Received {
        /// The session in which it does.
        session: u64,
        /// What it says.
        message: RightsMessage,
    },
    /// An online channel wants more than headquarters may promise. Dropped where there is nothing to be had.
    Wanted {
        /// The site.
        site: SiteId,
        /// What the promise needs in all, each item once.
        lines: Vec<(Sku, Amount)>,
        /// Takes the rights; they are kept until what it is given is dropped.
        answer: oneshot::Sender<oneshot::Sender<()>>,
    },
    /// A customer of an online channel asked for so much, whether they got it or not.
    Demand {
        /// The site.
        site: SiteId,
        /// What they asked for.
        lines: Vec<(Sku, Amount)>,
    },
    /// The own rows of a site have moved.
    Touched {
        /// The site.
        site: SiteId,
        /// The items.
        skus: Vec<Sku>,
    },
}

/// The way to whoever moves rights; by default nobody does.
#[derive(Debug, Clone, Default)]
pub struct RightsDesk(Option<mpsc::Sender<RightsEvent>>);

impl RightsDesk {
    /// Tells it something. False where nobody listens, or too much waits there.
    pub(super) fn tell(&self, event: RightsEvent) -> bool {
        self.0.as_ref().is_some_and(|events| events.try_send(event).is_ok())
    }
}

impl From<mpsc::Sender<RightsEvent>> for RightsDesk {
    fn from(events: mpsc::Sender<RightsEvent>) -> Self {
        Self(Some(events))
    }
}
