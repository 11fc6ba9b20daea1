//! Checkout: a cart becomes a sale, once, whoever asks how often.

use rust_decimal::Decimal;

use super::edit::{CartRefusal, is_live, may_touch};
use super::priced::{draft_lines, priced_cart};
use crate::domain::cart::{CartId, CartState};
use crate::domain::ids::{ChannelId, StaffId};
use crate::domain::money::{Minor, Money};
use crate::domain::sale::SaleDraft;
use crate::domain::time::LocalTime;
use crate::operations::request::{Before, Request};
use crate::operations::sell::{SellRefusal, Sold, record, repeat};
use crate::operations::settings::Settings;
use crate::operations::till::{self, StatedTender, TillRefusal};
use crate::store::{Change, Device, Failure, Now, WriteTransaction};

/// A cart to be paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckoutCommand {
    /// The cart.
    pub cart: CartId,
    /// The till's own count of its sales and refunds.
    pub counter: u64,
    /// What the customer was told that it comes to, in the sale's currency.
    pub total: Decimal,
    /// When it was made, where the till says so.
    pub at: Option<LocalTime>,
    /// The sales channel.
    pub channel: ChannelId,
    /// Who sold, where known.
    pub staff: Option<StaffId>,
    /// For the staff, in the sale's currency.
    pub tip: Option<Decimal>,
    /// How it is paid.
    pub tenders: Vec<StatedTender>,
}

/// Why a cart is not paid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckoutRefusal {
    /// The cart itself.
    #[error(transparent)]
    Cart(#[from] CartRefusal),
    /// It comes to another sum by now: another till has changed it, or prices have.
    #[error("the cart comes to {now} by now, and the customer was told {told}")]
    TotalChanged {
        /// What it comes to.
        now: Money,
        /// What the customer was told.
        told: Decimal,
    },
    /// The sale that it would be.
    #[error(transparent)]
    Sell(#[from] SellRefusal),
}

impl CheckoutRefusal {
    /// A stable name for programs, the last part of the problem type of RFC 9457. Never renamed.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Cart(refusal) => refusal.code(),
            Self::TotalChanged { .. } => "cart-total-changed",
            Self::Sell(refusal) => refusal.code(),
        }
    }
}

type Refused = Failure<CheckoutRefusal>;

/// Sells what is in a cart. Of two tills that ask at once one sells, the other hears which sale it was; a till that asks
/// again gets the sale that it made.
///
/// # Errors
/// A [`CheckoutRefusal`], or why the store could not keep it. Nothing is recorded then, and the cart is as it was.
pub fn checkout(
    tx: &mut WriteTransaction<'_>,
    settings: &Settings,
    now: Now,
    device: &Device,
    request: &Request,
    command: &CheckoutCommand,
) -> Result<Sold, Refused> {
    let till = till::till(device).map_err(sell)?;
    let id = till::sale_id(till, command.counter).map_err(sell)?;
    match request.before(tx)? {
        Before::Answered(answer) => return repeat::first_answer(tx, &answer).map_err(of_sell),
        Before::KeyReused => return Err(sell(TillRefusal::KeyReused)),
        Before::New => {}
    }
    let row = tx.cart(&command.cart)?;
    let mut row = row.ok_or_else(|| cart(CartRefusal::Unknown(command.cart.clone())))?;
    may_touch(&row, device).map_err(of_cart)?;
    let by = (till.series_ix, command.counter);
    if let Some(document) = tx.document(till.series_ix, command.counter)? {
        if row.sale == Some(by) {
            return repeat::recorded(tx, document.position).map_err(Failure::Storage);
        }
        return Err(of_sell(repeat::used_by(tx, &document)?));
    }
    is_live(tx, &row).map_err(of_cart)?;
    let priced = priced_cart(tx, settings, row.clone()).map_err(of_cart)?;
    let total = priced.quote.totals.total.of(settings.sale.currency);
    if total.to_decimal() != command.total {
        let (now, told) = (total, command.total);
        return Err(Failure::Refused(CheckoutRefusal::TotalChanged { now, told }));
    }
    let at = till::made_at(command.at, device, settings, now).map_err(sell)?;
    let (lines, price_notes) = draft_lines(tx, settings, &row.cart).map_err(of_cart)?;
    let (basket_discount, basket_by_hand) = row.cart.discount.clone().unzip();
    let tip = Money::exact(command.tip.unwrap_or_default(), settings.sale.currency);
    let draft = SaleDraft {
        id,
        at,
        business_day: settings.business_day(at),
        channel: command.channel.clone(),
        customer: row.cart.customer.clone(),
        staff: command.staff.clone(),
        lines,
        promotions: Vec::new(),
        price_notes,
        basket_discount,
        basket_by_hand,
        tip: tip
            .map(|tip| Minor(tip.minor()))
            .map_err(|error| sell(SellRefusal::TipAmount(error)))?,
        tenders: till::tenders(&command.tenders, settings.sale.currency).map_err(sell)?,
        price_version: tx.prices_version()?,
    };
    let sold = record(tx, settings, now, device, request, (draft, None)).map_err(of_sell)?;
    row.state = CartState::Paid;
    row.sale = Some(by);
    row.version += 1;
    row.changed_ms = now.unix_ms;
    tx.put_cart(&row)?;
    tx.changed(Change::Cart(row.id));
    Ok(sold)
}

fn cart(refusal: CartRefusal) -> Refused {
    Failure::Refused(CheckoutRefusal::Cart(refusal))
}

fn sell(refusal: impl Into<SellRefusal>) -> Refused {
    Failure::Refused(CheckoutRefusal::Sell(refusal.into()))
}

fn of_cart(failure: Failure<CartRefusal>) -> Refused {
    failure.map_refusal(CheckoutRefusal::Cart)
}

fn of_sell(failure: Failure<SellRefusal>) -> Refused {
    failure.map_refusal(CheckoutRefusal::Sell)
}
