//! An item's account at a site: why its figures are what they are, so that every unit can be followed. Node and
//! headquarters fill it from what they keep; what follows from it, and how it reads, is the same for both.
//!
//! Must never: know where it was read from, or be changed once it is made.

mod debts;
mod statement;

use std::collections::BTreeMap;

use super::hold::{HoldId, HoldOpened};
use super::particulars::Particulars;
use super::place::Place;
use super::step::{Growth, StepKind, quantity};
use crate::domain::escrow::{Amount, ReplicaId, Row};
use crate::domain::ids::{NodeId, Sku};
use crate::domain::quantity::Quantity;

pub use debts::{DebtAccount, Repayment, debts};
pub use statement::{StatementHead, statement};

/// All that is known of an item's shelves at one site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The item.
    pub sku: Sku,
    /// One for each place where it ever was; the one on sale always, and first.
    pub places: Vec<PlaceAccount>,
    /// Every replica's row of the goods on sale.
    pub replicas: Vec<ReplicaAccount>,
    /// Open holds, as far as they are known.
    pub holds: Vec<HoldAccount>,
    /// Goods that went out beyond the rights, the oldest first, by the journals that are kept here.
    pub debts: Vec<DebtAccount>,
    /// What retired nodes left, part of what is under way: nobody may promise it until a count or an override.
    pub unpromised: Vec<(ReplicaId, Quantity)>,
    /// Up to when each node is in it; empty where only its own node writes it.
    pub reach: Vec<Reach>,
}

/// What came in and went out of one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceAccount {
    /// The place.
    pub place: Place,
    /// By node, as its journal says.
    pub journals: Vec<JournalAccount>,
    /// The newest steps, the newest first.
    pub steps: Vec<Step>,
    /// Whether there are older ones.
    pub more: bool,
}

/// What one node's journal says of one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalAccount {
    /// The node.
    pub node: NodeId,
    /// By kind, in the order of [`StepKind::ALL`].
    pub kinds: Vec<KindSum>,
}

/// All steps of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KindSum {
    /// What they were.
    pub kind: StepKind,
    /// How many; 0 where that is not known any more.
    pub times: u64,
    /// How many of them were pruned and are in the sum alone.
    pub pruned: u64,
    /// When the first was recorded, milliseconds since 1970.
    pub first_ms: u64,
    /// When the last was.
    pub last_ms: u64,
    /// What they did.
    pub growth: Growth,
}

/// What one record did, with what it says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its number in the list that it is read from; higher is newer.
    pub number: i64,
    /// The node that recorded it.
    pub node: NodeId,
    /// What it was.
    pub kind: StepKind,
    /// When it was recorded, milliseconds since 1970.
    pub at_ms: u64,
    /// What it did.
    pub growth: Growth,
    /// What was there after it, by the journals that are kept here.
    pub on_hand: Quantity,
    /// What was promised after it, by the journals that are kept here.
    pub reserved: Quantity,
    /// Who, why, under which document.
    pub particulars: Particulars,
}

/// Which part a replica plays for whoever writes the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The writer itself, as it is now.
    Present,
    /// The writer in an earlier life: before a restore, or as a branch that was left.
    Earlier,
    /// A store's node.
    Store,
    /// A kiosk's node.
    Kiosk,
    /// Headquarters, for online channels.
    Headquarters,
    /// Another node of the site, or headquarters: the writer is not told which.
    Other,
}

impl Part {
    /// In words, for people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Present => "this node",
            Self::Earlier => "an earlier life of this node",
            Self::Store => "the store's node",
            Self::Kiosk => "a kiosk's node",
            Self::Headquarters => "headquarters, for online channels",
            Self::Other => "another node, as far as it was heard of",
        }
    }
}

/// One replica's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaAccount {
    /// The replica.
    pub replica: ReplicaId,
    /// Which part it plays.
    pub part: Part,
    /// Whether it was retired, and its parent writes its row since.
    pub retired: bool,
    /// Whether its journal is kept here, so that its goods are listed by kind.
    pub journal: bool,
    /// Whether its row is in the sums: not where its incarnation waits for an operator's decision, or was excluded.
    pub counts: bool,
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
pub struct HoldAccount {
    /// What was opened.
    pub opened: HoldOpened,
    /// How much of the item it holds.
    pub quantity: Quantity,
    /// Whose it is: nobody else may end it.
    pub owner: ReplicaId,
    /// What people call the device that opened it, where it is known.
    pub device: Option<String>,
    /// How long it still lasts, in milliseconds.
    pub remaining_ms: u64,
    /// Whether that is by the writer's own clock. Where it is not, it is the least: it lasts longer if its owner did not
    /// run all the time.
    pub own_clock: bool,
}

/// Up to when a node is in an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// The node.
    pub node: NodeId,
    /// Everything that it recorded until then is in it, as far as it has told, milliseconds since 1970; 0 for nothing.
    pub through_ms: u64,
    /// How many records it has told of that are not in it yet.
    pub pending: u64,
    /// How many of its records wait for an operator's decision.
    pub set_apart: u64,
    /// Whether its rows have not everything yet that its journal says: its documents are behind.
    pub row_behind: bool,
}

/// A hold that ended, as far as the steps of an account tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndedHold<'a> {
    /// The hold.
    pub id: HoldId,
    /// The step that ended it.
    pub end: &'a Step,
    /// The step that opened it or took it over, where it is among them.
    pub opened: Option<&'a Step>,
}

impl JournalAccount {
    /// What all its steps come to.
    #[must_use]
    pub fn total(&self) -> Growth {
        let growths = self.kinds.iter().map(|kind| kind.growth);
        growths.fold(Growth::default(), Growth::and)
    }
}

impl PlaceAccount {
    /// What all steps come to, of every journal.
    #[must_use]
    pub fn total(&self) -> Growth {
        let totals = self.journals.iter().map(JournalAccount::total);
        totals.fold(Growth::default(), Growth::and)
    }

    /// What was there when the site opened, by every journal.
    #[must_use]
    pub fn opening(&self) -> Quantity {
        let kinds = self.journals.iter().flat_map(|journal| &journal.kinds);
        let openings = kinds.filter(|sum| sum.kind == StepKind::Opening);
        openings.map(|sum| quantity(sum.growth.added)).sum()
    }

    /// The holds that ended among its steps, the newest first.
    pub fn ended_holds(&self) -> impl Iterator<Item = EndedHold<'_>> {
        let ends = self.steps.iter().filter(|step| step.kind.ends_hold());
        ends.filter_map(|end| {
            let id = end.particulars.hold?;
            let opens = |step: &&Step| {
                step.kind.opens_hold()
                    && step.node == end.node
                    && step.number < end.number
                    && step.particulars.hold == Some(id)
            };
            let opened = self.steps.iter().find(opens);
            Some(EndedHold { id, end, opened })
        })
    }
}

impl Account {
    /// What the rows of all replicas that count come to.
    #[must_use]
    pub fn total(&self) -> Growth {
        let counting = self.replicas.iter().filter(|replica| replica.counts);
        let rows = counting.map(|replica| Growth::of(&replica.row));
        rows.fold(Growth::default(), Growth::and)
    }

    /// Rights that were handed on between replicas, by giver and receiver.
    #[must_use]
    pub fn grants(&self) -> Vec<GrantAccount> {
        let mut pairs: BTreeMap<(&ReplicaId, &ReplicaId), (Amount, Amount)> = BTreeMap::new();
        for account in &self.replicas {
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
}

/// What a row may still promise.
#[must_use]
pub fn rights(row: &Row) -> Quantity {
    Quantity::from_thousandths(i64::try_from(row.rights()).unwrap_or(i64::MAX))
}

fn minus(a: Quantity, b: Quantity) -> Quantity {
    [a, -b].into_iter().sum()
}
