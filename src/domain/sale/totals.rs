//! The sums of a sale and of a refund. They are decided here and recomputed here: one rule.

use rust_decimal::Decimal;

use super::record::{Refund, RefundLine, Sale, SaleLine, Tender, Totals};
use crate::domain::money::{Currency, Minor, MoneyError, Rounding};
use crate::domain::tax::{AppliedTax, TaxBasis, TaxPolicy, TaxSum, TaxSumsError, tax_by_line, tax_sums};

/// Why a document's sums cannot be computed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum TotalsError {
    /// A sum does not fit, or a line names a tax that the document does not list.
    #[error(transparent)]
    Tax(#[from] TaxSumsError),
    /// The tenders do not cover the total.
    #[error("{given:?} is given for {total:?}")]
    Short {
        /// What is to be paid.
        total: Minor,
        /// What was given.
        given: Minor,
    },
}

impl From<MoneyError> for TotalsError {
    fn from(error: MoneyError) -> Self {
        Self::Tax(error.into())
    }
}

impl SaleLine {
    /// Quantity times price, rounded half up to the minor unit of `currency`, whatever the rule for tax: a weighed
    /// line agrees with its weight and price to the nearest cent (NIST Handbook 44, general code, G-S.5.5).
    ///
    /// # Errors
    /// [`MoneyError::TooLarge`] where it does not fit.
    pub fn gross(&self, currency: Currency) -> Result<Minor, MoneyError> {
        let exact = Decimal::new(self.quantity.thousandths(), 3)
            .checked_mul(self.unit_price.to_decimal())
            .ok_or(MoneyError::TooLarge)?;
        Rounding::HALF_UP
            .to_minor(exact, currency)
            .map(|gross| Minor(gross.minor()))
    }

    /// What is paid for the line as priced: gross less both discounts, before any tax that is added on top.
    ///
    /// # Errors
    /// [`MoneyError::TooLarge`] where it does not fit.
    pub fn amount(&self, currency: Currency) -> Result<Minor, MoneyError> {
        self.less_discounts(self.gross(currency)?)
    }

    fn less_discounts(&self, gross: Minor) -> Result<Minor, MoneyError> {
        gross
            .checked_sub(self.discount)
            .and_then(|left| left.checked_sub(self.basket_discount))
            .ok_or(MoneyError::TooLarge)
    }
}

impl Sale {
    /// The totals, from the lines, the tenders, the tax policy and the recorded rounding and tip alone. None where the sums do not fit, a line names
    /// a tax that is not listed or the tenders do not cover the total: no sale was ever decided so.
    #[must_use]
    pub fn recompute_totals(&self) -> Option<Totals> {
        let extra = Extra {
            rounding: self.totals.rounding,
            tip: self.totals.tip,
        };
        let priced = totals_to_pay(self.tax_policy, self.currency, &self.taxes, &self.lines).ok()?;
        with_tenders(priced, extra, &self.tenders).ok()
    }

    /// What is to be paid, from the lines and the tax policy alone. None where the sums do not fit or a line names a
    /// tax that is not listed.
    #[must_use]
    pub fn to_pay(&self) -> Option<Minor> {
        totals_to_pay(self.tax_policy, self.currency, &self.taxes, &self.lines)
            .ok()
            .map(|totals| totals.total)
    }

    /// What was paid for each line as priced, and the tax in it or on it; by class the taxes sum to exactly those of
    /// the totals. None as for [`Sale::recompute_totals`].
    #[must_use]
    pub fn paid_by_line(&self) -> Option<Vec<(Minor, Minor)>> {
        let amount = |line: &SaleLine| Some((line.tax, line.amount(self.currency).ok()?));
        let amounts: Vec<_> = self.lines.iter().map(amount).collect::<Option<_>>()?;
        let taxes = tax_by_line(self.tax_policy, &self.taxes, &amounts).ok()?;
        Some(amounts.into_iter().map(|(_, amount)| amount).zip(taxes).collect())
    }
}

impl Refund {
    /// The totals, from the lines, the tax policy and the recorded rounding alone. None where the sums do not fit or a
    /// line names a tax that is not listed.
    ///
    /// The tax is the sum of the lines' own: worked out anew from the rates it could differ by a cent from what the
    /// sale took.
    #[must_use]
    pub fn recompute_totals(&self) -> Option<Totals> {
        let totals = refund_totals(self.tax_policy, &self.taxes, &self.lines)?;
        let rounding = self.totals.rounding;
        Some(Totals { rounding, ..totals })
    }
}

/// What is paid beside the goods.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extra {
    /// By the rounding of a sum paid in coins.
    pub rounding: Minor,
    /// For the staff.
    pub tip: Minor,
}

/// The sums of a sale with what was given for it.
pub(super) fn with_tenders(priced: Totals, extra: Extra, tenders: &[Tender]) -> Result<Totals, TotalsError> {
    let (rounding, tip) = (extra.rounding, extra.tip);
    let totals = Totals {
        rounding,
        tip,
        ..priced
    };
    let to_pay = totals.to_pay().ok_or(MoneyError::TooLarge)?;
    let given = sum(tenders.iter().map(|tender| tender.amount))?;
    let change = given.checked_sub(to_pay).ok_or(MoneyError::TooLarge)?;
    if change < Minor(0) {
        return Err(TotalsError::Short { total: to_pay, given });
    }
    Ok(Totals { change, ..totals })
}

/// The sums of a sale that nothing has been given for yet; change, rounding and tip are 0.
pub(super) fn totals_to_pay(
    policy: TaxPolicy,
    currency: Currency,
    taxes: &[AppliedTax],
    lines: &[SaleLine],
) -> Result<Totals, TotalsError> {
    let mut gross = Minor(0);
    let mut amounts = Vec::with_capacity(lines.len());
    for line in lines {
        let gross_of_line = line.gross(currency)?;
        gross = gross.checked_add(gross_of_line).ok_or(MoneyError::TooLarge)?;
        amounts.push((line.tax, line.less_discounts(gross_of_line)?));
    }
    let paid = sum(amounts.iter().map(|(_, amount)| *amount))?;
    let discount = gross.checked_sub(paid).ok_or(MoneyError::TooLarge)?;
    let taxes = tax_sums(policy, taxes, &amounts)?;
    let total = match policy.basis {
        TaxBasis::Included => paid,
        TaxBasis::Added => sum(std::iter::once(paid).chain(taxes.iter().map(|tax| tax.tax)))?,
    };
    Ok(Totals {
        gross,
        discount,
        taxes,
        total,
        ..Totals::default()
    })
}

/// The sums of a refund without rounding. None where they do not fit or a line names a tax that is not listed.
pub(super) fn refund_totals(policy: TaxPolicy, taxes: &[AppliedTax], lines: &[RefundLine]) -> Option<Totals> {
    let mut sums: Vec<TaxSum> = Vec::with_capacity(taxes.len());
    for applied in taxes {
        let (net, tax, applied) = (Minor(0), Minor(0), applied.clone());
        sums.push(TaxSum { applied, net, tax });
    }
    let (mut gross, mut total) = (Minor(0), Minor(0));
    for line in lines {
        let (net, to_pay) = match policy.basis {
            TaxBasis::Included => (line.amount.checked_sub(line.tax_amount)?, line.amount),
            TaxBasis::Added => (line.amount, line.amount.checked_add(line.tax_amount)?),
        };
        let sum = sums.get_mut(usize::from(line.tax))?;
        sum.net = sum.net.checked_add(net)?;
        sum.tax = sum.tax.checked_add(line.tax_amount)?;
        gross = gross.checked_add(line.amount)?;
        total = total.checked_add(to_pay)?;
    }
    Some(Totals {
        gross,
        discount: Minor(0),
        taxes: sums,
        total,
        ..Totals::default()
    })
}

/// The sum, where it fits.
pub(super) fn sum(amounts: impl IntoIterator<Item = Minor>) -> Result<Minor, MoneyError> {
    amounts
        .into_iter()
        .try_fold(Minor(0), Minor::checked_add)
        .ok_or(MoneyError::TooLarge)
}
