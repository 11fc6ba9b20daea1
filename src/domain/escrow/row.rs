//! One replica's registers on one shelf, and what follows from them alone.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::amount::Amount;
use crate::domain::ids::{Incarnation, NodeId};

/// Who holds rights: one incarnation of one node. A restored node is another replica than it was, with none of its
/// rights, so that one backup restored twice cannot spend them twice.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReplicaId {
    /// The node.
    pub node: NodeId,
    /// Its incarnation.
    pub incarnation: Incarnation,
}

impl fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.node, self.incarnation)
    }
}

/// What one replica has done on one shelf: cumulative registers, each of which only grows. Only that replica writes it,
/// or its parent after it was retired. The verbs that move it stand in `verbs`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Row {
    pub(super) registers: Registers,
}

/// The registers of a row, as they are stored and sent. All are sums over all time, in smallest parts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Registers {
    /// Goods that came in: receipts, returns, what a count found too much.
    pub added: Amount,
    /// Goods that went out: sales, dispatches, losses, what a count found too little.
    pub removed: Amount,
    /// Opened by holds.
    pub held: Amount,
    /// Ended of holds.
    pub freed: Amount,
    /// Taken beyond the rights.
    pub debt: Amount,
    /// Debt that later rights have repaid.
    pub repaid: Amount,
    /// Rights handed on, by receiver. An entry of nothing is not kept.
    pub given: BTreeMap<ReplicaId, Amount>,
    /// Rights taken over, by giver. An entry of nothing is not kept.
    pub accepted: BTreeMap<ReplicaId, Amount>,
}

/// A row as it was stored or sent. [`Row::check`] says whether it can be one.
impl From<Registers> for Row {
    fn from(registers: Registers) -> Self {
        Self { registers }
    }
}

/// A row that no sequence of verbs leaves behind: it was damaged or forged, or its writer has a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// More was freed than held.
    #[error("more holds were ended than opened")]
    FreedAboveHeld,
    /// More was repaid than owed.
    #[error("more debt was repaid than incurred")]
    RepaidAboveDebt,
    /// More was promised or handed on than there were rights.
    #[error("the rights are below zero")]
    RightsBelowZero,
    /// There are rights, and debt that they would repay.
    #[error("debt is outstanding beside rights that would repay it")]
    DebtBesideRights,
}

impl Row {
    /// The registers.
    #[must_use]
    pub const fn registers(&self) -> &Registers {
        &self.registers
    }

    /// Rights handed on to `to`, ever.
    #[must_use]
    pub fn given(&self, to: &ReplicaId) -> Amount {
        self.registers.given.get(to).copied().unwrap_or_default()
    }

    /// Rights taken over from `from`, ever.
    #[must_use]
    pub fn accepted(&self, from: &ReplicaId) -> Amount {
        self.registers.accepted.get(from).copied().unwrap_or_default()
    }

    /// What this replica may still promise: `added + Σ accepted + debt − removed − (held − freed) − Σ given − repaid`.
    /// In smallest parts; below 0 only in a [`Broken`] row.
    #[must_use]
    pub fn rights(&self) -> i128 {
        let amount = |amount: Amount| i128::from(amount.parts());
        let sum = |map: &BTreeMap<ReplicaId, Amount>| map.values().copied().map(amount).sum::<i128>();
        amount(self.registers.added) + sum(&self.registers.accepted) + amount(self.registers.debt)
            - amount(self.registers.removed)
            - (amount(self.registers.held) - amount(self.registers.freed))
            - sum(&self.registers.given)
            - amount(self.registers.repaid)
    }

    /// The rights as an amount.
    pub(super) fn rights_amount(&self) -> Amount {
        let rights = u64::try_from(self.rights().max(0)).unwrap_or(u64::MAX);
        Amount::new(rights).unwrap_or(Amount::MAX)
    }

    /// In open holds.
    #[must_use]
    pub const fn reserved(&self) -> Amount {
        self.registers.held.above(self.registers.freed)
    }

    /// Debt that is not repaid yet.
    #[must_use]
    pub const fn owed(&self) -> Amount {
        self.registers.debt.above(self.registers.repaid)
    }

    /// True where nothing ever happened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Says what is wrong with a row that came from elsewhere.
    ///
    /// # Errors
    /// Where no sequence of verbs leads to it.
    pub fn check(&self) -> Result<(), Broken> {
        let rights = self.rights();
        match () {
            () if self.registers.freed > self.registers.held => Err(Broken::FreedAboveHeld),
            () if self.registers.repaid > self.registers.debt => Err(Broken::RepaidAboveDebt),
            () if rights < 0 => Err(Broken::RightsBelowZero),
            () if rights > 0 && self.registers.repaid < self.registers.debt => Err(Broken::DebtBesideRights),
            () => Ok(()),
        }
    }

    /// Takes over what another copy of this row knows: the maximum, entry by entry. In whatever order and how often
    /// copies are merged, the result is the same.
    pub fn merge(&mut self, other: &Self) {
        let raise = |mine: &mut Amount, theirs: Amount| *mine = (*mine).max(theirs);
        raise(&mut self.registers.added, other.registers.added);
        raise(&mut self.registers.removed, other.registers.removed);
        raise(&mut self.registers.held, other.registers.held);
        raise(&mut self.registers.freed, other.registers.freed);
        raise(&mut self.registers.debt, other.registers.debt);
        raise(&mut self.registers.repaid, other.registers.repaid);
        for (to, amount) in &other.registers.given {
            raise(self.registers.given.entry(to.clone()).or_default(), *amount);
        }
        for (from, amount) in &other.registers.accepted {
            raise(self.registers.accepted.entry(from.clone()).or_default(), *amount);
        }
    }

    /// True where no register of `self` is below the same one of `other`.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let (mine, theirs) = (&self.registers, &other.registers);
        mine.added >= theirs.added
            && mine.removed >= theirs.removed
            && mine.held >= theirs.held
            && mine.freed >= theirs.freed
            && mine.debt >= theirs.debt
            && mine.repaid >= theirs.repaid
            && entries_cover(&mine.given, &theirs.given)
            && entries_cover(&mine.accepted, &theirs.accepted)
    }
}

/// True where no entry of `theirs` is above the same one of `mine`. Both are in order: one walk through them.
fn entries_cover(mine: &BTreeMap<ReplicaId, Amount>, theirs: &BTreeMap<ReplicaId, Amount>) -> bool {
    let mut mine = mine.iter();
    theirs.iter().all(|(of, amount)| {
        amount.is_zero()
            || mine
                .by_ref()
                .find(|(id, _)| *id >= of)
                .is_some_and(|(id, own)| id == of && own >= amount)
    })
}
