//! What the tenders of a document come to where a part of it is paid in coins.

use super::record::{Tender, TenderKind};
use super::totals::sum;
use crate::domain::money::{CashRounding, Minor, MoneyError};

/// What rounding adds to `due`, which `tenders` pay: only where a part of it is paid in cash, and then the part that
/// nothing else pays is what coins can pay.
///
/// A till that was given the exact sum in cash is taken at its word: it did not round. A sum that rounds to nothing needs
/// no tender.
///
/// # Errors
/// [`MoneyError::TooLarge`] where a sum does not fit.
pub(super) fn cash_rounding(rule: CashRounding, due: Minor, tenders: &[Tender]) -> Result<Minor, MoneyError> {
    let of = |cash: bool| {
        let chosen = tenders
            .iter()
            .filter(|tender| (tender.kind == TenderKind::Cash) == cash);
        sum(chosen.map(|tender| tender.amount))
    };
    let (cash, other) = (of(true)?, of(false)?);
    let in_cash = due.checked_sub(other).ok_or(MoneyError::TooLarge)?;
    let rounded = rule.round(in_cash)?;
    let paid_in_cash = cash > Minor(0) || tenders.is_empty() && rounded == Minor(0);
    if in_cash <= Minor(0) || !paid_in_cash || cash == in_cash {
        return Ok(Minor(0));
    }
    rounded.checked_sub(in_cash).ok_or(MoneyError::TooLarge)
}

/// What came by other means than cash.
pub(super) fn not_cash(tenders: &[Tender]) -> Result<Minor, MoneyError> {
    let other = tenders.iter().filter(|tender| tender.kind != TenderKind::Cash);
    sum(other.map(|tender| tender.amount))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::money::Currency;
    use crate::domain::sale::testing::tender;

    fn rounding(due: i64, tenders: &[(TenderKind, i64)]) -> i64 {
        let tenders: Vec<Tender> = tenders.iter().map(|(kind, amount)| tender(*kind, *amount)).collect();
        let rule = CashRounding::usual(Currency::CHF);
        cash_rounding(rule, Minor(due), &tenders).unwrap().0
    }

    #[test]
    fn only_what_coins_pay_is_rounded() {
        assert_eq!(rounding(1_987, &[(TenderKind::Cash, 2_000)]), -2);
        assert_eq!(rounding(1_988, &[(TenderKind::Cash, 2_000)]), 2);
        assert_eq!(rounding(1_987, &[(TenderKind::Card, 1_987)]), 0);
        // 10.00 by card leave 9.87 for coins.
        assert_eq!(
            rounding(1_987, &[(TenderKind::Card, 1_000), (TenderKind::Cash, 1_000)]),
            -2
        );
        assert_eq!(rounding(1_987, &[(TenderKind::Cash, 1_987)]), 0, "taken at its word");
        assert_eq!(rounding(2, &[]), -2);
        assert_eq!(rounding(3, &[]), 0, "not paid");
        assert_eq!(rounding(2, &[(TenderKind::Card, 1)]), 0, "a card pays to the Rappen");
    }
}
