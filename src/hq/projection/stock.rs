//! The projection `stock`: what is on hand of each item at each site.
//!
//! It follows the projection `sales` and never overtakes it: of a sale that came twice it takes the one that counts.

use std::collections::HashMap;

use super::digest;
use super::history::History;
use super::walk::{Effect, Figures, Place};
use crate::domain::escrow::ReplicaId;
use crate::domain::fact::Fact;
use crate::domain::ids::{SaleId, SiteId, Sku};
use crate::domain::journal::Hash;
use crate::domain::quantity::Quantity;
use crate::domain::stock::{
    HoldEnd, HoldEnded, Leg, Movement, MovementId, PickupStep, Place as Shelf, StockWork, Transfer, Verb, effects,
};
use crate::hq::happenings::{Happening, RightsMoved};
use crate::hq::storage::{OriginId, RetiredReplica, StorageError, Writing};
use crate::hq::{pickups, retire, rights, transfers};

/// The quantities that a transaction has touched.
#[derive(Debug, Default)]
pub(super) struct Stock {
    quantities: HashMap<SiteId, HashMap<Sku, Quantity>>,
    /// Rights that changed hands.
    moved: Vec<Happening>,
    /// By origin, where headquarters has retired it.
    retired: HashMap<OriginId, Option<RetiredReplica>>,
    anybody_retired: Option<bool>,
    history: History,
}

impl Figures for Stock {
    const NAME: &'static str = "stock";

    fn apply(&mut self, writing: &Writing<'_>, place: &Place<'_>, fact: &Fact) -> Result<Effect, StorageError> {
        let late = self.late(writing, place)?;
        let effect = self.count(writing, place, fact, late.is_some())?;
        if effect == Effect::Applied {
            let (at, now_ms) = ((place.origin, place.seq), place.received_ms);
            let counted = match self.anybody_retired(writing)? {
                true => counted_at(writing, fact)?.filter(|counted| *counted != at),
                false => None,
            };
            let skus = match (late, counted) {
                (Some(retired), None) => retire::post_late(writing, &retired, at, fact, now_ms)?,
                // The row of whoever recorded it has it too.
                (None, Some(counted)) if is_counted(writing, fact)? => {
                    retire::take_back_late(writing, counted, at, fact, now_ms)?
                }
                _ => Vec::new(),
            };
            self.posted(place.site, skus);
        }
        if effect == Effect::Applied {
            self.history.take(writing, place, fact)?;
        }
        Ok(effect)
    }

    fn finish(self, writing: &Writing<'_>) -> Result<Vec<Happening>, StorageError> {
        for (site, quantities) in &self.quantities {
            for (sku, quantity) in quantities {
                writing.save_stock(site, sku, *quantity)?;
            }
        }
        self.history.finish(writing)?;
        Ok(self.moved)
    }
}

/// The record of a sale or a refund that counts: of one that came twice only that moved anything.
fn counted_at(writing: &Writing<'_>, fact: &Fact) -> Result<Option<(OriginId, u64)>, StorageError> {
    match fact {
        Fact::Sale(sale) => writing.sale_record(&sale.id),
        Fact::Refund(refund) => writing.sale_record(&refund.id),
        _ => Ok(None),
    }
}

/// Whether the sale or refund that counts under its identity says the same.
fn is_counted(writing: &Writing<'_>, fact: &Fact) -> Result<bool, StorageError> {
    let (id, digest) = match fact {
        Fact::Sale(sale) => (&sale.id, digest::of_sale(sale)),
        Fact::Refund(refund) => (&refund.id, digest::of_refund(refund)),
        _ => return Ok(false),
    };
    Ok(writing.sale_digest(id)? == Some(digest))
}

/// Who wrote a record.
fn replica(place: &Place<'_>) -> ReplicaId {
    ReplicaId {
        node: place.node.clone(),
        incarnation: place.incarnation,
    }
}

impl Stock {
    /// The node that headquarters has retired, where a record is behind the head that it was retired at.
    fn late(&mut self, writing: &Writing<'_>, place: &Place<'_>) -> Result<Option<RetiredReplica>, StorageError> {
        let known = match self.retired.get(&place.origin) {
            Some(known) => known.clone(),
            None => {
                let known = writing
                    .retired(&replica(place))?
                    .filter(|retired| retired.here.is_some());
                self.retired.insert(place.origin, known.clone());
                known
            }
        };
        Ok(known.filter(|retired| place.seq > retired.seq))
    }

    /// Whether headquarters has retired anybody.
    fn anybody_retired(&mut self, writing: &Writing<'_>) -> Result<bool, StorageError> {
        match self.anybody_retired {
            Some(known) => Ok(known),
            None => {
                let known = !writing.retired_here()?.is_empty();
                self.anybody_retired = Some(known);
                Ok(known)
            }
        }
    }

    fn posted(&mut self, site: &SiteId, skus: Vec<Sku>) {
        if !skus.is_empty() {
            let site = site.clone();
            self.moved.push(Happening::Rights(RightsMoved::Posted { site, skus }));
        }
    }

    fn count(
        &mut self,
        writing: &Writing<'_>,
        place: &Place<'_>,
        fact: &Fact,
        late: bool,
    ) -> Result<Effect, StorageError> {
        match fact {
            Fact::Sale(sale) => {
                let lines = sale.lines.iter();
                let changes = lines.map(|line| (&line.sku, line.quantity.thousandths().checked_neg()));
                self.of_document(writing, place, &sale.id, changes)
            }
            Fact::Refund(refund) => {
                // What is damaged is not in the figure.
                let lines = refund.lines.iter().filter(|line| line.place == Shelf::Sellable);
                let changes = lines.map(|line| (&line.sku, Some(line.quantity.thousandths())));
                self.of_document(writing, place, &refund.id, changes)
            }
            Fact::Movement(movement) => self.movement(writing, place, movement),
            Fact::StockWork(work) => self.work(writing, place, work, fact),
            // What a branch had handed on or taken over stays its own: the incarnation that copied it never did.
            Fact::Granted(_) | Fact::Accepted(_) if place.copied => Ok(Effect::Applied),
            Fact::HoldEnded(ended) => self.hold_ended(writing, place, ended, fact),
            Fact::PickupOrdered(ordered) if rights::replica(writing)?.node == *place.node => {
                pickups::take_order(writing, ordered, place.received_ms)?;
                Ok(Effect::Applied)
            }
            Fact::PickupStep(step) => self.pickup(writing, place, step, fact),
            Fact::TransferRequested(_)
            | Fact::TransferCalledOff(_)
            | Fact::TransferDispatched(_)
            | Fact::TransferReceived(_) => self.transfer(writing, place, fact),
            // What a retired node hands on behind its head, headquarters has already.
            Fact::Granted(_) | Fact::Accepted(_) if late => Ok(Effect::Applied),
            Fact::Retired(retired) if replica(place) != rights::replica(writing)? => {
                retire::retired_elsewhere(writing, retired)?;
                Ok(Effect::Applied)
            }
            // Rights that are met again, as when figures are made anew, are known by their totals.
            Fact::Granted(granted) => {
                let skus = retire::came_late(writing, &replica(place), granted, place.received_ms)?;
                self.posted(&granted.site, skus);
                let moved = rights::accept(writing, &replica(place), granted, place.received_ms)?;
                self.moved.extend(moved);
                Ok(Effect::Applied)
            }
            Fact::Accepted(accepted) => {
                self.moved
                    .extend(rights::taken_over(writing, &replica(place), accepted)?);
                Ok(Effect::Applied)
            }
            _ => Ok(Effect::Applied),
        }
    }

    /// Moves stock, once for each identity. Another movement under an identity that is taken is set aside: whoever
    /// looks at it may have it count with a correction.
    fn movement(
        &mut self,
        writing: &Writing<'_>,
        place: &Place<'_>,
        movement: &Movement,
    ) -> Result<Effect, StorageError> {
        let lines = movement.lines.iter();
        let changes = lines.map(|line| (&line.sku, Some(line.change.thousandths())));
        let Some(id) = movement.id else {
            return self.change(writing, place.site, changes);
        };
        let digest = digest::of_movement(movement);
        match writing.movement_digest(id)? {
            Some(counted) if counted == digest => Ok(Effect::Applied),
            Some(_) => Ok(Effect::Refused(format!(
                "another movement has the same identity {id}; this one is not counted"
            ))),
            None => {
                let effect = self.change(writing, place.site, changes)?;
                if effect == Effect::Applied {
                    writing.add_movement(id, (place.origin, place.seq), digest)?;
                }
                Ok(effect)
            }
        }
    }

    /// Moves stock by work on it, once for each identity, as a movement does. What stands elsewhere than on sale is not in
    /// the figure.
    fn work(
        &mut self,
        writing: &Writing<'_>,
        place: &Place<'_>,
        work: &StockWork,
        fact: &Fact,
    ) -> Result<Effect, StorageError> {
        let effect = self.once(writing, place, (work.id, digest::of_work(work)), fact)?;
        if effect == Effect::Applied && work.site == *place.site {
            let skus = retire::counted(writing, work, place.received_ms)?;
            self.posted(place.site, skus);
        }
        Ok(effect)
    }

    /// The end of a hold: goods of a pickup that was paid before, or that left for another site, went out with it. What
    /// was sold is the sale's.
    fn hold_ended(
        &mut self,
        writing: &Writing<'_>,
        place: &Place<'_>,
        ended: &HoldEnded,
        fact: &Fact,
    ) -> Result<Effect, StorageError> {
        let id = match &ended.end {
            HoldEnd::Collected => MovementId(ended.id.0),
            HoldEnd::Dispatched { transfer, .. } => transfer.movement(Leg::Dispatch),
            HoldEnd::Sold { .. } | HoldEnd::Released | HoldEnd::Expired => return Ok(Effect::Applied),
        };
        self.once(writing, place, (id, digest::of_goods(fact)), fact)
    }

    /// What was decided of a pickup, by headquarters or at its site; goods may have gone out with it.
    fn pickup(
        &mut self,
        writing: &Writing<'_>,
        place: &Place<'_>,
        step: &PickupStep,
        fact: &Fact,
    ) -> Result<Effect, StorageError> {
        let by = replica(place);
        let here = rights::replica(writing)?.node == by.node;
        let site = pickups::site_of(writing, step.id)?;
        if !here && (step.site != *place.site || site.is_some_and(|site| site != step.site)) {
            return Ok(Effect::Refused(format!("the pickup {} is another site's", step.id)));
        }
        if !effects(fact).is_empty() {
            let id = MovementId(step.id.0);
            let counted = self.once(writing, place, (id, digest::of_goods(fact)), fact)?;
            if counted != Effect::Applied {
                return Ok(counted);
            }
        }
        self.moved
            .extend(pickups::take_step(writing, &by, step, place.received_ms)?);
        Ok(Effect::Applied)
    }

    /// What was done about a transfer, by headquarters or at one of its ends; goods may have left or arrived with it.
    fn transfer(&mut self, writing: &Writing<'_>, place: &Place<'_>, fact: &Fact) -> Result<Effect, StorageError> {
        let Some(heard) = Transfer::of(fact) else {
            return Ok(Effect::Applied);
        };
        let here = rights::replica(writing)?.node == *place.node;
        let may = match fact {
            Fact::TransferRequested(requested) => {
                here || requested.way.from == *place.site || requested.way.to == *place.site
            }
            Fact::TransferDispatched(sent) => sent.way.from == *place.site,
            Fact::TransferReceived(received) => received.to == *place.site,
            _ => true,
        };
        if !may {
            return Ok(Effect::Refused(format!("the transfer {} is other sites'", heard.id)));
        }
        let leg = match fact {
            Fact::TransferDispatched(sent) if !sent.from_hold => Some(Leg::Dispatch),
            Fact::TransferReceived(_) => Some(Leg::Receipt),
            _ => None,
        };
        if let Some(leg) = leg {
            let id = heard.id.movement(leg);
            let counted = self.once(writing, place, (id, digest::of_goods(fact)), fact)?;
            if counted != Effect::Applied {
                return Ok(counted);
            }
        }
        self.moved.extend(transfers::take(writing, &heard, place.received_ms)?);
        Ok(Effect::Applied)
    }

    /// Moves stock by a fact's effects, once for each identity. Another fact under an identity that is taken is set aside.
    fn once(
        &mut self,
        writing: &Writing<'_>,
        place: &Place<'_>,
        (id, digest): (MovementId, Hash),
        fact: &Fact,
    ) -> Result<Effect, StorageError> {
        match writing.movement_digest(id)? {
            Some(counted) if counted == digest => return Ok(Effect::Applied),
            Some(_) => {
                return Ok(Effect::Refused(format!(
                    "another movement has the same identity {id}; this one is not counted"
                )));
            }
            None => {}
        }
        let moved = effects(fact);
        let on_sale = moved.iter().filter(|effect| effect.place == Shelf::Sellable);
        let changes = on_sale.map(|effect| {
            let change = match effect.verb {
                Verb::Add(amount) => i64::try_from(amount.parts()).ok(),
                Verb::Take(amount) | Verb::Spend(amount) | Verb::SellHeld { sold: amount, .. } => {
                    i64::try_from(amount.parts()).ok().and_then(i64::checked_neg)
                }
                _ => Some(0),
            };
            (effect.sku, change)
        });
        // Headquarters works on the shelves of sites, and a node on those of its own.
        let here = rights::replica(writing)?.node == *place.node;
        let at = moved.iter().find_map(|effect| effect.site).filter(|_| here);
        let effect = self.change(writing, at.unwrap_or(place.site), changes)?;
        if effect == Effect::Applied {
            writing.add_movement(id, (place.origin, place.seq), digest)?;
        }
        Ok(effect)
    }

    /// Moves stock for a sale or a refund, where it is the one that counts under its identity.
    fn of_document<'a>(
        &mut self,
        writing: &Writing<'_>,
        place: &Place<'_>,
        id: &SaleId,
        changes: impl Iterator<Item = (&'a Sku, Option<i64>)>,
    ) -> Result<Effect, StorageError> {
        match writing.sale_record(id)? {
            None => Ok(Effect::Refused("it is not among the sales that count".into())),
            Some(counted) if counted == (place.origin, place.seq) => self.change(writing, place.site, changes),
            Some(_) => Ok(Effect::Applied),
        }
    }

    /// Makes all changes, or none where one does not fit.
    fn change<'a>(
        &mut self,
        writing: &Writing<'_>,
        site: &SiteId,
        changes: impl Iterator<Item = (&'a Sku, Option<i64>)>,
    ) -> Result<Effect, StorageError> {
        if !self.quantities.contains_key(site) {
            self.quantities.insert(site.clone(), HashMap::new());
        }
        let Some(quantities) = self.quantities.get_mut(site) else {
            return Ok(Effect::Applied);
        };
        let mut undo: Vec<(&Sku, Quantity)> = Vec::new();
        for (sku, change) in changes {
            let before = match quantities.get(sku) {
                Some(quantity) => *quantity,
                None => writing.stock_of(site, sku)?,
            };
            let change = change.map(Quantity::from_thousandths);
            match change.and_then(|change| before.checked_add(change)) {
                Some(after) => {
                    undo.push((sku, before));
                    match quantities.get_mut(sku) {
                        Some(quantity) => *quantity = after,
                        None => {
                            quantities.insert(sku.clone(), after);
                        }
                    }
                }
                None => {
                    for (sku, before) in undo.into_iter().rev() {
                        quantities.insert(sku.clone(), before);
                    }
                    let reason = format!("the stock of {sku} would be larger than can be counted");
                    return Ok(Effect::Refused(reason));
                }
            }
        }
        Ok(Effect::Applied)
    }
}
