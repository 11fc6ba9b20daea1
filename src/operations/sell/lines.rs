//! From what a till names to lines with prices and tax classes.

use super::{ItemRef, Refused, SellCommand, SellLine, SellRefusal, refused};
use crate::domain::ids::Sku;
use crate::domain::money::{Minor, Money, Price};
use crate::domain::quantity::Quantity;
use crate::domain::sale::{Discount, DraftLine, Fulfilment, LINES_MAX, SaleRefusal};
use crate::operations::settings::Settings;
use crate::operations::till::StatedDiscount;
use crate::store::{Device, Priced, Role, WriteTransaction};

/// The lines with what the catalog and the price feed say of their items.
pub(super) fn priced(
    tx: &mut WriteTransaction<'_>,
    settings: &Settings,
    device: &Device,
    lines: &[SellLine],
) -> Result<Vec<DraftLine>, Refused> {
    if lines.len() > LINES_MAX {
        // Before each costs a read.
        return Err(refused(SaleRefusal::TooManyLines { lines: lines.len() }));
    }
    lines
        .iter()
        .zip(1..)
        .map(|(stated, line)| {
            let (sku, item) = find(tx, settings, device, stated, line)?;
            let discount = allowed_discount(stated.discount, device, line)?
                .map(|discount| discount.in_minor(settings.sale.currency));
            Ok(DraftLine {
                sku,
                quantity: stated.quantity,
                unit_price: unit_price(stated.unit_price, item.price, device, line)?,
                discount: discount
                    .transpose()
                    .map_err(|error| refused(SellRefusal::DiscountAmount { line, error }))?,
                by_hand: None,
                tax_class: item.tax_class,
                fulfilment: Fulfilment::InHand { debt: Quantity::ZERO },
            })
        })
        .collect()
}

/// The discount on the whole basket in minor units.
pub(super) fn basket_discount(
    settings: &Settings,
    device: &Device,
    command: &SellCommand,
) -> Result<Option<Discount>, Refused> {
    allowed_discount(command.basket_discount, device, 0)?
        .map(|discount| discount.in_minor(settings.sale.currency))
        .transpose()
        .map_err(|error| refused(SellRefusal::DiscountAmount { line: 0, error }))
}

/// The tip in minor units.
pub(super) fn tip(settings: &Settings, command: &SellCommand) -> Result<Minor, Refused> {
    let tip = command.tip.unwrap_or_default();
    Money::exact(tip, settings.sale.currency)
        .map(|tip| Minor(tip.minor()))
        .map_err(|error| refused(SellRefusal::TipAmount(error)))
}

/// What is stated off the price, where the device may: staff may at a till, a customer at a kiosk may not.
fn allowed_discount(
    stated: Option<StatedDiscount>,
    device: &Device,
    line: usize,
) -> Result<Option<StatedDiscount>, Refused> {
    match stated {
        Some(_) if device.role == Role::Kiosk => Err(refused(SellRefusal::DiscountStated { line })),
        stated => Ok(stated),
    }
}

/// The version of the price feed, unless the till stated every price.
pub(super) fn price_version(tx: &mut WriteTransaction<'_>, command: &SellCommand) -> Result<u64, Refused> {
    if command.lines.iter().all(|line| line.unit_price.is_some()) {
        return Ok(0);
    }
    Ok(tx.prices_version()?)
}

/// The item. One that the catalog does not have can be sold all the same by a till that may state prices and does: what
/// was sold before the catalog knew it, or after it forgot it, was sold.
fn find(
    tx: &mut WriteTransaction<'_>,
    settings: &Settings,
    device: &Device,
    stated: &SellLine,
    line: usize,
) -> Result<(Sku, Priced), Refused> {
    let sku = match &stated.item {
        ItemRef::Sku(sku) => sku.clone(),
        ItemRef::Gtin(gtin) => {
            let gtin = *gtin;
            let mut skus = tx.skus_by_gtin(gtin)?;
            match (skus.pop(), skus.is_empty()) {
                (Some(sku), true) => sku,
                (Some(last), false) => {
                    skus.push(last);
                    return Err(refused(SellRefusal::AmbiguousGtin { line, gtin, skus }));
                }
                (None, _) => return Err(refused(SellRefusal::UnknownGtin { line, gtin })),
            }
        }
    };
    match (tx.priced(&sku)?, stated.unit_price) {
        (Some(priced), _) => Ok((sku, priced)),
        (None, Some(price)) if device.rights.state_prices => {
            let tax_class = settings.unlisted_tax_class.clone();
            Ok((sku, Priced { price, tax_class }))
        }
        (None, _) => Err(refused(SellRefusal::UnknownSku { line, sku })),
    }
}

/// The price of one unit. A till may always state the item's own.
fn unit_price(stated: Option<Price>, price: Price, device: &Device, line: usize) -> Result<Price, Refused> {
    match stated {
        None => Ok(price),
        Some(stated) if stated == price || device.rights.state_prices => Ok(stated),
        Some(stated) => Err(refused(SellRefusal::PriceStated { line, price, stated })),
    }
}
