//! Edits of a cart. The first one of a new identity begins the cart.

use super::priced::{PricedCart, priced_cart};
use crate::domain::cart::{Cart, CartEdit, CartId, CartLineId, CartState, EditRefusal};
use crate::domain::catalog::Gtin;
use crate::domain::ids::{SaleId, Sku};
use crate::domain::quantity::Quantity;
use crate::domain::sale::SaleRefusal;
use crate::operations::request::Request;
use crate::operations::sell::ItemRef;
use crate::operations::settings::Settings;
use crate::store::{CartRow, Change, Device, Failure, Now, Role, Snapshot, StorageError, WriteTransaction};

/// What a till asks of a cart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EditCommand {
    /// The cart; begun where there is none.
    pub cart: CartId,
    /// What is done, in order; all of it or nothing. At most 100.
    pub steps: Vec<CartStep>,
}

/// The most steps of one request.
pub const STEPS_MAX: usize = 100;

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CartStep {
    /// A new line, its item named as a till names it.
    Add {
        /// The line's identity.
        line: CartLineId,
        /// What is to be sold.
        item: ItemRef,
        /// How much of it.
        quantity: Quantity,
    },
    /// Another change of what is in it.
    Edit(CartEdit),
    /// It waits for any till to take it up.
    Park,
    /// This till takes it up.
    Take,
    /// It is given up.
    Void,
}

/// Why a cart is not changed, or cannot be looked at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CartRefusal {
    /// No cart has that identity, or it was over long ago.
    #[error("there is no cart {0}")]
    Unknown(CartId),
    /// It was paid.
    #[error("the cart {cart} was paid by {sale}")]
    Paid {
        /// The cart.
        cart: CartId,
        /// The sale.
        sale: SaleId,
    },
    /// It was given up.
    #[error("the cart {0} was given up")]
    Void(CartId),
    /// A kiosk asks for a cart of another device.
    #[error("the cart {0} belongs to another device")]
    OfAnother(CartId),
    /// A kiosk sets a price or a discount, or gives a cart to a till.
    #[error("a kiosk may not change prices")]
    NotAtKiosk,
    /// The device may not set prices.
    #[error("this till may not set prices")]
    PriceNotAllowed,
    /// Too many steps.
    #[error("one request has at most {STEPS_MAX} steps, and this one has {0}")]
    TooManySteps(usize),
    /// A step cannot be taken. Steps are counted from 1.
    #[error("step {step}: {error}")]
    Step {
        /// The step.
        step: usize,
        /// Why.
        error: EditRefusal,
    },
    /// The catalog does not have an item.
    #[error("no item has the SKU {0}")]
    UnknownSku(Sku),
    /// No item, or several, have the bar code.
    #[error("{found} items have the bar code {gtin}")]
    Gtin {
        /// The bar code's number.
        gtin: Gtin,
        /// How many.
        found: usize,
    },
    /// A discount does not fit, or an item cannot be sold.
    #[error(transparent)]
    Sale(SaleRefusal),
    /// The key belongs to another request.
    #[error("the idempotency key was used before for another request")]
    KeyReused,
}

impl CartRefusal {
    /// A stable name for programs, the last part of the problem type of RFC 9457. Never renamed.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unknown(_) => "cart-not-found",
            Self::Paid { .. } => "cart-paid",
            Self::Void(_) => "cart-void",
            Self::OfAnother(_) => "cart-of-another",
            Self::NotAtKiosk => "discount-not-allowed",
            Self::PriceNotAllowed => "price-not-allowed",
            Self::TooManySteps(_) => "too-many-steps",
            Self::Step { error, .. } => error.code(),
            Self::UnknownSku(_) => "unknown-sku",
            Self::Gtin { found: 0, .. } => "unknown-gtin",
            Self::Gtin { .. } => "ambiguous-gtin",
            Self::Sale(refusal) => refusal.code(),
            Self::KeyReused => "idempotency-key-reused",
        }
    }
}

/// Changes a cart, and gives it as it is then, and whether the request had come before. A repeat changes nothing and gives
/// the cart as it is now.
///
/// # Errors
/// A [`CartRefusal`], or why the store could not keep it. The cart is as it was then.
pub fn edit_cart(
    tx: &mut WriteTransaction<'_>,
    settings: &Settings,
    now: Now,
    device: &Device,
    request: &Request,
    command: EditCommand,
) -> Result<(PricedCart, bool), Failure<CartRefusal>> {
    if command.steps.len() > STEPS_MAX {
        return Err(Failure::Refused(CartRefusal::TooManySteps(command.steps.len())));
    }
    let found = tx.cart(&command.cart)?;
    if let (Some(row), Some(key)) = (&found, &request.key) {
        match tx.cart_request(&row.id, device.ix, key)? {
            Some(fingerprint) if fingerprint == request.fingerprint => {
                return Ok((priced_cart(tx, settings, row.clone())?, true));
            }
            Some(_) => return Err(Failure::Refused(CartRefusal::KeyReused)),
            None => {}
        }
    }
    let mut row = found.unwrap_or_else(|| begun(command.cart, device));
    may_touch(&row, device)?;
    is_live(tx, &row)?;
    for (step, at) in command.steps.into_iter().zip(1..) {
        take(tx, device, &mut row, step, at)?;
    }
    row.version += 1;
    row.changed_ms = now.unix_ms;
    tx.put_cart(&row)?;
    if let Some(key) = &request.key {
        tx.keep_cart_request(&row.id, device.ix, key, request.fingerprint)?;
    }
    tx.changed(Change::Cart(row.id.clone()));
    Ok((priced_cart(tx, settings, row)?, false))
}

fn begun(id: CartId, device: &Device) -> CartRow {
    CartRow {
        id,
        version: 0,
        state: CartState::Open,
        opened_by: device.ix,
        held_by: device.ix,
        cart: Cart::default(),
        changed_ms: 0,
        sale: None,
    }
}

/// A customer at a kiosk sees the carts that the kiosk began, and no others.
pub(super) fn may_touch(row: &CartRow, device: &Device) -> Result<(), Failure<CartRefusal>> {
    if device.role == Role::Kiosk && row.opened_by != device.ix {
        return Err(Failure::Refused(CartRefusal::OfAnother(row.id.clone())));
    }
    Ok(())
}

/// Refuses a cart that is over.
pub(super) fn is_live(snapshot: &Snapshot<'_>, row: &CartRow) -> Result<(), Failure<CartRefusal>> {
    let cart = || row.id.clone();
    match row.state {
        CartState::Open | CartState::Parked => Ok(()),
        CartState::Void => Err(Failure::Refused(CartRefusal::Void(cart()))),
        CartState::Paid => {
            let sale = paid_by(snapshot, row)?;
            Err(Failure::Refused(CartRefusal::Paid { cart: cart(), sale }))
        }
    }
}

/// The sale that a paid cart became.
fn paid_by(snapshot: &Snapshot<'_>, row: &CartRow) -> Result<SaleId, StorageError> {
    let missing = || StorageError::Inconsistent(format!("the paid cart {} names no sale", row.id));
    let (series, counter) = row.sale.ok_or_else(missing)?;
    let series = snapshot.series_name(series)?.ok_or_else(missing)?;
    Ok(SaleId { series, counter })
}

fn take(
    tx: &mut WriteTransaction<'_>,
    device: &Device,
    row: &mut CartRow,
    step: CartStep,
    at: usize,
) -> Result<(), Failure<CartRefusal>> {
    let by_hand = matches!(
        step,
        CartStep::Edit(CartEdit::SetPrice { .. } | CartEdit::SetDiscount { .. } | CartEdit::SetBasketDiscount(_))
    );
    if device.role == Role::Kiosk && by_hand {
        return Err(Failure::Refused(CartRefusal::NotAtKiosk));
    }
    let wrong = |error| Failure::Refused(CartRefusal::Step { step: at, error });
    match step {
        CartStep::Park => row.state = CartState::Parked,
        CartStep::Take => (row.state, row.held_by) = (CartState::Open, device.ix),
        CartStep::Void => row.state = CartState::Void,
        CartStep::Add { line, item, quantity } => {
            let sku = sku_of(tx, item)?;
            row.cart.apply(CartEdit::Add { line, sku, quantity }).map_err(wrong)?;
        }
        CartStep::Edit(edit) => {
            if matches!(&edit, CartEdit::SetPrice { price: Some(_), .. }) && !device.rights.state_prices {
                return Err(Failure::Refused(CartRefusal::PriceNotAllowed));
            }
            row.cart.apply(edit).map_err(wrong)?;
        }
    }
    Ok(())
}

/// The one item that a till names, where the catalog has it.
fn sku_of(tx: &mut WriteTransaction<'_>, item: ItemRef) -> Result<Sku, Failure<CartRefusal>> {
    let sku = match item {
        ItemRef::Sku(sku) => sku,
        ItemRef::Gtin(gtin) => {
            let mut skus = tx.skus_by_gtin(gtin)?;
            let found = skus.len();
            let one = skus.pop().filter(|_| found == 1);
            one.ok_or(Failure::Refused(CartRefusal::Gtin { gtin, found }))?
        }
    };
    match tx.priced(&sku)? {
        Some(_) => Ok(sku),
        None => Err(Failure::Refused(CartRefusal::UnknownSku(sku))),
    }
}
