//! Explain: an item's account by what this node has: its own journal one by one, the rows of all others that were heard of.
//!
//! It reads the history, which is to be let catch up first ([`super::follow_history`]); it changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::escrow::ReplicaId;
use crate::domain::ids::{NodeId, Sku};
use crate::domain::stock::{
    Account, DebtAccount, Growth, HoldAccount, JournalAccount, KindSum, Part, Particulars, Place, PlaceAccount,
    ReplicaAccount, Step, StepKind, debts, quantity,
};
use crate::store::{HistoryRow, HistorySum, IncarnationRow, Position, Snapshot, StorageError};

/// How many steps that made or repaid debt an account looks through, of each life of this disk.
const SETTLING_MAX: u32 = 100;

/// Explains an item at a moment of this node's running time. `steps_max` is how many of its newest steps are told one by
/// one. None where this site never had it and the catalog does not either.
///
/// # Errors
/// Where it cannot be read.
pub fn explain(
    snapshot: &Snapshot<'_>,
    sku: &Sku,
    steps_max: u32,
    running_ms: u64,
) -> Result<Option<Account>, StorageError> {
    let node = snapshot.known_identity()?.node;
    let mut places = vec![place_account(snapshot, &node, Place::Sellable, sku, steps_max)?];
    let damaged = place_account(snapshot, &node, Place::Damaged, sku, steps_max)?;
    if !damaged.journals.is_empty() {
        places.push(damaged);
    }
    let replicas = replicas(snapshot, sku)?;
    let nothing = replicas.is_empty() && places.iter().all(|place| place.journals.is_empty());
    if nothing && snapshot.item(sku)?.is_none() {
        return Ok(None);
    }
    let left = snapshot.unpromised_at(sku)?;
    Ok(Some(Account {
        sku: sku.clone(),
        places,
        holds: holds(snapshot, &node, sku, running_ms)?,
        debts: settled(snapshot, sku, &replicas)?,
        unpromised: left
            .into_iter()
            .map(|(replica, left)| (replica, quantity(left)))
            .collect(),
        replicas,
        reach: Vec::new(),
    }))
}

/// The debts of this disk that are not repaid, the oldest first.
///
/// # Errors
/// Where they cannot be read.
pub(super) fn owed(snapshot: &Snapshot<'_>, sku: &Sku) -> Result<Vec<DebtAccount>, StorageError> {
    let replicas = replicas(snapshot, sku)?;
    let mut found = of_lives(snapshot, &replicas, |life, replica| {
        snapshot.history_debts(sku, range(life), replica.row.owed())
    })?;
    found.retain(|debt| debt.owed != crate::domain::quantity::Quantity::ZERO);
    Ok(found)
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
    let node = snapshot.known_identity()?.node;
    let rows = snapshot.history(place, sku, before, limit)?;
    rows.into_iter().map(|row| step(snapshot, &node, row)).collect()
}

/// What the pruned steps of a shelf come to by kind.
///
/// # Errors
/// Where they cannot be read.
pub fn pruned_steps(snapshot: &Snapshot<'_>, place: Place, sku: &Sku) -> Result<Vec<KindSum>, StorageError> {
    let pruned = snapshot.history_sums(place, sku)?.1;
    Ok(pruned.into_iter().map(|sum| kind_sum(&sum, sum.times)).collect())
}

fn step(snapshot: &Snapshot<'_>, node: &NodeId, row: HistoryRow) -> Result<Step, StorageError> {
    let entry = snapshot.entry(row.position)?;
    Ok(Step {
        number: row.position.get(),
        node: node.clone(),
        kind: row.kind,
        at_ms: row.at_ms,
        growth: row.growth,
        on_hand: row.on_hand,
        reserved: row.reserved,
        particulars: entry.map(|entry| Particulars::of(&entry.fact)).unwrap_or_default(),
    })
}

const fn kind_sum(sum: &HistorySum, pruned: u64) -> KindSum {
    KindSum {
        kind: sum.kind,
        times: sum.times,
        pruned,
        first_ms: sum.first_ms,
        last_ms: sum.last_ms,
        growth: sum.growth,
    }
}

fn place_account(
    snapshot: &Snapshot<'_>,
    node: &NodeId,
    place: Place,
    sku: &Sku,
    steps_max: u32,
) -> Result<PlaceAccount, StorageError> {
    let (kept, pruned) = snapshot.history_sums(place, sku)?;
    let mut kinds: BTreeMap<StepKind, KindSum> = BTreeMap::new();
    for sum in pruned {
        kinds.insert(sum.kind, kind_sum(&sum, sum.times));
    }
    for sum in kept {
        let both = kinds.entry(sum.kind).or_insert(KindSum {
            times: 0,
            growth: Growth::default(),
            ..kind_sum(&sum, 0)
        });
        both.times += sum.times;
        both.last_ms = sum.last_ms;
        both.growth = both.growth.and(sum.growth);
    }
    let mut steps = steps(snapshot, place, sku, None, steps_max.saturating_add(1))?;
    let shown = usize::try_from(steps_max).unwrap_or(usize::MAX);
    let more = steps.len() > shown;
    steps.truncate(shown);
    let journal = JournalAccount {
        node: node.clone(),
        kinds: kinds.into_values().collect(),
    };
    Ok(PlaceAccount {
        place,
        journals: Some(journal)
            .filter(|journal| !journal.kinds.is_empty())
            .into_iter()
            .collect(),
        steps,
        more,
    })
}

fn replicas(snapshot: &Snapshot<'_>, sku: &Sku) -> Result<Vec<ReplicaAccount>, StorageError> {
    let identity = snapshot.known_identity()?;
    let lives = snapshot.incarnations()?;
    let present = lives.last().map(|row| row.incarnation);
    let kiosks: BTreeSet<NodeId> = snapshot
        .relay_origins()?
        .into_iter()
        .map(|origin| origin.node)
        .collect();
    let part = |replica: &ReplicaId| match () {
        () if replica.node != identity.node && kiosks.contains(&replica.node) => Part::Kiosk,
        () if replica.node != identity.node => Part::Other,
        () if Some(replica.incarnation) == present => Part::Present,
        () => Part::Earlier,
    };
    let shelf = snapshot.shelf(Place::Sellable, sku)?;
    let mut found: Vec<ReplicaAccount> = shelf
        .rows()
        .map(|(replica, row)| ReplicaAccount {
            replica: replica.clone(),
            part: part(replica),
            journal: replica.node == identity.node && lives.iter().any(|life| life.incarnation == replica.incarnation),
            retired: false,
            counts: true,
            row: row.clone(),
        })
        .collect();
    for account in &mut found {
        account.retired = snapshot.retired(&account.replica)?.is_some();
    }
    found.sort_by_key(|account| (account.part != Part::Present, !account.journal));
    Ok(found)
}

fn holds(snapshot: &Snapshot<'_>, node: &NodeId, sku: &Sku, running_ms: u64) -> Result<Vec<HoldAccount>, StorageError> {
    let lives = snapshot.incarnations()?;
    let mut holds = Vec::new();
    for (found, quantity) in snapshot.holds_of(sku)? {
        let device = match found.device {
            Some(ix) => snapshot.device(ix)?.map(|device| device.name),
            None => None,
        };
        let owner = lives.iter().rev().find(|life| life.first <= found.position);
        let Some(owner) = owner.map(|life| ReplicaId {
            node: node.clone(),
            incarnation: life.incarnation,
        }) else {
            continue;
        };
        holds.push(HoldAccount {
            remaining_ms: found.hold.remaining_ms(running_ms),
            opened: found.hold.opened,
            quantity,
            owner,
            device,
            own_clock: true,
        });
    }
    Ok(holds)
}

/// What this disk's journal went into debt by, with what repaid it, the oldest first.
fn settled(snapshot: &Snapshot<'_>, sku: &Sku, replicas: &[ReplicaAccount]) -> Result<Vec<DebtAccount>, StorageError> {
    of_lives(snapshot, replicas, |life, _| {
        snapshot.history_settling(sku, range(life), SETTLING_MAX)
    })
}

fn of_lives(
    snapshot: &Snapshot<'_>,
    replicas: &[ReplicaAccount],
    rows: impl Fn(&IncarnationRow, &ReplicaAccount) -> Result<Vec<HistoryRow>, StorageError>,
) -> Result<Vec<DebtAccount>, StorageError> {
    let mut found = Vec::new();
    for life in snapshot.incarnations()? {
        let of = |account: &&ReplicaAccount| account.journal && account.replica.incarnation == life.incarnation;
        let Some(account) = replicas.iter().find(of) else {
            continue;
        };
        let registers = account.row.registers();
        if registers.debt.is_zero() {
            continue;
        }
        let rows = rows(&life, account)?;
        let steps: Vec<Step> = rows
            .into_iter()
            .map(|row| step(snapshot, &account.replica.node, row))
            .collect::<Result<_, _>>()?;
        found.extend(debts(registers.debt, registers.repaid, &steps));
    }
    Ok(found)
}

fn range(life: &IncarnationRow) -> (Position, Position) {
    (life.position(life.earliest_seq), life.position(life.offered()))
}
