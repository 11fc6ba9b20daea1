//! A replica that an operator has retired: what it left, what it did behind the head that it was retired at, and when what
//! it left may be promised again. All of it is written by its parent, into the parent's own journal.
//!
//! Promises: what a retired replica left is *unpromised* until a count or an operator says that it is there; what it still
//! did is posted on its parent's row once, by the number of the record that did it. Must never: count a right twice,
//! whoever is believed dead.

use serde::{Deserialize, Serialize};

use crate::domain::escrow::{Amount, Grant, Refusal, ReplicaId, Row};
use crate::domain::ids::{SiteId, Sku};
use crate::domain::journal::Hash;

use super::rights::GrantLine;

/// The fact that a parent's operator has retired a replica. One that left very many items takes several records, which all
/// say the same but for their lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retired {
    /// Whose row this is about.
    pub replica: ReplicaId,
    /// Its site.
    pub site: SiteId,
    /// The last of its records that its parent had: what comes behind it is late.
    pub seq: u64,
    /// Its chain's hash after that record, as it signed it.
    pub hash: Hash,
    /// Why, in words.
    pub reason: String,
    /// Who decided it.
    pub by: String,
    /// What it left, each item once.
    pub lines: Vec<LeftLine>,
}

/// What a retired replica left of one item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftLine {
    /// The item.
    pub sku: Sku,
    /// Its rights, under way to its parent from then on: from which total of what it handed on to the parent to which.
    pub left: Grant,
    /// What it owed, which its parent owes from then on.
    pub debt: Amount,
}

/// The fact that a parent has posted on its own row what one record of a retired replica, behind its head, had done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatePosted {
    /// The retired replica.
    pub of: ReplicaId,
    /// The number of its record. Of what another replica handed on to it: its last record here when it was retired.
    pub seq: u64,
    /// The site.
    pub site: SiteId,
    /// What the record had done.
    pub lines: Vec<LateLine>,
}

/// What a late record did to one item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateLine {
    /// The item.
    pub sku: Sku,
    /// What it did.
    pub moved: LateMove,
    /// So much of it is drawn on what the retired replica left; what is beyond that its parent's own rights cover, or its
    /// debt.
    pub drawn: Amount,
}

/// What a late record did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LateMove {
    /// Goods went out.
    Out(Amount),
    /// Goods came in.
    In(Amount),
    /// Rights were handed on to another replica, which has them.
    Gave {
        /// To whom.
        to: ReplicaId,
        /// From which total to which.
        grant: Grant,
    },
    /// Rights that another replica had handed on to the retired one. They join what it left.
    Came {
        /// From whom.
        from: ReplicaId,
        /// From which total to which.
        grant: Grant,
    },
}

/// The fact that rights which a retired replica left may be promised again, by its parent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RightsReleased {
    /// The retired replica.
    pub of: ReplicaId,
    /// The site.
    pub site: SiteId,
    /// Why they may.
    pub cause: ReleaseCause,
    /// From which total of what was taken over from it to which, each item once.
    pub lines: Vec<GrantLine>,
}

/// Why rights may be promised again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReleaseCause {
    /// Somebody counted what is there. The count is the next record.
    Count {
        /// Who.
        by: String,
    },
    /// An operator says that the goods are there.
    Override {
        /// Who.
        by: String,
        /// Why, in words.
        reason: String,
    },
}

/// A row as its parent writes it from the retirement on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// The retired replica's row.
    pub row: Row,
    /// What it left.
    pub left: Grant,
    /// What it owed, which its parent is to [bring](Row::give_for).
    pub debt: Amount,
}

/// Closes a replica's row at the head that it is retired at. What its parent had handed on to it and it had not taken over
/// is taken over for it, and part of what it leaves. The parent's row is not changed here; that is the fact's effect.
///
/// # Errors
/// Where it has handed on to its parent what that has not taken over, or a register would exceed what it can hold.
pub fn close(who: &ReplicaId, row: &Row, (parent, parents): (&ReplicaId, &Row)) -> Result<Closed, Refusal> {
    let mut row = row.clone();
    let under_way = parents.given(who).above(row.accepted(parent));
    row.accept(parent, under_way)?;
    let before = row.given(parent);
    row.retire(who, (parent, parents))?;
    let left = Grant {
        before,
        after: row.given(parent),
    };
    let debt = row.owed();
    row.pay_late(parent, debt)?;
    Ok(Closed { row, left, debt })
}

/// What retiring a replica would do, or has done: for a person to look at before deciding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetirementLook {
    /// The replica.
    pub replica: ReplicaId,
    /// Its site.
    pub site: SiteId,
    /// The last of its records that is here.
    pub seq: u64,
    /// Its chain's hash after that record.
    pub hash: Hash,
    /// The highest number that it has told of: what lies between is known to come late.
    pub told_seq: u64,
    /// When it was last heard from, in milliseconds since 1970; 0 for never.
    pub last_heard_ms: u64,
    /// Whether it was retired before.
    pub retired: bool,
    /// Its items with anything to lose, in the order of their SKUs.
    pub lines: Vec<LookLine>,
}

/// What a replica has of one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookLine {
    /// The item.
    pub sku: Sku,
    /// In its open holds, which end.
    pub held: Amount,
    /// What nobody may promise until a count or an override: its rights, what its holds free, what is under way to it.
    pub unpromised: Amount,
    /// What it owes, which its parent owes from then on.
    pub debt: Amount,
}

impl LookLine {
    /// What closing a row comes to; none where that is nothing.
    #[must_use]
    pub fn of(sku: Sku, before: &Row, closed: &Closed) -> Option<Self> {
        let line = Self {
            sku,
            held: before.reserved(),
            unpromised: closed.left.amount(),
            debt: closed.debt,
        };
        let nothing = line.held.is_zero() && line.unpromised.is_zero() && line.debt.is_zero();
        (!nothing).then_some(line)
    }
}

/// The most characters of a name or a reason that a person gives.
pub const WORDS_CHARACTERS_MAX: usize = 500;

/// Whether a text that a person gave says something, and not too much.
#[must_use]
pub fn says_something(text: &str) -> bool {
    !text.trim().is_empty() && text.chars().count() <= WORDS_CHARACTERS_MAX && !text.chars().any(char::is_control)
}
