//! Where a sale's goods come from: out of the hold that promised them, or out of the shelf, as debt where the node has no
//! rights to them. It is never refused for lack of stock.

use super::{Refused, SellRefusal, refused};
use crate::domain::escrow::Amount;
use crate::domain::fact::{Entry, Fact};
use crate::domain::ids::Sku;
use crate::domain::quantity::Quantity;
use crate::domain::sale::{DraftLine, Fulfilment, SaleDraft};
use crate::domain::stock::{Effect, Hold, HoldEnd, HoldEnded, HoldId, Place, Verb, effects};
use crate::operations::shelves::{Shelves, impossible};
use crate::store::{Device, Now, Position, Role, StorageError, WriteTransaction};

/// What a sale moves, to be recorded behind it.
pub(super) struct Goods {
    shelves: Shelves,
    ended: Option<(Hold, HoldEnded)>,
}

/// Takes the goods of a draft's lines and says on each how they left. Lines of items that the hold has come out of it, as
/// far as it goes; the hold ends with the sale, whatever of it is not sold is free again.
pub(super) fn take_goods(
    tx: &mut WriteTransaction<'_>,
    device: &Device,
    hold: Option<HoldId>,
    draft: &mut SaleDraft,
) -> Result<Goods, Refused> {
    let hold = match hold {
        Some(id) => tx.hold(id)?,
        None => None,
    };
    if let Some(row) = &hold
        && device.role == Role::Kiosk
        && row.device != Some(device.ix)
    {
        return Err(refused(SellRefusal::HoldOfAnother(row.hold.opened.id)));
    }
    let mut goods = Goods {
        shelves: Shelves::default(),
        ended: None,
    };
    let promised = |sku: &Sku| {
        let hold = hold.as_ref()?;
        (hold.hold.quantity_of(sku) > Quantity::ZERO).then_some(hold.hold.opened.id)
    };
    for line in &mut draft.lines {
        line.fulfilment = match promised(&line.sku) {
            Some(hold) => {
                let debt = Quantity::ZERO;
                Fulfilment::Promised { hold, debt }
            }
            None => {
                let verb = Verb::Take(Amount::try_from(line.quantity).unwrap_or_default());
                let debt = goods.take(tx, &line.sku, verb)?;
                Fulfilment::InHand { debt }
            }
        };
    }
    if let Some(row) = hold {
        goods.end(tx, row.hold, draft)?;
    }
    Ok(goods)
}

impl Goods {
    /// Writes what the sale at `position` moved, and the end of its hold behind it.
    pub(super) fn record(
        self,
        tx: &mut WriteTransaction<'_>,
        now: Now,
        position: Position,
    ) -> Result<(), StorageError> {
        if let Some((hold, ended)) = self.ended {
            let recorded = tx.stamp(now);
            let fact = Fact::HoldEnded(ended);
            let position = tx.append(&Entry { recorded, fact })?.position;
            tx.remove_hold(&hold)?;
            return self.shelves.save(tx, position);
        }
        self.shelves.save(tx, position)
    }

    fn take(&mut self, tx: &mut WriteTransaction<'_>, sku: &Sku, verb: Verb<'_>) -> Result<Quantity, StorageError> {
        let (site, place) = (None, Place::Sellable);
        let effect = Effect { site, place, sku, verb };
        let taken = self.shelves.apply(tx, &effect);
        let debt = taken.map_err(|failure| impossible(&effect, failure))?.debt;
        Ok(quantity(debt))
    }

    /// Ends the hold with what the draft's lines sell of it.
    fn end(&mut self, tx: &mut WriteTransaction<'_>, hold: Hold, draft: &mut SaleDraft) -> Result<(), StorageError> {
        let of = |sku: &Sku, line: &&mut DraftLine| line.sku == *sku;
        let lines = hold.opened.lines.clone();
        let mut sold = Vec::with_capacity(lines.len());
        for held in &lines {
            let of_item = draft.lines.iter_mut().filter(|line| of(&held.sku, line));
            sold.push(of_item.map(|line| line.quantity).sum());
        }
        let ended = HoldEnded {
            id: hold.opened.id,
            site: hold.opened.site.clone(),
            end: HoldEnd::Sold {
                sale: draft.id.clone(),
                sold,
            },
            lines,
        };
        let fact = Fact::HoldEnded(ended.clone());
        for effect in effects(&fact) {
            let debt = self.take(tx, effect.sku, effect.verb)?;
            // All of an item's lines are one sale from the shelf: the last of them says what was owed.
            let last = draft.lines.iter_mut().rfind(|line| line.sku == *effect.sku);
            if let Some(Fulfilment::Promised { debt: owed, .. }) = last.map(|line| &mut line.fulfilment) {
                *owed = debt;
            }
        }
        self.ended = Some((hold, ended));
        Ok(())
    }
}

fn quantity(amount: Amount) -> Quantity {
    Quantity::from_thousandths(i64::try_from(amount.parts()).unwrap_or(i64::MAX))
}
