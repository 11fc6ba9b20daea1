//! Movements of stock by the identity that their client gave them.

use super::keys::{DeviceIx, Position};
use super::{Snapshot, StorageError, WriteTransaction};
use crate::domain::stock::MovementId;

impl Snapshot<'_> {
    /// Where a movement stands, or stood before it was pruned; none where it was never made.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn movement(&self, id: MovementId) -> Result<Option<Position>, StorageError> {
        let sql = "SELECT position FROM movement WHERE id = ?1";
        self.one(sql, (id.0,), |row| row.get(0).map(Position))
    }

    /// Whom a device is known as, in words that no other device has and that a restored backup still knows.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub(crate) fn issuer(&self, device: DeviceIx) -> Result<Vec<u8>, StorageError> {
        match self.device(device)? {
            Some(device) => Ok(device.token.0.to_vec()),
            // The operator of the process has no row.
            None => Ok(format!("operator of {}", self.known_identity()?.node).into_bytes()),
        }
    }
}

impl WriteTransaction<'_> {
    /// Keeps where a movement stands.
    pub(crate) fn put_movement(&mut self, id: MovementId, position: Position) -> Result<(), StorageError> {
        let sql = "INSERT INTO movement (id, position) VALUES (?1, ?2) \
            ON CONFLICT (id) DO UPDATE SET position = excluded.position";
        self.write(sql, (id.0, position.0))?;
        Ok(())
    }
}
