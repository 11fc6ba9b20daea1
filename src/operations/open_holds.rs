//! What becomes of an open hold without a sale: it is extended, released, or its time runs out.

use super::hold::{HoldRefusal, lifetime};
use super::pickups::pickup_lapsed;
use super::settings::Settings;
use super::shelves::Shelves;
use crate::domain::fact::{Entry, Fact};
use crate::domain::stock::{Hold, HoldEnd, HoldEnded, HoldExtended, HoldId};
use crate::store::{Device, Failure, HoldRow, Now, Role, StorageError, WriteTransaction};

/// How many holds one step of [`expire_holds`] ends, so that no sale waits long behind it.
const EXPIRED_STEP: u32 = 100;

/// Why a hold is left as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenHoldRefusal {
    /// This node has no such hold open: it never had, or it has ended.
    #[error("this node has no open hold {0}")]
    NotOpen(HoldId),
    /// A kiosk names a hold that another device opened.
    #[error("the hold {0} was opened by another device")]
    OfAnother(HoldId),
    /// The hold of a pickup, which ends with it.
    #[error("the hold {0} is that of a pickup: refuse the pickup, or have it collected")]
    OfPickup(HoldId),
    /// There is no store to hand it to: this is no kiosk's node, or its store cannot be reached.
    #[error("there is no store that can be reached to hand the hold over to")]
    NoStore,
    /// It would last too long.
    #[error(transparent)]
    Hold(#[from] HoldRefusal),
}

impl OpenHoldRefusal {
    /// A stable name for programs, the last part of the problem type of RFC 9457. Never renamed.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotOpen(_) => "hold-not-open",
            Self::OfAnother(_) => "hold-of-another",
            Self::OfPickup(_) => "hold-of-pickup",
            Self::NoStore => "store-not-reached",
            Self::Hold(refusal) => refusal.code(),
        }
    }
}

/// Has a hold last so many milliseconds from now on; as long as the device may where it is not given. It never lasts
/// less than before.
///
/// # Errors
/// An [`OpenHoldRefusal`], or why the store could not keep it.
pub fn extend_hold(
    tx: &mut WriteTransaction<'_>,
    settings: &Settings,
    now: Now,
    device: &Device,
    id: HoldId,
    lifetime_ms: Option<u64>,
) -> Result<HoldRow, Failure<OpenHoldRefusal>> {
    let mut row = open(tx, device, id)?;
    let limits = settings.holds.of(device.role);
    lifetime(lifetime_ms, &limits).map_err(|refusal| Failure::Refused(refusal.into()))?;
    let lifetime_ms = lifetime_ms.unwrap_or(limits.lifetime_ms_max);
    let until_ms = tx.running_ms(now).saturating_add(lifetime_ms);
    if until_ms > row.hold.expires_at_ms {
        let recorded = tx.stamp(now);
        let site = row.hold.opened.site.clone();
        let fact = Fact::HoldExtended(HoldExtended { id, site, lifetime_ms });
        tx.append(&Entry { recorded, fact })?;
        row.hold.opened.lifetime_ms = lifetime_ms;
        row.hold.expires_at_ms = until_ms;
        tx.put_hold(&row)?;
        tx.note_running(now)?;
    }
    Ok(row)
}

/// Gives up a hold: what it held can be promised again.
///
/// # Errors
/// An [`OpenHoldRefusal`], or why the store could not keep it.
pub fn release_hold(
    tx: &mut WriteTransaction<'_>,
    now: Now,
    device: &Device,
    id: HoldId,
) -> Result<HoldRow, Failure<OpenHoldRefusal>> {
    let row = open(tx, device, id)?;
    if tx.pickup(id)?.is_some() {
        return Err(Failure::Refused(OpenHoldRefusal::OfPickup(id)));
    }
    end(tx, now, &row.hold, HoldEnd::Released)?;
    Ok(row)
}

/// Ends holds whose time has run out, a few at a time, and notes how long the node has run. Gives how many ended.
///
/// # Errors
/// Why the store could not keep it.
pub fn expire_holds(tx: &mut WriteTransaction<'_>, now: Now) -> Result<usize, StorageError> {
    let expired = tx.holds_run_out(tx.running_ms(now), EXPIRED_STEP)?;
    for row in &expired {
        end(tx, now, &row.hold, HoldEnd::Expired)?;
        pickup_lapsed(tx, now, row.hold.opened.id)?;
    }
    tx.note_running(now)?;
    Ok(expired.len())
}

/// An open hold that the device may do something with.
pub(super) fn open(
    tx: &WriteTransaction<'_>,
    device: &Device,
    id: HoldId,
) -> Result<HoldRow, Failure<OpenHoldRefusal>> {
    let row = tx.hold(id)?.ok_or(Failure::Refused(OpenHoldRefusal::NotOpen(id)))?;
    if device.role == Role::Kiosk && row.device != Some(device.ix) {
        return Err(Failure::Refused(OpenHoldRefusal::OfAnother(id)));
    }
    Ok(row)
}

/// Ends a hold with the record that says how.
pub(super) fn end(tx: &mut WriteTransaction<'_>, now: Now, hold: &Hold, how: HoldEnd) -> Result<(), StorageError> {
    let recorded = tx.stamp(now);
    let fact = Fact::HoldEnded(HoldEnded {
        id: hold.opened.id,
        site: hold.opened.site.clone(),
        end: how,
        lines: hold.opened.lines.clone(),
    });
    let mut shelves = Shelves::default();
    shelves.apply_fact(tx, &fact)?;
    let position = tx.append(&Entry { recorded, fact })?.position;
    shelves.save(tx, position)?;
    tx.remove_hold(hold)
}
