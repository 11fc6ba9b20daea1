//! What follows from the journal's records, one by one: shared by whoever checks it, rebuilds it or lets it go.

use std::collections::BTreeMap;

use crate::domain::fact::Fact;
use crate::domain::ids::Sku;
use crate::domain::quantity::Quantity;

/// Stock, item by item.
#[derive(Debug, Default)]
pub(in crate::operations) struct StockFold(BTreeMap<Sku, Quantity>);

impl StockFold {
    pub(in crate::operations) fn add(&mut self, sku: &Sku, quantity: Quantity) {
        match self.0.get_mut(sku) {
            Some(sum) => *sum = [*sum, quantity].into_iter().sum(),
            None => {
                self.0.insert(sku.clone(), quantity);
            }
        }
    }

    pub(in crate::operations) fn add_fact(&mut self, fact: &Fact) {
        for (sku, quantity) in stock_moves(fact) {
            self.add(sku, quantity);
        }
    }

    pub(in crate::operations) fn take(&mut self, sku: &Sku) -> Option<Quantity> {
        self.0.remove(sku)
    }

    pub(in crate::operations) fn into_items(self) -> impl Iterator<Item = (Sku, Quantity)> {
        self.0.into_iter()
    }
}

/// How a fact moves stock, item by item. A copy of a record moves nothing: the record itself stands in the journal.
fn stock_moves(fact: &Fact) -> Vec<(&Sku, Quantity)> {
    match fact {
        Fact::Sale(sale) => sale.lines.iter().map(|line| (&line.sku, -line.quantity)).collect(),
        Fact::Refund(refund) => refund.lines.iter().map(|line| (&line.sku, line.quantity)).collect(),
        Fact::Movement(movement) => movement.lines.iter().map(|line| (&line.sku, line.change)).collect(),
        Fact::Opened(_) | Fact::Rehomed(_) | Fact::Correction(_) | Fact::Settlement(_) => Vec::new(),
    }
}
