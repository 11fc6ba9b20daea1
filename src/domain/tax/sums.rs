//! The tax on amounts: by class over a document, and by line.

use super::{AppliedTax, TaxBasis, TaxPolicy, TaxRate, TaxRoundingBy, TaxSum};
use crate::domain::money::{Minor, MoneyError, allocate};

/// 100 % in the unit of [`TaxRate::ten_thousandths`].
const WHOLE: i64 = 1_000_000;

/// Why the tax on some amounts cannot be computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TaxSumsError {
    /// A sum does not fit.
    #[error(transparent)]
    Money(#[from] MoneyError),
    /// An amount names a tax that the document does not list.
    #[error("there is no tax at position {0}")]
    NoSuchTax(u8),
}

/// The tax of each of `taxes` over the `amounts`, which name theirs by position; in the order of `taxes`.
///
/// With r per cent, the tax in an amount is `amount × r / (100 + r)` where prices include it, and the tax on it is
/// `amount × r / 100` where it is added. Where it is included, `net + tax` is exactly the sum of the amounts; where it
/// is added, `net` is. Amounts are minor units of one currency.
///
/// Sources: the Streamlined Sales and Use Tax Agreement, section 324 (added; by item or by invoice, at the seller's
/// choice), and Australia's A New Tax System (Goods and Services Tax) Act 1999, section 9-90 (included; by supply or
/// over the invoice). Both round to the nearest cent, halves up.
///
/// # Errors
/// [`TaxSumsError`] where a sum does not fit or a position is not in `taxes`.
pub fn tax_sums(policy: TaxPolicy, taxes: &[AppliedTax], amounts: &[(u8, Minor)]) -> Result<Vec<TaxSum>, TaxSumsError> {
    let mut sums: Vec<(Minor, Minor)> = vec![Default::default(); taxes.len()];
    for (position, amount) in amounts {
        let at = usize::from(*position);
        let (applied, (sum, tax)) = taxes
            .get(at)
            .zip(sums.get_mut(at))
            .ok_or(TaxSumsError::NoSuchTax(*position))?;
        *sum = plus(*sum, *amount)?;
        if policy.rounding_by == TaxRoundingBy::Line {
            *tax = plus(*tax, tax_of(policy, applied.rate, *amount)?)?;
        }
    }
    let class = |(applied, (sum, tax_of_lines)): (&AppliedTax, (Minor, Minor))| {
        let tax = match policy.rounding_by {
            TaxRoundingBy::Line => tax_of_lines,
            TaxRoundingBy::Document => tax_of(policy, applied.rate, sum)?,
        };
        let net = match policy.basis {
            TaxBasis::Included => sum.checked_sub(tax).ok_or(MoneyError::TooLarge)?,
            TaxBasis::Added => sum,
        };
        let applied = applied.clone();
        Ok(TaxSum { applied, net, tax })
    };
    taxes.iter().zip(sums).map(class).collect()
}

/// The tax of each amount by itself. Over each class they sum to exactly the tax that [`tax_sums`] gives: where tax is
/// rounded by document, its tax is spread over the amounts by [`allocate`].
///
/// # Errors
/// As [`tax_sums`]; and where tax is rounded by document, for negative amounts.
pub fn tax_by_line(
    policy: TaxPolicy,
    taxes: &[AppliedTax],
    amounts: &[(u8, Minor)],
) -> Result<Vec<Minor>, TaxSumsError> {
    let mut by_line = vec![Minor::default(); amounts.len()];
    for (position, sum) in (0..=u8::MAX).zip(tax_sums(policy, taxes, amounts)?) {
        let lines: Vec<usize> = (0..amounts.len()).filter(|at| amounts[*at].0 == position).collect();
        let of_class: Vec<Minor> = lines.iter().map(|at| amounts[*at].1).collect();
        let shares = match policy.rounding_by {
            TaxRoundingBy::Line => of_class
                .iter()
                .map(|amount| tax_of(policy, sum.applied.rate, *amount))
                .collect::<Result<_, _>>()?,
            TaxRoundingBy::Document => allocate(sum.tax, &of_class).ok_or(MoneyError::TooLarge)?,
        };
        for (at, share) in lines.into_iter().zip(shares) {
            by_line[at] = share;
        }
    }
    Ok(by_line)
}

fn tax_of(policy: TaxPolicy, rate: TaxRate, amount: Minor) -> Result<Minor, MoneyError> {
    let rate = i64::from(rate.ten_thousandths());
    let whole = match policy.basis {
        TaxBasis::Included => WHOLE + rate,
        TaxBasis::Added => WHOLE,
    };
    policy.rounding.proportion(amount, rate, whole)
}

fn plus(sum: Minor, amount: Minor) -> Result<Minor, MoneyError> {
    sum.checked_add(amount).ok_or(MoneyError::TooLarge)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::money::Rounding;

    fn policy(basis: TaxBasis, rounding_by: TaxRoundingBy) -> TaxPolicy {
        let rounding = Rounding::HalfUp;
        TaxPolicy {
            basis,
            rounding_by,
            rounding,
        }
    }

    fn applied(percent: &str) -> AppliedTax {
        AppliedTax {
            class: "standard".parse().unwrap(),
            rate: percent.parse().unwrap(),
        }
    }

    fn tax(basis: TaxBasis, by: TaxRoundingBy, percent: &str, amounts: &[i64]) -> i64 {
        let amounts: Vec<_> = amounts.iter().map(|amount| (0, Minor(*amount))).collect();
        tax_sums(policy(basis, by), &[applied(percent)], &amounts).unwrap()[0]
            .tax
            .0
    }

    /// Wafeq, "Calculations and Rounding" (developer.wafeq.com): 45.30 at 5 % and 33.45 at 10 %, by line.
    #[test]
    fn added_by_line_as_wafeq_publishes_it() {
        let sums = tax_sums(
            policy(TaxBasis::Added, TaxRoundingBy::Line),
            &[applied("5"), applied("10")],
            &[(0, Minor(4530)), (1, Minor(3345))],
        )
        .unwrap();
        assert_eq!((sums[0].net, sums[0].tax), (Minor(4530), Minor(227)));
        assert_eq!((sums[1].net, sums[1].tax), (Minor(3345), Minor(335)));
    }

    /// CereTax, "Tax Rounding" (knowledgebase.ceretax.com): 89.99 at 6.25 % is 5.62 over the whole invoice.
    #[test]
    fn added_by_document_as_ceretax_publishes_it() {
        assert_eq!(
            tax(TaxBasis::Added, TaxRoundingBy::Document, "6.25", &[5000, 2000, 1999]),
            562
        );
        // Its three lines by themselves: 3.125, 1.25 and 1.249375, rounded up, kept and rounded up.
        assert_eq!(
            tax(TaxBasis::Added, TaxRoundingBy::Line, "6.25", &[5000, 2000, 1999]),
            563
        );
    }

    /// Zuora, "Rounding rule for inclusive tax mode" (docs.zuora.com), rounding the tax: 2.99 with 4 % has 0.115.
    #[test]
    fn included_as_zuora_publishes_it() {
        assert_eq!(tax(TaxBasis::Included, TaxRoundingBy::Line, "4", &[299]), 12);
    }

    /// Australia's GST is 1/11 of the price; section 9-90 of its Act lets the seller round by supply or by invoice.
    #[test]
    fn included_by_line_and_by_document_as_the_gst_act_allows() {
        // 1.00 / 11 = 0.0909…: three lines of 0.09, and 0.2727… for the invoice; 0.05 / 11 is under half a cent.
        assert_eq!(tax(TaxBasis::Included, TaxRoundingBy::Line, "10", &[100, 100, 100]), 27);
        assert_eq!(
            tax(TaxBasis::Included, TaxRoundingBy::Document, "10", &[100, 100, 100]),
            27
        );
        assert_eq!(tax(TaxBasis::Included, TaxRoundingBy::Line, "10", &[5, 5, 5]), 0);
        assert_eq!(tax(TaxBasis::Included, TaxRoundingBy::Document, "10", &[5, 5, 5]), 1);
    }

    /// Section 324 of the Streamlined Sales and Use Tax Agreement: up where the third decimal place is over four.
    #[test]
    fn the_third_decimal_place_decides() {
        assert_eq!(tax(TaxBasis::Added, TaxRoundingBy::Line, "5", &[90]), 5);
        assert_eq!(tax(TaxBasis::Added, TaxRoundingBy::Line, "5", &[89]), 4);
    }

    #[test]
    fn an_unknown_position_and_an_amount_that_does_not_fit_are_said() {
        let added = policy(TaxBasis::Added, TaxRoundingBy::Line);
        assert_eq!(tax_sums(added, &[], &[(3, Minor(1))]), Err(TaxSumsError::NoSuchTax(3)));
        assert_eq!(
            tax_sums(added, &[applied("200")], &[(0, Minor(i64::MAX))]),
            Err(TaxSumsError::Money(MoneyError::TooLarge))
        );
    }

    fn any_policy() -> impl Strategy<Value = TaxPolicy> {
        (any::<bool>(), any::<bool>(), 0usize..3).prop_map(|(included, by_line, rounding)| TaxPolicy {
            basis: if included { TaxBasis::Included } else { TaxBasis::Added },
            rounding_by: if by_line {
                TaxRoundingBy::Line
            } else {
                TaxRoundingBy::Document
            },
            rounding: [Rounding::HalfUp, Rounding::HalfEven, Rounding::Down][rounding],
        })
    }

    proptest! {
        #[test]
        fn net_and_tax_add_up_and_lines_sum_to_their_class(
            policy in any_policy(),
            rates in proptest::collection::vec(0u32..10_000_000, 3),
            amounts in proptest::collection::vec((0u8..3, 0i64..1 << 40), 0..40),
        ) {
            let percent = |rate: u32| format!("{}.{:04}", rate / 10_000, rate % 10_000);
            let taxes: Vec<_> = rates.into_iter().map(|rate| applied(&percent(rate))).collect();
            let amounts: Vec<_> = amounts.into_iter().map(|(position, amount)| (position, Minor(amount))).collect();
            let sums = tax_sums(policy, &taxes, &amounts).unwrap();
            let by_line = tax_by_line(policy, &taxes, &amounts).unwrap();
            for (position, sum) in (0u8..).zip(&sums) {
                let of = |(at, _): &(u8, Minor)| *at == position;
                let paid: i64 = amounts.iter().filter(|amount| of(amount)).map(|amount| amount.1.0).sum();
                let lines = amounts.iter().zip(&by_line).filter(|(amount, _)| of(amount));
                let lines: i64 = lines.map(|(_, tax)| tax.0).sum();
                prop_assert_eq!(lines, sum.tax.0);
                prop_assert!(sum.tax.0 >= 0);
                match policy.basis {
                    TaxBasis::Included => prop_assert_eq!(sum.net.0 + sum.tax.0, paid),
                    TaxBasis::Added => prop_assert_eq!(sum.net.0, paid),
                }
            }
        }

        #[test]
        fn nothing_panics(
            policy in any_policy(),
            amounts in proptest::collection::vec((any::<u8>(), any::<i64>()), 0..9),
        ) {
            let taxes = vec![applied("1000"); 200];
            let amounts: Vec<_> = amounts.into_iter().map(|(position, amount)| (position, Minor(amount))).collect();
            let _ = tax_sums(policy, &taxes, &amounts);
            let _ = tax_by_line(policy, &taxes, &amounts);
        }
    }
}
