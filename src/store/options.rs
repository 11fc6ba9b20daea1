//! What a store is opened with.

use std::path::{Path, PathBuf};

use crate::domain::ids::{NodeId, OrgId, SiteId};
use crate::domain::money::Currency;

/// Where a node's database is and how it is opened.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// The data folder: the database is `node.db` in it, the lock `lock`.
    pub directory: PathBuf,
    /// The name of a registered SQLite VFS; the system's own where none is named.
    pub vfs: Option<String>,
    /// Who the node is, where it may be made if it does not exist. Without it a missing database is an error.
    pub create: Option<NewNode>,
    /// What tells this machine from others (`/etc/machine-id`). A disk that was written in another machine starts a
    /// new incarnation.
    pub machine_id: String,
    /// Fresh randomness, used only where an incarnation has to be opened.
    pub seed: IncarnationSeed,
    /// How many read-only connections there are; at least 1.
    pub readers: usize,
    /// Faults to plant, for tests that must see them found.
    pub faults: Faults,
}

/// Who a node is. Never changes once the database is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewNode {
    /// The organisation.
    pub org: OrgId,
    /// The node.
    pub node: NodeId,
    /// Its site.
    pub site: SiteId,
    /// The currency of every amount in it.
    pub currency: Currency,
}

/// What makes an incarnation unique and unforgeable. Each value is used once.
#[derive(Clone)]
pub struct IncarnationSeed {
    /// Random bits of its name.
    pub random: u64,
    /// The secret part of its Ed25519 key.
    pub secret_key: [u8; 32],
}

impl std::fmt::Debug for IncarnationSeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The key must never reach a log.
        write!(f, "IncarnationSeed({:016x})", self.random)
    }
}

/// Faults that tests and the simulator plant, to prove that they would be found. Never set in service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Faults {
    /// SQLite does not wait for the disk: a power cut loses what was answered for.
    pub synchronous_off: bool,
    /// Jobs are answered before their group is committed.
    pub reply_before_commit: bool,
}

/// The database's path in a data folder.
#[must_use]
pub fn database_path(directory: &Path) -> PathBuf {
    directory.join("node.db")
}

pub(super) fn lock_path(directory: &Path) -> PathBuf {
    directory.join("lock")
}
