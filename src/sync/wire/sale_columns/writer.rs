//! Takes sales apart.

use std::collections::HashMap;

use super::{Expected, SaleColumns, Settings, total_of};
use crate::domain::ids::Sku;
use crate::domain::quantity::Quantity;
use crate::domain::sale::{Fulfilment, Sale, SaleLine};
use crate::domain::time::{BusinessDay, Hlc};

/// Takes sales apart.
#[derive(Debug, Default)]
pub(in crate::sync::wire) struct SaleWriter {
    columns: SaleColumns,
    expected: Expected,
    texts: HashMap<String, u32>,
    settings: HashMap<Settings, u32>,
    skus: HashMap<Sku, u32>,
    skus_in_order: Vec<Sku>,
}

impl SaleWriter {
    /// Adds a sale; says no, and adds nothing, where the columns cannot hold it.
    pub(in crate::sync::wire) fn push(&mut self, recorded: Hlc, sale: &Sale) -> bool {
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
        self.columns.rounding.push(sale.totals.rounding.0);
        self.columns.tip.push(sale.totals.tip.0);
        let explained = !sale.adjustments.is_empty() || !sale.price_notes.is_empty();
        self.columns.explained.push(u8::from(explained));
        if explained {
            let explanation = (sale.adjustments.clone(), sale.price_notes.clone());
            self.columns.explanations.push(explanation);
        }
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
    pub(in crate::sync::wire) fn finish(self) -> SaleColumns {
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
