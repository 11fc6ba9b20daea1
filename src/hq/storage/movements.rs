//! Movements that count, by the identity that their client gave them.

use rusqlite::OptionalExtension as _;

use super::value::{hash, number};
use super::{OriginId, Reading, StorageError, Writing};
use crate::domain::journal::Hash;
use crate::domain::stock::MovementId;

impl Reading<'_> {
    /// The digest of the movement that counts under an identity; none where none does.
    pub(in crate::hq) fn movement_digest(&self, id: MovementId) -> Result<Option<Hash>, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT digest FROM movement WHERE id = ?1")?;
        Ok(statement.query_row([id.0], |row| hash(row, 0)).optional()?)
    }
}

impl Writing<'_> {
    /// Adds a movement whose identity is free.
    pub(in crate::hq) fn add_movement(
        &self,
        id: MovementId,
        (origin, seq): (OriginId, u64),
        digest: Hash,
    ) -> Result<(), StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("INSERT INTO movement (id, origin, seq, digest) VALUES (?1, ?2, ?3, ?4)")?;
        statement.execute((id.0, origin.0, number(seq)?, digest.0))?;
        Ok(())
    }
}
