//! Hold: promises goods to somebody for a while, all lines or none, with rights that this node has.
//!
//! A hold's identity is made of the device that asks and its key: repeated, it is the same hold.

use std::collections::BTreeSet;

use super::settings::Settings;
use super::shelves::Shelves;
use crate::domain::escrow::{Amount, Refusal as EscrowRefusal};
use crate::domain::fact::{Entry, Fact};
use crate::domain::ids::{ChannelId, CustomerRef, Sku, StaffId};
use crate::domain::quantity::Quantity;
use crate::domain::stock::{Effect, Hold, HoldId, HoldLine, HoldOpened, HoldPurpose, Place, Verb};
use crate::store::{Device, Failure, HoldRow, IdempotencyKey, Now, WriteTransaction};

/// A hold as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldCommand {
    /// What it is for.
    pub purpose: HoldPurpose,
    /// The sales channel.
    pub channel: ChannelId,
    /// Whom it is for, where known.
    pub customer: Option<CustomerRef>,
    /// Who opens it, where known.
    pub staff: Option<StaffId>,
    /// How long it is to last, in milliseconds; as long as the device may where it is not given.
    pub lifetime_ms: Option<u64>,
    /// What is to be held.
    pub lines: Vec<HoldLine>,
}

/// What holds of one role are bounded by, so that nobody can lock a shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoldLimits {
    /// The most holds that one device has open.
    pub open_max: u64,
    /// The most lines of a hold.
    pub lines_max: usize,
    /// The most that one line holds.
    pub quantity_max: Quantity,
    /// The longest that a hold lasts unless it is extended, in milliseconds.
    pub lifetime_ms_max: u64,
}

/// An item of which there is not enough to promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Short {
    /// The line, from 1.
    pub line: usize,
    /// The item.
    pub sku: Sku,
    /// How much was wanted.
    pub wanted: Quantity,
    /// How much this node can promise.
    pub promisable: Quantity,
}

/// Why nothing is held. Lines are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HoldRefusal {
    /// No line at all.
    #[error("a hold needs at least one line")]
    NoLines,
    /// More lines than the device may.
    #[error("a hold of this device has at most {max} lines, and this one has {lines}")]
    TooManyLines {
        /// How many there are.
        lines: usize,
        /// How many there may be.
        max: usize,
    },
    /// A quantity that is not over 0, or more than the device may.
    #[error("line {line}: the quantity of {sku} is over 0 and at most {max}")]
    Quantity {
        /// The line.
        line: usize,
        /// The item.
        sku: Sku,
        /// The most.
        max: Quantity,
    },
    /// An item on two lines.
    #[error("line {line}: {sku} is on another line already")]
    Repeated {
        /// The line.
        line: usize,
        /// The item.
        sku: Sku,
    },
    /// The catalog does not have the item.
    #[error("line {line}: no item has the SKU {sku}")]
    UnknownSku {
        /// The line.
        line: usize,
        /// The item.
        sku: Sku,
    },
    /// Longer than the device may, or no time at all.
    #[error("a hold of this device lasts at least one second and at most {} seconds", max_ms / 1_000)]
    Lifetime {
        /// The longest, in milliseconds.
        max_ms: u64,
    },
    /// The device has as many holds open as it may.
    #[error("this device has {max} holds open, and may have no more")]
    TooManyOpen {
        /// How many it may have.
        max: u64,
    },
    /// This node has no rights to promise so much.
    #[error("not enough to promise: {}", .0.iter().map(|short| format!("{} of {} (line {}), {} wanted", short.promisable, short.sku, short.line, short.wanted)).collect::<Vec<_>>().join("; "))]
    NotEnough(Vec<Short>),
    /// A hold of this identity is open already, or ended.
    #[error("a hold with this identity was opened before")]
    Used,
}

impl HoldRefusal {
    /// A stable name for programs, the last part of the problem type of RFC 9457. Never renamed.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoLines => "no-lines",
            Self::TooManyLines { .. } => "too-many-lines",
            Self::Quantity { .. } => "hold-quantity",
            Self::Repeated { .. } => "item-repeated",
            Self::UnknownSku { .. } => "unknown-sku",
            Self::Lifetime { .. } => "hold-lifetime",
            Self::TooManyOpen { .. } => "too-many-holds",
            Self::NotEnough(_) => "not-enough-to-promise",
            Self::Used => "hold-used",
        }
    }
}

/// Opens a hold. `key` is what the device calls its request.
///
/// # Errors
/// A [`HoldRefusal`], or why the store could not keep it. Nothing is held then.
pub fn hold(
    tx: &mut WriteTransaction<'_>,
    settings: &Settings,
    now: Now,
    device: &Device,
    key: &IdempotencyKey,
    command: &HoldCommand,
) -> Result<HoldRow, Failure<HoldRefusal>> {
    let limits = settings.holds.of(device.role);
    check(command, &limits).map_err(Failure::Refused)?;
    let id = HoldId::of(&tx.issuer(device.ix)?, key.as_str());
    if tx.hold(id)?.is_some() {
        return Err(Failure::Refused(HoldRefusal::Used));
    }
    if tx.holds_of_device(device.ix)? >= limits.open_max {
        let max = limits.open_max;
        return Err(Failure::Refused(HoldRefusal::TooManyOpen { max }));
    }
    for (held, line) in command.lines.iter().zip(1..) {
        if tx.priced(&held.sku)?.is_none() && tx.stock(&held.sku)?.is_none() {
            let sku = held.sku.clone();
            return Err(Failure::Refused(HoldRefusal::UnknownSku { line, sku }));
        }
    }
    let shelves = promise(tx, &command.lines)?;
    let opened = HoldOpened {
        id,
        site: tx.known_identity()?.site,
        purpose: command.purpose,
        channel: command.channel.clone(),
        customer: command.customer.clone(),
        staff: command.staff.clone(),
        lifetime_ms: command.lifetime_ms.unwrap_or(limits.lifetime_ms_max),
        lines: command.lines.clone(),
    };
    let recorded = tx.stamp(now);
    let fact = Fact::HoldOpened(opened.clone());
    let position = tx.append(&Entry { recorded, fact })?.position;
    shelves.save(tx, position)?;
    let row = HoldRow {
        hold: Hold {
            expires_at_ms: tx.running_ms(now).saturating_add(opened.lifetime_ms),
            opened,
        },
        device: Some(device.ix),
        position,
    };
    tx.put_hold(&row)?;
    tx.note_running(now)?;
    Ok(row)
}

/// Holds every line, or says of all that cannot be held how much could.
fn promise(tx: &mut WriteTransaction<'_>, lines: &[HoldLine]) -> Result<Shelves, Failure<HoldRefusal>> {
    let (mut shelves, mut short) = (Shelves::default(), Vec::new());
    for (held, line) in lines.iter().zip(1..) {
        let effect = Effect {
            site: None,
            place: Place::Sellable,
            sku: &held.sku,
            verb: Verb::Hold(Amount::try_from(held.quantity).unwrap_or(Amount::MAX)),
        };
        match shelves.apply(tx, &effect) {
            Ok(_) => {}
            Err(Failure::Storage(error)) => return Err(error.into()),
            Err(Failure::Refused(refusal)) => short.push(Short {
                line,
                sku: held.sku.clone(),
                wanted: held.quantity,
                promisable: promisable(refusal),
            }),
        }
    }
    if short.is_empty() {
        Ok(shelves)
    } else {
        Err(Failure::Refused(HoldRefusal::NotEnough(short)))
    }
}

fn promisable(refusal: EscrowRefusal) -> Quantity {
    let amount = match refusal {
        EscrowRefusal::NoRights { rights, .. } => rights,
        EscrowRefusal::OthersDebt { left, .. } => left,
        _ => Amount::ZERO,
    };
    Quantity::from_thousandths(i64::try_from(amount.parts()).unwrap_or(i64::MAX))
}

fn check(command: &HoldCommand, limits: &HoldLimits) -> Result<(), HoldRefusal> {
    let lines = command.lines.len();
    if lines == 0 {
        return Err(HoldRefusal::NoLines);
    }
    if lines > limits.lines_max {
        let max = limits.lines_max;
        return Err(HoldRefusal::TooManyLines { lines, max });
    }
    lifetime(command.lifetime_ms, limits)?;
    let mut seen = BTreeSet::new();
    for (held, line) in command.lines.iter().zip(1..) {
        let sku = || held.sku.clone();
        if held.quantity <= Quantity::ZERO || held.quantity > limits.quantity_max {
            let max = limits.quantity_max;
            return Err(HoldRefusal::Quantity { line, sku: sku(), max });
        }
        if !seen.insert(&held.sku) {
            return Err(HoldRefusal::Repeated { line, sku: sku() });
        }
    }
    Ok(())
}

/// The shortest that a hold lasts, in milliseconds.
const LIFETIME_MS_MIN: u64 = 1_000;

/// Checks how long a hold is to last.
pub(super) fn lifetime(lifetime_ms: Option<u64>, limits: &HoldLimits) -> Result<(), HoldRefusal> {
    let max_ms = limits.lifetime_ms_max;
    match lifetime_ms {
        Some(lifetime_ms) if !(LIFETIME_MS_MIN..=max_ms).contains(&lifetime_ms) => {
            Err(HoldRefusal::Lifetime { max_ms })
        }
        _ => Ok(()),
    }
}
