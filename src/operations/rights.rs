//! Rights handed on to another replica, and taken over from one: a record each, and nothing is sent before it is on disk.

use super::open_holds::{OpenHoldRefusal, open};
use super::pickups::taken_over_late;
use super::shelves::Shelves;
use crate::domain::escrow::{Amount, Grant, GrantStep, Refusal, ReplicaId, Row};
use crate::domain::fact::{Entry, Fact};
use crate::domain::ids::Sku;
use crate::domain::stock::{Accepted, Effect, GrantLine, Granted, HandedHold, Hold, HoldId, HoldOpened, Place, Verb};
use crate::store::{Device, Failure, HoldRow, Now, Position, Rows, Snapshot, StorageError, WriteTransaction};

/// How many steps of one item are sent again at once.
const STEPS_MAX: u32 = 64;

/// What this node may do on a shelf, read from its own row.
///
/// # Errors
/// Where it cannot be read.
pub fn own_row(snapshot: &Snapshot<'_>, sku: &Sku) -> Result<Row, StorageError> {
    let replica = own_replica(snapshot)?;
    let Some(ix) = snapshot.replica_ix(&replica)? else {
        return Ok(Row::default());
    };
    Ok(snapshot
        .shelf_row(Rows::Now, Place::Sellable, sku, ix)?
        .unwrap_or_default())
}

/// Every item on which this node has rights, or owes.
///
/// # Errors
/// Where they cannot be read.
pub fn own_rows(snapshot: &Snapshot<'_>) -> Result<Vec<(Sku, Row)>, StorageError> {
    let mut rows = Vec::new();
    if let Some(ix) = snapshot.replica_ix(&own_replica(snapshot)?)? {
        snapshot.walk_rows(Rows::Now, ix, |place, sku, row| {
            if place == Place::Sellable && (row.rights() > 0 || !row.owed().is_zero()) {
                rows.push((sku, row));
            }
        })?;
    }
    Ok(rows)
}

/// The replica that this node is at present.
///
/// # Errors
/// Where it cannot be read.
pub fn own_replica(snapshot: &Snapshot<'_>) -> Result<ReplicaId, StorageError> {
    let newest = snapshot.incarnations()?.pop();
    let newest = newest.ok_or_else(|| StorageError::Inconsistent("no incarnation is open".into()))?;
    Ok(ReplicaId {
        node: snapshot.known_identity()?.node,
        incarnation: newest.incarnation,
    })
}

/// What was handed on, and where the shelf stands then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// What was handed on to the receiver in all.
    pub total: Amount,
    /// The own row.
    pub row: Row,
}

/// Why no rights are handed on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GiveRefusal {
    /// This node's own rights do not allow it.
    #[error(transparent)]
    Rights(#[from] Refusal),
    /// The receiver was retired here: nobody would ever take it over.
    #[error("{0} is retired")]
    Retired(ReplicaId),
}

/// Hands rights on an item on to another replica. A request that was answered before is not answered again.
///
/// # Errors
/// A [`GiveRefusal`], or why the store could not keep it. Nothing is handed on then.
pub fn give(
    tx: &mut WriteTransaction<'_>,
    now: Now,
    to: &ReplicaId,
    sku: &Sku,
    amount: Amount,
    request: Option<u64>,
) -> Result<Given, Failure<GiveRefusal>> {
    let receiver = tx.known_replica(to)?;
    if let Some(request) = request
        && tx.grant_for(receiver, sku, request)?.is_some()
    {
        let row = own_row(tx, sku)?;
        let total = row.given(to);
        return Ok(Given { total, row });
    }
    // It may have been retired while its wish was waiting.
    if tx.retired(to)?.is_some() {
        return Err(Failure::Refused(GiveRefusal::Retired(to.clone())));
    }
    let mut shelves = Shelves::default();
    let effect = Effect {
        site: None,
        place: Place::Sellable,
        sku,
        verb: Verb::Give { to, amount },
    };
    let before = own_row(tx, sku)?.given(to);
    shelves
        .apply(tx, &effect)
        .map_err(|failure| failure.map_refusal(GiveRefusal::Rights))?;
    let after = before.checked_add(amount).unwrap_or(Amount::MAX);
    let recorded = tx.stamp(now);
    let fact = Fact::Granted(Granted {
        to: to.clone(),
        site: tx.known_identity()?.site,
        request,
        lines: vec![GrantLine {
            sku: sku.clone(),
            grant: Grant { before, after },
        }],
        hold: None,
    });
    let position = tx.append(&Entry { recorded, fact })?.position;
    shelves.save(tx, position)?;
    tx.put_granted((receiver, sku), after, request, position)?;
    let row = own_row(tx, sku)?;
    Ok(Given { total: after, row })
}

/// The shortest that a hold lasts for whoever takes it over, in milliseconds.
const HANDED_MS_MIN: u64 = 1_000;

/// Hands a hold on to another replica with its rights: here it is no longer, and there it is once that replica has taken it
/// over. Gives the hold as it was.
///
/// # Errors
/// An [`OpenHoldRefusal`], or why the store could not keep it. Nothing is handed on then.
pub fn hand_over(
    tx: &mut WriteTransaction<'_>,
    now: Now,
    device: &Device,
    to: &ReplicaId,
    id: HoldId,
) -> Result<HoldRow, Failure<OpenHoldRefusal>> {
    let row = open(tx, device, id)?;
    let mut lines = Vec::with_capacity(row.hold.opened.lines.len());
    for held in &row.hold.opened.lines {
        let before = own_row(tx, &held.sku)?.given(to);
        let amount = Amount::try_from(held.quantity).unwrap_or_default();
        let after = before.checked_add(amount).unwrap_or(Amount::MAX);
        lines.push(GrantLine {
            sku: held.sku.clone(),
            grant: Grant { before, after },
        });
    }
    let granted = Granted {
        to: to.clone(),
        site: row.hold.opened.site.clone(),
        request: None,
        lines,
        hold: Some(HandedHold {
            opened: HoldOpened {
                lifetime_ms: row.hold.remaining_ms(tx.running_ms(now)).max(HANDED_MS_MIN),
                ..row.hold.opened.clone()
            },
        }),
    };
    let fact = Fact::Granted(granted.clone());
    let mut shelves = Shelves::default();
    shelves.apply_fact(tx, &fact)?;
    let recorded = tx.stamp(now);
    let position = tx.append(&Entry { recorded, fact })?.position;
    shelves.save(tx, position)?;
    let receiver = tx.known_replica(to)?;
    for line in &granted.lines {
        tx.put_granted((receiver, &line.sku), line.grant.after, None, position)?;
    }
    tx.remove_hold(&row.hold)?;
    Ok(row)
}

/// Takes over what another replica has handed on to this one, as far as it is the next step; a hold that comes with it
/// is opened. Gives the items whose rights grew; none where all of it was taken over before, where a step before it has
/// not come, or where it was handed on to another incarnation of this node.
///
/// # Errors
/// Why the store could not keep it.
pub fn accept(
    tx: &mut WriteTransaction<'_>,
    now: Now,
    from: &ReplicaId,
    granted: &Granted,
) -> Result<Vec<(Sku, Row)>, StorageError> {
    if granted.to != own_replica(tx)? || granted.site != tx.known_identity()?.site {
        return Ok(Vec::new());
    }
    let mut lines = Vec::new();
    for line in &granted.lines {
        if matches!(line.grant.step(&own_row(tx, &line.sku)?, from), GrantStep::Take(_)) {
            lines.push(line.clone());
        }
    }
    let whole = lines.len() == granted.lines.len();
    if lines.is_empty() || granted.hold.is_some() && !whole {
        return Ok(Vec::new());
    }
    let fact = Fact::Accepted(Accepted {
        from: from.clone(),
        site: granted.site.clone(),
        lines,
        hold: granted.hold.clone(),
    });
    let mut shelves = Shelves::default();
    shelves.apply_fact(tx, &fact)?;
    let recorded = tx.stamp(now);
    let entry = Entry { recorded, fact };
    let position = tx.append(&entry)?.position;
    shelves.save(tx, position)?;
    if let Some(handed) = &granted.hold {
        let hold = Hold {
            expires_at_ms: tx.running_ms(now).saturating_add(handed.opened.lifetime_ms),
            opened: handed.opened.clone(),
        };
        let device = None;
        tx.put_hold(&HoldRow { hold, device, position })?;
        tx.note_running(now)?;
        taken_over_late(tx, now, handed.opened.id)?;
    }
    let mut grown = Vec::new();
    for line in &granted.lines {
        grown.push((line.sku.clone(), own_row(tx, &line.sku)?));
    }
    Ok(grown)
}

/// The steps that another replica has not taken over, behind a total, as they were recorded.
///
/// # Errors
/// Where they cannot be read.
pub fn grants_behind(
    snapshot: &Snapshot<'_>,
    to: &ReplicaId,
    sku: &Sku,
    total: Amount,
) -> Result<Vec<Granted>, StorageError> {
    let Some(receiver) = snapshot.replica_ix(to)? else {
        return Ok(Vec::new());
    };
    let mut grants = Vec::new();
    for position in snapshot.grants_behind(receiver, sku, total, STEPS_MAX)? {
        if let Some(Fact::Granted(granted)) = snapshot.entry(position)?.map(|entry| entry.fact) {
            grants.push(granted);
        }
    }
    Ok(grants)
}

/// What another replica has not taken over: the item, what was handed on in all, the request of the last step, the own row.
pub type Outstanding = (Sku, Amount, Option<u64>, Row);

/// The items on which another replica has not taken over all that was handed on to it.
///
/// # Errors
/// Where they cannot be read.
pub fn grants_outstanding(snapshot: &Snapshot<'_>, to: &ReplicaId) -> Result<Vec<Outstanding>, StorageError> {
    let Some(receiver) = snapshot.replica_ix(to)? else {
        return Ok(Vec::new());
    };
    let steps = snapshot.grants_outstanding(receiver)?.into_iter();
    steps
        .map(|(sku, total, request)| {
            let row = own_row(snapshot, &sku)?;
            Ok((sku, total, request, row))
        })
        .collect()
}

/// Notes that another replica has taken over what this one had handed on to it.
///
/// # Errors
/// Why the store could not keep it.
pub fn taken_over(tx: &mut WriteTransaction<'_>, by: &ReplicaId, lines: &[GrantLine]) -> Result<(), StorageError> {
    let Some(receiver) = tx.replica_ix(by)? else {
        return Ok(());
    };
    for line in lines {
        tx.forget_granted(receiver, &line.sku, line.grant.after)?;
    }
    Ok(())
}

/// Makes the list of steps anew from one record, for `repair`.
pub(super) fn rebuild_granted(
    tx: &mut WriteTransaction<'_>,
    granted: &Granted,
    position: Position,
) -> Result<(), StorageError> {
    let receiver = tx.known_replica(&granted.to)?;
    for line in &granted.lines {
        tx.put_granted((receiver, &line.sku), line.grant.after, granted.request, position)?;
    }
    Ok(())
}
