//! Debt by the records that made it and those that repaid it: what was made first is repaid first.

use super::super::step::quantity;
use super::Step;
use crate::domain::escrow::Amount;
use crate::domain::quantity::Quantity;

/// Goods that went out beyond the rights by one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebtAccount {
    /// The record.
    pub step: Step,
    /// What went beyond the rights.
    pub made: Quantity,
    /// What is still owed of it.
    pub owed: Quantity,
    /// What repaid it, the oldest first, as far as that is known one by one.
    pub repaid: Vec<Repayment>,
}

/// A part of a debt that was repaid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repayment {
    /// The record that brought the rights.
    pub step: Step,
    /// How much of the debt it repaid.
    pub quantity: Quantity,
}

/// From where to where a register grew with a step.
struct Span<'s> {
    step: &'s Step,
    from: u64,
    to: u64,
}

/// The debts of one replica, the oldest first. `made` and `repaid` are its registers now; `steps` are its newest steps that
/// moved either, the newest first. Of debt whose repayments are not among them only the amount is known.
#[must_use]
pub fn debts(made: Amount, repaid: Amount, steps: &[Step]) -> Vec<DebtAccount> {
    let made = spans(made, steps, |step| step.growth.debt);
    let repaid_to = repaid.parts();
    let repaid = spans(repaid, steps, |step| step.growth.repaid);
    let accounts = made.iter().rev().map(|debt| {
        let common = |by: &Span<'_>| debt.to.min(by.to).saturating_sub(debt.from.max(by.from));
        let by = repaid.iter().rev().filter(|by| common(by) > 0);
        DebtAccount {
            step: debt.step.clone(),
            made: units(debt.to - debt.from),
            owed: units(debt.to.saturating_sub(debt.from.max(repaid_to))),
            repaid: by
                .map(|by| Repayment {
                    step: by.step.clone(),
                    quantity: units(common(by)),
                })
                .collect(),
        }
    });
    accounts.collect()
}

fn spans(total: Amount, newest_first: &[Step], of: impl Fn(&Step) -> Amount) -> Vec<Span<'_>> {
    let mut to = total.parts();
    let grown = newest_first.iter().filter_map(|step| {
        let from = to.saturating_sub(of(step).parts());
        let span = Span { step, from, to };
        to = from;
        (span.to > span.from).then_some(span)
    });
    grown.collect()
}

fn units(parts: u64) -> Quantity {
    quantity(Amount::new(parts).unwrap_or(Amount::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::stock::{Growth, Particulars, StepKind};

    fn step(number: i64, debt: u64, repaid: u64) -> Step {
        let amount = |units: u64| Amount::new(units * 1_000).unwrap();
        Step {
            number,
            node: "store-1".parse().unwrap(),
            kind: StepKind::Sale,
            at_ms: 0,
            growth: Growth {
                debt: amount(debt),
                repaid: amount(repaid),
                ..Growth::default()
            },
            on_hand: Quantity::ZERO,
            reserved: Quantity::ZERO,
            particulars: Particulars::default(),
        }
    }

    #[test]
    fn the_oldest_debt_is_repaid_first_and_each_part_names_what_repaid_it() {
        // Three and two are made; one comes in, then three; and of what was before only the registers are known.
        let newest_first = [step(4, 0, 3), step(3, 0, 1), step(2, 2, 0), step(1, 3, 0)];
        let registers = |units: u64| Amount::new(units * 1_000).unwrap();
        let found = debts(registers(15), registers(14), &newest_first);
        let told: Vec<_> = found
            .iter()
            .map(|debt| {
                let by: Vec<_> = debt
                    .repaid
                    .iter()
                    .map(|by| (by.step.number, by.quantity.to_string()))
                    .collect();
                (debt.step.number, debt.made.to_string(), debt.owed.to_string(), by)
            })
            .collect();
        let by = |number: i64, quantity: &str| (number, quantity.to_string());
        assert_eq!(
            told,
            [
                (1, "3".into(), "0".into(), vec![by(3, "1"), by(4, "2")]),
                (2, "2".into(), "1".into(), vec![by(4, "1")])
            ]
        );
    }
}
