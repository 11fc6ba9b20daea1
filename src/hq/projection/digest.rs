//! What a till itself decided of a sale, and a client of a movement: by this one that comes again is known from another
//! under the same identity.
//!
//! The receipt number, the recording time and the debt are the node's: a till that repeats its last sale to a node
//! that was restored gets others there, and the sale is still the same.

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::domain::escrow::Amount;
use crate::domain::fact::Fact;
use crate::domain::ids::{SiteId, Sku};
use crate::domain::journal::Hash;
use crate::domain::sale::{Refund, Sale};
use crate::domain::stock::{Movement, StockWork, Verb, effects};

/// A sale's digest.
pub(super) fn of_sale(sale: &Sale) -> Hash {
    let lines: Vec<_> = sale
        .lines
        .iter()
        .map(|line| {
            let discounts = (line.discount, line.basket_discount);
            (&line.sku, line.quantity, line.unit_price, discounts, line.tax)
        })
        .collect();
    digest(&("sale", sale.at, sale.currency, lines, &sale.tenders, &sale.totals))
}

/// A refund's digest.
pub(super) fn of_refund(refund: &Refund) -> Hash {
    let head = ("refund", &refund.of, refund.at, refund.currency);
    digest(&(head, &refund.lines, &refund.tenders, &refund.totals))
}

/// A movement's digest.
pub(super) fn of_movement(movement: &Movement) -> Hash {
    digest(&("movement", movement))
}

/// The digest of work on the stock.
pub(super) fn of_work(work: &StockWork) -> Hash {
    digest(&("work", work))
}

/// Of goods that left or arrived: which, how much and where, whoever entered it.
pub(super) fn of_goods(fact: &Fact) -> Hash {
    let moved = effects(fact);
    let goods: Vec<(Option<&SiteId>, &Sku, i64)> = moved
        .iter()
        .map(|effect| {
            let amount = match effect.verb {
                Verb::Add(amount) | Verb::Take(amount) | Verb::Spend(amount) | Verb::SellHeld { sold: amount, .. } => {
                    amount
                }
                _ => Amount::ZERO,
            };
            (
                effect.site,
                effect.sku,
                i64::try_from(amount.parts()).unwrap_or(i64::MAX),
            )
        })
        .collect();
    digest(&("goods", goods))
}

fn digest(content: &impl Serialize) -> Hash {
    // Writing to a growing vector does not fail for these types.
    let bytes = postcard::to_allocvec(content).unwrap_or_default();
    Hash(Sha256::digest(&bytes).into())
}
