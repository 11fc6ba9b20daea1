//! Sell: goods that the customer has in hand, recorded with their receipt.
//!
//! A sale is never refused for lack of stock. Its identity is the till's `(series, counter)`: repeated with the same
//! content it gets the first answer for as long as the sale is kept; with other content it is refused.

mod lines;
pub(super) mod repeat;
mod take;

use rust_decimal::Decimal;

use super::pickups::pickup_sold;
use super::request::{Before, Request};
use super::settings::Settings;
use super::till::{self, StatedDiscount, StatedTender, TillRefusal};
use crate::domain::catalog::Gtin;
use crate::domain::fact::{Entry, Fact};
use crate::domain::ids::{ChannelId, CustomerRef, Sku, StaffId};
use crate::domain::money::{MoneyError, Price};
use crate::domain::quantity::Quantity;
use crate::domain::sale::{Sale, SaleDraft, SaleRefusal, decide};
use crate::domain::stock::HoldId;
use crate::domain::time::LocalTime;
use crate::store::{Change, Device, Document, DocumentKind, Failure, Now, Position, WriteTransaction};

/// A sale as a till asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SellCommand {
    /// The till's own count of its sales and refunds.
    pub counter: u64,
    /// When it was made, where the till says so.
    pub at: Option<LocalTime>,
    /// The sales channel.
    pub channel: ChannelId,
    /// Who bought, where known.
    pub customer: Option<CustomerRef>,
    /// Who sold, where known.
    pub staff: Option<StaffId>,
    /// The hold that it ends, where its goods were promised. One that is no longer open changes nothing: the goods are in
    /// the customer's hand.
    pub hold: Option<HoldId>,
    /// What is sold.
    pub lines: Vec<SellLine>,
    /// Off the whole basket.
    pub basket_discount: Option<StatedDiscount>,
    /// For the staff, in the sale's currency.
    pub tip: Option<Decimal>,
    /// How it is paid.
    pub tenders: Vec<StatedTender>,
}

/// One line of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SellLine {
    /// What is sold.
    pub item: ItemRef,
    /// How much of it.
    pub quantity: Quantity,
    /// The price of one unit, where the till states it.
    pub unit_price: Option<Price>,
    /// Off this line.
    pub discount: Option<StatedDiscount>,
}

/// How a till names an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemRef {
    /// By the organisation's own number.
    Sku(Sku),
    /// By its bar code.
    Gtin(Gtin),
}

/// A sale that stands in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sold {
    /// The sale.
    pub sale: Sale,
    /// Where it stands.
    pub position: Position,
    /// Whether it stood there before this request.
    pub repeated: bool,
}

/// Why a sale is not made. Lines and tenders are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SellRefusal {
    /// The till may not, or its request contradicts an earlier one.
    #[error(transparent)]
    Till(#[from] TillRefusal),
    /// The catalog does not have the item.
    #[error("line {line}: no item has the SKU {sku}")]
    UnknownSku {
        /// The line.
        line: usize,
        /// The SKU.
        sku: Sku,
    },
    /// The catalog has no item with the bar code.
    #[error("line {line}: no item has the bar code {gtin}")]
    UnknownGtin {
        /// The line.
        line: usize,
        /// The bar code's number.
        gtin: Gtin,
    },
    /// Several items have the bar code.
    #[error("line {line}: the bar code {gtin} belongs to several items ({}): sell by SKU", skus.iter().map(Sku::as_str).collect::<Vec<_>>().join(", "))]
    AmbiguousGtin {
        /// The line.
        line: usize,
        /// The bar code's number.
        gtin: Gtin,
        /// The items.
        skus: Vec<Sku>,
    },
    /// The till states a price that is not the item's, and may not.
    #[error("line {line}: the price is {price}, and this till may not state {stated}")]
    PriceStated {
        /// The line.
        line: usize,
        /// The item's price.
        price: Price,
        /// The till's.
        stated: Price,
    },
    /// A kiosk names a hold that another device opened.
    #[error("the hold {0} was opened by another device")]
    HoldOfAnother(HoldId),
    /// A kiosk states a discount: a customer would be giving it to himself.
    #[error("{}a kiosk may not give a discount", if *line == 0 { String::new() } else { format!("line {line}: ") })]
    DiscountStated {
        /// The line; 0 for the basket's discount.
        line: usize,
    },
    /// A discount that is not whole minor units, or too large.
    #[error("line {line}: the discount: {error}")]
    DiscountAmount {
        /// The line; 0 for the basket's discount.
        line: usize,
        /// What is wrong with it.
        error: MoneyError,
    },
    /// A tip that is not whole minor units, or too large.
    #[error("the tip: {0}")]
    TipAmount(MoneyError),
    /// The sale itself breaks a rule.
    #[error(transparent)]
    Sale(#[from] SaleRefusal),
}

impl SellRefusal {
    /// A stable name for programs, the last part of the problem type of RFC 9457. Never renamed.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Till(refusal) => refusal.code(),
            Self::UnknownSku { .. } => "unknown-sku",
            Self::UnknownGtin { .. } => "unknown-gtin",
            Self::AmbiguousGtin { .. } => "ambiguous-gtin",
            Self::PriceStated { .. } => "price-not-allowed",
            Self::HoldOfAnother(_) => "hold-of-another",
            Self::DiscountStated { .. } => "discount-not-allowed",
            Self::DiscountAmount { .. } => "discount-amount",
            Self::TipAmount(_) => "tip-amount",
            Self::Sale(refusal) => refusal.code(),
        }
    }
}

pub(super) type Refused = Failure<SellRefusal>;

/// Sells.
///
/// # Errors
/// A [`SellRefusal`], or why the store could not keep it. Nothing is recorded then, and no receipt number is taken.
pub fn sell(
    tx: &mut WriteTransaction<'_>,
    settings: &Settings,
    now: Now,
    device: &Device,
    request: &Request,
    command: &SellCommand,
) -> Result<Sold, Refused> {
    let till = till::till(device).map_err(refused)?;
    let id = till::sale_id(till, command.counter).map_err(refused)?;
    match request.before(tx)? {
        Before::Answered(answer) => return repeat::first_answer(tx, &answer),
        Before::KeyReused => return Err(refused(TillRefusal::KeyReused)),
        Before::New => {}
    }
    if let Some(document) = tx.document(till.series_ix, command.counter)? {
        return repeat::answer(tx, command, &document);
    }
    let at = till::made_at(command.at, device, settings, now).map_err(refused)?;
    let draft = SaleDraft {
        id,
        at,
        business_day: settings.business_day(at),
        channel: command.channel.clone(),
        customer: command.customer.clone(),
        staff: command.staff.clone(),
        lines: lines::priced(tx, settings, device, &command.lines)?,
        promotions: Vec::new(),
        price_notes: Vec::new(),
        basket_discount: lines::basket_discount(settings, device, command)?,
        basket_by_hand: None,
        tip: lines::tip(settings, command)?,
        tenders: till::tenders(&command.tenders, settings.sale.currency).map_err(refused)?,
        price_version: lines::price_version(tx, command)?,
    };
    record(tx, settings, now, device, request, (draft, command.hold))
}

/// Records a sale that was not recorded before, with what it moves: the end of every way to sell. `hold` is the one that it
/// ends.
pub(super) fn record(
    tx: &mut WriteTransaction<'_>,
    settings: &Settings,
    now: Now,
    device: &Device,
    request: &Request,
    (mut draft, hold): (SaleDraft, Option<HoldId>),
) -> Result<Sold, Refused> {
    let till = till::till(device).map_err(refused)?;
    let goods = take::take_goods(tx, device, hold, &mut draft)?;
    let receipt = tx.next_receipt(&till.register)?;
    let sale = decide(draft, receipt.number, &settings.sale).map_err(refused)?;
    let recorded = tx.stamp(now);
    let fact = Fact::Sale(sale.clone());
    let appended = tx.append(&Entry { recorded, fact })?;
    goods.record(tx, now, appended.position)?;
    if let Some(hold) = hold {
        pickup_sold(tx, now, device, hold, (&sale.id, sale.staff.as_ref()))?;
    }
    tx.insert_document(&Document {
        series: till.series_ix,
        counter: sale.id.counter,
        position: appended.position,
        kind: DocumentKind::Sale,
        receipt_series: receipt.series,
        number: sale.receipt.number,
        business_day: sale.business_day,
        total: sale.totals.total,
    })?;
    tx.take_receipt(&till.register);
    request.keep_document(tx, appended.position, now)?;
    tx.changed(Change::Sale(appended.position));
    Ok(Sold {
        sale,
        position: appended.position,
        repeated: false,
    })
}

fn refused(refusal: impl Into<SellRefusal>) -> Refused {
    Failure::Refused(refusal.into())
}
