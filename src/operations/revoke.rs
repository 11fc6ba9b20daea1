//! Revoke: ends a device's rights. Its series is never given out again.

use crate::domain::fact::{Entry, Fact, StandbyDismissed};
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
    // Headquarters is not to take it for a lawful successor from here on.
    if let Some(standby) = tx.standbys()?.into_iter().find(|row| row.device == device) {
        let recorded = tx.stamp(now);
        let public_key = standby.public_key;
        let fact = Fact::StandbyDismissed(StandbyDismissed { public_key });
        tx.append(&Entry { recorded, fact })?;
        tx.remove_standby(public_key)?;
        if tx.standbys()?.is_empty() {
            tx.stop_noting_changes()?;
        }
    }
    Ok(tx.end_device(device, now)?)
}
