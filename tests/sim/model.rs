//! The reference model: what tills asked and heard, in cents and thousandths, and which disk comes from which.
//!
//! It shares no code with the engines, the stores or the domain's arithmetic: what a document comes to is worked out
//! here a second time, with plain integers.

use std::collections::BTreeMap;

use super::requests::{Body, DocId, PRICES, Request, SaleAsked};

/// The history of one disk, up to which it shares another's.
pub type BranchId = usize;

/// What a document must come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// What comes in, in cents; refunds are negative, movements 0.
    pub amount: i64,
    /// Its business day.
    pub day: i32,
    /// How each item's stock changes, in thousandths.
    pub stock: Vec<(usize, i64)>,
    /// The line of a sale that a refund takes back.
    pub refund_of: Option<(DocId, u16)>,
    /// Why a node must refuse it.
    pub unlawful: bool,
}

#[derive(Debug)]
struct Branch {
    /// The branch that it left, and how many documents had been heard there.
    parent: Option<(BranchId, usize)>,
    heard: Vec<DocId>,
}

/// What the outside world knows.
#[derive(Debug, Default)]
pub struct Model {
    asked: BTreeMap<DocId, Expected>,
    branches: Vec<Branch>,
}

impl Model {
    /// A new disk without a past.
    pub fn new_branch(&mut self) -> BranchId {
        self.branches.push(Branch {
            parent: None,
            heard: Vec::new(),
        });
        self.branches.len() - 1
    }

    /// How much had been heard from a disk: what an image of it that is made now must hold.
    pub fn mark(&self, branch: BranchId) -> (BranchId, usize) {
        (branch, self.branches[branch].heard.len())
    }

    /// A disk made from an image.
    pub fn fork(&mut self, image: (BranchId, usize)) -> BranchId {
        self.branches.push(Branch {
            parent: Some(image),
            heard: Vec::new(),
        });
        self.branches.len() - 1
    }

    /// A till asks: takes note of what that must come to.
    pub fn asks(&mut self, request: &Request, unlawful: bool) {
        let expected = match &request.body {
            Body::Sale(sale) => Expected {
                amount: sale_amount(sale),
                day: sale.day,
                stock: sale.lines.iter().map(|line| (line.item, -line.quantity)).collect(),
                refund_of: None,
                unlawful,
            },
            Body::Refund(refund) => Expected {
                amount: -refund.amount,
                day: refund.day,
                stock: self.refunded_stock(&DocId::Sale(refund.of.clone()), refund.line, refund.quantity),
                refund_of: Some((DocId::Sale(refund.of.clone()), refund.line)),
                unlawful,
            },
            Body::Movement(movement) => Expected {
                amount: 0,
                day: 0,
                stock: movement.lines.clone(),
                refund_of: None,
                unlawful,
            },
        };
        self.asked.entry(request.doc()).or_insert(expected);
    }

    /// A till hears "ok" from a disk.
    pub fn hears(&mut self, branch: BranchId, doc: DocId) {
        self.branches[branch].heard.push(doc);
    }

    /// What a document must come to; nothing where no till ever asked for it.
    pub fn expected(&self, doc: &DocId) -> Option<&Expected> {
        self.asked.get(doc)
    }

    /// Everything that tills heard of from a disk and from those that it was made from.
    pub fn heard_on(&self, branch: BranchId) -> Vec<&DocId> {
        let mut heard = Vec::new();
        let (mut at, mut limit) = (branch, usize::MAX);
        loop {
            let branch = &self.branches[at];
            heard.extend(branch.heard.iter().take(limit));
            match branch.parent {
                Some((parent, length)) => (at, limit) = (parent, length),
                None => return heard,
            }
        }
    }

    /// Whether somebody ever asked for that line of that sale back, other than as `doc`.
    pub fn refund_asked_before(&self, doc: &DocId, of: &(DocId, u16)) -> bool {
        self.asked
            .iter()
            .any(|(other, expected)| other != doc && expected.refund_of.as_ref() == Some(of))
    }

    /// A line of a sale that was heard on the disk: what was sold and what was paid for it.
    pub fn line_paid(sale: &SaleAsked, line: usize) -> Option<(i64, i64)> {
        let shares = line_amounts(sale);
        Some((sale.lines.get(line)?.quantity, *shares.get(line)?))
    }

    /// The stock that documents leave, by item.
    pub fn stock_of<'a>(&self, documents: impl Iterator<Item = &'a DocId>) -> BTreeMap<usize, i64> {
        let mut stock = BTreeMap::new();
        for expected in documents.filter_map(|doc| self.asked.get(doc)) {
            for (item, change) in &expected.stock {
                *stock.entry(*item).or_default() += change;
            }
        }
        stock
    }

    /// The sum of `documents` by day.
    pub fn totals_of<'a>(&self, documents: impl Iterator<Item = &'a DocId>) -> BTreeMap<i32, i64> {
        let mut totals = BTreeMap::new();
        for expected in documents.filter_map(|doc| self.asked.get(doc)) {
            if expected.day != 0 {
                *totals.entry(expected.day).or_default() += expected.amount;
            }
        }
        totals
    }

    fn refunded_stock(&self, of: &DocId, line: u16, quantity: i64) -> Vec<(usize, i64)> {
        let item = self
            .asked
            .get(of)
            .and_then(|sale| sale.stock.get(usize::from(line)))
            .map(|(item, _)| *item);
        item.map(|item| (item, quantity)).into_iter().collect()
    }
}

/// What a sale comes to, in cents: every line rounded half up, less what is taken off.
pub fn sale_amount(sale: &SaleAsked) -> i64 {
    line_amounts(sale).iter().sum()
}

/// What is paid for each line. The basket's discount is only ever taken off sales of one line here, for how it is
/// spread over several is the domain's own rule and has tests of its own.
fn line_amounts(sale: &SaleAsked) -> Vec<i64> {
    let basket = if sale.lines.len() == 1 { sale.basket_discount } else { 0 };
    let amount = |line: &super::requests::LineAsked| {
        let exact = line.quantity * PRICES[line.item];
        (exact + 500) / 1000 - line.discount - basket
    };
    sale.lines.iter().map(amount).collect()
}
