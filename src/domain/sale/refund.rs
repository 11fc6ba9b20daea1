//! Decides a refund against a receipt: never more than was sold, by line, across repeated refunds.

mod refusal;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use refusal::RefundRefusal;

use super::decide::{LINES_MAX, TENDERS_MAX};
use super::payment::cash_rounding;
use super::record::{Refund, RefundLine, Sale, SaleLine, Tender, Totals};
use super::totals::{refund_totals, sum};
use super::words::RefundReason;
use crate::domain::ids::{ReceiptNumber, SaleId, StaffId};
use crate::domain::money::{CashRounding, Minor, MoneyError, Rounding};
use crate::domain::quantity::Quantity;
use crate::domain::stock::Place;
use crate::domain::tax::AppliedTax;
use crate::domain::time::{BusinessDay, LocalTime};

/// A refund as a till states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundDraft {
    /// The till's own identity of it, from the same count as its sales.
    pub id: SaleId,
    /// When it is made, at the till.
    pub at: LocalTime,
    /// The business day that it belongs to.
    pub business_day: BusinessDay,
    /// Who takes it back, where known.
    pub staff: Option<StaffId>,
    /// Why, in words.
    pub reason: Option<RefundReason>,
    /// What comes back. A line that is named twice with the same place counts as its sum.
    pub lines: Vec<ReturnedLine>,
    /// How it is paid back, in minor units of the sale's currency; in all exactly the total.
    pub tenders: Vec<Tender>,
}

/// What comes back of one line of a sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReturnedLine {
    /// The position of the line in the sale, from 0.
    pub line: u16,
    /// How much of it.
    pub quantity: Quantity,
    /// Where it goes: back on sale, or to what is damaged.
    pub place: Place,
}

impl ReturnedLine {
    /// Goods that go back on sale.
    #[must_use]
    pub const fn on_sale(line: u16, quantity: Quantity) -> Self {
        let place = Place::Sellable;
        Self { line, quantity, place }
    }
}

/// What one line of an earlier refund took back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefundedLine {
    /// The position of the line in the sale, from 0.
    pub line: u16,
    /// How much of it came back.
    pub quantity: Quantity,
    /// What was paid back for it, as priced; minor units.
    pub amount: Minor,
    /// The tax in it or on it; minor units.
    pub tax_amount: Minor,
}

impl From<&RefundLine> for RefundedLine {
    fn from(line: &RefundLine) -> Self {
        Self {
            line: line.line,
            quantity: line.quantity,
            amount: line.amount,
            tax_amount: line.tax_amount,
        }
    }
}

/// Decides a refund of `sale`, of which the lines of earlier refunds took `already`, in any order.
///
/// Amounts are cumulative: with q out of n units back, round(paid × q / n) has been paid back in all, so that partial
/// refunds sum to exactly what was paid for the line; the tax follows the amount in the same way. `receipt` is the next
/// number of its series, as for [`decide`](super::decide()). What is paid back in cash is rounded by `coins`.
///
/// # Errors
/// A [`RefundRefusal`], which is for people; nothing is recorded then.
pub fn decide_refund(
    sale: &Sale,
    already: &[RefundedLine],
    draft: RefundDraft,
    receipt: ReceiptNumber,
    coins: CashRounding,
) -> Result<Refund, RefundRefusal> {
    check_counts(&draft)?;
    let before = sum_by_line(already).ok_or(RefundRefusal::RecordsInconsistent)?;
    let back = quantities_back(sale, &before, &draft.lines)?;
    let (lines, taxes) = price_lines(sale, &before, &back).ok_or(RefundRefusal::RecordsInconsistent)?;
    let totals = refund_totals(sale.tax_policy, &taxes, &lines).ok_or(RefundRefusal::RecordsInconsistent)?;
    let rounding = check_tenders(sale, &draft.tenders, totals.total, coins)?;
    let totals = Totals { rounding, ..totals };
    Ok(Refund {
        id: draft.id,
        receipt,
        of: sale.id.clone(),
        at: draft.at,
        business_day: draft.business_day,
        channel: sale.channel.clone(),
        currency: sale.currency,
        customer: sale.customer.clone(),
        staff: draft.staff,
        reason: draft.reason,
        tax_policy: sale.tax_policy,
        taxes,
        lines,
        tenders: draft.tenders,
        totals,
    })
}

/// What came back of one line, over some refunds.
#[derive(Debug, Clone, Copy, Default)]
struct Back {
    quantity: Quantity,
    amount: Minor,
    tax: Minor,
}

fn check_counts(draft: &RefundDraft) -> Result<(), RefundRefusal> {
    match (draft.lines.len(), draft.tenders.len()) {
        (0, _) => Err(RefundRefusal::NoLines),
        (lines, _) if lines > LINES_MAX => Err(RefundRefusal::TooManyLines { lines }),
        (_, tenders) if tenders > TENDERS_MAX => Err(RefundRefusal::TooManyTenders { tenders }),
        _ => Ok(()),
    }
}

fn sum_by_line(refunded: &[RefundedLine]) -> Option<BTreeMap<u16, Back>> {
    let mut lines: BTreeMap<u16, Back> = BTreeMap::new();
    for line in refunded {
        let back = lines.entry(line.line).or_default();
        *back = Back {
            quantity: back.quantity.checked_add(line.quantity)?,
            amount: back.amount.checked_add(line.amount)?,
            tax: back.tax.checked_add(line.tax_amount)?,
        };
    }
    Some(lines)
}

/// What comes back now, by line and place, in the order of the sale.
fn quantities_back(
    sale: &Sale,
    before: &BTreeMap<u16, Back>,
    asked: &[ReturnedLine],
) -> Result<BTreeMap<(u16, Place), Quantity>, RefundRefusal> {
    let mut back: BTreeMap<(u16, Place), Quantity> = BTreeMap::new();
    let mut by_line: BTreeMap<u16, Quantity> = BTreeMap::new();
    for asked in asked {
        let (position, quantity) = (asked.line, asked.quantity);
        let line = usize::from(position) + 1;
        let sold =
            sale.lines
                .get(usize::from(position))
                .map(|sold| sold.quantity)
                .ok_or(RefundRefusal::NoSuchLine {
                    line,
                    lines: sale.lines.len(),
                })?;
        if quantity <= Quantity::ZERO {
            return Err(RefundRefusal::QuantityNotPositive { line, quantity });
        }
        let already = before.get(&position).map(|back| back.quantity).unwrap_or_default();
        let so_far = by_line.entry(position).or_default();
        let fits = |asked: &Quantity| already.checked_add(*asked).is_some_and(|all| all <= sold);
        *so_far = so_far
            .checked_add(quantity)
            .filter(fits)
            .ok_or(RefundRefusal::MoreThanSold {
                line,
                sold,
                already,
                asked: [*so_far, quantity].into_iter().sum(),
            })?;
        let there = back.entry((position, asked.place)).or_default();
        *there = [*there, quantity].into_iter().sum();
    }
    Ok(back)
}

/// The refund's lines and the taxes that they name. None where the sale's own figures do not add up.
fn price_lines(
    sale: &Sale,
    before: &BTreeMap<u16, Back>,
    back: &BTreeMap<(u16, Place), Quantity>,
) -> Option<(Vec<RefundLine>, Vec<AppliedTax>)> {
    let paid = sale.paid_by_line()?;
    let mut lines = Vec::with_capacity(back.len());
    let mut taxes: Vec<AppliedTax> = Vec::new();
    let mut so_far: BTreeMap<u16, Back> = BTreeMap::new();
    for ((position, place), quantity) in back {
        let at = usize::from(*position);
        let sold = sale.lines.get(at)?;
        let known = so_far.get(position).or(before.get(position));
        let before = known.copied().unwrap_or_default();
        let after = all_back(sold, *paid.get(at)?, before.quantity.checked_add(*quantity)?).ok()?;
        // Earlier refunds that were decided here are never ahead; of others nothing is claimed back.
        let rest = |after: Minor, before: Minor| Some(after.checked_sub(before)?.max(Minor(0)));
        lines.push(RefundLine {
            line: *position,
            sku: sold.sku.clone(),
            quantity: *quantity,
            amount: rest(after.amount, before.amount)?,
            tax_amount: rest(after.tax, before.tax)?,
            tax: tax_position(&mut taxes, sale.taxes.get(usize::from(sold.tax))?)?,
            place: *place,
        });
        so_far.insert(
            *position,
            Back {
                amount: after.amount.max(before.amount),
                tax: after.tax.max(before.tax),
                ..after
            },
        );
    }
    Some((lines, taxes))
}

/// What has been paid back for a line once `quantity` of it is back in all, where `paid` and its tax were paid for it.
fn all_back(sold: &SaleLine, (paid, tax): (Minor, Minor), quantity: Quantity) -> Result<Back, MoneyError> {
    let amount = Rounding::HALF_UP.proportion(paid, quantity.thousandths(), sold.quantity.thousandths())?;
    // By the amount, not by the quantity: the tax in an amount then never outgrows it, whatever rounding did to it.
    let tax = if amount == paid {
        tax
    } else {
        Rounding::HALF_UP.proportion(tax, amount.0, paid.0)?
    };
    Ok(Back { quantity, amount, tax })
}

fn tax_position(taxes: &mut Vec<AppliedTax>, applied: &AppliedTax) -> Option<u8> {
    let listed = taxes.iter().position(|tax| tax == applied);
    if listed.is_none() {
        taxes.push(applied.clone());
    }
    u8::try_from(listed.unwrap_or(taxes.len() - 1)).ok()
}

/// The rounding of what is paid back, where the tenders pay back just that.
fn check_tenders(sale: &Sale, tenders: &[Tender], total: Minor, coins: CashRounding) -> Result<Minor, RefundRefusal> {
    let money = |amount: Minor| amount.of(sale.currency);
    if let Some((wrong, tender)) = tenders.iter().zip(1..).find(|(tender, _)| tender.amount <= Minor(0)) {
        let amount = money(wrong.amount);
        return Err(RefundRefusal::TenderNotPositive { tender, amount });
    }
    let given = sum(tenders.iter().map(|tender| tender.amount)).map_err(|_| RefundRefusal::TooLarge)?;
    let rounding = cash_rounding(coins, total, tenders).map_err(|_| RefundRefusal::TooLarge)?;
    let to_pay = total.checked_add(rounding).ok_or(RefundRefusal::TooLarge)?;
    if given != to_pay {
        return Err(RefundRefusal::TendersDiffer {
            total: money(to_pay),
            given: money(given),
        });
    }
    Ok(rounding)
}
