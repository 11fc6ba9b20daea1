//! What tills ask of a node: sales, refunds and goods that move, each with the identity that the till gave it.
//!
//! Prices never change here, so what a document must come to follows from what was asked, whoever decides it.

use std::collections::BTreeMap;
use std::fmt;

use finalmarket::domain::ids::SaleId;
use finalmarket::domain::money::{Currency, Minor, Rounding};
use finalmarket::domain::quantity::Quantity;
use finalmarket::domain::sale::{
    Discount, DraftLine, Fulfilment, RefundDraft, ReturnedLine, SaleDraft, SaleRules, Tender, TenderKind,
};
use finalmarket::domain::stock::{Movement, MovementId, MovementKind, MovementLine};
use finalmarket::domain::tax::{TaxBasis, TaxPolicy, TaxRoundingBy};
use finalmarket::domain::time::{BusinessDay, LocalTime};

/// Prices of the items that are sold, in cents; an item's SKU is its position.
pub const PRICES: [i64; 12] = [99, 149, 1_095, 5, 20_000, 333, 1, 77, 250, 499, 1_999, 12];

/// What one document is known by, wherever it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum DocId {
    /// A sale or a refund.
    Sale(SaleId),
    /// A movement of goods, by its reference.
    Movement(String),
}

impl fmt::Display for DocId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sale(id) => id.fmt(f),
            Self::Movement(reference) => reference.get(..reference.len().min(12)).unwrap_or_default().fmt(f),
        }
    }
}

/// A till's request. It is repeated word for word until it is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The device.
    pub device: String,
    /// Its idempotency key.
    pub key: u64,
    /// What it asks.
    pub body: Body,
}

/// What a till asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// A sale.
    Sale(SaleAsked),
    /// One whole line of an earlier sale comes back.
    Refund(RefundAsked),
    /// Goods move.
    Movement(MovementAsked),
}

/// A sale as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaleAsked {
    /// The till's identity of it.
    pub id: SaleId,
    /// Its business day, counted from 1970.
    pub day: i32,
    /// What is sold; at least one line.
    pub lines: Vec<LineAsked>,
    /// Off the basket, in cents.
    pub basket_discount: i64,
    /// What is given in cash, in cents.
    pub cash: i64,
}

/// One line of a sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineAsked {
    /// The item's position in [`PRICES`].
    pub item: usize,
    /// In thousandths.
    pub quantity: i64,
    /// Off the line, in cents.
    pub discount: i64,
}

/// A refund as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundAsked {
    /// The till's identity of it.
    pub id: SaleId,
    /// The sale.
    pub of: SaleId,
    /// Its business day, counted from 1970.
    pub day: i32,
    /// The line's position.
    pub line: u16,
    /// How much comes back, in thousandths.
    pub quantity: i64,
    /// What is paid back, in cents.
    pub amount: i64,
}

/// Goods that move, as a manager states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovementAsked {
    /// The document's reference; unique.
    pub reference: String,
    /// What moves: positions in [`PRICES`] and thousandths.
    pub lines: Vec<(usize, i64)>,
}

impl Request {
    /// The document that it asks for.
    pub fn doc(&self) -> DocId {
        match &self.body {
            Body::Sale(sale) => DocId::Sale(sale.id.clone()),
            Body::Refund(refund) => DocId::Sale(refund.id.clone()),
            Body::Movement(movement) => DocId::Movement(movement.reference.clone()),
        }
    }
}

impl SaleAsked {
    /// The sale as the domain takes it.
    pub fn draft(&self) -> SaleDraft {
        let (at, business_day) = time_and_day(self.day);
        let line = |line: &LineAsked| DraftLine {
            sku: sku(line.item).parse().expect("a SKU"),
            quantity: Quantity::from_thousandths(line.quantity),
            unit_price: price(line.item).parse().expect("a price"),
            discount: (line.discount > 0).then_some(Discount::Amount(Minor(line.discount))),
            tax_class: "standard".parse().expect("a tax class"),
            fulfilment: Fulfilment::InHand { debt: Quantity::ZERO },
            by_hand: None,
        };
        SaleDraft {
            id: self.id.clone(),
            at,
            business_day,
            channel: "store".parse().expect("a channel"),
            customer: None,
            staff: None,
            lines: self.lines.iter().map(line).collect(),
            basket_discount: (self.basket_discount > 0).then_some(Discount::Amount(Minor(self.basket_discount))),
            tenders: cash(self.cash),
            price_version: 0,
            promotions: Vec::new(),
            price_notes: Vec::new(),
            basket_by_hand: None,
            tip: Minor(0),
        }
    }
}

impl RefundAsked {
    /// The refund as the domain takes it.
    pub fn draft(&self) -> RefundDraft {
        let (at, business_day) = time_and_day(self.day);
        RefundDraft {
            id: self.id.clone(),
            at,
            business_day,
            staff: None,
            reason: None,
            lines: vec![ReturnedLine::on_sale(
                self.line,
                Quantity::from_thousandths(self.quantity),
            )],
            tenders: if self.amount == 0 {
                Vec::new()
            } else {
                cash(self.amount)
            },
        }
    }
}

impl MovementAsked {
    /// The movement as the domain takes it.
    pub fn movement(&self) -> Movement {
        let line = |(item, change): &(usize, i64)| MovementLine {
            sku: sku(*item).parse().expect("a SKU"),
            change: Quantity::from_thousandths(*change),
        };
        Movement {
            id: Some(MovementId::of(b"simulated", &self.reference)),
            kind: MovementKind::Adjustment,
            reference: Some(self.reference.clone()),
            lines: self.lines.iter().map(line).collect(),
        }
    }
}

/// An item's SKU.
pub fn sku(item: usize) -> String {
    format!("item-{item}")
}

/// The rules that every site follows.
pub fn rules() -> SaleRules {
    let standard = ("standard".parse().expect("a class"), "19".parse().expect("a rate"));
    SaleRules {
        currency: Currency::EUR,
        tax_policy: TaxPolicy {
            basis: TaxBasis::Included,
            rounding_by: TaxRoundingBy::Line,
            rounding: Rounding::HalfUp,
        },
        tax_rates: BTreeMap::from([standard]),
        cash_rounding: finalmarket::domain::money::CashRounding::NONE,
        tips: false,
    }
}

fn price(item: usize) -> String {
    let cents = PRICES.get(item).copied().unwrap_or_default();
    format!("{}.{:02}", cents / 100, cents % 100)
}

fn cash(amount: i64) -> Vec<Tender> {
    vec![Tender {
        kind: TenderKind::Cash,
        amount: Minor(amount),
        reference: None,
    }]
}

/// Noon of a day, counted from 1970.
pub fn time_and_day(day: i32) -> (LocalTime, BusinessDay) {
    let day = BusinessDay::from_number(day).expect("a day of the calendar");
    (format!("{day}T12:00:00").parse().expect("a time"), day)
}
