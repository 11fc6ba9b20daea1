//! Explain: why a shelf's figures are what they are. Everything that moved an item, by kind and one by one; who may
//! promise it; what is promised to whom; what is under way; what is owed and by which sales.
//!
//! It reads the history, which is to be let catch up first ([`super::follow_history`]); it changes nothing.

mod statement;

use std::collections::BTreeMap;

use crate::domain::escrow::{Amount, ReplicaId, Row};
use crate::domain::ids::Sku;
use crate::domain::quantity::Quantity;
use crate::domain::stock::{Growth, Particulars, Place, StepKind, quantity};
use crate::store::{HistoryRow, HistorySum, HoldRow, Position, Snapshot, StorageError};

pub use statement::{StatementHead, statement};

/// All that is known of an item's shelves at this site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The item.
    pub sku: Sku,
    /// One for each place where it ever was; the one on sale always, and first.
    pub places: Vec<PlaceAccount>,
    /// Every replica's row of the goods on sale, this node's first.
    pub replicas: Vec<ReplicaAccount>,
    /// Rights that were handed on from one replica to another.
    pub grants: Vec<GrantAccount>,
    /// What kiosks that this node has retired left, part of what is under way, and nobody may promise until a count or an
    /// override; by kiosk.
    pub unpromised: Vec<(ReplicaId, Amount)>,
    /// Open holds of this node.
    pub holds: Vec<OpenHoldOf>,
    /// What this disk's journal went into debt by and has not repaid, the oldest first.
    pub debts: Vec<DebtSale>,
}

/// What came in and went out of one place, by this disk's journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceAccount {
    /// The place.
    pub place: Place,
    /// By kind, in the order of [`StepKind::ALL`].
    pub kinds: Vec<KindSum>,
    /// The newest steps, the newest first.
    pub steps: Vec<Step>,
    /// Whether there are older ones.
    pub more: bool,
}

/// All steps of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KindSum {
    /// What they did, and when.
    pub sum: HistorySum,
    /// How many of them were pruned and are in the sum alone.
    pub pruned: u64,
}

/// One step with what its record says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The step.
    pub row: HistoryRow,
    /// Who, why, under which document.
    pub particulars: Particulars,
}

/// One replica's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaAccount {
    /// The replica.
    pub replica: ReplicaId,
    /// Whether it is this node as it is now.
    pub present: bool,
    /// Whether its journal is on this disk.
    pub here: bool,
    /// Whether it was retired, and its parent writes its row since.
    pub retired: bool,
    /// Its registers.
    pub row: Row,
}

/// Rights on the way from one replica to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantAccount {
    /// The giver.
    pub from: ReplicaId,
    /// The receiver.
    pub to: ReplicaId,
    /// What was handed on in all.
    pub given: Quantity,
    /// What was taken over in all, as far as it was heard of.
    pub accepted: Quantity,
}

/// An open hold of the item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenHoldOf {
    /// The hold.
    pub hold: HoldRow,
    /// How much of the item it holds.
    pub quantity: Quantity,
    /// What people call the device that opened it, where it is known.
    pub device: Option<String>,
}

/// A record that went into debt which is not repaid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebtSale {
    /// The step.
    pub step: Step,
    /// What of its debt is still owed: debt is repaid in the order in which it was made.
    pub owed: Quantity,
}

impl PlaceAccount {
    /// What all its steps come to.
    #[must_use]
    pub fn total(&self) -> Growth {
        self.kinds
            .iter()
            .fold(Growth::default(), |total, kind| total.and(kind.sum.growth))
    }
}

impl Explanation {
    /// What all replicas' rows come to.
    #[must_use]
    pub fn all_replicas(&self) -> Growth {
        let rows = self.replicas.iter().map(|replica| Growth::of(&replica.row));
        rows.fold(Growth::default(), Growth::and)
    }
}

/// Explains an item. `steps_max` is how many of its newest steps are told one by one. None where this site never had it
/// and the catalog does not either.
///
/// # Errors
/// Where it cannot be read.
pub fn explain(snapshot: &Snapshot<'_>, sku: &Sku, steps_max: u32) -> Result<Option<Explanation>, StorageError> {
    let mut places = vec![place_account(snapshot, Place::Sellable, sku, steps_max)?];
    let damaged = place_account(snapshot, Place::Damaged, sku, steps_max)?;
    if !damaged.kinds.is_empty() {
        places.push(damaged);
    }
    let replicas = replicas(snapshot, sku)?;
    if replicas.is_empty() && places.iter().all(|place| place.kinds.is_empty()) && snapshot.item(sku)?.is_none() {
        return Ok(None);
    }
    let mut holds = Vec::new();
    for (hold, quantity) in snapshot.holds_of(sku)? {
        let device = match hold.device {
            Some(ix) => snapshot.device(ix)?.map(|device| device.name),
            None => None,
        };
        holds.push(OpenHoldOf { hold, quantity, device });
    }
    Ok(Some(Explanation {
        sku: sku.clone(),
        places,
        grants: grants(&replicas),
        unpromised: snapshot.unpromised_at(sku)?,
        holds,
        debts: debts(snapshot, sku, &replicas)?,
        replicas,
    }))
}

/// Steps of a shelf with what their records say, the newest first, from before `before` on; at most `limit`.
///
/// # Errors
/// Where they cannot be read.
pub fn steps(
    snapshot: &Snapshot<'_>,
    place: Place,
    sku: &Sku,
    before: Option<Position>,
    limit: u32,
) -> Result<Vec<Step>, StorageError> {
    let rows = snapshot.history(place, sku, before, limit)?;
    rows.into_iter().map(|row| step(snapshot, row)).collect()
}

/// What the pruned steps of a shelf come to by kind.
///
/// # Errors
/// Where they cannot be read.
pub fn pruned_steps(snapshot: &Snapshot<'_>, place: Place, sku: &Sku) -> Result<Vec<HistorySum>, StorageError> {
    Ok(snapshot.history_sums(place, sku)?.1)
}

fn step(snapshot: &Snapshot<'_>, row: HistoryRow) -> Result<Step, StorageError> {
    let entry = snapshot.entry(row.position)?;
    let particulars = entry.map(|entry| Particulars::of(&entry.fact)).unwrap_or_default();
    Ok(Step { row, particulars })
}

fn place_account(
    snapshot: &Snapshot<'_>,
    place: Place,
    sku: &Sku,
    steps_max: u32,
) -> Result<PlaceAccount, StorageError> {
    let (kept, pruned) = snapshot.history_sums(place, sku)?;
    let mut kinds: BTreeMap<StepKind, KindSum> = BTreeMap::new();
    for sum in pruned {
        let pruned = sum.times;
        kinds.insert(sum.kind, KindSum { sum, pruned });
    }
    for sum in kept {
        let both = kinds.entry(sum.kind).or_insert(KindSum {
            sum: HistorySum {
                times: 0,
                growth: Growth::default(),
                ..sum
            },
            pruned: 0,
        });
        both.sum.times += sum.times;
        both.sum.last_ms = sum.last_ms;
        both.sum.growth = both.sum.growth.and(sum.growth);
    }
    let mut steps = steps(snapshot, place, sku, None, steps_max.saturating_add(1))?;
    let shown = usize::try_from(steps_max).unwrap_or(usize::MAX);
    let more = steps.len() > shown;
    steps.truncate(shown);
    Ok(PlaceAccount {
        place,
        kinds: kinds.into_values().collect(),
        steps,
        more,
    })
}

fn replicas(snapshot: &Snapshot<'_>, sku: &Sku) -> Result<Vec<ReplicaAccount>, StorageError> {
    let identity = snapshot.known_identity()?;
    let lives = snapshot.incarnations()?;
    let present = lives.last().map(|row| row.incarnation);
    let shelf = snapshot.shelf(Place::Sellable, sku)?;
    let mut found: Vec<ReplicaAccount> = shelf
        .rows()
        .map(|(replica, row)| {
            let here =
                replica.node == identity.node && lives.iter().any(|life| life.incarnation == replica.incarnation);
            ReplicaAccount {
                replica: replica.clone(),
                present: here && Some(replica.incarnation) == present,
                here,
                retired: false,
                row: row.clone(),
            }
        })
        .collect();
    for account in &mut found {
        account.retired = snapshot.retired(&account.replica)?.is_some();
    }
    found.sort_by_key(|account| (!account.present, !account.here));
    Ok(found)
}

fn grants(replicas: &[ReplicaAccount]) -> Vec<GrantAccount> {
    let mut pairs: BTreeMap<(&ReplicaId, &ReplicaId), (Amount, Amount)> = BTreeMap::new();
    for account in replicas {
        let registers = account.row.registers();
        for (to, given) in &registers.given {
            pairs.entry((&account.replica, to)).or_default().0 = *given;
        }
        for (from, accepted) in &registers.accepted {
            pairs.entry((from, &account.replica)).or_default().1 = *accepted;
        }
    }
    let pairs = pairs.into_iter().map(|((from, to), (given, accepted))| GrantAccount {
        from: from.clone(),
        to: to.clone(),
        given: quantity(given),
        accepted: quantity(accepted),
    });
    pairs.collect()
}

/// Debt is repaid in the order in which it was made, so that what is owed is owed by the newest.
fn debts(snapshot: &Snapshot<'_>, sku: &Sku, replicas: &[ReplicaAccount]) -> Result<Vec<DebtSale>, StorageError> {
    let mut found = Vec::new();
    for life in snapshot.incarnations()? {
        let of = |account: &&ReplicaAccount| account.here && account.replica.incarnation == life.incarnation;
        let mut left = replicas
            .iter()
            .find(of)
            .map(|account| account.row.owed())
            .unwrap_or_default();
        if left.is_zero() {
            continue;
        }
        let range = (life.position(life.earliest_seq), life.position(life.offered()));
        let mut newest_first = Vec::new();
        for row in snapshot.history_debts(sku, range, left)? {
            let owed = row.growth.debt.min(left);
            left = left.above(owed);
            newest_first.push(DebtSale {
                step: step(snapshot, row)?,
                owed: quantity(owed),
            });
        }
        found.extend(newest_first.into_iter().rev());
    }
    Ok(found)
}
