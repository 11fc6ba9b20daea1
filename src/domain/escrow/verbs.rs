//! What a replica does with its own row: one method for each operation, and the rule that allows it.
//!
//! A refused verb changes nothing. Whether a hold is open, and the replica's own, is known by the book of holds and
//! asked there in the same transaction; a row only knows how much is held in all.

use super::amount::Amount;
use super::row::{ReplicaId, Row};
use super::shelf::Shelf;

/// Why a verb is refused. Closed: each is shown to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The replica has not so many rights.
    #[error("{wanted} wanted, and the rights left are {rights}")]
    NoRights {
        /// How much was wanted.
        wanted: Amount,
        /// What the replica could promise.
        rights: Amount,
    },
    /// The replica itself has taken goods beyond its rights, and promises nothing before that is settled.
    #[error("{owed} was sold beyond the rights here and is still owed")]
    OwnDebt {
        /// What it owes.
        owed: Amount,
    },
    /// Others have taken goods beyond their rights: what is left on the shelf does not cover this promise.
    #[error("{wanted} wanted, and {left} is on the shelf unreserved")]
    OthersDebt {
        /// How much was wanted.
        wanted: Amount,
        /// What is there and not reserved, as far as it is known here.
        left: Amount,
    },
    /// More is to end than is held.
    #[error("{wanted} to be freed, and {reserved} is held")]
    NotHeld {
        /// How much was to end.
        wanted: Amount,
        /// How much is in open holds.
        reserved: Amount,
    },
    /// The replica has handed on rights to its parent that the parent has not taken over yet. Afterwards they could not
    /// be told from what the retirement leaves.
    #[error("{under_way} is still under way to the parent")]
    UnderWay {
        /// How much.
        under_way: Amount,
    },
    /// A register would hold more than it can.
    #[error("a register of this shelf would exceed {}", Amount::MAX)]
    TooLarge,
}

/// How goods went out that were not asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// How much of it was beyond the rights: new debt.
    pub debt: Amount,
}

impl Row {
    /// Goods in: a receipt, a return to stock, what a count found too much. They first repay debt.
    ///
    /// # Errors
    /// [`Refusal::TooLarge`].
    pub fn add(&mut self, n: Amount) -> Result<(), Refusal> {
        self.attempt(|row| {
            raise(&mut row.registers.added, n)?;
            row.settle()
        })
    }

    /// Opens a hold. `shelf` is what this replica knows of all rows: where others have taken goods beyond their
    /// rights, some of the rights here have nothing behind them, so the promise must also be covered by what is there.
    ///
    /// # Errors
    /// [`Refusal::OwnDebt`], [`Refusal::NoRights`], [`Refusal::OthersDebt`] or [`Refusal::TooLarge`].
    pub fn hold(&mut self, n: Amount, shelf: &Shelf) -> Result<(), Refusal> {
        let owed = self.owed();
        if !owed.is_zero() {
            return Err(Refusal::OwnDebt { owed });
        }
        self.need(n)?;
        if shelf.owed() > 0 && shelf.unreserved() < i128::from(n.parts()) {
            let left = u64::try_from(shelf.unreserved().max(0)).unwrap_or(u64::MAX);
            let left = Amount::new(left).unwrap_or(Amount::MAX);
            return Err(Refusal::OthersDebt { wanted: n, left });
        }
        self.attempt(|row| raise(&mut row.registers.held, n))
    }

    /// Ends a hold without a sale: released, or expired. What it frees first repays debt.
    ///
    /// # Errors
    /// [`Refusal::NotHeld`] or [`Refusal::TooLarge`].
    pub fn release(&mut self, n: Amount) -> Result<(), Refusal> {
        self.attempt(|row| {
            row.free(n)?;
            row.settle()
        })
    }

    /// Sells what a hold held.
    ///
    /// # Errors
    /// [`Refusal::NotHeld`] or [`Refusal::TooLarge`].
    pub fn sell_held(&mut self, n: Amount) -> Result<(), Refusal> {
        self.attempt(|row| {
            row.free(n)?;
            raise(&mut row.registers.removed, n)
        })
    }

    /// Sells weighed goods that were held as `n` and came out at `m`: the hold ends, and `m` is a sale in hand.
    ///
    /// # Errors
    /// [`Refusal::NotHeld`] or [`Refusal::TooLarge`].
    pub fn sell_held_as(&mut self, n: Amount, m: Amount) -> Result<Taken, Refusal> {
        self.attempt(|row| {
            row.free(n)?;
            let taken = row.go_out(m)?;
            row.settle()?;
            Ok(taken)
        })
    }

    /// A sale of goods in the customer's hand, a loss, what a count found too little. It has happened: it is never
    /// refused for want of rights, and what it takes beyond them is debt.
    ///
    /// # Errors
    /// [`Refusal::TooLarge`] alone.
    pub fn take(&mut self, n: Amount) -> Result<Taken, Refusal> {
        self.attempt(|row| row.go_out(n))
    }

    /// Goods sent to another site without a hold, or value spent: what has not happened yet, and needs rights.
    ///
    /// # Errors
    /// [`Refusal::NoRights`] or [`Refusal::TooLarge`].
    pub fn spend(&mut self, n: Amount) -> Result<(), Refusal> {
        self.need(n)?;
        self.attempt(|row| raise(&mut row.registers.removed, n))
    }

    /// Hands rights on to another replica. They are under way, nobody's, from the commit of this until the other's
    /// [`accept`](Self::accept).
    ///
    /// # Errors
    /// [`Refusal::NoRights`] or [`Refusal::TooLarge`].
    pub fn give(&mut self, to: &ReplicaId, n: Amount) -> Result<(), Refusal> {
        self.need(n)?;
        self.attempt(|row| raise_entry(&mut row.registers.given, to, n))
    }

    /// Takes over rights that another replica has handed on. They first repay debt.
    ///
    /// # Errors
    /// [`Refusal::TooLarge`].
    pub fn accept(&mut self, from: &ReplicaId, n: Amount) -> Result<(), Refusal> {
        self.attempt(|row| {
            raise_entry(&mut row.registers.accepted, from, n)?;
            row.settle()
        })
    }

    /// Hands a hold over to another replica: a pickup that the store has accepted, a kiosk's order paid at the till.
    ///
    /// # Errors
    /// [`Refusal::NotHeld`] or [`Refusal::TooLarge`].
    pub fn hand_over(&mut self, to: &ReplicaId, n: Amount) -> Result<(), Refusal> {
        self.attempt(|row| {
            row.free(n)?;
            raise_entry(&mut row.registers.given, to, n)
        })
    }

    /// Takes a hold over from another replica: its rights and the hold together, so that nothing can come between, not
    /// even debt of its own.
    ///
    /// # Errors
    /// [`Refusal::TooLarge`].
    pub fn take_over(&mut self, from: &ReplicaId, n: Amount) -> Result<(), Refusal> {
        self.attempt(|row| {
            raise_entry(&mut row.registers.accepted, from, n)?;
            raise(&mut row.registers.held, n)
        })
    }

    /// Retires the replica `who`, whose row this is: its holds end, and its rights are under way to its parent from then
    /// on, promised by nobody, until a count or an operator's decision has the parent [`accept`](Self::accept) them.
    /// Done by the parent, which is the row's only writer from then on, once it has taken over what `who` had handed on
    /// to it.
    ///
    /// # Errors
    /// [`Refusal::UnderWay`] or [`Refusal::TooLarge`].
    pub fn retire(&mut self, who: &ReplicaId, (parent, parents): (&ReplicaId, &Self)) -> Result<(), Refusal> {
        let under_way = self.given(parent).above(parents.accepted(who));
        if !under_way.is_zero() {
            return Err(Refusal::UnderWay { under_way });
        }
        self.attempt(|row| {
            row.registers.freed = row.registers.held;
            row.settle()?;
            let rights = row.rights_amount();
            raise_entry(&mut row.registers.given, parent, rights)
        })
    }

    /// Goods that a retired replica let out after the head that it was retired at. The parent, whose row this is, posts
    /// them: `drawn` of them on those of the retired one's rights that are under way to it, the rest on its own rights,
    /// as goods that are gone already. `drawn` is at most what is [left](Self::left_by).
    ///
    /// # Errors
    /// [`Refusal::TooLarge`].
    pub fn take_for(&mut self, retired: &ReplicaId, drawn: Amount, n: Amount) -> Result<Taken, Refusal> {
        self.attempt(|row| {
            raise_entry(&mut row.registers.accepted, retired, drawn)?;
            row.go_out(n)
        })
    }

    /// Rights that are the retired replica's to have handed on, or to have paid its debt with, and that only its parent,
    /// whose row this is, can still bring: `drawn` of them from what the retired one left, the rest from its own, as debt
    /// where it has none. The retired row takes them over with [`give_late`](Self::give_late) or
    /// [`pay_late`](Self::pay_late), so that every pair of registers still fits: what the other took over from the retired
    /// one, the retired one has given.
    ///
    /// # Errors
    /// [`Refusal::TooLarge`].
    pub fn give_for(&mut self, retired: &ReplicaId, drawn: Amount, n: Amount) -> Result<Taken, Refusal> {
        self.attempt(|row| {
            raise_entry(&mut row.registers.accepted, retired, drawn)?;
            let debt = n.above(row.rights_amount());
            raise_entry(&mut row.registers.given, retired, n)?;
            raise(&mut row.registers.debt, debt)?;
            Ok(Taken { debt })
        })
    }

    /// Of what this retired replica handed on to its parent, so much has not been taken over: what it left and nobody may
    /// promise yet.
    #[must_use]
    pub fn left_by(&self, who: &ReplicaId, (parent, parents): (&ReplicaId, &Self)) -> Amount {
        self.given(parent).above(parents.accepted(who))
    }

    /// What this retired replica handed on behind its head, with what its parent [brought](Self::give_for) for it.
    ///
    /// # Errors
    /// [`Refusal::TooLarge`].
    pub fn give_late(&mut self, parent: &ReplicaId, to: &ReplicaId, n: Amount) -> Result<(), Refusal> {
        self.attempt(|row| {
            raise_entry(&mut row.registers.accepted, parent, n)?;
            raise_entry(&mut row.registers.given, to, n)
        })
    }

    /// What this retired replica owes is paid with what its parent [brought](Self::give_for) for it.
    ///
    /// # Errors
    /// [`Refusal::TooLarge`].
    pub fn pay_late(&mut self, parent: &ReplicaId, n: Amount) -> Result<(), Refusal> {
        self.attempt(|row| {
            raise_entry(&mut row.registers.accepted, parent, n)?;
            row.settle()
        })
    }

    /// What another replica had handed on to this retired one: it joins what is left for the parent.
    ///
    /// # Errors
    /// [`Refusal::TooLarge`].
    pub fn come_late(&mut self, from: &ReplicaId, parent: &ReplicaId, n: Amount) -> Result<(), Refusal> {
        self.attempt(|row| {
            raise_entry(&mut row.registers.accepted, from, n)?;
            raise_entry(&mut row.registers.given, parent, n)
        })
    }

    fn need(&self, wanted: Amount) -> Result<(), Refusal> {
        let rights = self.rights_amount();
        if wanted > rights {
            return Err(Refusal::NoRights { wanted, rights });
        }
        Ok(())
    }

    fn free(&mut self, wanted: Amount) -> Result<(), Refusal> {
        let reserved = self.reserved();
        if wanted > reserved {
            return Err(Refusal::NotHeld { wanted, reserved });
        }
        raise(&mut self.registers.freed, wanted)
    }

    fn go_out(&mut self, n: Amount) -> Result<Taken, Refusal> {
        let debt = n.above(self.rights_amount());
        raise(&mut self.registers.removed, n)?;
        raise(&mut self.registers.debt, debt)?;
        Ok(Taken { debt })
    }

    /// Repays debt with what rights there are: before anything new is promised, in the transaction that brought them.
    fn settle(&mut self) -> Result<(), Refusal> {
        let repay = self.rights_amount().min(self.owed());
        raise(&mut self.registers.repaid, repay)
    }

    /// Does the whole of it or nothing.
    fn attempt<T>(&mut self, verb: impl FnOnce(&mut Self) -> Result<T, Refusal>) -> Result<T, Refusal> {
        let mut row = self.clone();
        let done = verb(&mut row)?;
        *self = row;
        Ok(done)
    }
}

fn raise(register: &mut Amount, by: Amount) -> Result<(), Refusal> {
    *register = register.checked_add(by).ok_or(Refusal::TooLarge)?;
    Ok(())
}

/// Raises an entry; one of nothing is not made.
fn raise_entry(
    entries: &mut std::collections::BTreeMap<ReplicaId, Amount>,
    of: &ReplicaId,
    by: Amount,
) -> Result<(), Refusal> {
    if by.is_zero() {
        return Ok(());
    }
    raise(entries.entry(of.clone()).or_default(), by)
}
