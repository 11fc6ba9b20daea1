//! Sales as columns. Each value is written as its difference from what the sales before it let one expect, so that
//! the usual sale is mostly zeros, which cost next to nothing after compression.
//!
//! Totals are left out where they follow from the lines by the recorded tax policy; they nearly always do.

mod reader;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::domain::money::{Currency, Price};
use crate::domain::sale::{Adjustment, Fulfilment, PriceNote, Sale, TenderKind, TenderReference, Totals};
use crate::domain::tax::{AppliedTax, TaxPolicy};

pub(super) use reader::SaleReader;
pub(super) use writer::SaleWriter;

/// The columns. Sale columns have a value for each sale, line columns for each line, tender columns for each tender.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct SaleColumns {
    /// Texts that repeat: series, receipt series, channels, customers, staff.
    texts: Vec<String>,
    /// SKUs that are numbers without a zero in front, rising, each as its distance from the one before.
    sku_numbers: Vec<u64>,
    /// All other SKUs. Positions in the line column count on from `sku_numbers`.
    sku_texts: Vec<String>,
    /// What is alike on most sales, by position.
    settings: Vec<Settings>,

    recorded_ms: Vec<i64>,
    recorded_count: Vec<u16>,
    at: Vec<i64>,
    business_day: Vec<i32>,
    setting: Vec<u32>,
    series: Vec<u32>,
    counter: Vec<i64>,
    receipt_series: Vec<u32>,
    receipt_number: Vec<i64>,
    /// 0 for none, else the text's position and 1.
    customer: Vec<u32>,
    staff: Vec<u32>,
    price_version: Vec<i64>,
    line_count: Vec<u32>,
    tender_count: Vec<u32>,
    /// For each sale: 0 where the totals follow from the rest, else 1 and the next of `odd_totals`.
    totals: Vec<u8>,
    odd_totals: Vec<Totals>,
    rounding: Vec<i64>,
    tip: Vec<i64>,
    /// 0 where nothing explains prices and discounts, else 1 and the next of `explanations`.
    explained: Vec<u8>,
    explanations: Vec<(Vec<Adjustment>, Vec<PriceNote>)>,

    line_sku: Vec<u32>,
    /// Whole units as `2 n`, others as `2 thousandths + 1`.
    line_quantity: Vec<u64>,
    /// 0 where it is that of the SKU's line before, else the packed price and 1.
    line_price: Vec<u64>,
    line_discount: Vec<i64>,
    line_basket_discount: Vec<i64>,
    line_tax: Vec<u8>,
    /// 0 for in hand without debt, else 1 and the next of `odd_fulfilments`.
    line_fulfilment: Vec<u8>,
    odd_fulfilments: Vec<Fulfilment>,

    tender_kind: Vec<TenderKind>,
    /// Beyond what was left to pay.
    tender_amount: Vec<i64>,
    /// 0 for no reference, else 1 and the next of `references`.
    tender_reference: Vec<u8>,
    references: Vec<TenderReference>,
}

/// What is alike on most sales of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Settings {
    offset_minutes: Option<i16>,
    channel: u32,
    currency: Currency,
    tax_policy: TaxPolicy,
    taxes: Vec<AppliedTax>,
}

/// What the sales before let one expect of the next; kept alike by writer and reader.
#[derive(Debug, Default)]
struct Expected {
    recorded_ms: i64,
    at: i64,
    price_version: i64,
    counters: HashMap<u32, i64>,
    receipt_numbers: HashMap<u32, i64>,
    prices: HashMap<u32, Price>,
}

/// What is to be paid as the lines, the tip and the rounding tell it; 0 where they do not.
fn total_of(sale: &Sale) -> i64 {
    let extra = sale.totals.rounding.0.wrapping_add(sale.totals.tip.0);
    sale.to_pay().map_or(0, |total| total.0).wrapping_add(extra)
}
