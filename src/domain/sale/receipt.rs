//! Receipts as plain text, for printers with a fixed number of columns and for people who read them on a page.

mod layout;
#[cfg(test)]
mod tests;

use rust_decimal::Decimal;

use self::layout::Page;
use super::adjustment::{AdjustmentCause, ByHand, PriceCause};
use super::record::{Refund, Sale, SaleLine, Tender, TenderKind, Totals};
use crate::domain::ids::{ReceiptNumber, RegisterId, Sku};
use crate::domain::money::{Currency, Minor};
use crate::domain::quantity::Quantity;
use crate::domain::tax::TaxBasis;
use crate::domain::time::{BusinessDay, LocalTime};

/// What a receipt shows besides the sale or refund itself.
pub struct ReceiptStyle<'a> {
    /// The lines on top: the store's name, its address. Centred.
    pub header: &'a [String],
    /// The register, as people call it.
    pub register: Option<&'a RegisterId>,
    /// The printer's columns, in characters; at least [`ReceiptStyle::WIDTH_MIN`] are used.
    pub width: usize,
    /// Whether it is printed again; a copy says so.
    pub copy: bool,
    /// What people call an item; where it has no answer, the SKU is shown.
    pub name_of: &'a dyn Fn(&Sku) -> Option<String>,
}

impl<'a> ReceiptStyle<'a> {
    /// The columns of the common 80 mm printer with its larger font.
    pub const WIDTH: usize = 42;
    /// So narrow that the longest amount still fits a line.
    pub const WIDTH_MIN: usize = 24;

    /// A first print of [`ReceiptStyle::WIDTH`] columns without header.
    #[must_use]
    pub fn new(name_of: &'a dyn Fn(&Sku) -> Option<String>) -> Self {
        Self {
            header: &[],
            register: None,
            width: Self::WIDTH,
            copy: false,
            name_of,
        }
    }
}

/// The receipt of a sale. Every line ends in a line feed, and none is longer than the style's width.
#[must_use]
pub fn sale_receipt(sale: &Sale, style: &ReceiptStyle<'_>) -> String {
    let mut page = Page::new(style.width.max(ReceiptStyle::WIDTH_MIN));
    let taxes = &sale.totals.taxes;
    let marks = Marks::new(sale.currency, taxes.len());
    head(&mut page, style, &sale.receipt, sale.at, sale.business_day);
    page.rule();
    for (line, at) in sale.lines.iter().zip(0..) {
        page.text(&name(style, &line.sku));
        // A record that another program got wrong is still printed: without the figure that it does not have.
        let gross = line
            .gross(sale.currency)
            .map_or_else(|_| "?".into(), |gross| marks.taxed(gross, line.tax));
        page.row(&format!("  {} x {}", line.quantity, line.unit_price), &gross);
        line_reductions(&mut page, &marks, sale, at, line.discount);
        let debt = line.fulfilment.debt();
        if debt != Quantity::ZERO {
            page.text(&format!("  Oversold: {debt}"));
        }
    }
    reductions_of_many_lines(&mut page, &marks, sale);
    page.rule();
    let included = sale.tax_policy.basis == TaxBasis::Included;
    if !included {
        subtotal(&mut page, &marks, &sale.totals);
        tax_table(&mut page, &marks, &sale.totals);
    }
    page.row(&format!("TOTAL {}", sale.currency), &marks.plain(sale.totals.total));
    beside_the_total(&mut page, &marks, &sale.totals);
    tenders(&mut page, &marks, &sale.tenders);
    if sale.totals.change != Minor(0) {
        page.row("Change", &marks.plain(sale.totals.change));
    }
    if included {
        page.rule();
        page.text("Tax included in the total");
        tax_table(&mut page, &marks, &sale.totals);
    }
    page.finish()
}

/// The receipt of a refund of the sale whose receipt number is `of`. Lines as for [`sale_receipt`].
#[must_use]
pub fn refund_receipt(refund: &Refund, of: &ReceiptNumber, style: &ReceiptStyle<'_>) -> String {
    let mut page = Page::new(style.width.max(ReceiptStyle::WIDTH_MIN));
    let marks = Marks::new(refund.currency, refund.totals.taxes.len());
    page.centred("*** REFUND ***");
    head(&mut page, style, &refund.receipt, refund.at, refund.business_day);
    page.row("For receipt", &of.to_string());
    if let Some(reason) = &refund.reason {
        page.row("Reason", reason.as_str());
    }
    page.rule();
    for line in &refund.lines {
        page.text(&name(style, &line.sku));
        page.row(
            &format!("  {} returned", line.quantity),
            &marks.taxed(line.amount, line.tax),
        );
    }
    page.rule();
    let included = refund.tax_policy.basis == TaxBasis::Included;
    if !included {
        subtotal(&mut page, &marks, &refund.totals);
        tax_table(&mut page, &marks, &refund.totals);
    }
    page.row(
        &format!("PAID BACK {}", refund.currency),
        &marks.plain(refund.totals.total),
    );
    beside_the_total(&mut page, &marks, &refund.totals);
    tenders(&mut page, &marks, &refund.tenders);
    if included {
        page.rule();
        page.text("Tax included in the total");
        tax_table(&mut page, &marks, &refund.totals);
    }
    page.finish()
}

/// Beneath a line: each promotion that concerns it alone by its name, what a person gave with the reason, the rest of its
/// discount as such. Promotions over several lines come below all lines, once.
fn line_reductions(page: &mut Page, marks: &Marks, sale: &Sale, at: u16, discount: Minor) {
    if let Some(note) = sale.price_notes.iter().find(|note| note.line == at) {
        let instead = format!("  Instead of {}", note.list);
        page.text(&match &note.cause {
            PriceCause::Book { .. } => instead,
            PriceCause::Label => format!("{instead} (its label)"),
            PriceCause::ByHand(by_hand) => with_reason(&instead, by_hand),
        });
    }
    let mut rest = Decimal::from(discount.0);
    for adjustment in &sale.adjustments {
        let here = adjustment.shares.iter().filter(|share| share.line == at);
        let amount: Decimal = here.map(|share| Decimal::from(share.amount.0)).sum();
        let label = match &adjustment.cause {
            AdjustmentCause::BasketByHand(_) => continue,
            AdjustmentCause::Promotion { name, .. } => name.to_string(),
            AdjustmentCause::LineByHand(by_hand) => with_reason("Discount", by_hand),
        };
        rest -= amount;
        if adjustment.shares.len() == 1 {
            off(page, marks, &format!("  {label}"), amount);
        }
    }
    off(page, marks, "  Discount", rest);
}

/// Below all lines: promotions over several of them, then what was taken off the whole basket.
fn reductions_of_many_lines(page: &mut Page, marks: &Marks, sale: &Sale) {
    let mut label = "Basket discount".to_owned();
    for adjustment in &sale.adjustments {
        match &adjustment.cause {
            AdjustmentCause::Promotion { name, .. } if adjustment.shares.len() > 1 => {
                let shares = adjustment.shares.iter();
                off(
                    page,
                    marks,
                    name.as_str(),
                    shares.map(|share| Decimal::from(share.amount.0)).sum(),
                );
            }
            AdjustmentCause::BasketByHand(by_hand) => label = with_reason(&label, by_hand),
            AdjustmentCause::Promotion { .. } | AdjustmentCause::LineByHand(_) => {}
        }
    }
    let of_basket = |line: &SaleLine| Decimal::from(line.basket_discount.0);
    off(page, marks, &label, sale.lines.iter().map(of_basket).sum());
}

fn with_reason(label: &str, by_hand: &ByHand) -> String {
    match &by_hand.reason {
        Some(reason) => format!("{label} ({reason})"),
        None => label.to_owned(),
    }
}

/// What is taken off, where it is anything.
fn off(page: &mut Page, marks: &Marks, label: &str, minor: Decimal) {
    if let Some(minor) = i64::try_from(minor).ok().filter(|minor| *minor != 0) {
        page.row(label, &marks.off(Minor(minor)));
    }
}

/// What makes the sum to be paid another one than the total.
fn beside_the_total(page: &mut Page, marks: &Marks, totals: &Totals) {
    if totals.tip != Minor(0) {
        page.row("Tip", &marks.plain(totals.tip));
    }
    if totals.rounding != Minor(0) {
        page.row("Rounding", &marks.plain(totals.rounding));
    }
    let to_pay = totals.to_pay().filter(|to_pay| *to_pay != totals.total);
    if let Some(to_pay) = to_pay {
        page.row("To pay", &marks.plain(to_pay));
    }
}

fn head(page: &mut Page, style: &ReceiptStyle<'_>, receipt: &ReceiptNumber, at: LocalTime, business_day: BusinessDay) {
    for line in style.header {
        page.centred(line);
    }
    if style.copy {
        page.centred("*** COPY ***");
    }
    page.row("Receipt", &receipt.to_string());
    page.row("Date", &at.to_string().replace('T', " "));
    if business_day.0 != at.day() {
        page.row("Business day", &business_day.to_string());
    }
    if let Some(register) = style.register {
        page.row("Register", register.as_str());
    }
}

fn name(style: &ReceiptStyle<'_>, sku: &Sku) -> String {
    (style.name_of)(sku)
        .filter(|name| !name.trim().is_empty())
        .unwrap_or_else(|| sku.to_string())
}

fn subtotal(page: &mut Page, marks: &Marks, totals: &Totals) {
    let subtotal = Decimal::from(totals.gross.0) - Decimal::from(totals.discount.0);
    if let Ok(subtotal) = i64::try_from(subtotal) {
        page.row("Subtotal", &marks.plain(Minor(subtotal)));
    }
}

/// One row for each class: its mark, name and rate, what was taxed without the tax, and the tax.
fn tax_table(page: &mut Page, marks: &Marks, totals: &Totals) {
    for (position, sum) in totals.taxes.iter().enumerate() {
        let net = marks.number(sum.net);
        let class = format!(
            "{} {} {} % on {net}",
            mark(position),
            sum.applied.class,
            sum.applied.rate
        );
        page.row(&class, &marks.plain(sum.tax));
    }
}

fn tenders(page: &mut Page, marks: &Marks, tenders: &[Tender]) {
    for tender in tenders {
        let means = match tender.kind {
            TenderKind::Cash => "Cash",
            TenderKind::Card => "Card",
            TenderKind::GiftCard => "Gift card",
            TenderKind::Voucher => "Voucher",
            TenderKind::Account => "Account",
            TenderKind::Other => "Other",
            TenderKind::Exchange => "Exchange",
        };
        let means = match &tender.reference {
            Some(reference) => format!("{means} {reference}"),
            None => means.to_owned(),
        };
        page.row(&means, &marks.plain(tender.amount));
    }
}

/// Amounts as they stand in the right column: a decimal, then the mark of the tax class or room for it.
struct Marks {
    currency: Currency,
    /// Characters of the longest mark.
    width: usize,
}

impl Marks {
    fn new(currency: Currency, taxes: usize) -> Self {
        let width = mark(taxes.saturating_sub(1)).len();
        Self { currency, width }
    }

    fn number(&self, amount: Minor) -> String {
        amount.of(self.currency).to_decimal().to_string()
    }

    fn taxed(&self, amount: Minor, tax: u8) -> String {
        let (amount, mark, width) = (self.number(amount), mark(tax.into()), self.width);
        format!("{amount} {mark:<width$}")
    }

    fn plain(&self, amount: Minor) -> String {
        let (amount, room) = (self.number(amount), self.width + 1);
        format!("{amount}{:room$}", "")
    }

    fn off(&self, discount: Minor) -> String {
        let (amount, room) = (-discount.of(self.currency).to_decimal(), self.width + 1);
        format!("{amount}{:room$}", "")
    }
}

/// A, B, … Z, AA, AB and so on, for positions from 0.
fn mark(position: usize) -> String {
    let letter = |at: usize| char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"[at % 26]);
    match position / 26 {
        0 => letter(position).into(),
        tens => [letter(tens - 1), letter(position)].iter().collect(),
    }
}
