//! What a group of jobs changed: told after its commit, for events and to wake the sync loop.

use super::clock::ClockJump;
use super::devices::Device;
use super::keys::Position;
use crate::domain::cart::CartId;
use crate::domain::ids::Sku;

/// One thing that a committed job changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The journal is longer, or an answer was kept: whoever sends on what is on this disk has something to send.
    Recorded,
    /// A sale was recorded.
    Sale(Position),
    /// A refund was recorded.
    Refund(Position),
    /// A movement of stock was recorded.
    Movement(Position),
    /// The stock of an item is another.
    Stock(Sku),
    /// Items or prices of the catalog are others.
    Catalog,
    /// A device was paired, or its rights ended. The directory of devices knows it already.
    Device(Device),
    /// Headquarters acknowledged records, or no longer has them.
    Acknowledged,
    /// A new incarnation was opened.
    Incarnation,
    /// An alert was raised, cleared, or seen.
    Alerts,
    /// A cart was changed, paid or given up.
    Cart(CartId),
    /// A pickup or a transfer went further.
    SiteWork,
    /// Something was set aside.
    SetAside,
    /// The machine's clock jumped.
    ClockJumped(ClockJump),
}

/// Is told what each committed group changed, on the writer's thread: it must be quick and must not wait.
pub type OnCommit = Box<dyn FnMut(&[Change]) + Send>;
