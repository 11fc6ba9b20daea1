//! Sales as columns. Each value is written as its difference from what the sales before it let one expect, so that
//! the usual sale is mostly zeros, which cost next to nothing after compression.
//!
//! Totals are left out where they follow from the lines by the recorded tax policy; they nearly always do.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::domain::ids::{ReceiptNumber, SaleId, Sku};
use crate::domain::money::{Currency, Minor, Price};
use crate::domain::quantity::Quantity;
use crate::domain::sale::{Fulfilment, Sale, SaleLine, Tender, TenderKind, Totals};
use crate::domain::tax::{AppliedTax, TaxPolicy};
use crate::domain::time::{BusinessDay, Hlc, LocalTime};

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
    references: Vec<String>,
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

/// Takes sales apart.
#[derive(Debug, Default)]
pub(super) struct SaleWriter {
    columns: SaleColumns,
    expected: Expected,
    texts: HashMap<String, u32>,
    settings: HashMap<Settings, u32>,
    skus: HashMap<Sku, u32>,
    skus_in_order: Vec<Sku>,
}

impl SaleWriter {
    /// Adds a sale; says no, and adds nothing, where the columns cannot hold it.
    pub(super) fn push(&mut self, recorded: Hlc, sale: &Sale) -> bool {
        let numbers = [sale.id.counter, sale.receipt.number, sale.price_version];
        if numbers.iter().any(|number| i64::try_from(*number).is_err())
            || sale.lines.iter().any(|line| line.quantity.thousandths() < 0)
            || sale
                .lines
                .iter()
                .any(|line| line.quantity.thousandths() > i64::MAX >> 2)
        {
            return false;
        }
        self.push_head(recorded, sale);
        for line in &sale.lines {
            self.push_line(line);
        }
        self.push_tenders(sale);
        let follows = sale.recompute_totals().as_ref() == Some(&sale.totals);
        self.columns.totals.push(u8::from(!follows));
        if !follows {
            self.columns.odd_totals.push(sale.totals.clone());
        }
        true
    }

    fn push_head(&mut self, recorded: Hlc, sale: &Sale) {
        let ms = recorded.milliseconds().cast_signed();
        let at = sale.at.local_seconds();
        let channel = self.text(sale.channel.as_str());
        let settings = Settings {
            offset_minutes: sale.at.offset_minutes(),
            channel,
            currency: sale.currency,
            tax_policy: sale.tax_policy,
            taxes: sale.taxes.clone(),
        };
        let next = u32::try_from(self.settings.len()).unwrap_or(u32::MAX);
        let setting = *self.settings.entry(settings).or_insert_with_key(|settings| {
            self.columns.settings.push(settings.clone());
            next
        });
        let series = self.text(sale.id.series.as_str());
        let receipt_series = self.text(sale.receipt.series.as_str());
        let customer = sale
            .customer
            .as_ref()
            .map_or(0, |customer| self.text(customer.as_str()) + 1);
        let staff = sale.staff.as_ref().map_or(0, |staff| self.text(staff.as_str()) + 1);
        let (counter, number) = (sale.id.counter.cast_signed(), sale.receipt.number.cast_signed());
        let columns = &mut self.columns;
        columns.recorded_ms.push(ms.wrapping_sub(self.expected.recorded_ms));
        columns.recorded_count.push((recorded.0 & 0xffff) as u16);
        columns.at.push(at.wrapping_sub(self.expected.at));
        columns.business_day.push(
            sale.business_day
                .number()
                .wrapping_sub(BusinessDay(sale.at.day()).number()),
        );
        columns.setting.push(setting);
        columns.series.push(series);
        columns
            .counter
            .push(difference(&mut self.expected.counters, series, counter));
        columns.receipt_series.push(receipt_series);
        columns
            .receipt_number
            .push(difference(&mut self.expected.receipt_numbers, receipt_series, number));
        columns.customer.push(customer);
        columns.staff.push(staff);
        columns.price_version.push(
            sale.price_version
                .cast_signed()
                .wrapping_sub(self.expected.price_version),
        );
        columns
            .line_count
            .push(u32::try_from(sale.lines.len()).unwrap_or(u32::MAX));
        columns
            .tender_count
            .push(u32::try_from(sale.tenders.len()).unwrap_or(u32::MAX));
        self.expected.recorded_ms = ms;
        self.expected.at = at;
        self.expected.price_version = sale.price_version.cast_signed();
    }

    fn push_line(&mut self, line: &SaleLine) {
        let next = u32::try_from(self.skus.len()).unwrap_or(u32::MAX);
        let sku = *self.skus.entry(line.sku.clone()).or_insert_with_key(|sku| {
            self.skus_in_order.push(sku.clone());
            next
        });
        let columns = &mut self.columns;
        columns.line_sku.push(sku);
        let thousandths = line.quantity.thousandths().unsigned_abs();
        let whole = thousandths.is_multiple_of(1000);
        columns.line_quantity.push(if whole {
            thousandths / 1000 * 2
        } else {
            thousandths * 2 + 1
        });
        // Prices that are equal but written with other places (1.5 and 1.50) are not the same price here.
        let same = self
            .expected
            .prices
            .get(&sku)
            .is_some_and(|price| price.packed() == line.unit_price.packed());
        columns
            .line_price
            .push(if same { 0 } else { line.unit_price.packed() + 1 });
        self.expected.prices.insert(sku, line.unit_price);
        columns.line_discount.push(line.discount.0);
        columns.line_basket_discount.push(line.basket_discount.0);
        columns.line_tax.push(line.tax);
        let usual = line.fulfilment == Fulfilment::InHand { debt: Quantity::ZERO };
        columns.line_fulfilment.push(u8::from(!usual));
        if !usual {
            columns.odd_fulfilments.push(line.fulfilment.clone());
        }
    }

    fn push_tenders(&mut self, sale: &Sale) {
        let mut left = total_of(sale);
        for tender in &sale.tenders {
            self.columns.tender_kind.push(tender.kind);
            self.columns.tender_amount.push(tender.amount.0.wrapping_sub(left));
            self.columns.tender_reference.push(u8::from(tender.reference.is_some()));
            self.columns.references.extend(tender.reference.clone());
            left = left.wrapping_sub(tender.amount.0);
        }
    }

    fn text(&mut self, text: &str) -> u32 {
        if let Some(position) = self.texts.get(text) {
            return *position;
        }
        let position = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        self.columns.texts.push(text.into());
        self.texts.insert(text.into(), position);
        position
    }

    /// The columns, with the SKUs in their final order.
    pub(super) fn finish(self) -> SaleColumns {
        let mut columns = self.columns;
        let mut numbers: Vec<(u64, usize)> = Vec::new();
        let mut final_position = vec![0u32; self.skus_in_order.len()];
        let mut texts: Vec<usize> = Vec::new();
        for (first_seen, sku) in self.skus_in_order.iter().enumerate() {
            match number_of(sku) {
                Some(number) => numbers.push((number, first_seen)),
                None => texts.push(first_seen),
            }
        }
        numbers.sort_unstable();
        let mut before = 0;
        for (position, (number, first_seen)) in numbers.iter().enumerate() {
            columns.sku_numbers.push(number - before);
            before = *number;
            final_position[*first_seen] = u32::try_from(position).unwrap_or(u32::MAX);
        }
        for (position, first_seen) in (numbers.len()..).zip(texts) {
            columns.sku_texts.push(self.skus_in_order[first_seen].as_str().into());
            final_position[first_seen] = u32::try_from(position).unwrap_or(u32::MAX);
        }
        for sku in &mut columns.line_sku {
            *sku = final_position[*sku as usize];
        }
        columns
    }
}

fn number_of(sku: &Sku) -> Option<u64> {
    let number: u64 = sku.as_str().parse().ok()?;
    (number.to_string() == sku.as_str()).then_some(number)
}

fn difference(last: &mut HashMap<u32, i64>, key: u32, value: i64) -> i64 {
    let before = last.insert(key, value).unwrap_or_default();
    value.wrapping_sub(before).wrapping_sub(1)
}

/// What is to be paid as the lines alone tell it; 0 where they do not.
fn total_of(sale: &Sale) -> i64 {
    sale.to_pay().map_or(0, |total| total.0)
}

/// Puts sales together again.
pub(super) struct SaleReader {
    columns: SaleColumns,
    expected: Expected,
    skus: Vec<Option<Sku>>,
    sale: usize,
    line: usize,
    tender: usize,
    odd_totals: std::vec::IntoIter<Totals>,
    odd_fulfilments: std::vec::IntoIter<Fulfilment>,
    references: std::vec::IntoIter<String>,
}

/// The next value of a column, or the column's name.
macro_rules! value {
    ($self:ident.$column:ident[$at:expr]) => {
        *$self.columns.$column.get($at).ok_or(stringify!($column))?
    };
}

impl SaleReader {
    pub(super) fn new(mut columns: SaleColumns) -> Self {
        let mut number = 0u64;
        let numbers = columns.sku_numbers.iter().map(|distance| {
            number = number.wrapping_add(*distance);
            number.to_string().parse().ok()
        });
        let texts = columns.sku_texts.iter().map(|text| text.parse().ok());
        Self {
            skus: numbers.chain(texts).collect(),
            odd_totals: std::mem::take(&mut columns.odd_totals).into_iter(),
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
    pub(super) fn next_sale(&mut self) -> Result<(Hlc, Sale), &'static str> {
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
            tenders: Vec::new(),
            totals: Totals::default(),
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::fact::{Entry, Fact};
    use crate::domain::tax::{TaxBasis, TaxRoundingBy, TaxSum};
    use crate::sync::wire::{Slot, columns};

    fn id<T: std::str::FromStr>(text: &str) -> T
    where
        T::Err: std::fmt::Debug,
    {
        text.parse().unwrap()
    }

    prop_compose! {
        fn line()(
            sku in prop_oneof!["[1-9][0-9]{0,12}", "0[0-9]{1,3}", "[A-Z]{1,3}-[0-9]"],
            quantity in prop_oneof![1..20i64, 1..5_000_000i64, any::<i64>()],
            price in 0..10_000_000u64,
            places in 0..5u32,
            discounts in (prop_oneof![Just(0), any::<i64>()], prop_oneof![Just(0), any::<i64>()]),
            tax in 0..3u8,
            debt in prop_oneof![Just(0), 1..9_000i64],
        ) -> SaleLine {
            SaleLine {
                sku: id(&sku),
                quantity: Quantity::from_thousandths(if (0..20).contains(&quantity) { quantity * 1_000 } else { quantity }),
                unit_price: rust_decimal::Decimal::new(price.cast_signed(), places).try_into().unwrap(),
                discount: Minor(discounts.0),
                basket_discount: Minor(discounts.1),
                tax,
                fulfilment: match debt {
                    7 => Fulfilment::Promised { hold: 12 },
                    debt => Fulfilment::InHand { debt: Quantity::from_thousandths(debt) },
                },
            }
        }
    }

    prop_compose! {
        fn sale()(
            series in 0..3u8,
            counter in prop_oneof![0..100u64, any::<u64>()],
            number in 1..1000u64,
            seconds in -4_000_000_000..4_000_000_000i64,
            offset in proptest::option::of(-700..700i16),
            day in -3..3i32,
            people in (proptest::option::of(0..5u8), proptest::option::of(0..3u8)),
            price_version in prop_oneof![0..9u64, any::<u64>()],
            lines in proptest::collection::vec(line(), 0..6),
            tenders in proptest::collection::vec((any::<bool>(), any::<i32>(), proptest::option::of("[a-z]{0,4}")), 0..3),
            keep in any::<bool>(),
        ) -> Sale {
            let at = LocalTime::new(chrono::DateTime::from_timestamp(seconds, 0).unwrap().naive_utc(), offset);
            let rate = |percent: &str| AppliedTax { class: id("standard"), rate: percent.parse().unwrap() };
            let tenders = tenders.into_iter().map(|(cash, amount, reference)| Tender {
                kind: if cash { TenderKind::Cash } else { TenderKind::Card },
                amount: Minor(amount.into()),
                reference,
            });
            let mut sale = Sale {
                id: SaleId { series: id(&format!("S-{series}")), counter },
                receipt: ReceiptNumber { series: id(&format!("R-{series}")), number },
                at,
                business_day: BusinessDay::from_number(BusinessDay(at.day()).number() + day).unwrap(),
                channel: id("physical_store"),
                currency: Currency::USD,
                customer: people.0.map(|n| id(&format!("household-{n}"))),
                staff: people.1.map(|n| id(&format!("staff-{n}"))),
                price_version,
                tax_policy: TaxPolicy {
                    basis: if keep { TaxBasis::Included } else { TaxBasis::Added },
                    rounding_by: TaxRoundingBy::Line,
                    rounding: crate::domain::money::Rounding::HalfUp,
                },
                taxes: vec![rate("7"), rate("0")],
                lines,
                tenders: tenders.collect(),
                totals: Totals::default(),
            };
            let sum = TaxSum { applied: rate("7"), net: Minor(1), tax: Minor(2) };
            let odd = Totals { gross: Minor(5), taxes: vec![sum], ..Totals::default() };
            sale.totals = sale.recompute_totals().filter(|_| keep).unwrap_or(odd);
            sale
        }
    }

    proptest! {
        #[test]
        fn sales_come_back_byte_for_byte(sales in proptest::collection::vec((any::<u64>(), sale()), 0..12)) {
            let slots: Vec<Slot> = sales
                .into_iter()
                .map(|(stamp, sale)| Slot::Record(Entry { recorded: Hlc(stamp), fact: Fact::Sale(sale) }.encode()))
                .collect();
            prop_assert_eq!(columns::unpack(&columns::pack(&slots)).unwrap(), slots);
        }
    }
}
