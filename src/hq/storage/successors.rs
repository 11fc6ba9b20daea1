//! The keys that nodes have admitted for standbys that may succeed them.

use super::{Reading, StorageError, Writing};
use crate::domain::ids::NodeId;

impl Reading<'_> {
    /// Whether a node has admitted a key.
    pub(in crate::hq) fn is_successor_key(&self, node: &NodeId, key: &[u8; 32]) -> Result<bool, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT 1 FROM successor_key WHERE node = ?1 AND public_key = ?2")?;
        Ok(statement.exists((node.as_str(), key))?)
    }
}

impl Writing<'_> {
    /// Keeps a key that a node has admitted. True where it is new.
    pub(in crate::hq) fn add_successor_key(&self, node: &NodeId, key: &[u8; 32]) -> Result<bool, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO successor_key (node, public_key) VALUES (?1, ?2) ON CONFLICT (node, public_key) DO NOTHING",
        )?;
        Ok(statement.execute((node.as_str(), key))? > 0)
    }

    /// Forgets a key that a node has dismissed.
    pub(in crate::hq) fn remove_successor_key(&self, node: &NodeId, key: &[u8; 32]) -> Result<(), StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("DELETE FROM successor_key WHERE node = ?1 AND public_key = ?2")?;
        statement.execute((node.as_str(), key))?;
        Ok(())
    }
}
