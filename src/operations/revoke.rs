//! Revoke: ends a device's rights. Its series is never given out again.

use crate::store::{Device, DeviceIx, Failure, Now, WriteTransaction};

/// Why no rights were ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RevokeRefusal {
    /// No such device was ever paired.
    #[error("there is no such device")]
    Unknown,
}

impl RevokeRefusal {
    /// A stable name for programs, the last part of the problem type of RFC 9457. Never renamed.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unknown => "device-unknown",
        }
    }
}

/// Ends a device's rights; a second time changes nothing.
///
/// # Errors
/// A [`RevokeRefusal`], or why the store could not keep it.
pub fn revoke(tx: &mut WriteTransaction<'_>, now: Now, device: DeviceIx) -> Result<Device, Failure<RevokeRefusal>> {
    if tx.device(device)?.is_none() {
        return Err(Failure::Refused(RevokeRefusal::Unknown));
    }
    Ok(tx.end_device(device, now)?)
}
