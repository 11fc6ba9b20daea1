//! What a customer wants: pure, out of the dice alone.

use super::dice::Dice;
use super::goods::is_weighed;
use crate::domain::catalog::Item;
use crate::domain::quantity::Quantity;

/// One customer at a till.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Customer {
    /// What lies on the belt; at least one thing.
    pub(super) picks: Vec<Pick>,
    /// How it is paid.
    pub(super) payment: Payment,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pick {
    /// The position in the catalog.
    pub(super) item: usize,
    /// How much.
    pub(super) quantity: Quantity,
    /// Off the line, in per cent, where it is marked down.
    pub(super) percent_off: Option<u8>,
}

/// A way to pay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Payment {
    /// The next note or coin up, so that there is change.
    Cash,
    /// Exactly.
    Card,
}

impl Payment {
    /// As the API names it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Cash => "cash",
            Self::Card => "card",
        }
    }
}

/// The next customer, with at most `lines_max` things out of the catalog, which stands cheapest first.
pub(super) fn next_customer(dice: &mut Dice, catalog: &[Item], lines_max: usize) -> Customer {
    let mut picks: Vec<Pick> = Vec::new();
    for _ in 0..=dice.below(lines_max) {
        let item = pick_item(dice, catalog.len());
        let weighed = catalog.get(item).is_some_and(is_weighed);
        let pick = Pick {
            item,
            quantity: quantity(dice, weighed),
            percent_off: dice.chance(4).then_some(if dice.chance(50) { 10 } else { 30 }),
        };
        if picks.iter().all(|there| there.item != item) {
            picks.push(pick);
        }
    }
    let payment = if dice.chance(45) { Payment::Cash } else { Payment::Card };
    Customer { picks, payment }
}

/// What is cheap is bought often, what is dear seldom, and nothing never: the catalog stands cheapest first.
fn pick_item(dice: &mut Dice, items: usize) -> usize {
    dice.below(items) * (dice.below(items) + 1) / items.max(1)
}

fn quantity(dice: &mut Dice, weighed: bool) -> Quantity {
    let thousandths = if weighed {
        200 + dice.below(1_300)
    } else {
        match dice.below(10) {
            0..=6 => 1_000,
            7 | 8 => 2_000,
            _ => 3_000,
        }
    };
    Quantity::from_thousandths(i64::try_from(thousandths).unwrap_or(1_000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::demo::goods::catalog;

    #[test]
    fn customers_come_again_with_the_seed() {
        let catalog = catalog().unwrap();
        let customers = |seed| -> Vec<Customer> {
            let mut dice = Dice::of(seed, "harbour 1");
            (0..100).map(|_| next_customer(&mut dice, &catalog, 8)).collect()
        };
        assert_eq!(customers(1), customers(1));
        assert_ne!(customers(1), customers(2));
        for customer in customers(1) {
            assert!((1..=8).contains(&customer.picks.len()));
            for pick in customer.picks {
                assert!(pick.quantity > Quantity::ZERO && catalog.get(pick.item).is_some());
            }
        }
    }
}
