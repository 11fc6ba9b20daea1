//! The standbys that may succeed this node.

use super::keys::DeviceIx;
use super::{Snapshot, StorageError, WriteTransaction};

/// A standby that was admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandbyRow {
    /// The device that it is paired as.
    pub device: DeviceIx,
    /// What people call it.
    pub name: String,
    /// The key that its successor incarnation would sign with.
    pub public_key: [u8; 32],
    /// Where it answers.
    pub address: String,
}

impl Snapshot<'_> {
    /// The standbys whose rights have not ended, oldest first.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn standbys(&self) -> Result<Vec<StandbyRow>, StorageError> {
        let sql = "SELECT standby.device, device.name, public_key, address FROM standby \
            JOIN device ON device.ix = standby.device WHERE revoked_ms IS NULL ORDER BY standby.device";
        self.all(sql, (), |row| {
            Ok(StandbyRow {
                device: DeviceIx(row.get(0)?),
                name: row.get(1)?,
                public_key: row.get(2)?,
                address: row.get(3)?,
            })
        })
    }
}

impl WriteTransaction<'_> {
    /// Keeps a standby's key and address.
    pub(crate) fn put_standby(
        &mut self,
        device: DeviceIx,
        public_key: [u8; 32],
        address: &str,
    ) -> Result<(), StorageError> {
        let sql = "INSERT OR REPLACE INTO standby (device, public_key, address) VALUES (?1, ?2, ?3)";
        self.write(sql, (device.0, public_key, address))?;
        Ok(())
    }

    /// Forgets a standby by its key: it has taken this node's place.
    pub(crate) fn remove_standby(&mut self, public_key: [u8; 32]) -> Result<(), StorageError> {
        self.write("DELETE FROM standby WHERE public_key = ?1", (public_key,))?;
        Ok(())
    }
}
