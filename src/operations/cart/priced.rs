//! What a cart comes to now: its lines with the prices of this moment, its discounts and its sums.

use super::edit::CartRefusal;
use crate::domain::cart::{Cart, CartLine};
use crate::domain::catalog::Item;
use crate::domain::money::Minor;
use crate::domain::quantity::Quantity;
use crate::domain::sale::{DraftLine, Fulfilment, PriceCause, PriceNote, Quote, quote};
use crate::operations::settings::Settings;
use crate::store::{CartRow, Failure, Snapshot};

/// A cart with what it comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PricedCart {
    /// The cart.
    pub row: CartRow,
    /// What the catalog says of each line's item, where it knows it.
    pub items: Vec<Option<Item>>,
    /// What the lines come to.
    pub quote: Quote,
    /// Lines whose price is not the item's own.
    pub price_notes: Vec<PriceNote>,
    /// What is to be paid where all of it is paid in coins.
    pub in_cash: Minor,
}

/// What a cart comes to.
///
/// # Errors
/// Where its discounts are more than it costs, an item has left the catalog, or the store cannot be read.
pub fn priced_cart(
    snapshot: &Snapshot<'_>,
    settings: &Settings,
    row: CartRow,
) -> Result<PricedCart, Failure<CartRefusal>> {
    let items = row
        .cart
        .lines
        .iter()
        .map(|line| Ok(snapshot.item(&line.sku)?.map(|listed| listed.item)));
    let items = items.collect::<Result<_, crate::store::StorageError>>()?;
    let (lines, price_notes) = draft_lines(snapshot, settings, &row.cart)?;
    let (discount, by_hand) = row.cart.discount.clone().unzip();
    let refused = |error| Failure::Refused(CartRefusal::Sale(error));
    let quote = quote(lines, Vec::new(), (discount, by_hand), &settings.sale).map_err(refused)?;
    // A sum that fits is rounded to one that fits, but for the very largest: those are not paid in coins.
    let in_cash = settings.sale.cash_rounding.round(quote.totals.total);
    let in_cash = in_cash.unwrap_or(quote.totals.total);
    Ok(PricedCart {
        row,
        items,
        quote,
        price_notes,
        in_cash,
    })
}

/// A cart's lines as a sale is decided from them.
pub(super) fn draft_lines(
    snapshot: &Snapshot<'_>,
    settings: &Settings,
    cart: &Cart,
) -> Result<(Vec<DraftLine>, Vec<PriceNote>), Failure<CartRefusal>> {
    let (mut lines, mut notes) = (Vec::with_capacity(cart.lines.len()), Vec::new());
    for (line, at) in cart.lines.iter().zip(0..) {
        let priced = snapshot.priced(&line.sku)?;
        let (list, tax_class) = match (priced, &line.price) {
            (Some(priced), _) => (priced.price, priced.tax_class),
            // It has left the catalog since; what a person priced can still be sold.
            (None, Some((price, _))) => (*price, settings.unlisted_tax_class.clone()),
            (None, None) => return Err(Failure::Refused(CartRefusal::UnknownSku(line.sku.clone()))),
        };
        let mut unit_price = list;
        if let Some((price, by_hand)) = &line.price {
            unit_price = *price;
            let cause = PriceCause::ByHand(by_hand.clone());
            notes.extend((list != *price).then_some(PriceNote { line: at, list, cause }));
        }
        lines.push(draft_line(line, unit_price, tax_class));
    }
    Ok((lines, notes))
}

fn draft_line(
    line: &CartLine,
    unit_price: crate::domain::money::Price,
    tax_class: crate::domain::tax::TaxClass,
) -> DraftLine {
    let (discount, by_hand) = line.discount.clone().unzip();
    DraftLine {
        sku: line.sku.clone(),
        quantity: line.quantity,
        unit_price,
        discount,
        by_hand,
        tax_class,
        fulfilment: Fulfilment::InHand { debt: Quantity::ZERO },
    }
}
