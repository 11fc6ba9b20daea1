//! How many of everything there are, for health and measures.

use super::headquarters::Headquarters;
use super::projection::Projection;
use super::storage::StorageError;

/// What there is to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Nodes that are known.
    pub nodes: usize,
    /// Records that wait for a person or an upgrade.
    pub set_aside: u64,
    /// Sales that came again with another content.
    pub conflicts: u64,
    /// Batches of the ledger that are not in every figure yet.
    pub behind: u64,
}

impl Headquarters {
    /// Counts.
    ///
    /// # Errors
    /// Where storage fails.
    pub fn counts(&self) -> Result<Counts, StorageError> {
        self.database.read(|reading| {
            let last = reading.last_position()?;
            let mut behind = 0;
            for projection in Projection::ALL {
                let position = reading.projected(projection.name())?;
                behind = behind.max(last.saturating_sub(position));
            }
            Ok(Counts {
                nodes: reading.nodes()?.len(),
                set_aside: reading.set_aside_count()?,
                conflicts: reading.conflicts_count()?,
                behind,
            })
        })
    }
}
