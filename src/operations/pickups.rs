//! Pickups: goods that an online channel ordered and a customer fetches here.
//!
//! Promises: every decision that is made here is a record, link or no link; what ends a pickup ends its hold in the same
//! transaction; a customer who has the goods has them, whatever else was decided. Must never: wait for headquarters.

use super::open_holds::end;
use super::shelves::Shelves;
use crate::domain::fact::{Entry, Fact};
use crate::domain::ids::{SaleId, StaffId};
use crate::domain::stock::{HoldEnd, HoldId, Pickup, PickupAct, PickupReason, PickupState, PickupStep};
use crate::store::{Device, Failure, Now, PickupRow, StorageError, WriteTransaction};

/// The longest note, in characters.
const NOTE_MAX: usize = 200;

/// What staff decide of a pickup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PickupDecision {
    /// The store does it: its hold is to be handed over.
    Accept,
    /// The goods lie ready.
    Ready,
    /// The store cannot do it.
    Refuse(PickupReason),
    /// The customer has fetched what was paid before.
    Collect,
}

/// A decision as it is entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PickupCommand {
    /// What is decided.
    pub decision: PickupDecision,
    /// Who decides, where known.
    pub staff: Option<StaffId>,
    /// In words.
    pub note: Option<String>,
}

/// Why nothing is decided.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PickupRefusal {
    /// This site knows of no such pickup.
    #[error("this site has no pickup {0}")]
    Unknown(HoldId),
    /// Nothing more is to be done about it.
    #[error("the pickup {id} is over: {}", words(*.state))]
    Over {
        /// The pickup.
        id: HoldId,
        /// How it ended.
        state: PickupState,
    },
    /// It was not paid before: the customer pays with a sale that names the hold.
    #[error("the pickup {0} is not paid: sell it, with `hold` in the sale")]
    NotPaid(HoldId),
    /// `other` without a note.
    #[error("the reason `other` needs a note that says what it is")]
    NoteMissing,
    /// The note is too long or has control characters.
    #[error("a note has at most {NOTE_MAX} characters, none of them control characters")]
    Note,
}

impl PickupRefusal {
    /// A stable name for programs, the last part of the problem type of RFC 9457. Never renamed.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unknown(_) => "pickup-not-found",
            Self::Over { .. } => "pickup-over",
            Self::NotPaid(_) => "pickup-not-paid",
            Self::NoteMissing => "note-missing",
            Self::Note => "reference",
        }
    }
}

/// Keeps what staff decide of a pickup. What is decided already is left as it is.
///
/// # Errors
/// A [`PickupRefusal`], or why the store could not keep it. Nothing is recorded then.
pub fn decide_pickup(
    tx: &mut WriteTransaction<'_>,
    now: Now,
    device: &Device,
    id: HoldId,
    command: &PickupCommand,
) -> Result<PickupRow, Failure<PickupRefusal>> {
    check(command).map_err(Failure::Refused)?;
    let unknown = || Failure::Refused(PickupRefusal::Unknown(id));
    let row = tx.pickup(id)?.ok_or_else(unknown)?;
    let state = row.pickup.state();
    if state.is_over() {
        return Err(Failure::Refused(PickupRefusal::Over { id, state }));
    }
    let act = match command.decision {
        PickupDecision::Accept => PickupAct::Accepted,
        PickupDecision::Ready => PickupAct::Ready,
        PickupDecision::Refuse(reason) => PickupAct::Refused { reason },
        PickupDecision::Collect if !row.pickup.ordered.paid => {
            return Err(Failure::Refused(PickupRefusal::NotPaid(id)));
        }
        PickupDecision::Collect => PickupAct::Collected {
            sale: None,
            // Where the hold is not this store's yet its goods go out in hand.
            in_hand: match tx.hold(id)? {
                Some(_) => Vec::new(),
                None => row.pickup.ordered.lines.clone(),
            },
        },
    };
    let step = PickupStep {
        id,
        site: row.pickup.ordered.site.clone(),
        act,
        by: device.name.clone(),
        staff: command.staff.clone(),
        note: command.note.clone(),
    };
    take_step(tx, now, row.pickup, step)?;
    tx.pickup(id)?.ok_or_else(unknown)
}

/// A sale that names a hold has been recorded: where the hold is a pickup's the customer has the goods.
pub(super) fn pickup_sold(
    tx: &mut WriteTransaction<'_>,
    now: Now,
    device: &Device,
    id: HoldId,
    (sale, staff): (&SaleId, Option<&StaffId>),
) -> Result<(), StorageError> {
    let Some(row) = tx.pickup(id)? else {
        return Ok(());
    };
    let step = PickupStep {
        id,
        site: row.pickup.ordered.site.clone(),
        act: PickupAct::Collected {
            sale: Some(sale.clone()),
            in_hand: Vec::new(),
        },
        by: device.name.clone(),
        staff: staff.cloned(),
        note: None,
    };
    take_step(tx, now, row.pickup, step)
}

/// The hold of a pickup has run out here, and ended.
pub(super) fn pickup_lapsed(tx: &mut WriteTransaction<'_>, now: Now, id: HoldId) -> Result<(), StorageError> {
    let Some(row) = tx.pickup(id)? else {
        return Ok(());
    };
    let step = PickupStep {
        id,
        site: row.pickup.ordered.site.clone(),
        act: PickupAct::Lapsed,
        by: "the time that the hold had".into(),
        staff: None,
        note: None,
    };
    take_step(tx, now, row.pickup, step)
}

/// A hold was taken over. Where it is that of a pickup that was over meanwhile, it is not needed any more: its rights
/// stay here, and settle what was sold in hand.
pub(super) fn taken_over_late(tx: &mut WriteTransaction<'_>, now: Now, id: HoldId) -> Result<(), StorageError> {
    match tx.pickup(id)? {
        Some(row) if row.pickup.state().is_over() => give_up(tx, now, id),
        _ => Ok(()),
    }
}

/// Takes over what headquarters says of a pickup. The inner error is for people: the entry is not one.
pub(super) fn hear_pickup(
    tx: &mut WriteTransaction<'_>,
    now: Now,
    heard: Pickup,
) -> Result<Result<(), String>, StorageError> {
    let (id, site) = (heard.ordered.id, tx.known_identity()?.site);
    if heard.ordered.site != site {
        return Ok(Err(format!("it is fetched at {}", heard.ordered.site)));
    }
    let pickup = match tx.pickup(id)? {
        None => heard,
        Some(row) => {
            let mut pickup = row.pickup;
            match &heard.last {
                // What was decided here may be news to headquarters.
                Some(step) if pickup.take(step) => pickup,
                _ => return Ok(Ok(())),
            }
        }
    };
    if pickup.state().is_over() {
        give_up(tx, now, id)?;
    }
    tx.put_pickup(&pickup, now.unix_ms)?;
    Ok(Ok(()))
}

/// Headquarters no longer speaks of a pickup. One that is over here stays in the list of those.
pub(super) fn pickup_gone(tx: &mut WriteTransaction<'_>, now: Now, id: HoldId) -> Result<(), StorageError> {
    match tx.pickup(id)? {
        Some(row) if !row.pickup.state().is_over() => {
            give_up(tx, now, id)?;
            tx.remove_pickup(id)
        }
        _ => Ok(()),
    }
}

/// Makes good what the row of a pickup lacks of what the journal says, for `repair`.
pub(super) fn restore_step(tx: &mut WriteTransaction<'_>, step: &PickupStep) -> Result<(), StorageError> {
    match tx.pickup(step.id)? {
        Some(row) => {
            let mut pickup = row.pickup;
            if pickup.take(step) {
                tx.put_pickup(&pickup, row.changed_ms)?;
            }
            Ok(())
        }
        None => Ok(()),
    }
}

/// Records a decision that brings a pickup further, and ends its hold where it is over then.
fn take_step(
    tx: &mut WriteTransaction<'_>,
    now: Now,
    mut pickup: Pickup,
    step: PickupStep,
) -> Result<(), StorageError> {
    if !pickup.take(&step) {
        return Ok(());
    }
    let id = step.id;
    let fetched = matches!(step.act, PickupAct::Collected { .. });
    let fact = Fact::PickupStep(step);
    let mut shelves = Shelves::default();
    shelves.apply_fact(tx, &fact)?;
    let recorded = tx.stamp(now);
    let position = tx.append(&Entry { recorded, fact })?.position;
    shelves.save(tx, position)?;
    if fetched {
        // A sale has ended it already.
        if let Some(row) = tx.hold(id)? {
            end(tx, now, &row.hold, HoldEnd::Collected)?;
        }
    } else if pickup.state().is_over() {
        give_up(tx, now, id)?;
    }
    tx.put_pickup(&pickup, now.unix_ms)
}

/// Ends the hold of a pickup, where it is open here.
fn give_up(tx: &mut WriteTransaction<'_>, now: Now, id: HoldId) -> Result<(), StorageError> {
    match tx.hold(id)? {
        Some(row) => end(tx, now, &row.hold, HoldEnd::Released),
        None => Ok(()),
    }
}

fn check(command: &PickupCommand) -> Result<(), PickupRefusal> {
    let note = command.note.as_deref().unwrap_or_default();
    if note.chars().count() > NOTE_MAX || note.chars().any(char::is_control) {
        return Err(PickupRefusal::Note);
    }
    if command.decision == PickupDecision::Refuse(PickupReason::Other) && note.trim().is_empty() {
        return Err(PickupRefusal::NoteMissing);
    }
    Ok(())
}

const fn words(state: PickupState) -> &'static str {
    match state {
        PickupState::Requested => "it waits",
        PickupState::Accepted => "it was accepted",
        PickupState::Ready => "it lies ready",
        PickupState::Lapsed => "its time ran out",
        PickupState::Cancelled => "it was cancelled",
        PickupState::Refused => "it was refused",
        PickupState::Collected => "it was collected",
    }
}
