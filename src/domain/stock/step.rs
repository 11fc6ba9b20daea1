//! Steps of a shelf: what one record did to one item, named so that people can add it up.
//!
//! Promises: every effect of a fact belongs to one kind, so that the kinds of a shelf sum up to its registers. Must never:
//! change the number of a kind, which rows are stored by.

use serde::{Deserialize, Serialize};

use super::hold::{HoldEnd, HoldOpened, HoldPurpose};
use super::movement::MovementKind;
use super::pickup::{PickupAct, PickupStep};
use super::place::Place;
use super::retirement::ReleaseCause;
use super::transfer::By;
use super::work::{StockWork, WorkKind};
use crate::domain::escrow::{Amount, Row};
use crate::domain::fact::{Entry, Fact};
use crate::domain::ids::StaffId;
use crate::domain::quantity::Quantity;

/// What moved a shelf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// Records of which an older version kept the sum alone.
    Earlier,
    /// The stock that the site opened with.
    Opening,
    /// Goods that came in.
    Receipt,
    /// Goods that a customer brought back.
    Return,
    /// A correction by a person, up or down.
    Adjustment,
    /// A sale of goods that the customer had in hand.
    Sale,
    /// A sale of goods that were promised.
    SaleFromHold,
    /// Goods were promised.
    HoldOpened,
    /// A promise was given up.
    HoldReleased,
    /// A promise ran out.
    HoldExpired,
    /// Rights were handed on.
    Granted,
    /// Rights were taken over.
    Accepted,
    /// A promise was handed on with its rights.
    HandedOver,
    /// A promise was taken over with its rights.
    TakenOver,
    /// Goods are gone: stolen, expired, lost.
    Loss,
    /// Goods went from one place of the site to another.
    Moved,
    /// A count found more or less than there should be.
    Count,
    /// A customer fetched goods that were paid before.
    Collected,
    /// Goods left for another site.
    Dispatched,
    /// Goods of another site arrived.
    Arrived,
    /// A retired node's debt was taken over.
    Retired,
    /// What a retired node did behind the head that it was retired at.
    Late,
    /// What a retired node left may be promised again.
    Released,
}

impl StepKind {
    /// Every kind, in the order in which an account lists them.
    pub const ALL: [Self; 23] = [
        Self::Earlier,
        Self::Opening,
        Self::Receipt,
        Self::Return,
        Self::Adjustment,
        Self::Sale,
        Self::SaleFromHold,
        Self::HoldOpened,
        Self::HoldReleased,
        Self::HoldExpired,
        Self::Granted,
        Self::Accepted,
        Self::HandedOver,
        Self::TakenOver,
        Self::Loss,
        Self::Moved,
        Self::Count,
        Self::Collected,
        Self::Dispatched,
        Self::Arrived,
        Self::Retired,
        Self::Late,
        Self::Released,
    ];

    /// Its number, for rows.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Earlier => 0,
            Self::Opening => 1,
            Self::Receipt => 2,
            Self::Return => 3,
            Self::Adjustment => 4,
            Self::Sale => 5,
            Self::SaleFromHold => 6,
            Self::HoldOpened => 7,
            Self::HoldReleased => 8,
            Self::HoldExpired => 9,
            Self::Granted => 10,
            Self::Accepted => 11,
            Self::HandedOver => 12,
            Self::TakenOver => 13,
            Self::Loss => 14,
            Self::Moved => 15,
            Self::Count => 16,
            // As the facts' kinds.
            Self::Collected => 23,
            Self::Dispatched => 26,
            Self::Arrived => 27,
            Self::Retired => 30,
            Self::Late => 31,
            Self::Released => 32,
        }
    }

    /// The kind of a number that [`number`](Self::number) gave.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// In words, for people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Earlier => "before this version kept a history",
            Self::Opening => "opening stock",
            Self::Receipt => "goods received",
            Self::Return => "returned by customers",
            Self::Adjustment => "corrected by a person",
            Self::Sale => "sold in hand",
            Self::SaleFromHold => "sold from a hold",
            Self::HoldOpened => "hold opened",
            Self::HoldReleased => "hold released",
            Self::HoldExpired => "hold ran out",
            Self::Granted => "rights handed on",
            Self::Accepted => "rights taken over",
            Self::HandedOver => "hold handed on with its rights",
            Self::TakenOver => "hold taken over with its rights",
            Self::Loss => "lost",
            Self::Moved => "moved to or from another place",
            Self::Count => "found by a count",
            Self::Collected => "fetched, paid before",
            Self::Dispatched => "sent to another site",
            Self::Arrived => "arrived from another site",
            Self::Retired => "debt of a retired node taken over",
            Self::Late => "moved by a retired node after it was retired",
            Self::Released => "left by a retired node, may be promised again",
        }
    }

    /// What a fact's effects are; none where it has no effect.
    #[must_use]
    pub const fn of(fact: &Fact) -> Option<Self> {
        Some(match fact {
            Fact::Sale(_) => Self::Sale,
            Fact::Refund(_) => Self::Return,
            Fact::Movement(movement) => match movement.kind {
                MovementKind::Opening => Self::Opening,
                MovementKind::Receipt => Self::Receipt,
                MovementKind::Adjustment => Self::Adjustment,
            },
            Fact::StockWork(work) => match work.kind {
                WorkKind::GoodsIn { .. } => Self::Receipt,
                WorkKind::Loss { .. } => Self::Loss,
                WorkKind::Correction { .. } => Self::Adjustment,
                WorkKind::Move { .. } => Self::Moved,
                WorkKind::Count { .. } => Self::Count,
            },
            Fact::HoldOpened(_) => Self::HoldOpened,
            Fact::HoldEnded(ended) => match ended.end {
                HoldEnd::Released => Self::HoldReleased,
                HoldEnd::Expired => Self::HoldExpired,
                HoldEnd::Sold { .. } => Self::SaleFromHold,
                HoldEnd::Collected => Self::Collected,
                HoldEnd::Dispatched { .. } => Self::Dispatched,
            },
            Fact::PickupStep(PickupStep {
                act: PickupAct::Collected { .. },
                ..
            }) => Self::Collected,
            Fact::TransferDispatched(_) => Self::Dispatched,
            Fact::TransferReceived(_) => Self::Arrived,
            Fact::Granted(granted) if granted.hold.is_some() => Self::HandedOver,
            Fact::Granted(_) => Self::Granted,
            Fact::Accepted(accepted) if accepted.hold.is_some() => Self::TakenOver,
            Fact::Accepted(_) => Self::Accepted,
            Fact::Retired(_) => Self::Retired,
            Fact::LatePosted(_) => Self::Late,
            Fact::RightsReleased(_) => Self::Released,
            Fact::Opened(_)
            | Fact::HoldExtended(_)
            | Fact::Rehomed(_)
            | Fact::Correction(_)
            | Fact::Settlement(_)
            | Fact::PickupOrdered(_)
            | Fact::PickupStep(_)
            | Fact::TransferRequested(_)
            | Fact::TransferCalledOff(_)
            | Fact::ThresholdSet(_)
            | Fact::StandbyAdmitted(_)
            | Fact::StandbyDismissed(_) => {
                return None;
            }
        })
    }
}

/// By how much registers of a row grew, over one step or over many. Rights handed on and taken over are sums over all
/// peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Growth {
    /// Goods that came in.
    pub added: Amount,
    /// Goods that went out.
    pub removed: Amount,
    /// Promised.
    pub held: Amount,
    /// Promises that ended.
    pub freed: Amount,
    /// Rights handed on.
    pub given: Amount,
    /// Rights taken over.
    pub accepted: Amount,
    /// Taken beyond the rights.
    pub debt: Amount,
    /// Debt that was repaid.
    pub repaid: Amount,
}

impl Growth {
    /// What a row has in all.
    #[must_use]
    pub fn of(row: &Row) -> Self {
        let registers = row.registers();
        let sum = |amounts: &std::collections::BTreeMap<_, Amount>| amounts.values().copied().fold(Amount::ZERO, plus);
        Self {
            added: registers.added,
            removed: registers.removed,
            held: registers.held,
            freed: registers.freed,
            given: sum(&registers.given),
            accepted: sum(&registers.accepted),
            debt: registers.debt,
            repaid: registers.repaid,
        }
    }

    /// What is more than before.
    #[must_use]
    pub const fn since(self, before: Self) -> Self {
        Self {
            added: self.added.above(before.added),
            removed: self.removed.above(before.removed),
            held: self.held.above(before.held),
            freed: self.freed.above(before.freed),
            given: self.given.above(before.given),
            accepted: self.accepted.above(before.accepted),
            debt: self.debt.above(before.debt),
            repaid: self.repaid.above(before.repaid),
        }
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            added: plus(self.added, other.added),
            removed: plus(self.removed, other.removed),
            held: plus(self.held, other.held),
            freed: plus(self.freed, other.freed),
            given: plus(self.given, other.given),
            accepted: plus(self.accepted, other.accepted),
            debt: plus(self.debt, other.debt),
            repaid: plus(self.repaid, other.repaid),
        }
    }

    /// By how much what is there changed.
    #[must_use]
    pub fn on_hand(self) -> Quantity {
        difference(self.added, self.removed)
    }

    /// By how much what is promised changed.
    #[must_use]
    pub fn reserved(self) -> Quantity {
        difference(self.held, self.freed)
    }

    /// By how much what is owed changed.
    #[must_use]
    pub fn owed(self) -> Quantity {
        difference(self.debt, self.repaid)
    }
}

/// An amount of goods as a quantity.
#[must_use]
pub fn quantity(amount: Amount) -> Quantity {
    Quantity::from_thousandths(i64::try_from(amount.parts()).unwrap_or(i64::MAX))
}

/// Who and why, as the record of a step says it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Particulars {
    /// The document: a receipt's number, a delivery note, a hold.
    pub document: Option<String>,
    /// Who did it, as far as that is recorded.
    pub who: Option<String>,
    /// Why, beyond the kind.
    pub why: Option<String>,
}

impl Particulars {
    /// What a fact says of itself. Of a copy: what the copied record says.
    #[must_use]
    pub fn of(fact: &Fact) -> Self {
        let staff = |staff: &Option<StaffId>| staff.as_ref().map(|staff| format!("staff {staff}"));
        match fact {
            Fact::Sale(sale) => Self {
                document: Some(sale.receipt.to_string()),
                who: Some(staff(&sale.staff).unwrap_or_else(|| format!("till {}", sale.id.series))),
                why: Some(format!("channel {}", sale.channel)),
            },
            Fact::Refund(refund) => Self {
                document: Some(refund.receipt.to_string()),
                who: Some(staff(&refund.staff).unwrap_or_else(|| format!("till {}", refund.id.series))),
                why: refund.reason.as_ref().map(ToString::to_string),
            },
            Fact::Movement(movement) => Self {
                document: movement.reference.clone(),
                ..Self::default()
            },
            Fact::StockWork(work) => Self::of_work(work),
            Fact::HoldOpened(opened) => Self::of_hold(opened),
            Fact::HoldEnded(ended) => Self {
                document: Some(format!("hold {}", ended.id)),
                who: None,
                why: match &ended.end {
                    HoldEnd::Sold { sale, .. } => Some(format!("sale {sale}")),
                    HoldEnd::Collected => Some("a pickup, paid before".into()),
                    HoldEnd::Dispatched { transfer, .. } => Some(format!("transfer {transfer}")),
                    HoldEnd::Released | HoldEnd::Expired => None,
                },
            },
            Fact::PickupStep(step) => Self {
                document: Some(format!("pickup {}", step.id)),
                who: Some(of_device(&step.by, &step.staff)),
                why: step.note.clone(),
            },
            Fact::TransferDispatched(sent) => {
                Self::of_transfer(&sent.id.to_string(), &sent.by, format!("to {}", sent.way.to))
            }
            Fact::TransferReceived(received) => {
                let from = received.from.as_ref().map(|from| format!("from {from}"));
                let why = from.unwrap_or_else(|| "from another site".into());
                Self::of_transfer(&received.id.to_string(), &received.by, why)
            }
            Fact::Granted(granted) => Self {
                document: granted.request.map(|request| format!("request {request}")),
                who: None,
                why: Some(format!("to {}", granted.to)),
            },
            Fact::Accepted(accepted) => Self {
                document: accepted.hold.as_ref().map(|hold| format!("hold {}", hold.opened.id)),
                who: None,
                why: Some(format!("from {}", accepted.from)),
            },
            Fact::Rehomed(copy) => match Entry::decode(&copy.record) {
                Ok(entry) => Self {
                    why: Some(format!("copied from record {} of {}", copy.seq, copy.incarnation)),
                    ..Self::of(&entry.fact)
                },
                Err(_) => Self::default(),
            },
            Fact::Retired(retired) => Self {
                document: Some(format!("{} retired at record {}", retired.replica, retired.seq)),
                who: Some(retired.by.clone()),
                why: Some(retired.reason.clone()),
            },
            Fact::LatePosted(posted) => Self {
                document: Some(format!("record {} of {}", posted.seq, posted.of)),
                who: Some(posted.of.node.to_string()),
                why: Some("recorded behind the head that it was retired at".into()),
            },
            Fact::RightsReleased(released) => {
                let (who, why) = match &released.cause {
                    ReleaseCause::Count { by } => (by, "counted"),
                    ReleaseCause::Override { by, reason } => (by, reason.as_str()),
                };
                Self {
                    document: Some(format!("left by {}", released.of)),
                    who: Some(who.clone()),
                    why: Some(why.to_owned()),
                }
            }
            Fact::Opened(_)
            | Fact::HoldExtended(_)
            | Fact::Correction(_)
            | Fact::Settlement(_)
            | Fact::PickupOrdered(_)
            | Fact::TransferRequested(_)
            | Fact::TransferCalledOff(_)
            | Fact::ThresholdSet(_)
            | Fact::StandbyAdmitted(_)
            | Fact::StandbyDismissed(_) => Self::default(),
        }
    }

    fn of_work(work: &StockWork) -> Self {
        let (document, why) = match &work.kind {
            WorkKind::GoodsIn {
                supplier, reference, ..
            } => {
                let from = supplier.as_ref().map(|supplier| format!("from {supplier}"));
                (reference.clone(), from)
            }
            WorkKind::Loss { reason, place } | WorkKind::Correction { reason, place } => {
                (None, Some(format!("{}, {}", reason.words(), place_words(*place))))
            }
            WorkKind::Move { reason, from, to } => {
                let (from, to) = (place_words(*from), place_words(*to));
                (None, Some(format!("{}, from {from} to {to}", reason.words())))
            }
            WorkKind::Count { mark } => (None, Some(format!("as of record {mark}"))),
        };
        let why = why.into_iter().chain(work.note.clone()).collect::<Vec<_>>().join(", ");
        Self {
            document: Some(document.unwrap_or_else(|| format!("work {}", work.id))),
            who: Some(of_device(&work.device, &work.staff)),
            why: Some(why).filter(|why| !why.is_empty()),
        }
    }

    fn of_transfer(id: &str, by: &By, why: String) -> Self {
        let why: Vec<String> = std::iter::once(why).chain(by.note.clone()).collect();
        Self {
            document: Some(format!("transfer {id}")),
            who: Some(of_device(&by.device, &by.staff)),
            why: Some(why.join(", ")),
        }
    }

    /// What an open hold says of itself.
    #[must_use]
    pub fn of_hold(opened: &HoldOpened) -> Self {
        let purpose = match opened.purpose {
            HoldPurpose::Cart => "for a cart",
            HoldPurpose::Pickup => "for pickup",
            HoldPurpose::Transfer => "for a transfer",
        };
        Self {
            document: Some(format!("hold {}", opened.id)),
            who: opened.staff.as_ref().map(|staff| format!("staff {staff}")),
            why: Some(format!("{purpose}, channel {}", opened.channel)),
        }
    }
}

fn of_device(device: &str, staff: &Option<StaffId>) -> String {
    let by = staff.as_ref().map(|staff| format!(", staff {staff}"));
    format!("device \"{device}\"{}", by.unwrap_or_default())
}

const fn place_words(place: Place) -> &'static str {
    match place {
        Place::Sellable => "on sale",
        Place::Damaged => "set apart as damaged",
    }
}

fn plus(a: Amount, b: Amount) -> Amount {
    a.checked_add(b).unwrap_or(Amount::MAX)
}

fn difference(plus: Amount, minus: Amount) -> Quantity {
    // Both fit a signed integer, so that their difference does.
    let difference = i128::from(plus.parts()) - i128::from(minus.parts());
    Quantity::from_thousandths(i64::try_from(difference).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_known_by_its_number() {
        for kind in StepKind::ALL {
            assert_eq!(StepKind::from_number(kind.number()), Some(kind));
        }
        assert_eq!(StepKind::from_number(200), None);
    }
}
