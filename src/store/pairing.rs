//! Codes that a device is paired with. They live for minutes and are stored hashed.

use super::clock::Now;
use super::devices::{NewDevice, rights, rights_number, role, role_number};
use super::keys::{DeviceIx, count, row_count};
use super::snapshot::parsed_option;
use super::{Snapshot, StorageError, WriteTransaction};
use crate::domain::ids::RegisterId;

/// A code that was given out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairingRow {
    ix: i64,
    /// What gives the token, together with the code and the request's key.
    pub(crate) salt: [u8; 16],
    /// What the device is to be.
    pub device: NewDevice,
    /// Until when the code is good, milliseconds since 1970.
    pub expires_ms: u64,
    /// The device that was paired with it and the key of the request, once one was.
    pub redeemed: Option<(DeviceIx, Option<String>)>,
}

impl Snapshot<'_> {
    /// The code with a hash, where it has not been forgotten.
    pub(crate) fn pairing_code(&self, code_hash: [u8; 32]) -> Result<Option<PairingRow>, StorageError> {
        let sql = "SELECT ix, salt, name, role, rights, register, expires_ms, device, request FROM pairing_code \
            WHERE code_hash = ?1";
        self.one(sql, (code_hash,), |row| {
            let device = NewDevice {
                name: row.get(2)?,
                role: role(row, 3)?,
                rights: rights(row, 4)?,
                register: parsed_option(row, 5)?,
            };
            let redeemed = row.get::<_, Option<i64>>(7)?.map(DeviceIx);
            let request = row.get(8)?;
            Ok(PairingRow {
                ix: row.get(0)?,
                salt: row.get(1)?,
                device,
                expires_ms: count(row.get(6)?),
                redeemed: redeemed.map(|device| (device, request)),
            })
        })
    }
}

impl WriteTransaction<'_> {
    /// Keeps a code, and forgets those whose time is over.
    pub(crate) fn insert_pairing_code(
        &mut self,
        code_hash: [u8; 32],
        salt: [u8; 16],
        device: &NewDevice,
        expires_ms: u64,
        now: Now,
    ) -> Result<(), StorageError> {
        let sql = "DELETE FROM pairing_code WHERE expires_ms < ?1";
        self.write(sql, (row_count(now.unix_ms),))?;
        self.write(
            "INSERT INTO pairing_code (code_hash, salt, name, role, rights, register, expires_ms) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            (
                code_hash,
                salt,
                &device.name,
                role_number(device.role),
                rights_number(device.rights),
                device.register.as_ref().map(RegisterId::as_str),
                row_count(expires_ms),
            ),
        )?;
        Ok(())
    }

    /// Notes that a code was used, and by which request.
    pub(crate) fn redeem_pairing_code(
        &mut self,
        code: &PairingRow,
        device: DeviceIx,
        request: Option<&str>,
    ) -> Result<(), StorageError> {
        let sql = "UPDATE pairing_code SET device = ?2, request = ?3 WHERE ix = ?1";
        self.write(sql, (code.ix, device.0, request))?;
        Ok(())
    }
}
