//! What a record says of itself: who did it, why, under which document.

use super::hold::{HoldEnd, HoldId, HoldOpened, HoldPurpose};
use super::place::Place;
use super::retirement::ReleaseCause;
use super::transfer::By;
use super::work::{StockWork, WorkKind};
use crate::domain::fact::{Entry, Fact};
use crate::domain::ids::StaffId;

/// Who and why, as the record of a step says it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Particulars {
    /// The document: a receipt's number, a delivery note, a hold.
    pub document: Option<String>,
    /// Who did it, as far as that is recorded.
    pub who: Option<String>,
    /// Why, beyond the kind.
    pub why: Option<String>,
    /// The hold that it opened, ended or handed on.
    pub hold: Option<HoldId>,
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
                hold: None,
            },
            Fact::Refund(refund) => Self {
                document: Some(refund.receipt.to_string()),
                who: Some(staff(&refund.staff).unwrap_or_else(|| format!("till {}", refund.id.series))),
                why: refund.reason.as_ref().map(ToString::to_string),
                hold: None,
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
                hold: Some(ended.id),
            },
            Fact::Granted(granted) => {
                let hold = granted.hold.as_ref().map(|hold| hold.opened.id);
                let request = granted.request.map(|request| format!("request {request}"));
                Self {
                    document: hold.map(|hold| format!("hold {hold}")).or(request),
                    who: None,
                    why: Some(format!("to {}", granted.to)),
                    hold,
                }
            }
            Fact::Accepted(accepted) => {
                let hold = accepted.hold.as_ref().map(|hold| hold.opened.id);
                Self {
                    document: hold.map(|hold| format!("hold {hold}")),
                    who: None,
                    why: Some(format!("from {}", accepted.from)),
                    hold,
                }
            }
            Fact::PickupStep(step) => Self {
                document: Some(format!("pickup {}", step.id)),
                who: Some(of_device(&step.by, &step.staff)),
                why: step.note.clone(),
                hold: None,
            },
            Fact::TransferDispatched(sent) => {
                Self::of_transfer(&sent.id.to_string(), &sent.by, format!("to {}", sent.way.to))
            }
            Fact::TransferReceived(received) => {
                let from = received.from.as_ref().map(|from| format!("from {from}"));
                let why = from.unwrap_or_else(|| "from another site".into());
                Self::of_transfer(&received.id.to_string(), &received.by, why)
            }
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
                hold: None,
            },
            Fact::LatePosted(posted) => Self {
                document: Some(format!("record {} of {}", posted.seq, posted.of)),
                who: Some(posted.of.node.to_string()),
                why: Some("recorded behind the head that it was retired at".into()),
                hold: None,
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
                    hold: None,
                }
            }
            Fact::Opened(_)
            | Fact::HoldExtended(_)
            | Fact::Correction(_)
            | Fact::Settlement(_)
            | Fact::CountSettled(_)
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
            WorkKind::Count { mark, .. } => {
                let provisional = if work.kind.is_provisional() {
                    ", provisional"
                } else {
                    ""
                };
                (None, Some(format!("as of record {mark}{provisional}")))
            }
            WorkKind::CountLate { count, of } => (None, Some(format!("for the count {count}, of {of}"))),
        };
        let why = why.into_iter().chain(work.note.clone()).collect::<Vec<_>>().join(", ");
        Self {
            document: Some(document.unwrap_or_else(|| format!("work {}", work.id))),
            who: Some(of_device(&work.device, &work.staff)),
            why: Some(why).filter(|why| !why.is_empty()),
            hold: None,
        }
    }

    fn of_transfer(id: &str, by: &By, why: String) -> Self {
        let why: Vec<String> = std::iter::once(why).chain(by.note.clone()).collect();
        Self {
            document: Some(format!("transfer {id}")),
            who: Some(of_device(&by.device, &by.staff)),
            why: Some(why.join(", ")),
            hold: None,
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
            hold: Some(opened.id),
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
