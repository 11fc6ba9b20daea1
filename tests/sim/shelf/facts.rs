//! What a replica writes into its journal, and what that does to its rows and holds.

use std::collections::BTreeMap;
use std::rc::Rc;

use finalmarket::domain::escrow::{Amount, Refusal, ReplicaId, Row};

/// An incarnation of a machine, by number.
pub type Life = usize;
/// An item, by number.
pub type Item = usize;
/// An item and how much of it.
pub type Line = (Item, u64);
/// A hold's identity, which it keeps when it is handed over.
pub type HoldId = u64;

/// A transfer's number: it comes once, whoever scans it how often.
pub type TransferId = u64;

/// A step of `given[to]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    pub item: Item,
    pub before: u64,
    pub after: u64,
}

impl Step {
    pub fn amount(self) -> u64 {
        self.after.saturating_sub(self.before)
    }
}

/// A hold that goes from one owner to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandedHold {
    pub id: HoldId,
    /// How long it still lasts.
    pub left_ms: u64,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    GoodsIn {
        item: Item,
        n: u64,
    },
    HoldOpened {
        id: HoldId,
        lines: Vec<(Item, u64)>,
        lifetime_ms: u64,
    },
    HoldExtended {
        id: HoldId,
        lifetime_ms: u64,
    },
    HoldEnded {
        id: HoldId,
        lines: Vec<(Item, u64)>,
        expired: bool,
    },
    /// Item, held, came out at.
    HoldSold {
        id: HoldId,
        lines: Vec<(Item, u64, u64)>,
    },
    /// A sale in hand or a loss.
    Taken {
        item: Item,
        n: u64,
    },
    /// Sent to another site.
    Dispatched {
        item: Item,
        n: u64,
    },
    /// Sent to the shelf of another site, under a number.
    Sent {
        transfer: TransferId,
        item: Item,
        n: u64,
        to_item: Item,
        to: usize,
    },
    /// It came there: so much of it.
    Received {
        transfer: TransferId,
        item: Item,
        n: u64,
    },
    /// What a count found: nothing moves, the books are put right.
    Counted {
        item: Item,
        missing: u64,
        surplus: u64,
    },
    Granted {
        to: Life,
        steps: Vec<Step>,
        request: Option<u64>,
        hold: Option<HandedHold>,
    },
    Accepted {
        from: Life,
        steps: Vec<Step>,
        request: Option<u64>,
        hold: Option<HandedHold>,
    },
    /// The parent's word about a child, at the last of its records that the parent has; and what the child owed then,
    /// by item, which its parent takes over.
    Retired {
        life: Life,
        head: usize,
        owed: Vec<Line>,
    },
    /// What a retired child let out behind that head; so much of it was drawn on the rights that it left.
    LateTaken {
        life: Life,
        item: Item,
        n: u64,
        drawn: u64,
    },
    /// What it took in.
    LateAdded {
        life: Life,
        item: Item,
        n: u64,
    },
    /// Rights of a retired child are promised again.
    Overridden {
        life: Life,
        item: Item,
        n: u64,
    },
}

/// Rows as their writers see them: their own, and those of children that they retired. Copies share what neither of
/// them changes.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    pub own: Vec<Rc<Row>>,
    pub retired: BTreeMap<Life, Vec<Rc<Row>>>,
}

impl Rows {
    /// Rows of nothing.
    pub fn empty(items: usize) -> Self {
        Self {
            own: vec![Rc::default(); items],
            retired: BTreeMap::new(),
        }
    }

    fn own(&mut self, item: Item) -> &mut Row {
        Rc::make_mut(&mut self.own[item])
    }
}

/// An open hold in its owner's book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    pub lines: Vec<(Item, u64)>,
    pub lifetime_ms: u64,
}

pub fn amount(parts: u64) -> Amount {
    Amount::new(parts).unwrap_or(Amount::MAX)
}

/// Retires a row. What is on its way to it from its parent counts as taken over: nobody else will ever have it.
pub fn retire(row: &mut Row, who: &ReplicaId, (parent, parents): (&ReplicaId, &Row)) -> Result<(), Refusal> {
    let under_way = parents.given(who).above(row.accepted(parent));
    row.accept(parent, under_way)?;
    row.retire(who, (parent, parents))
}

impl Fact {
    /// The items whose own row it moves.
    pub fn items(&self) -> Vec<Item> {
        match self {
            Self::GoodsIn { item, .. }
            | Self::Taken { item, .. }
            | Self::Dispatched { item, .. }
            | Self::Sent { item, .. }
            | Self::Received { item, .. }
            | Self::Counted { item, .. }
            | Self::LateTaken { item, .. }
            | Self::LateAdded { item, .. }
            | Self::Overridden { item, .. } => vec![*item],
            Self::HoldOpened { lines, .. } | Self::HoldEnded { lines, .. } => lines.iter().map(|line| line.0).collect(),
            Self::HoldSold { lines, .. } => lines.iter().map(|line| line.0).collect(),
            Self::Granted { steps, .. } | Self::Accepted { steps, .. } => steps.iter().map(|step| step.item).collect(),
            Self::Retired { owed, .. } => owed.iter().map(|line| line.0).collect(),
            Self::HoldExtended { .. } => Vec::new(),
        }
    }

    /// What it does to the rows. A hold was allowed before, by what was known of others then.
    ///
    /// # Errors
    /// Where a row refuses; nothing may be kept of the rows then.
    pub fn apply(&self, me: Life, ids: &[ReplicaId], rows: &mut Rows) -> Result<(), Refusal> {
        let alone = finalmarket::domain::escrow::Shelf::default();
        match self {
            Self::GoodsIn { item, n } | Self::LateAdded { item, n, .. } | Self::Received { item, n, .. } => {
                rows.own(*item).add(amount(*n))?
            }
            Self::HoldOpened { lines, .. } => {
                for (item, n) in lines {
                    rows.own(*item).hold(amount(*n), &alone)?;
                }
            }
            Self::HoldEnded { lines, .. } => {
                for (item, n) in lines {
                    rows.own(*item).release(amount(*n))?;
                }
            }
            Self::HoldSold { lines, .. } => {
                for (item, n, m) in lines {
                    if n == m {
                        rows.own(*item).sell_held(amount(*n))?;
                    } else {
                        rows.own(*item).sell_held_as(amount(*n), amount(*m))?;
                    }
                }
            }
            Self::Taken { item, n } => {
                rows.own(*item).take(amount(*n))?;
            }
            Self::Dispatched { item, n } | Self::Sent { item, n, .. } => rows.own(*item).spend(amount(*n))?,
            Self::Counted { item, missing, surplus } => {
                rows.own(*item).take(amount(*missing))?;
                rows.own(*item).add(amount(*surplus))?;
            }
            Self::Granted { to, steps, hold, .. } => {
                for step in steps {
                    let row = rows.own(step.item);
                    match hold {
                        Some(_) => row.hand_over(&ids[*to], amount(step.amount()))?,
                        None => row.give(&ids[*to], amount(step.amount()))?,
                    }
                }
            }
            Self::Accepted { from, steps, hold, .. } => {
                for step in steps {
                    let row = rows.own(step.item);
                    match hold {
                        Some(_) => row.take_over(&ids[*from], amount(step.amount()))?,
                        None => row.accept(&ids[*from], amount(step.amount()))?,
                    }
                }
            }
            Self::Retired { life, owed, .. } => {
                // Only the parent has that row, and writes it.
                if let Some(theirs) = rows.retired.get_mut(life) {
                    for (row, mine) in theirs.iter_mut().zip(&rows.own) {
                        retire(Rc::make_mut(row), &ids[*life], (&ids[me], mine))?;
                    }
                    for (item, n) in owed {
                        Rc::make_mut(&mut theirs[*item]).pay_late(&ids[me], amount(*n))?;
                    }
                }
                for (item, n) in owed {
                    rows.own(*item).give_for(&ids[*life], amount(0), amount(*n))?;
                }
            }
            Self::LateTaken { life, item, n, drawn } => {
                rows.own(*item).take_for(&ids[*life], amount(*drawn), amount(*n))?;
            }
            Self::Overridden { life, item, n } => rows.own(*item).accept(&ids[*life], amount(*n))?,
            Self::HoldExtended { .. } => {}
        }
        Ok(())
    }

    /// What it does to the book of holds.
    pub fn apply_to_holds(&self, holds: &mut BTreeMap<HoldId, Hold>) {
        match self {
            Self::HoldOpened { id, lines, lifetime_ms } => {
                let (lines, lifetime_ms) = (lines.clone(), *lifetime_ms);
                holds.insert(*id, Hold { lines, lifetime_ms });
            }
            Self::HoldExtended { id, lifetime_ms } => {
                if let Some(hold) = holds.get_mut(id) {
                    hold.lifetime_ms = *lifetime_ms;
                }
            }
            Self::HoldEnded { id, .. } | Self::HoldSold { id, .. } => {
                holds.remove(id);
            }
            Self::Granted { hold: Some(hold), .. } => {
                holds.remove(&hold.id);
            }
            Self::Accepted {
                hold: Some(hold),
                steps,
                ..
            } => {
                let lines = steps.iter().map(|step| (step.item, step.amount())).collect();
                let lifetime_ms = hold.left_ms;
                holds.insert(hold.id, Hold { lines, lifetime_ms });
            }
            _ => {}
        }
    }
}
