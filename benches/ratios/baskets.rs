//! What a store sells: a catalog of our own making, and baskets of three lines as real ones are: a few items sell often
//! and most seldom, a discount on every fourth line, known customers, cash and cards.

use std::collections::HashMap;

use finalmarket::domain::catalog::Item;
use finalmarket::domain::ids::Sku;
use finalmarket::domain::money::{Currency, Minor, Price, Rounding};
use finalmarket::domain::quantity::Quantity;
use finalmarket::domain::sale::{Discount, DraftLine, Fulfilment, SaleDraft, SaleRules, Tender, TenderKind, decide};
use finalmarket::domain::tax::{TaxBasis, TaxPolicy, TaxRoundingBy};
use finalmarket::operations::{ItemRef, SellCommand, SellLine, Settings, StatedDiscount, StatedTender};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::Outcome;

/// The tax class of every item, and its rate in per cent.
pub const TAX_CLASS: &str = "standard";
pub const TAX_PERCENT: &str = "8.25";
/// How many lines a basket has.
pub const LINES: usize = 3;

/// A small generator, so that every run sells the same.
pub struct Dice(u64);

impl Dice {
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// What sales follow; the node's arguments in `process` say the same.
pub fn settings() -> Outcome<Settings> {
    Ok(Settings {
        sale: SaleRules {
            currency: Currency::USD,
            tax_policy: TaxPolicy {
                basis: TaxBasis::Added,
                rounding_by: TaxRoundingBy::Document,
                rounding: Rounding::HalfUp,
            },
            tax_rates: [(TAX_CLASS.parse()?, TAX_PERCENT.parse()?)].into(),
            cash_rounding: finalmarket::domain::money::CashRounding::NONE,
            tips: false,
        },
        day_starts_at: chrono::NaiveTime::default(),
        backdate_days: 7,
        holds: finalmarket::operations::HoldSettings::default(),
        low_stock: finalmarket::operations::Settings::LOW_STOCK,
        in_store_codes: Vec::new(),
        unlisted_tax_class: TAX_CLASS.parse()?,
    })
}

/// The catalog's item of a rank; the lower, the more often it sells.
fn item(rank: u64) -> Outcome<Item> {
    const KINDS: [&str; 8] = ["Apple", "Bread", "Cheese", "Coffee", "Juice", "Pasta", "Soap", "Yogurt"];
    const SORTS: [&str; 8] = [
        "Fresh", "Dark", "Whole", "Light", "Spicy", "Sweet", "Classic", "Organic",
    ];
    const BRANDS: [&str; 5] = ["Northfield", "Harbor", "Old Mill", "Sunrise", "Private"];
    let pick = |words: &[&'static str], of: u64| words[(of % words.len() as u64) as usize];
    let number = sku_number(rank);
    Ok(Item {
        sku: number.to_string().parse()?,
        gtin: None,
        name: format!("{} {} {rank}", pick(&SORTS, rank / 8), pick(&KINDS, rank)).parse()?,
        department: pick(&["GROCERY", "PRODUCE", "DAIRY", "DRUG"], rank / 64).parse()?,
        brand: pick(&BRANDS, rank / 7).parse()?,
        size: format!("{} OZ", 4 + rank % 28).parse()?,
        price: price(number)?,
        tax_class: TAX_CLASS.parse()?,
    })
}

pub fn catalog(items: u64) -> Outcome<Vec<Item>> {
    (0..items).map(item).collect()
}

const fn sku_number(rank: u64) -> u64 {
    818_980 + rank * 67
}

fn price(sku: u64) -> Outcome<Price> {
    let cents = (sku.wrapping_mul(2_654_435_761) >> 7) % 1_500 + 49;
    Ok(Price::try_from(Decimal::new(cents.cast_signed(), 2))?)
}

/// Baskets, one after the other.
pub struct Baskets {
    dice: Dice,
    items: u64,
    rules: SaleRules,
    skus: HashMap<u64, Sku>,
}

impl Baskets {
    pub fn new(seed: u64, items: u64) -> Outcome<Self> {
        Ok(Self {
            dice: Dice::new(seed),
            items,
            rules: settings()?.sale,
            skus: HashMap::new(),
        })
    }

    pub fn dice(&mut self) -> &mut Dice {
        &mut self.dice
    }

    /// The next basket at a till. The till fills in its counter.
    pub fn next(&mut self, till: usize) -> Outcome<SellCommand> {
        let mut lines = Vec::with_capacity(LINES);
        for _ in 0..LINES {
            lines.push(self.line()?);
        }
        let customer = match self.dice.below(3) {
            0 => None,
            _ => Some(format!("household-{}", self.dice.below(600)).parse()?),
        };
        let mut command = SellCommand {
            counter: 0,
            at: None,
            channel: "physical_store".parse()?,
            customer,
            staff: Some(format!("staff-{}", till % 5).parse()?),
            hold: None,
            lines,
            basket_discount: None,
            tenders: Vec::new(),
            tip: None,
        };
        let (kind, amount) = if self.dice.below(2) == 0 {
            (TenderKind::Card, self.total(&command)?)
        } else {
            let notes = 1 + self.dice.below(3);
            (TenderKind::Cash, Decimal::from(200 * notes))
        };
        command.tenders.push(StatedTender {
            kind,
            amount,
            reference: None,
        });
        Ok(command)
    }

    fn line(&mut self) -> Outcome<SellLine> {
        let number = sku_number(self.dice.below(self.items) * self.dice.below(self.items) / self.items);
        let sku = match self.skus.get(&number) {
            Some(sku) => sku.clone(),
            None => {
                let sku: Sku = number.to_string().parse()?;
                self.skus.insert(number, sku.clone());
                sku
            }
        };
        let quantity = if self.dice.below(10) == 0 { 3 } else { 1 };
        let discount = match self.dice.below(4) {
            0 => Some(StatedDiscount::Amount(Decimal::new(
                1 + self.dice.below(40).cast_signed(),
                2,
            ))),
            _ => None,
        };
        Ok(SellLine {
            item: ItemRef::Sku(sku),
            quantity: Quantity::from_thousandths(quantity * 1_000),
            unit_price: None,
            discount,
        })
    }

    /// What a basket comes to, by the product's own rules: a card pays to the cent.
    fn total(&self, command: &SellCommand) -> Outcome<Decimal> {
        let mut lines = Vec::with_capacity(command.lines.len());
        for line in &command.lines {
            let ItemRef::Sku(sku) = &line.item else {
                return Err("baskets name their items by SKU".into());
            };
            let discount = match line.discount {
                Some(StatedDiscount::Amount(amount)) => Some(Discount::Amount(cents(amount)?)),
                Some(StatedDiscount::Percent(part)) => Some(Discount::Percent(part)),
                None => None,
            };
            lines.push(DraftLine {
                sku: sku.clone(),
                quantity: line.quantity,
                unit_price: price(sku.as_str().parse()?)?,
                discount,
                tax_class: TAX_CLASS.parse()?,
                fulfilment: Fulfilment::InHand { debt: Quantity::ZERO },
                by_hand: None,
            });
        }
        let at = "2024-03-01T12:00:00".parse()?;
        let draft = SaleDraft {
            id: finalmarket::domain::ids::SaleId {
                series: "TILL-1".parse()?,
                counter: 1,
            },
            at,
            business_day: "2024-03-01".parse()?,
            channel: command.channel.clone(),
            customer: None,
            staff: None,
            lines,
            basket_discount: None,
            tenders: vec![Tender {
                kind: TenderKind::Cash,
                amount: Minor(100_000_000),
                reference: None,
            }],
            price_version: 0,
            promotions: Vec::new(),
            price_notes: Vec::new(),
            basket_by_hand: None,
            tip: Minor(0),
        };
        let sale = decide(draft, "A-000001".parse()?, &self.rules)?;
        Ok(Decimal::new(sale.totals.total.0, 2))
    }
}

fn cents(amount: Decimal) -> Outcome<Minor> {
    let cents = amount * Decimal::ONE_HUNDRED;
    Ok(Minor(i64::try_from(cents.mantissa() / 10_i128.pow(cents.scale()))?))
}

/// A basket as a till sends it, without its counter.
pub fn request_body(command: &SellCommand) -> Outcome<Value> {
    let mut lines = Vec::with_capacity(command.lines.len());
    for line in &command.lines {
        let ItemRef::Sku(sku) = &line.item else {
            return Err("baskets name their items by SKU".into());
        };
        let mut body = json!({"sku": sku, "quantity": line.quantity});
        if let Some(StatedDiscount::Amount(amount)) = line.discount {
            body["discount"] = json!({"amount": amount.to_string()});
        }
        lines.push(body);
    }
    let tender = |tender: &StatedTender| json!({"kind": tender.kind, "amount": tender.amount.to_string()});
    let mut body = json!({
        "staff": command.staff,
        "lines": lines,
        "tenders": command.tenders.iter().map(tender).collect::<Vec<_>>(),
    });
    if let Some(customer) = &command.customer {
        body["customer"] = json!(customer);
    }
    Ok(body)
}
