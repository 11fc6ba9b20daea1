//! Pickups at headquarters: orders of online channels that customers fetch at a site.
//!
//! Promises: an order is a hold with rights of headquarters; it is handed over to the store in the transaction that takes
//! in that the store has accepted it, so that its goods are promised once at every moment; what ends it first ends its
//! hold, wherever that is. Decisions that cross are resolved as [`PickupState`](crate::domain::stock::PickupState) orders
//! them.

use super::happenings::{Happening, RightsMoved};
use super::headquarters::Headquarters;
use super::rights::{self, RightsError};
use super::site_news::tell_pickup;
use super::storage::{Reading, StorageError, Writing};
use crate::domain::escrow::ReplicaId;
use crate::domain::fact::Fact;
use crate::domain::ids::SiteId;
use crate::domain::stock::{HoldId, HoldOpened, Pickup, PickupAct, PickupOrdered, PickupState, PickupStep};

/// Why nothing is decided of a pickup.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PickupError {
    /// There is none of that identity.
    #[error("there is no pickup {0}")]
    Unknown(HoldId),
    /// Nothing more is to be done about it.
    #[error("the pickup {0} is over")]
    Over(HoldId),
    /// Its rights do not allow it.
    #[error(transparent)]
    Rights(#[from] RightsError),
}

impl From<StorageError> for PickupError {
    fn from(error: StorageError) -> Self {
        Self::Rights(error.into())
    }
}

impl Headquarters {
    /// A pickup.
    pub(super) fn pickup(&self, id: HoldId) -> Result<Option<Pickup>, StorageError> {
        self.database.read(|reading| reading.pickup(id))
    }

    /// Pickups in the order of their identities, behind `after`: of one site or of all, those that are over or those that
    /// are not, each with whether headquarters holds its goods itself.
    pub(super) fn pickups(
        &self,
        site: Option<SiteId>,
        over: bool,
        after: Option<HoldId>,
        limit: u32,
    ) -> Result<Vec<(Pickup, bool)>, StorageError> {
        self.database.read(|reading| {
            let pickups = reading.pickups(site.as_ref(), over, after, limit)?.into_iter();
            let with_holder = |pickup: Pickup| {
                let held = reading.own_hold(pickup.ordered.id)?.is_some();
                Ok((pickup, held))
            };
            pickups.map(with_holder).collect()
        })
    }
}

/// Orders goods for pickup: holds them, and tells the site.
pub(super) fn order(
    writing: &Writing<'_>,
    (opened, ordered): (HoldOpened, PickupOrdered),
    running_ms: u64,
    now_ms: u64,
) -> Result<Pickup, RightsError> {
    rights::open_hold(writing, opened, running_ms, now_ms)?;
    rights::record(writing, Fact::PickupOrdered(ordered.clone()), now_ms)?;
    let pickup = Pickup { ordered, last: None };
    tell_pickup(writing, &pickup, now_ms)?;
    Ok(pickup)
}

/// The customer does not want it any more. Where the store has the hold already it ends it once it hears of that.
pub(super) fn cancel(
    writing: &Writing<'_>,
    id: HoldId,
    by: String,
    note: Option<String>,
    now_ms: u64,
) -> Result<Pickup, PickupError> {
    let pickup = writing.pickup(id)?.ok_or(PickupError::Unknown(id))?;
    if pickup.state().is_over() {
        return Err(PickupError::Over(id));
    }
    let step = PickupStep {
        id,
        site: pickup.ordered.site.clone(),
        act: PickupAct::Cancelled,
        by,
        staff: None,
        note,
    };
    if writing.own_hold(id)?.is_some() {
        rights::end_hold(writing, id, now_ms)?;
    }
    Ok(decided_here(writing, pickup, step, now_ms)?)
}

/// A hold of headquarters has run out, and ended. Gives the site where it was a pickup's.
pub(super) fn lapsed(writing: &Writing<'_>, id: HoldId, now_ms: u64) -> Result<Option<SiteId>, RightsError> {
    let Some(pickup) = writing.pickup(id)?.filter(|pickup| !pickup.state().is_over()) else {
        return Ok(None);
    };
    let site = pickup.ordered.site.clone();
    let step = PickupStep {
        id,
        site: site.clone(),
        act: PickupAct::Lapsed,
        by: "the time that the hold had".into(),
        staff: None,
        note: None,
    };
    decided_here(writing, pickup, step, now_ms)?;
    Ok(Some(site))
}

/// Takes an order of headquarters' own journal in, where it is not known: figures may be made anew.
pub(super) fn take_order(writing: &Writing<'_>, ordered: &PickupOrdered, now_ms: u64) -> Result<(), StorageError> {
    if writing.pickup(ordered.id)?.is_some() {
        return Ok(());
    }
    let pickup = Pickup {
        ordered: ordered.clone(),
        last: None,
    };
    tell_pickup(writing, &pickup, now_ms)
}

/// Takes in what somebody decided, as it stands in a journal: it may be met more than once. Where a store does it, the
/// hold is handed over to it; where it is over, the hold ends. Gives what is worth telling.
pub(super) fn take_step(
    writing: &Writing<'_>,
    by: &ReplicaId,
    step: &PickupStep,
    now_ms: u64,
) -> Result<Vec<Happening>, StorageError> {
    let Some(mut pickup) = writing.pickup(step.id)? else {
        return Ok(Vec::new());
    };
    let mut happenings = Vec::new();
    if by.node != rights::replica(writing)?.node
        && let Some(hold) = writing.own_hold(step.id)?
    {
        let skus = hold.opened.lines.iter().map(|line| line.sku.clone()).collect();
        let site = hold.opened.site.clone();
        let store_does_it = matches!(
            step.act.state(),
            PickupState::Accepted | PickupState::Ready | PickupState::Collected
        );
        // What a life of the node that is over has decided is done by its next one, which has the goods.
        let newest = writing.newest_incarnation(&by.node)? == Some(by.incarnation);
        let lives = newest && writing.retired(by)?.is_none();
        let failed = |error: RightsError| StorageError::Failed(error.to_string());
        if store_does_it && lives && !pickup.state().is_over() {
            rights::hand_over(writing, by, &hold, now_ms).map_err(failed)?;
            let to = by.clone();
            happenings.push(Happening::Rights(RightsMoved::HandedOver { to, site, skus }));
        } else if step.act.state().is_over() {
            rights::end_hold(writing, step.id, now_ms).map_err(failed)?;
            happenings.push(Happening::Rights(RightsMoved::Freed { site, skus }));
        }
    }
    if pickup.take(step) {
        tell_pickup(writing, &pickup, now_ms)?;
        happenings.push(Happening::Site(step.site.clone()));
    }
    Ok(happenings)
}

/// What is known of a pickup, for the projection to judge a record by.
pub(super) fn site_of(reading: &Reading<'_>, id: HoldId) -> Result<Option<SiteId>, StorageError> {
    Ok(reading.pickup(id)?.map(|pickup| pickup.ordered.site))
}

fn decided_here(
    writing: &Writing<'_>,
    mut pickup: Pickup,
    step: PickupStep,
    now_ms: u64,
) -> Result<Pickup, RightsError> {
    if pickup.take(&step) {
        rights::record(writing, Fact::PickupStep(step), now_ms)?;
        tell_pickup(writing, &pickup, now_ms)?;
    }
    Ok(pickup)
}
