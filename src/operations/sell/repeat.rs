//! The same sale again: the first answer where it is the same, a refusal where it is not.
//!
//! What the till made is compared with what was recorded, not with a copy of its request: so a repeat is known for as
//! long as the sale is, also after a restore and after a repair.

use super::{ItemRef, Refused, SellCommand, SellLine, Sold, refused};
use crate::domain::ids::SaleId;
use crate::domain::money::{Currency, Minor, Money};
use crate::domain::sale::{Sale, SaleLine};
use crate::operations::till::{StatedDiscount, TillRefusal, tenders};
use crate::store::{Answer, Document, DocumentKind, Position, Snapshot, StorageError};

/// The answer to a request that was answered under its key.
pub(in crate::operations) fn first_answer(snapshot: &Snapshot<'_>, answer: &Answer) -> Result<Sold, Refused> {
    let Answer::Record(position) = answer else {
        return Err(refused(TillRefusal::KeyReused));
    };
    Ok(recorded(snapshot, *position)?)
}

/// The answer to a sale whose identity is in use.
pub(super) fn answer(snapshot: &Snapshot<'_>, command: &SellCommand, document: &Document) -> Result<Sold, Refused> {
    if document.kind == DocumentKind::Sale {
        let sold = recorded(snapshot, document.position)?;
        return if same(snapshot, command, &sold.sale)? {
            Ok(sold)
        } else {
            Err(used(sold.sale.id, sold.sale.receipt))
        };
    }
    Err(used_by(snapshot, document)?)
}

/// What is said where another document has the identity.
pub(in crate::operations) fn used_by(snapshot: &Snapshot<'_>, document: &Document) -> Result<Refused, StorageError> {
    let at = document.position;
    let (id, receipt) = match document.kind {
        DocumentKind::Sale => {
            let sold = recorded(snapshot, at)?;
            (sold.sale.id, sold.sale.receipt)
        }
        DocumentKind::Refund => {
            let refund = snapshot.refund_at(at)?.ok_or_else(|| missing("refund", at))?;
            (refund.id, refund.receipt)
        }
    };
    Ok(used(id, receipt))
}

pub(in crate::operations) fn recorded(snapshot: &Snapshot<'_>, position: Position) -> Result<Sold, StorageError> {
    let sale = snapshot.sale_at(position)?;
    Ok(Sold {
        sale: sale.ok_or_else(|| missing("sale", position))?,
        position,
        repeated: true,
    })
}

fn missing(what: &str, position: Position) -> StorageError {
    StorageError::Inconsistent(format!("there is no {what} at position {}", position.get()))
}

fn used(id: SaleId, receipt: crate::domain::ids::ReceiptNumber) -> Refused {
    refused(TillRefusal::IdUsed { id, receipt })
}

/// Whether a till's request is the one that a sale was recorded for. What the node added is not compared: prices that
/// the till did not state, the time where it gave none.
fn same(snapshot: &Snapshot<'_>, command: &SellCommand, sale: &Sale) -> Result<bool, StorageError> {
    let currency = sale.currency;
    let basket = total(sale.lines.iter().map(|line| Some(line.basket_discount)));
    let left = total(
        sale.lines
            .iter()
            .map(|line| line.gross(currency).ok()?.checked_sub(line.discount)),
    );
    let (Some(basket), Some(left)) = (basket, left) else {
        // No sale was ever decided with such amounts.
        return Ok(false);
    };
    let document = command.at.is_none_or(|at| at == sale.at)
        && command.channel == sale.channel
        && command.customer == sale.customer
        && command.staff == sale.staff
        && Money::exact(command.tip.unwrap_or_default(), currency).is_ok_and(|tip| tip.minor() == sale.totals.tip.0)
        && tenders(&command.tenders, currency).is_ok_and(|tenders| tenders == sale.tenders)
        && same_discount(command.basket_discount, left, basket, currency)
        && command.lines.len() == sale.lines.len();
    if !document {
        return Ok(false);
    }
    for (stated, recorded) in command.lines.iter().zip(&sale.lines) {
        if !same_line(snapshot, stated, recorded, currency)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn same_line(
    snapshot: &Snapshot<'_>,
    stated: &SellLine,
    recorded: &SaleLine,
    currency: Currency,
) -> Result<bool, StorageError> {
    let same_item = match &stated.item {
        ItemRef::Sku(sku) => *sku == recorded.sku,
        ItemRef::Gtin(gtin) => {
            let skus = snapshot.skus_by_gtin(*gtin)?;
            // A bar code that the catalog has dropped since contradicts nothing.
            skus.is_empty() || skus.contains(&recorded.sku)
        }
    };
    let gross = recorded.gross(currency).unwrap_or_default();
    Ok(same_item
        && stated.quantity == recorded.quantity
        && stated.unit_price.is_none_or(|price| price == recorded.unit_price)
        && same_discount(stated.discount, gross, recorded.discount, currency))
}

fn total(mut amounts: impl Iterator<Item = Option<Minor>>) -> Option<Minor> {
    amounts.try_fold(Minor(0), |total, amount| total.checked_add(amount?))
}

fn same_discount(stated: Option<StatedDiscount>, of: Minor, recorded: Minor, currency: Currency) -> bool {
    match stated {
        None => recorded == Minor(0),
        Some(stated) => stated
            .in_minor(currency)
            .and_then(|discount| discount.of(of))
            .is_ok_and(|amount| amount == recorded),
    }
}
