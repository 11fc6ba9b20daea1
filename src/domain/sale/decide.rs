//! Decides a sale: from what a till states to what is recorded, or why not.

mod refusal;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use refusal::SaleRefusal;

use super::adjustment::{Adjustment, AdjustmentCause, ByHand, LineShare, PriceNote};
use super::discount::Discount;
use super::payment::{cash_rounding, not_cash};
use super::record::{Fulfilment, Sale, SaleLine, Tender, Totals};
use super::totals::{Extra, TotalsError, sum, totals_to_pay, with_tenders};
use crate::domain::ids::{ChannelId, CustomerRef, ReceiptNumber, SaleId, Sku, StaffId};
use crate::domain::money::{CashRounding, Currency, Minor, MoneyError, Price, allocate};
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
    /// What promotions take off the lines, before any discount by hand.
    pub promotions: Vec<Adjustment>,
    /// Why prices of lines are not the items' own.
    pub price_notes: Vec<PriceNote>,
    /// Off the whole basket, after the lines' own discounts.
    pub basket_discount: Option<Discount>,
    /// Who gave the basket's discount, where that is to be kept.
    pub basket_by_hand: Option<ByHand>,
    /// For the staff, 0 or more.
    pub tip: Minor,
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
    /// Off this line, after promotions.
    pub discount: Option<Discount>,
    /// Who gave that discount, where that is to be kept.
    pub by_hand: Option<ByHand>,
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
    /// How a sum that is paid in coins is rounded.
    pub cash_rounding: CashRounding,
    /// Whether customers may give tips.
    pub tips: bool,
}

/// Decides a sale.
///
/// A line's gross amount is quantity times price, rounded half up. Promotions come first, then the lines' own discounts;
/// the basket's is spread over what they leave by [`allocate`]. What is paid in coins is rounded on the sum. `receipt` is the next number of its series, read in the transaction that
/// records the sale; the caller moves its counter on only where the answer is a sale, so that a refusal leaves no gap.
///
/// # Errors
/// A [`SaleRefusal`], which is for people; nothing is recorded then.
pub fn decide(draft: SaleDraft, receipt: ReceiptNumber, rules: &SaleRules) -> Result<Sale, SaleRefusal> {
    check_counts(&draft)?;
    let basket = (draft.basket_discount, draft.basket_by_hand);
    let quoted = quote(draft.lines, draft.promotions, basket, rules)?;
    let Quote {
        lines,
        taxes,
        adjustments,
        totals,
    } = quoted;
    let totals = settle(totals, draft.tip, &draft.tenders, rules)?;
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
        adjustments,
        price_notes: draft.price_notes,
        tenders: draft.tenders,
        totals,
    })
}

/// What lines come to before anything is given for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// The lines with their discounts.
    pub lines: Vec<SaleLine>,
    /// The tax classes that occur, in order of first use.
    pub taxes: Vec<AppliedTax>,
    /// What made the discounts.
    pub adjustments: Vec<Adjustment>,
    /// The sums; change, rounding and tip are 0.
    pub totals: Totals,
}

/// What lines come to: what [`decide`] records of them, before anything is given. `basket` is off the whole of it, and who
/// gave that.
///
/// # Errors
/// A [`SaleRefusal`] about a line or the basket's discount.
pub fn quote(
    lines: Vec<DraftLine>,
    promotions: Vec<Adjustment>,
    basket: (Option<Discount>, Option<ByHand>),
    rules: &SaleRules,
) -> Result<Quote, SaleRefusal> {
    let mut adjustments = promotions;
    let promoted = taken_by_promotions(&adjustments, lines.len())?;
    let (mut lines, taxes) = price_lines(lines, &promoted, &mut adjustments, rules)?;
    let (discount, by_hand) = basket;
    take_basket_discount(&mut lines, discount, rules.currency)?;
    if let Some(by_hand) = by_hand {
        adjustments.extend(basket_adjustment(&lines, by_hand));
    }
    let totals = totals_to_pay(rules.tax_policy, rules.currency, &taxes, &lines).map_err(|_| SaleRefusal::TooLarge)?;
    Ok(Quote {
        lines,
        taxes,
        adjustments,
        totals,
    })
}

/// The totals with what was given: tip and rounding, what is short, what is given back.
fn settle(priced: Totals, tip: Minor, tenders: &[Tender], rules: &SaleRules) -> Result<Totals, SaleRefusal> {
    let money = |amount: Minor| amount.of(rules.currency);
    check_tenders(tenders, rules.currency)?;
    if tip != Minor(0) && !rules.tips {
        return Err(SaleRefusal::TipNotTaken);
    }
    if tip < Minor(0) {
        return Err(SaleRefusal::TipNegative { tip: money(tip) });
    }
    let due = priced.total.checked_add(tip).ok_or(SaleRefusal::TooLarge)?;
    let rounding = cash_rounding(rules.cash_rounding, due, tenders).map_err(|_| SaleRefusal::TooLarge)?;
    let totals = with_tenders(priced, Extra { rounding, tip }, tenders).map_err(|error| match error {
        TotalsError::Short { total, given } => SaleRefusal::TendersShort {
            total: money(total),
            given: money(given),
        },
        // The positions of taxes were given out with the lines, so only a sum can be at fault.
        TotalsError::Tax(_) => SaleRefusal::TooLarge,
    })?;
    check_change(tenders, due, rules.currency)?;
    Ok(totals)
}

/// What promotions take off each line.
fn taken_by_promotions(promotions: &[Adjustment], lines: usize) -> Result<Vec<Minor>, SaleRefusal> {
    let mut taken = vec![Minor(0); lines];
    for share in promotions.iter().flat_map(|promotion| &promotion.shares) {
        let line = usize::from(share.line);
        let wrong = SaleRefusal::PromotionOutOfRange { line: line + 1 };
        let sum = taken.get_mut(line).ok_or_else(|| wrong.clone())?;
        let more = sum.checked_add(share.amount).filter(|_| share.amount >= Minor(0));
        *sum = more.ok_or(wrong)?;
    }
    Ok(taken)
}

/// Who gave the basket's discount, with what it took off each line; none where it took nothing.
fn basket_adjustment(lines: &[SaleLine], by_hand: ByHand) -> Option<Adjustment> {
    let share = |(line, at): (&SaleLine, u16)| LineShare {
        line: at,
        amount: line.basket_discount,
    };
    let shares: Vec<_> = lines
        .iter()
        .zip(0..)
        .map(share)
        .filter(|share| share.amount != Minor(0))
        .collect();
    let cause = AdjustmentCause::BasketByHand(by_hand);
    (!shares.is_empty()).then_some(Adjustment { cause, shares })
}

fn check_counts(draft: &SaleDraft) -> Result<(), SaleRefusal> {
    match (draft.lines.len(), draft.tenders.len()) {
        (0, _) => Err(SaleRefusal::NoLines),
        (lines, _) if lines > LINES_MAX => Err(SaleRefusal::TooManyLines { lines }),
        (_, tenders) if tenders > TENDERS_MAX => Err(SaleRefusal::TooManyTenders { tenders }),
        _ => Ok(()),
    }
}

fn price_lines(
    drafts: Vec<DraftLine>,
    promoted: &[Minor],
    adjustments: &mut Vec<Adjustment>,
    rules: &SaleRules,
) -> Result<(Vec<SaleLine>, Vec<AppliedTax>), SaleRefusal> {
    let mut lines = Vec::with_capacity(drafts.len());
    let mut taxes: Vec<AppliedTax> = Vec::new();
    for ((draft, promotion), line) in drafts.into_iter().zip(promoted).zip(1..) {
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
            discount: *promotion,
            basket_discount: Minor(0),
            tax,
            fulfilment: draft.fulfilment,
        };
        let too_large = |_: MoneyError| SaleRefusal::TooLarge;
        let gross = priced.gross(rules.currency).map_err(too_large)?;
        let left = gross.checked_sub(*promotion).filter(|left| *left >= Minor(0));
        let left = left.ok_or(SaleRefusal::PromotionOutOfRange { line })?;
        if let Some(discount) = draft.discount {
            let discount = discount.of(left).map_err(too_large)?;
            if !(Minor(0)..=left).contains(&discount) {
                return Err(SaleRefusal::LineDiscountOutOfRange {
                    line,
                    discount: discount.of(rules.currency),
                    gross: left.of(rules.currency),
                });
            }
            priced.discount = promotion.checked_add(discount).ok_or(SaleRefusal::TooLarge)?;
            if let (Some(by_hand), Ok(at)) = (draft.by_hand, u16::try_from(line - 1)) {
                let (line, amount) = (at, discount);
                adjustments.push(Adjustment {
                    cause: AdjustmentCause::LineByHand(by_hand),
                    shares: vec![LineShare { line, amount }],
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

/// Change is given from the cash that came in: what came by other means is at most what is due.
fn check_change(tenders: &[Tender], due: Minor, currency: Currency) -> Result<(), SaleRefusal> {
    let not_cash = not_cash(tenders).map_err(|_| SaleRefusal::TooLarge)?;
    if not_cash > due {
        return Err(SaleRefusal::ChangeWithoutCash {
            not_cash: not_cash.of(currency),
            total: due.of(currency),
        });
    }
    Ok(())
}
