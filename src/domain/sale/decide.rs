//! Decides a sale: from what a till states to what is recorded, or why not.

mod refusal;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use refusal::SaleRefusal;

use super::discount::Discount;
use super::record::{Fulfilment, Sale, SaleLine, Tender, TenderKind, Totals};
use super::totals::{TotalsError, sale_totals, sum};
use crate::domain::ids::{ChannelId, CustomerRef, ReceiptNumber, SaleId, Sku, StaffId};
use crate::domain::money::{Currency, Minor, MoneyError, Price, allocate};
use crate::domain::quantity::Quantity;
use crate::domain::tax::{AppliedTax, TaxClass, TaxPolicy, TaxRate};
use crate::domain::time::{BusinessDay, LocalTime};

/// The most lines of a sale, and of a refund.
pub const LINES_MAX: usize = 1_000;
/// The most tenders of a sale, and of a refund.
pub const TENDERS_MAX: usize = 20;

/// A sale as a till states it, with prices found and rights taken; nothing computed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaleDraft {
    /// The till's own identity of it.
    pub id: SaleId,
    /// When it was made, at the till.
    pub at: LocalTime,
    /// The business day that it belongs to.
    pub business_day: BusinessDay,
    /// The sales channel.
    pub channel: ChannelId,
    /// Who bought, where known.
    pub customer: Option<CustomerRef>,
    /// Who sold, where known.
    pub staff: Option<StaffId>,
    /// What is sold.
    pub lines: Vec<DraftLine>,
    /// Off the whole basket, after the lines' own discounts.
    pub basket_discount: Option<Discount>,
    /// How it is paid, in minor units of the rules' currency.
    pub tenders: Vec<Tender>,
    /// The version of the price feed that the prices came from; 0 where the till stated them.
    pub price_version: u64,
}

/// One line of a draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftLine {
    /// What is sold.
    pub sku: Sku,
    /// How much of it.
    pub quantity: Quantity,
    /// The price of one unit: from the catalog, or stated by a till that may.
    pub unit_price: Price,
    /// Off this line.
    pub discount: Option<Discount>,
    /// The class that its tax follows.
    pub tax_class: TaxClass,
    /// How the goods leave.
    pub fulfilment: Fulfilment,
}

/// What a site's sales follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaleRules {
    /// The currency of every amount.
    pub currency: Currency,
    /// How tax is computed.
    pub tax_policy: TaxPolicy,
    /// The rate of each tax class. A class without a rate cannot be sold.
    pub tax_rates: BTreeMap<TaxClass, TaxRate>,
}

/// Decides a sale.
///
/// A line's gross amount is quantity times price, rounded half up. Line discounts come first; the basket's is spread
/// over what they leave by [`allocate`]. `receipt` is the next number of its series, read in the transaction that
/// records the sale; the caller moves its counter on only where the answer is a sale, so that a refusal leaves no gap.
///
/// # Errors
/// A [`SaleRefusal`], which is for people; nothing is recorded then.
pub fn decide(draft: SaleDraft, receipt: ReceiptNumber, rules: &SaleRules) -> Result<Sale, SaleRefusal> {
    check_counts(&draft)?;
    let (mut lines, taxes) = price_lines(draft.lines, rules)?;
    take_basket_discount(&mut lines, draft.basket_discount, rules.currency)?;
    check_tenders(&draft.tenders, rules.currency)?;
    let totals = sale_totals(rules.tax_policy, rules.currency, &taxes, &lines, &draft.tenders).map_err(|error| {
        let money = |amount: Minor| amount.of(rules.currency);
        match error {
            TotalsError::Short { total, given } => SaleRefusal::TendersShort {
                total: money(total),
                given: money(given),
            },
            // The positions of taxes were given out above, so only a sum can be at fault.
            TotalsError::Tax(_) => SaleRefusal::TooLarge,
        }
    })?;
    check_change(&draft.tenders, &totals, rules.currency)?;
    Ok(Sale {
        id: draft.id,
        receipt,
        at: draft.at,
        business_day: draft.business_day,
        channel: draft.channel,
        currency: rules.currency,
        customer: draft.customer,
        staff: draft.staff,
        price_version: draft.price_version,
        tax_policy: rules.tax_policy,
        taxes,
        lines,
        tenders: draft.tenders,
        totals,
    })
}

fn check_counts(draft: &SaleDraft) -> Result<(), SaleRefusal> {
    match (draft.lines.len(), draft.tenders.len()) {
        (0, _) => Err(SaleRefusal::NoLines),
        (lines, _) if lines > LINES_MAX => Err(SaleRefusal::TooManyLines { lines }),
        (_, tenders) if tenders > TENDERS_MAX => Err(SaleRefusal::TooManyTenders { tenders }),
        _ => Ok(()),
    }
}

fn price_lines(drafts: Vec<DraftLine>, rules: &SaleRules) -> Result<(Vec<SaleLine>, Vec<AppliedTax>), SaleRefusal> {
    let mut lines = Vec::with_capacity(drafts.len());
    let mut taxes: Vec<AppliedTax> = Vec::new();
    for (draft, line) in drafts.into_iter().zip(1..) {
        let quantity = draft.quantity;
        if quantity <= Quantity::ZERO {
            return Err(SaleRefusal::QuantityNotPositive { line, quantity });
        }
        if quantity > Quantity::LINE_MAX {
            return Err(SaleRefusal::QuantityTooLarge { line, quantity });
        }
        let tax = tax_position(&mut taxes, draft.tax_class, line, &rules.tax_rates)?;
        let mut priced = SaleLine {
            sku: draft.sku,
            quantity,
            unit_price: draft.unit_price,
            discount: Minor(0),
            basket_discount: Minor(0),
            tax,
            fulfilment: draft.fulfilment,
        };
        let too_large = |_: MoneyError| SaleRefusal::TooLarge;
        let gross = priced.gross(rules.currency).map_err(too_large)?;
        if let Some(discount) = draft.discount {
            priced.discount = discount.of(gross).map_err(too_large)?;
            if !(Minor(0)..=gross).contains(&priced.discount) {
                return Err(SaleRefusal::LineDiscountOutOfRange {
                    line,
                    discount: priced.discount.of(rules.currency),
                    gross: gross.of(rules.currency),
                });
            }
        }
        lines.push(priced);
    }
    Ok((lines, taxes))
}

/// The position of a line's class among the sale's taxes, which are listed in order of first use.
fn tax_position(
    taxes: &mut Vec<AppliedTax>,
    class: TaxClass,
    line: usize,
    rates: &BTreeMap<TaxClass, TaxRate>,
) -> Result<u8, SaleRefusal> {
    let listed = taxes.iter().position(|tax| tax.class == class);
    let position = u8::try_from(listed.unwrap_or(taxes.len())).map_err(|_| SaleRefusal::TooManyTaxClasses { line })?;
    if listed.is_none() {
        let Some(rate) = rates.get(&class).copied() else {
            return Err(SaleRefusal::UnknownTaxClass { line, class });
        };
        taxes.push(AppliedTax { class, rate });
    }
    Ok(position)
}

fn take_basket_discount(
    lines: &mut [SaleLine],
    discount: Option<Discount>,
    currency: Currency,
) -> Result<(), SaleRefusal> {
    let Some(discount) = discount else {
        return Ok(());
    };
    let too_large = |_: MoneyError| SaleRefusal::TooLarge;
    let left: Vec<Minor> = lines
        .iter()
        .map(|line| line.amount(currency))
        .collect::<Result<_, _>>()
        .map_err(too_large)?;
    let basket = sum(left.iter().copied()).map_err(too_large)?;
    let discount = discount.of(basket).map_err(too_large)?;
    let shares = allocate(discount, &left).filter(|_| discount <= basket);
    let Some(shares) = shares else {
        return Err(SaleRefusal::BasketDiscountOutOfRange {
            discount: discount.of(currency),
            basket: basket.of(currency),
        });
    };
    for (line, share) in lines.iter_mut().zip(shares) {
        line.basket_discount = share;
    }
    Ok(())
}

fn check_tenders(tenders: &[Tender], currency: Currency) -> Result<(), SaleRefusal> {
    match tenders.iter().zip(1..).find(|(tender, _)| tender.amount <= Minor(0)) {
        Some((wrong, tender)) => Err(SaleRefusal::TenderNotPositive {
            tender,
            amount: wrong.amount.of(currency),
        }),
        None => Ok(()),
    }
}

/// Change is given from the cash that came in: what came by other means is at most the total.
fn check_change(tenders: &[Tender], totals: &Totals, currency: Currency) -> Result<(), SaleRefusal> {
    let not_cash = sum(tenders
        .iter()
        .filter(|tender| tender.kind != TenderKind::Cash)
        .map(|tender| tender.amount))
    .map_err(|_| SaleRefusal::TooLarge)?;
    if not_cash > totals.total {
        return Err(SaleRefusal::ChangeWithoutCash {
            not_cash: not_cash.of(currency),
            total: totals.total.of(currency),
        });
    }
    Ok(())
}
