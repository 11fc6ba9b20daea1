//! Puts sales together again.

use std::collections::HashMap;

use super::{Expected, SaleColumns, total_of};
use crate::domain::ids::{ReceiptNumber, SaleId, Sku};
use crate::domain::money::{Minor, Price};
use crate::domain::quantity::Quantity;
use crate::domain::sale::{Adjustment, Fulfilment, PriceNote, Sale, SaleLine, Tender, TenderReference, Totals};
use crate::domain::time::{BusinessDay, Hlc, LocalTime};

/// Puts sales together again.
pub(in crate::sync::wire) struct SaleReader {
    columns: SaleColumns,
    expected: Expected,
    skus: Vec<Option<Sku>>,
    sale: usize,
    line: usize,
    tender: usize,
    odd_totals: std::vec::IntoIter<Totals>,
    explanations: std::vec::IntoIter<(Vec<Adjustment>, Vec<PriceNote>)>,
    odd_fulfilments: std::vec::IntoIter<Fulfilment>,
    references: std::vec::IntoIter<TenderReference>,
}

/// The next value of a column, or the column's name.
macro_rules! value {
    ($self:ident.$column:ident[$at:expr]) => {
        *$self.columns.$column.get($at).ok_or(stringify!($column))?
    };
}

impl SaleReader {
    pub(in crate::sync::wire) fn new(mut columns: SaleColumns) -> Self {
        let mut number = 0u64;
        let numbers = columns.sku_numbers.iter().map(|distance| {
            number = number.wrapping_add(*distance);
            number.to_string().parse().ok()
        });
        let texts = columns.sku_texts.iter().map(|text| text.parse().ok());
        Self {
            skus: numbers.chain(texts).collect(),
            odd_totals: std::mem::take(&mut columns.odd_totals).into_iter(),
            explanations: std::mem::take(&mut columns.explanations).into_iter(),
            odd_fulfilments: std::mem::take(&mut columns.odd_fulfilments).into_iter(),
            references: std::mem::take(&mut columns.references).into_iter(),
            expected: Expected::default(),
            sale: 0,
            line: 0,
            tender: 0,
            columns,
        }
    }

    /// The next sale with its stamp.
    ///
    /// # Errors
    /// The name of the column that is too short or holds something impossible.
    pub(in crate::sync::wire) fn next_sale(&mut self) -> Result<(Hlc, Sale), &'static str> {
        let at = self.sale;
        self.sale += 1;
        let recorded_ms = value!(self.recorded_ms[at]).wrapping_add(self.expected.recorded_ms);
        let recorded = Hlc((recorded_ms.cast_unsigned() << 16) | u64::from(value!(self.recorded_count[at])));
        let seconds = value!(self.at[at]).wrapping_add(self.expected.at);
        let price_version = value!(self.price_version[at]).wrapping_add(self.expected.price_version);
        self.expected.recorded_ms = recorded_ms;
        self.expected.at = seconds;
        self.expected.price_version = price_version;

        let settings = self
            .columns
            .settings
            .get(value!(self.setting[at]) as usize)
            .ok_or("settings")?
            .clone();
        let local = chrono::DateTime::from_timestamp(seconds, 0).ok_or("at")?.naive_utc();
        let at_till = LocalTime::new(local, settings.offset_minutes);
        let day = value!(self.business_day[at]).wrapping_add(BusinessDay(at_till.day()).number());
        let series = value!(self.series[at]);
        let counter = rebuilt(&mut self.expected.counters, series, value!(self.counter[at]));
        let receipt_series = value!(self.receipt_series[at]);
        let number = rebuilt(
            &mut self.expected.receipt_numbers,
            receipt_series,
            value!(self.receipt_number[at]),
        );
        let (adjustments, price_notes) = match value!(self.explained[at]) {
            0 => Default::default(),
            _ => self.explanations.next().ok_or("explanations")?,
        };
        let mut sale = Sale {
            id: SaleId {
                series: self.id(series)?,
                counter,
            },
            receipt: ReceiptNumber {
                series: self.id(receipt_series)?,
                number,
            },
            at: at_till,
            business_day: BusinessDay::from_number(day).ok_or("business_day")?,
            channel: self.id(settings.channel)?,
            currency: settings.currency,
            customer: self.id_if_any(value!(self.customer[at]))?,
            staff: self.id_if_any(value!(self.staff[at]))?,
            price_version: price_version.cast_unsigned(),
            tax_policy: settings.tax_policy,
            taxes: settings.taxes,
            lines: Vec::new(),
            adjustments,
            price_notes,
            tenders: Vec::new(),
            totals: Totals {
                rounding: Minor(value!(self.rounding[at])),
                tip: Minor(value!(self.tip[at])),
                ..Totals::default()
            },
        };
        for _ in 0..value!(self.line_count[at]) {
            let line = self.next_line()?;
            sale.lines.push(line);
        }
        let mut left = total_of(&sale);
        for _ in 0..value!(self.tender_count[at]) {
            let tender = self.next_tender(left)?;
            left = left.wrapping_sub(tender.amount.0);
            sale.tenders.push(tender);
        }
        sale.totals = match value!(self.totals[at]) {
            0 => sale.recompute_totals().ok_or("totals")?,
            _ => self.odd_totals.next().ok_or("odd_totals")?,
        };
        Ok((recorded, sale))
    }

    fn next_line(&mut self) -> Result<SaleLine, &'static str> {
        let at = self.line;
        self.line += 1;
        let position = value!(self.line_sku[at]);
        let sku = self.skus.get(position as usize).cloned().flatten().ok_or("line_sku")?;
        let packed = value!(self.line_quantity[at]);
        let thousandths = if packed % 2 == 0 {
            (packed / 2).checked_mul(1000)
        } else {
            Some(packed / 2)
        };
        let thousandths = thousandths.and_then(|thousandths| i64::try_from(thousandths).ok());
        let unit_price = match value!(self.line_price[at]) {
            0 => *self.expected.prices.get(&position).ok_or("line_price")?,
            packed => Price::from_packed(packed - 1).map_err(|_| "line_price")?,
        };
        self.expected.prices.insert(position, unit_price);
        let fulfilment = match value!(self.line_fulfilment[at]) {
            0 => Fulfilment::InHand { debt: Quantity::ZERO },
            _ => self.odd_fulfilments.next().ok_or("odd_fulfilments")?,
        };
        Ok(SaleLine {
            sku,
            quantity: Quantity::from_thousandths(thousandths.ok_or("line_quantity")?),
            unit_price,
            discount: Minor(value!(self.line_discount[at])),
            basket_discount: Minor(value!(self.line_basket_discount[at])),
            tax: value!(self.line_tax[at]),
            fulfilment,
        })
    }

    fn next_tender(&mut self, left: i64) -> Result<Tender, &'static str> {
        let at = self.tender;
        self.tender += 1;
        let reference = match value!(self.tender_reference[at]) {
            0 => None,
            _ => Some(self.references.next().ok_or("references")?),
        };
        let amount = Minor(value!(self.tender_amount[at]).wrapping_add(left));
        Ok(Tender {
            kind: value!(self.tender_kind[at]),
            amount,
            reference,
        })
    }

    fn id<T: std::str::FromStr>(&self, position: u32) -> Result<T, &'static str> {
        self.columns
            .texts
            .get(position as usize)
            .and_then(|text| text.parse().ok())
            .ok_or("texts")
    }

    fn id_if_any<T: std::str::FromStr>(&self, position: u32) -> Result<Option<T>, &'static str> {
        if position == 0 {
            Ok(None)
        } else {
            self.id(position - 1).map(Some)
        }
    }
}

fn rebuilt(last: &mut HashMap<u32, i64>, key: u32, difference: i64) -> u64 {
    let before = last.get(&key).copied().unwrap_or_default();
    let value = difference.wrapping_add(before).wrapping_add(1);
    last.insert(key, value);
    value.cast_unsigned()
}
