//! What the loop that moves rights is told by others.

use crate::domain::escrow::ReplicaId;
use crate::domain::ids::Sku;
use crate::domain::stock::{GrantLine, Granted};
use crate::sync::rights::RightsMessage;

/// What others tell the loop.
#[derive(Debug)]
pub(super) enum RightsEvent {
    /// The parent can be reached, and says which replica it is.
    Parent {
        /// The session in which it is reached.
        session: u64,
        /// The parent.
        replica: ReplicaId,
    },
    /// The parent cannot be reached any more.
    ParentGone,
    /// The parent asks, or has nothing to give.
    FromParent(RightsMessage),
    /// The parent has handed on rights.
    GrantedByParent {
        /// The parent.
        from: ReplicaId,
        /// What it handed on.
        granted: Vec<Granted>,
    },
    /// A kiosk can be reached.
    Child {
        /// The session in which it is reached.
        session: u64,
        /// The kiosk.
        replica: ReplicaId,
    },
    /// A kiosk cannot be reached any more in that session.
    ChildGone {
        /// The session.
        session: u64,
    },
    /// A kiosk asks, or has nothing to give.
    FromChild {
        /// The session in which it does.
        session: u64,
        /// What it says.
        message: RightsMessage,
    },
    /// A kiosk's journal says that it has taken rights over; the record is on this disk.
    ChildTookOver {
        /// The kiosk.
        by: ReplicaId,
        /// What it took over.
        lines: Vec<GrantLine>,
    },
    /// A kiosk has handed rights on to this node, and they are taken over on this disk.
    FromChildAccepted {
        /// The kiosk.
        from: ReplicaId,
        /// The request that it answers.
        request: Option<u64>,
        /// The items.
        skus: Vec<Sku>,
    },
    /// What a retired kiosk did late is posted on this node's rows.
    Posted {
        /// The items.
        skus: Vec<Sku>,
    },
}
