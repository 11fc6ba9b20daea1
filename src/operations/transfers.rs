//! Transfers between this site and others: request, call off, dispatch, receive.
//!
//! Promises: each is a record with who and why, link or no link; what left and what arrived count once, by the transfer's
//! identity; a difference is named and told. Must never: wait for the other site.

mod refusal;

use std::collections::BTreeSet;

use super::alerts::tell_difference;
use super::hold::Short;
use super::shelves::Shelves;
use crate::domain::escrow::{Amount, Refusal as EscrowRefusal};
use crate::domain::fact::{Entry, Fact};
use crate::domain::ids::{SiteId, StaffId};
use crate::domain::quantity::Quantity;
use crate::domain::stock::{
    By, DifferenceReason, HoldEnd, HoldEnded, HoldId, HoldLine, Leg, SITE_LINES_MAX, Transfer, TransferCalledOff,
    TransferDispatched, TransferId, TransferReceived, TransferRequested, TransferState, Way, differences, effects,
};
use crate::store::{Change, Device, Failure, IdempotencyKey, Now, StorageError, TransferRow, WriteTransaction};
pub use refusal::TransferRefusal;

/// The longest note, in characters.
const NOTE_MAX: usize = 200;

/// Who does something about a transfer, as it is entered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EnteredBy {
    /// Who does it, where known.
    pub staff: Option<StaffId>,
    /// In words.
    pub note: Option<String>,
}

/// A request as it is entered: one end is another site, the other is this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferCommand {
    /// The other site.
    pub other: SiteId,
    /// Whether the goods come here; else they leave.
    pub comes: bool,
    /// What is wanted.
    pub lines: Vec<HoldLine>,
    /// Who asks.
    pub by: EnteredBy,
}

/// A dispatch as it is entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DispatchCommand {
    /// What leaves.
    pub lines: Vec<HoldLine>,
    /// The hold that it comes out of; else this node's rights must cover it.
    pub hold: Option<HoldId>,
    /// Who sends it.
    pub by: EnteredBy,
}

/// A receipt as it is entered, against the paper that came with the goods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptCommand {
    /// The site that they come from, where the paper says so.
    pub from: Option<SiteId>,
    /// What arrived.
    pub lines: Vec<HoldLine>,
    /// Why it is not what was sent.
    pub reason: Option<DifferenceReason>,
    /// Who takes it in.
    pub by: EnteredBy,
}

type Done = Result<TransferRow, Failure<TransferRefusal>>;

/// Asks for goods of another site, or says that goods are to leave for one. `key` is what the device calls its request.
///
/// # Errors
/// A [`TransferRefusal`], or why the store could not keep it.
pub fn request_transfer(
    tx: &mut WriteTransaction<'_>,
    now: Now,
    device: &Device,
    key: &IdempotencyKey,
    command: &TransferCommand,
) -> Done {
    let own = tx.known_identity()?.site;
    check_lines(&command.lines, Quantity::from_thousandths(1))?;
    if command.other == own {
        return refused(TransferRefusal::SameSite(own));
    }
    let id = TransferId::of(&tx.issuer(device.ix)?, key.as_str());
    if tx.transfer(id)?.is_some() {
        return refused(TransferRefusal::LongMade);
    }
    let (from, to) = if command.comes {
        (command.other.clone(), own)
    } else {
        (own, command.other.clone())
    };
    let requested = TransferRequested {
        id,
        way: Way { from, to },
        lines: command.lines.clone(),
        by: entered(device, &command.by)?,
    };
    let recorded = tx.stamp(now);
    let fact = Fact::TransferRequested(requested.clone());
    tx.append(&Entry { recorded, fact })?;
    let requested = Some(requested);
    keep(
        tx,
        now,
        Transfer {
            requested,
            ..Transfer::new(id)
        },
    )
}

/// Calls a transfer off of which nothing has left, as far as is known here.
///
/// # Errors
/// A [`TransferRefusal`], or why the store could not keep it.
pub fn call_off_transfer(
    tx: &mut WriteTransaction<'_>,
    now: Now,
    device: &Device,
    id: TransferId,
    by: &EnteredBy,
) -> Done {
    let row = known(tx, id)?;
    if row.transfer.state() != TransferState::Requested {
        let state = row.transfer.state();
        return refused(TransferRefusal::State { id, state });
    }
    let by = entered(device, by)?;
    let called_off = TransferCalledOff { id, by };
    let recorded = tx.stamp(now);
    let fact = Fact::TransferCalledOff(called_off.clone());
    tx.append(&Entry { recorded, fact })?;
    let called_off = Some(called_off);
    keep(
        tx,
        now,
        Transfer {
            called_off,
            ..row.transfer
        },
    )
}

/// Lets goods go: with this node's rights, or out of a hold, which ends with it.
///
/// # Errors
/// A [`TransferRefusal`], or why the store could not keep it. Nothing leaves then.
pub fn dispatch_transfer(
    tx: &mut WriteTransaction<'_>,
    now: Now,
    device: &Device,
    id: TransferId,
    command: &DispatchCommand,
) -> Done {
    let row = known(tx, id)?;
    let own = tx.known_identity()?.site;
    check_lines(&command.lines, Quantity::from_thousandths(1))?;
    let way = match (row.transfer.from(), row.transfer.to()) {
        (Some(from), Some(to)) if *from == own => Way {
            from: own.clone(),
            to: to.clone(),
        },
        (from, to) => return refused(not_here(id, from, to)),
    };
    match row.transfer.state() {
        // What a destination has taken in already has left, whoever was quicker to say so.
        TransferState::Requested | TransferState::ReceivedEarly => {}
        state => return refused(TransferRefusal::State { id, state }),
    }
    let dispatched = TransferDispatched {
        id,
        way,
        lines: command.lines.clone(),
        from_hold: command.hold.is_some(),
        by: entered(device, &command.by)?,
    };
    let fact = Fact::TransferDispatched(dispatched.clone());
    let shelves = leave(tx, &fact)?;
    let end = match command.hold {
        Some(hold) => Some(end_of_hold(tx, hold, id, &command.lines)?),
        None => None,
    };
    let recorded = tx.stamp(now);
    let position = tx.append(&Entry { recorded, fact })?.position;
    shelves.save(tx, position)?;
    tx.put_movement(id.movement(Leg::Dispatch), position)?;
    if let Some(ended) = end {
        let fact = Fact::HoldEnded(ended.clone());
        let mut shelves = Shelves::default();
        shelves.apply_fact(tx, &fact)?;
        let recorded = tx.stamp(now);
        let position = tx.append(&Entry { recorded, fact })?.position;
        shelves.save(tx, position)?;
        if let Some(row) = tx.hold(ended.id)? {
            tx.remove_hold(&row.hold)?;
        }
    }
    tx.changed(Change::Movement(position));
    let dispatched = Some(dispatched);
    let transfer = Transfer {
        dispatched,
        ..row.transfer
    };
    tell_differences(tx, now, &transfer)?;
    keep(tx, now, transfer)
}

/// Takes goods in that another site sent, also where this node has not heard of it.
///
/// # Errors
/// A [`TransferRefusal`], or why the store could not keep it. Nothing is taken in then.
pub fn receive_transfer(
    tx: &mut WriteTransaction<'_>,
    now: Now,
    device: &Device,
    id: TransferId,
    command: &ReceiptCommand,
) -> Done {
    check_lines(&command.lines, Quantity::ZERO)?;
    let own = tx.known_identity()?.site;
    let transfer = tx.transfer(id)?.map_or_else(|| Transfer::new(id), |row| row.transfer);
    if transfer.received.is_some() || tx.movement(id.movement(Leg::Receipt))?.is_some() {
        let state = transfer.state();
        return refused(TransferRefusal::State { id, state });
    }
    if transfer.to().is_some_and(|to| *to != own) {
        return refused(not_here(id, transfer.from(), transfer.to()));
    }
    let by = entered(device, &command.by)?;
    if command.reason == Some(DifferenceReason::Other) && by.note.as_ref().is_none_or(|note| note.trim().is_empty()) {
        return refused(TransferRefusal::NoteMissing);
    }
    if let Some(dispatched) = &transfer.dispatched {
        let found = differences(&dispatched.lines, &command.lines);
        if !found.is_empty() && command.reason.is_none() {
            return refused(TransferRefusal::Unexplained(found));
        }
    }
    let received = TransferReceived {
        id,
        from: transfer.from().or(command.from.as_ref()).cloned(),
        to: own,
        lines: command.lines.clone(),
        reason: command.reason,
        by,
    };
    let fact = Fact::TransferReceived(received.clone());
    let mut shelves = Shelves::default();
    shelves.apply_fact(tx, &fact)?;
    let recorded = tx.stamp(now);
    let position = tx.append(&Entry { recorded, fact })?.position;
    shelves.save(tx, position)?;
    tx.put_movement(id.movement(Leg::Receipt), position)?;
    tx.changed(Change::Movement(position));
    let received = Some(received);
    let transfer = Transfer { received, ..transfer };
    tell_differences(tx, now, &transfer)?;
    keep(tx, now, transfer)
}

/// Takes over what headquarters says of a transfer. The inner error is for people: the entry is not one.
pub(super) fn hear_transfer(
    tx: &mut WriteTransaction<'_>,
    now: Now,
    heard: &Transfer,
) -> Result<Result<(), String>, StorageError> {
    let own = tx.known_identity()?.site;
    if heard.from() != Some(&own) && heard.to() != Some(&own) {
        return Ok(Err("it is between other sites".into()));
    }
    let known = tx.transfer(heard.id)?;
    let mut transfer = known.map_or_else(|| Transfer::new(heard.id), |row| row.transfer);
    let differed = !transfer.differences().is_empty();
    if transfer.merge(heard) {
        if !differed {
            tell_differences(tx, now, &transfer)?;
        }
        tx.put_transfer(&transfer, now.unix_ms)?;
    }
    Ok(Ok(()))
}

/// Headquarters no longer speaks of a transfer. One that is not over here goes.
pub(super) fn transfer_gone(tx: &mut WriteTransaction<'_>, id: TransferId) -> Result<(), StorageError> {
    match tx.transfer(id)? {
        Some(row) if !row.transfer.state().is_over() => tx.remove_transfer(id),
        _ => Ok(()),
    }
}

/// Makes good what the row of a transfer lacks of what the journal says, for `repair`.
pub(super) fn restore_transfer(tx: &mut WriteTransaction<'_>, recorded: &Transfer) -> Result<(), StorageError> {
    match tx.transfer(recorded.id)? {
        Some(row) => {
            let mut transfer = row.transfer;
            if transfer.merge(recorded) {
                tx.put_transfer(&transfer, row.changed_ms)?;
            }
            Ok(())
        }
        None => Ok(()),
    }
}

/// Takes what leaves from the shelves, or says of all that cannot leave how much could.
fn leave(tx: &mut WriteTransaction<'_>, fact: &Fact) -> Result<Shelves, Failure<TransferRefusal>> {
    let (mut shelves, mut short) = (Shelves::default(), Vec::new());
    for (effect, line) in effects(fact).iter().zip(1..) {
        match shelves.apply(tx, effect) {
            Ok(_) => {}
            Err(Failure::Storage(error)) => return Err(error.into()),
            Err(Failure::Refused(refusal)) => {
                let (wanted, promisable) = match refusal {
                    EscrowRefusal::NoRights { wanted, rights } => (wanted, rights),
                    _ => (Amount::ZERO, Amount::ZERO),
                };
                short.push(Short {
                    line,
                    sku: effect.sku.clone(),
                    wanted: crate::domain::stock::quantity(wanted),
                    promisable: crate::domain::stock::quantity(promisable),
                });
            }
        }
    }
    if short.is_empty() {
        Ok(shelves)
    } else {
        Err(Failure::Refused(TransferRefusal::NotEnough(short)))
    }
}

/// How a hold ends that leaves with a transfer; what of it does not leave is free again.
fn end_of_hold(
    tx: &WriteTransaction<'_>,
    hold: HoldId,
    transfer: TransferId,
    lines: &[HoldLine],
) -> Result<HoldEnded, Failure<TransferRefusal>> {
    let not_open = || Failure::Refused(TransferRefusal::NotOpen(hold));
    // A pickup's goods wait for their customer.
    if tx.pickup(hold)?.is_some() {
        return Err(not_open());
    }
    let row = tx.hold(hold)?.ok_or_else(not_open)?;
    for (leaves, line) in lines.iter().zip(1..) {
        if leaves.quantity > row.hold.quantity_of(&leaves.sku) {
            let sku = leaves.sku.clone();
            return Err(Failure::Refused(TransferRefusal::NotHeld { line, sku }));
        }
    }
    let opened = row.hold.opened;
    let leaves = |held: &HoldLine| {
        let line = lines.iter().find(|line| line.sku == held.sku);
        line.map_or(Quantity::ZERO, |line| line.quantity)
    };
    let sent = opened.lines.iter().map(leaves).collect();
    Ok(HoldEnded {
        id: hold,
        site: opened.site,
        end: HoldEnd::Dispatched { transfer, sent },
        lines: opened.lines,
    })
}

/// Tells people of each item of which not so much arrived as left.
fn tell_differences(tx: &mut WriteTransaction<'_>, now: Now, transfer: &Transfer) -> Result<(), StorageError> {
    for found in transfer.differences() {
        tell_difference(tx, now, &found.sku, &transfer.in_words(&found))?;
    }
    Ok(())
}

fn known(tx: &WriteTransaction<'_>, id: TransferId) -> Result<TransferRow, Failure<TransferRefusal>> {
    tx.transfer(id)?.ok_or(Failure::Refused(TransferRefusal::Unknown(id)))
}

fn keep(tx: &mut WriteTransaction<'_>, now: Now, transfer: Transfer) -> Done {
    tx.put_transfer(&transfer, now.unix_ms)?;
    known(tx, transfer.id)
}

fn entered(device: &Device, by: &EnteredBy) -> Result<By, Failure<TransferRefusal>> {
    let unfit = |note: &String| note.chars().count() > NOTE_MAX || note.chars().any(char::is_control);
    if by.note.as_ref().is_some_and(unfit) {
        return Err(Failure::Refused(TransferRefusal::Note));
    }
    Ok(By {
        device: device.name.clone(),
        staff: by.staff.clone(),
        note: by.note.clone(),
    })
}

fn check_lines(lines: &[HoldLine], least: Quantity) -> Result<(), Failure<TransferRefusal>> {
    match lines.len() {
        0 => return Err(Failure::Refused(TransferRefusal::NoLines)),
        count if count > SITE_LINES_MAX => return Err(Failure::Refused(TransferRefusal::TooManyLines(count))),
        _ => {}
    }
    let mut seen = BTreeSet::new();
    for (entered, line) in lines.iter().zip(1..) {
        let sku = || entered.sku.clone();
        if entered.quantity < least || entered.quantity > Quantity::LINE_MAX {
            return Err(Failure::Refused(TransferRefusal::Quantity { line, sku: sku() }));
        }
        if !seen.insert(&entered.sku) {
            return Err(Failure::Refused(TransferRefusal::Repeated { line, sku: sku() }));
        }
    }
    Ok(())
}

fn not_here(id: TransferId, from: Option<&SiteId>, to: Option<&SiteId>) -> TransferRefusal {
    let name = |site: Option<&SiteId>| site.map_or_else(|| "another site".into(), ToString::to_string);
    TransferRefusal::NotHere {
        id,
        from: name(from),
        to: name(to),
    }
}

fn refused<T>(refusal: TransferRefusal) -> Result<T, Failure<TransferRefusal>> {
    Err(Failure::Refused(refusal))
}
