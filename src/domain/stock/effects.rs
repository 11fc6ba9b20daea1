//! What each fact does to its writer's own row of each shelf that it names. The one place where that is decided.
//!
//! Promises: the rows of a replica are the fold of its journal by these effects and by nothing else, so that whoever has
//! the journal can recompute every figure. Must never: depend on another replica's row or on a clock.
//!
//! A sale of goods that were promised has no effect of its own: the end of the hold, recorded in the same transaction,
//! says what was sold from it.

use super::hold::{HoldEnd, HoldEnded, HoldLine};
use super::movement::Movement;
use super::pickup::{PickupAct, PickupStep};
use super::place::Place;
use super::retirement::{LateMove, LatePosted};
use super::rights::{Accepted, GrantLine, Granted};
use super::work::{StockWork, WorkKind, WorkLine};
use crate::domain::escrow::{Amount, Refusal, ReplicaId, Row, Shelf, Taken};
use crate::domain::fact::Fact;
use crate::domain::ids::{SiteId, Sku};
use crate::domain::quantity::Quantity;
use crate::domain::sale::Fulfilment;

/// One thing that a fact does to one shelf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect<'f> {
    /// The site; none for the site of the node that wrote the fact.
    pub site: Option<&'f SiteId>,
    /// Where at the site.
    pub place: Place,
    /// The item.
    pub sku: &'f Sku,
    /// What it does to the writer's row.
    pub verb: Verb<'f>,
}

/// What is done to a row: one for each operation of the escrow's table, by the name of the method that does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb<'f> {
    /// [`Row::add`].
    Add(Amount),
    /// [`Row::take`].
    Take(Amount),
    /// [`Row::spend`].
    Spend(Amount),
    /// [`Row::hold`].
    Hold(Amount),
    /// [`Row::release`].
    Release(Amount),
    /// [`Row::sell_held_as`].
    SellHeld {
        /// What was held.
        held: Amount,
        /// What was sold of it; more where weighed goods came out heavier.
        sold: Amount,
    },
    /// [`Row::give`].
    Give {
        /// The receiver.
        to: &'f ReplicaId,
        /// How much.
        amount: Amount,
    },
    /// [`Row::accept`].
    Accept {
        /// The giver.
        from: &'f ReplicaId,
        /// How much.
        amount: Amount,
    },
    /// [`Row::hand_over`].
    HandOver {
        /// The receiver.
        to: &'f ReplicaId,
        /// How much.
        amount: Amount,
    },
    /// [`Row::take_over`].
    TakeOver {
        /// The giver.
        from: &'f ReplicaId,
        /// How much.
        amount: Amount,
    },
    /// [`Row::take_for`].
    TakeFor {
        /// The retired replica.
        retired: &'f ReplicaId,
        /// So much is drawn on what it left.
        drawn: Amount,
        /// How much went out.
        amount: Amount,
    },
    /// [`Row::give_for`].
    GiveFor {
        /// The retired replica.
        retired: &'f ReplicaId,
        /// So much is drawn on what it left.
        drawn: Amount,
        /// How much is brought.
        amount: Amount,
    },
}

impl Verb<'_> {
    /// Does it to a row. `shelf` is what is known of all rows, for the one verb that looks at others' debt; whoever folds
    /// a journal passes an empty one, because the promise was made already.
    ///
    /// # Errors
    /// Why the row refuses it; nothing is changed then.
    pub fn apply(&self, row: &mut Row, shelf: &Shelf) -> Result<Taken, Refusal> {
        let without_debt = Taken { debt: Amount::ZERO };
        match *self {
            Self::Take(n) => return row.take(n),
            Self::SellHeld { held, sold } => return row.sell_held_as(held, sold),
            Self::TakeFor { retired, drawn, amount } => return row.take_for(retired, drawn, amount),
            Self::GiveFor { retired, drawn, amount } => return row.give_for(retired, drawn, amount),
            Self::Add(n) => row.add(n)?,
            Self::Spend(n) => row.spend(n)?,
            Self::Hold(n) => row.hold(n, shelf)?,
            Self::Release(n) => row.release(n)?,
            Self::Give { to, amount } => row.give(to, amount)?,
            Self::Accept { from, amount } => row.accept(from, amount)?,
            Self::HandOver { to, amount } => row.hand_over(to, amount)?,
            Self::TakeOver { from, amount } => row.take_over(from, amount)?,
        }
        Ok(without_debt)
    }
}

/// What a fact does, in the order in which it does it.
///
/// A copy of a record that was written under another branch's rights does nothing here; see [`effects_of_copy`].
#[must_use]
pub fn effects(fact: &Fact) -> Vec<Effect<'_>> {
    match fact {
        Fact::Sale(sale) => {
            let in_hand = |fulfilment: &Fulfilment| matches!(fulfilment, Fulfilment::InHand { .. });
            let lines = sale.lines.iter().filter(|line| in_hand(&line.fulfilment));
            lines
                .map(|line| here(&line.sku, Verb::Take(amount(line.quantity))))
                .collect()
        }
        Fact::Refund(refund) => {
            let lines = refund.lines.iter();
            lines
                .map(|line| here(&line.sku, Verb::Add(amount(line.quantity))))
                .collect()
        }
        Fact::Movement(movement) => of_movement(movement),
        Fact::StockWork(work) => of_work(work),
        Fact::HoldOpened(opened) => {
            let held = |line| of_line(Some(&opened.site), line, Verb::Hold);
            opened.lines.iter().map(held).collect()
        }
        Fact::HoldEnded(ended) => of_end(ended),
        Fact::Granted(granted) => of_granted(granted),
        Fact::Accepted(accepted) => of_accepted(accepted),
        Fact::PickupStep(step) => of_pickup(step),
        Fact::TransferDispatched(dispatched) if !dispatched.from_hold => {
            let left = |line| of_line(Some(&dispatched.way.from), line, Verb::Spend);
            dispatched.lines.iter().map(left).collect()
        }
        Fact::TransferReceived(received) => {
            let arrived = |line| of_line(Some(&received.to), line, Verb::Add);
            received.lines.iter().map(arrived).collect()
        }
        Fact::Retired(retired) => {
            let drawn = Amount::ZERO;
            let owed = retired.lines.iter().filter(|line| !line.debt.is_zero());
            owed.map(|line| Effect {
                site: Some(&retired.site),
                ..here(
                    &line.sku,
                    Verb::GiveFor {
                        retired: &retired.replica,
                        drawn,
                        amount: line.debt,
                    },
                )
            })
            .collect()
        }
        Fact::LatePosted(posted) => of_posted(posted),
        Fact::RightsReleased(released) => {
            let from = &released.of;
            let verb = |amount| Verb::Accept { from, amount };
            let lines = released.lines.iter();
            lines.map(|line| of_grant(&released.site, line, &verb)).collect()
        }
        Fact::Opened(_)
        | Fact::HoldExtended(_)
        | Fact::PickupOrdered(_)
        | Fact::TransferRequested(_)
        | Fact::TransferCalledOff(_)
        | Fact::TransferDispatched(_)
        | Fact::Rehomed(_)
        | Fact::Correction(_)
        | Fact::Settlement(_)
        | Fact::ThresholdSet(_)
        | Fact::StandbyAdmitted(_)
        | Fact::StandbyDismissed(_) => Vec::new(),
    }
}

/// What the copy of a record does to the row of the incarnation that it was copied to: goods that moved have moved, and
/// this incarnation, which had no rights to them, owes them. What the branch had promised or handed on was promised with
/// rights that are not this incarnation's; it stays in the branch's own row.
#[must_use]
pub fn effects_of_copy(fact: &Fact) -> Vec<Effect<'_>> {
    match fact {
        Fact::Sale(_)
        | Fact::Refund(_)
        | Fact::Movement(_)
        | Fact::StockWork(_)
        | Fact::PickupStep(_)
        | Fact::TransferReceived(_) => effects(fact),
        Fact::TransferDispatched(dispatched) if !dispatched.from_hold => {
            let left = |line| of_line(Some(&dispatched.way.from), line, Verb::Take);
            dispatched.lines.iter().map(left).collect()
        }
        Fact::HoldEnded(ended) => left_from_hold(ended)
            .map(|(sku, left)| Effect {
                site: Some(&ended.site),
                ..here(sku, Verb::Take(amount(left)))
            })
            .collect(),
        Fact::LatePosted(posted) => {
            let moved = posted.lines.iter().filter_map(|line| match line.moved {
                LateMove::Out(n) => Some(here(&line.sku, Verb::Take(n))),
                LateMove::In(n) => Some(here(&line.sku, Verb::Add(n))),
                LateMove::Gave { .. } | LateMove::Came { .. } => None,
            });
            let site = Some(&posted.site);
            moved.map(|effect| Effect { site, ..effect }).collect()
        }
        _ => Vec::new(),
    }
}

/// What goods a record of a retired replica moved, behind the head that it was retired at, item by item: out, in. What it
/// promised there it promised to nobody's knowledge: only what came of it is gone. Where goods stand that are not on sale
/// carries no rights and is not asked here.
#[must_use]
pub fn late_moves(fact: &Fact) -> Vec<(&Sku, LateMove)> {
    let moved = effects(fact)
        .into_iter()
        .filter(|effect| effect.place == Place::Sellable);
    moved
        .filter_map(|effect| {
            let moved = match effect.verb {
                Verb::Take(n) | Verb::Spend(n) | Verb::TakeFor { amount: n, .. } | Verb::SellHeld { sold: n, .. } => {
                    LateMove::Out(n)
                }
                Verb::Add(n) => LateMove::In(n),
                Verb::Hold(_)
                | Verb::Release(_)
                | Verb::Give { .. }
                | Verb::Accept { .. }
                | Verb::HandOver { .. }
                | Verb::TakeOver { .. }
                | Verb::GiveFor { .. } => return None,
            };
            let some = !matches!(moved, LateMove::Out(n) | LateMove::In(n) if n.is_zero());
            some.then_some((effect.sku, moved))
        })
        .collect()
}

fn of_posted(posted: &LatePosted) -> Vec<Effect<'_>> {
    let retired = &posted.of;
    let verb = |moved: &LateMove, drawn| match moved {
        LateMove::Out(amount) => Some(Verb::TakeFor {
            retired,
            drawn,
            amount: *amount,
        }),
        LateMove::In(amount) => Some(Verb::Add(*amount)),
        LateMove::Gave { grant, .. } => Some(Verb::GiveFor {
            retired,
            drawn,
            amount: grant.amount(),
        }),
        LateMove::Came { .. } => None,
    };
    let site = Some(&posted.site);
    let lines = posted.lines.iter();
    lines
        .filter_map(|line| {
            let verb = verb(&line.moved, line.drawn)?;
            Some(Effect {
                site,
                ..here(&line.sku, verb)
            })
        })
        .collect()
}

fn of_movement(movement: &Movement) -> Vec<Effect<'_>> {
    let lines = movement.lines.iter().map(|line| {
        let verb = if line.change < Quantity::ZERO {
            Verb::Take(amount(-line.change))
        } else {
            Verb::Add(amount(line.change))
        };
        here(&line.sku, verb)
    });
    lines.collect()
}

fn of_work(work: &StockWork) -> Vec<Effect<'_>> {
    let changed = |place, line: &WorkLine| {
        if line.quantity < Quantity::ZERO {
            (place, Verb::Take(amount(-line.quantity)))
        } else {
            (place, Verb::Add(amount(line.quantity)))
        }
    };
    let mut effects = Vec::with_capacity(work.lines.len());
    for line in &work.lines {
        let n = amount(line.quantity);
        let (first, second) = match work.kind {
            WorkKind::GoodsIn { .. } => ((Place::Sellable, Verb::Add(n)), None),
            WorkKind::Loss { place, .. } => ((place, Verb::Take(n)), None),
            WorkKind::Correction { place, .. } => (changed(place, line), None),
            WorkKind::Count { .. } => (changed(Place::Sellable, line), None),
            WorkKind::Move { from, to, .. } => ((from, Verb::Take(n)), Some((to, Verb::Add(n)))),
        };
        let both = std::iter::once(first).chain(second);
        effects.extend(both.map(|(place, verb)| Effect {
            site: Some(&work.site),
            place,
            ..here(&line.sku, verb)
        }));
    }
    effects
}

fn of_end(ended: &HoldEnded) -> Vec<Effect<'_>> {
    let site = Some(&ended.site);
    match &ended.end {
        HoldEnd::Released | HoldEnd::Expired => ended
            .lines
            .iter()
            .map(|line| of_line(site, line, Verb::Release))
            .collect(),
        HoldEnd::Sold { .. } | HoldEnd::Collected | HoldEnd::Dispatched { .. } => {
            let lines = ended.lines.iter().zip(left_from_hold(ended)).map(|(line, (_, left))| {
                let sold = amount(left);
                of_line(site, line, |held| Verb::SellHeld { held, sold })
            });
            lines.collect()
        }
    }
}

/// What left the shelf with the end of a hold, by its lines; nothing where it was given up.
pub fn left_from_hold(ended: &HoldEnded) -> impl Iterator<Item = (&Sku, Quantity)> {
    let nothing: &[Quantity] = &[];
    let (left, whole) = match &ended.end {
        HoldEnd::Sold { sold, .. } => (sold.as_slice(), false),
        HoldEnd::Dispatched { sent, .. } => (sent.as_slice(), false),
        HoldEnd::Collected => (nothing, true),
        HoldEnd::Released | HoldEnd::Expired => (nothing, false),
    };
    let mut left = left.iter().copied();
    ended.lines.iter().map(move |line| {
        // A list that is too short let nothing of the rest go.
        let listed = left.next().unwrap_or_default();
        (&line.sku, if whole { line.quantity } else { listed })
    })
}

fn of_pickup(step: &PickupStep) -> Vec<Effect<'_>> {
    let PickupAct::Collected { in_hand, .. } = &step.act else {
        return Vec::new();
    };
    let taken = |line| of_line(Some(&step.site), line, Verb::Take);
    in_hand.iter().map(taken).collect()
}

fn of_granted(granted: &Granted) -> Vec<Effect<'_>> {
    let (to, handed) = (&granted.to, granted.hold.is_some());
    let verb = |amount| {
        if handed {
            Verb::HandOver { to, amount }
        } else {
            Verb::Give { to, amount }
        }
    };
    granted
        .lines
        .iter()
        .map(|line| of_grant(&granted.site, line, &verb))
        .collect()
}

fn of_accepted(accepted: &Accepted) -> Vec<Effect<'_>> {
    let (from, handed) = (&accepted.from, accepted.hold.is_some());
    let verb = |amount| {
        if handed {
            Verb::TakeOver { from, amount }
        } else {
            Verb::Accept { from, amount }
        }
    };
    accepted
        .lines
        .iter()
        .map(|line| of_grant(&accepted.site, line, &verb))
        .collect()
}

fn here<'f>(sku: &'f Sku, verb: Verb<'f>) -> Effect<'f> {
    Effect {
        site: None,
        place: Place::Sellable,
        sku,
        verb,
    }
}

fn of_line<'f>(site: Option<&'f SiteId>, line: &'f HoldLine, verb: impl Fn(Amount) -> Verb<'f>) -> Effect<'f> {
    Effect {
        site,
        ..here(&line.sku, verb(amount(line.quantity)))
    }
}

fn of_grant<'f>(site: &'f SiteId, line: &'f GrantLine, verb: &impl Fn(Amount) -> Verb<'f>) -> Effect<'f> {
    Effect {
        site: Some(site),
        ..here(&line.sku, verb(line.grant.amount()))
    }
}

/// A quantity as an amount. Facts hold none below 0 here; one that did would move nothing.
fn amount(quantity: Quantity) -> Amount {
    Amount::try_from(quantity).unwrap_or_default()
}
