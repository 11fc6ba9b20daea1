//! Pickups: goods ordered on an online channel that a customer fetches at a site.
//!
//! Promises: what becomes of a pickup is the furthest of all that was decided of it, in whatever order its decisions come
//! and however often, so that a store and headquarters that decided at the same time agree once each has heard of the
//! other. Must never: undo that goods were handed to the customer.
//!
//! The rule where decisions cross: what ends a pickup stands against what goes on with it; a refusal stands against a
//! cancellation, both against a lapse; and goods that the customer has are collected, whatever else was decided.

use serde::{Deserialize, Serialize};

use super::hold::{HoldId, HoldLine};
use crate::domain::ids::{ChannelId, CustomerRef, SaleId, SiteId, StaffId};

/// The most lines of a pickup or of a transfer, so that all that is known of it fits what goes down to a site.
pub const SITE_LINES_MAX: usize = 100;

/// The fact that an online channel ordered goods for pickup. It stands behind the record of the hold, whose identity it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PickupOrdered {
    /// Its identity: that of its hold.
    pub id: HoldId,
    /// The site where it is fetched.
    pub site: SiteId,
    /// The sales channel.
    pub channel: ChannelId,
    /// Whom it is for.
    pub customer: Option<CustomerRef>,
    /// What the channel calls the order.
    pub reference: Option<String>,
    /// Whether it is paid already; else the store takes the money.
    pub paid: bool,
    /// What is fetched.
    pub lines: Vec<HoldLine>,
    /// When it was ordered, milliseconds since 1970.
    pub ordered_ms: u64,
}

/// The fact that something was decided of a pickup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PickupStep {
    /// The pickup.
    pub id: HoldId,
    /// Its site.
    pub site: SiteId,
    /// What was decided.
    pub act: PickupAct,
    /// At which device, or by whom at headquarters, in words.
    pub by: String,
    /// Who did it, where known.
    pub staff: Option<StaffId>,
    /// In words, where somebody said more.
    pub note: Option<String>,
}

/// What is decided of a pickup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PickupAct {
    /// The store takes it on: its hold is to be handed over to the store.
    Accepted,
    /// The goods lie ready.
    Ready,
    /// The store cannot do it.
    Refused {
        /// Why.
        reason: PickupReason,
    },
    /// The customer has the goods.
    Collected {
        /// The sale, where the store took the money; none where it was paid before.
        sale: Option<SaleId>,
        /// What went out by this record itself, because the hold was not the store's yet: goods in hand. Empty where the
        /// sale, or the end of the hold, says what went out.
        in_hand: Vec<HoldLine>,
    },
    /// The customer does not want it any more.
    Cancelled,
    /// Its time ran out.
    Lapsed,
}

/// Why a store refuses a pickup; what the list does not have is `other` with a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PickupReason {
    /// The goods are not there, whatever the figures say.
    NotThere,
    /// They are there and cannot be sold.
    Damaged,
    /// Something else; the note says what.
    Other,
}

impl PickupReason {
    /// In words, for people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::NotThere => "the goods are not there",
            Self::Damaged => "the goods are damaged",
            Self::Other => "another reason",
        }
    }
}

/// How far a pickup is, in the order in which decisions stand against each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PickupState {
    /// Ordered; the store has not decided.
    Requested,
    /// The store does it.
    Accepted,
    /// The goods lie ready.
    Ready,
    /// Its time ran out.
    Lapsed,
    /// The customer does not want it any more.
    Cancelled,
    /// The store could not do it.
    Refused,
    /// The customer has the goods.
    Collected,
}

impl PickupState {
    /// All, in their order.
    pub const ALL: [Self; 7] = [
        Self::Requested,
        Self::Accepted,
        Self::Ready,
        Self::Lapsed,
        Self::Cancelled,
        Self::Refused,
        Self::Collected,
    ];

    /// Whether nothing more is to be done.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Lapsed | Self::Cancelled | Self::Refused | Self::Collected)
    }
}

impl PickupAct {
    /// Where it brings a pickup that no other decision brings further.
    #[must_use]
    pub const fn state(&self) -> PickupState {
        match self {
            Self::Accepted => PickupState::Accepted,
            Self::Ready => PickupState::Ready,
            Self::Refused { .. } => PickupState::Refused,
            Self::Collected { .. } => PickupState::Collected,
            Self::Cancelled => PickupState::Cancelled,
            Self::Lapsed => PickupState::Lapsed,
        }
    }
}

/// A pickup with what was decided of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pickup {
    /// What was ordered.
    pub ordered: PickupOrdered,
    /// The decision that brought it furthest; none while there is none.
    pub last: Option<PickupStep>,
}

impl Pickup {
    /// How far it is.
    #[must_use]
    pub fn state(&self) -> PickupState {
        self.last
            .as_ref()
            .map_or(PickupState::Requested, |last| last.act.state())
    }

    /// Takes a decision in. True where it brings the pickup further.
    pub fn take(&mut self, step: &PickupStep) -> bool {
        let further = step.id == self.ordered.id && step.act.state() > self.state();
        if further {
            self.last = Some(step.clone());
        }
        further
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pickup() -> Pickup {
        let ordered = PickupOrdered {
            id: HoldId([7; 8]),
            site: "store-1".parse().unwrap(),
            channel: "web".parse().unwrap(),
            customer: None,
            reference: Some("W-1".into()),
            paid: false,
            lines: Vec::new(),
            ordered_ms: 1,
        };
        Pickup { ordered, last: None }
    }

    fn act() -> impl Strategy<Value = PickupAct> {
        prop_oneof![
            Just(PickupAct::Accepted),
            Just(PickupAct::Ready),
            Just(PickupAct::Refused {
                reason: PickupReason::NotThere
            }),
            Just(PickupAct::Collected {
                sale: None,
                in_hand: Vec::new()
            }),
            Just(PickupAct::Cancelled),
            Just(PickupAct::Lapsed),
        ]
    }

    fn step(act: PickupAct) -> PickupStep {
        PickupStep {
            id: HoldId([7; 8]),
            site: "store-1".parse().unwrap(),
            act,
            by: "till 1".into(),
            staff: None,
            note: None,
        }
    }

    proptest! {
        #[test]
        fn decisions_lead_to_one_end_in_whatever_order_they_come(
            acts in prop::collection::vec(act(), 0..8),
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let (mut here, mut there) = (pickup(), pickup());
            for act in &acts {
                here.take(&step(act.clone()));
            }
            // Another order, with repeats, and all of them in the end.
            for index in order {
                if !acts.is_empty() {
                    there.take(&step(index.get(&acts).clone()));
                }
            }
            for act in acts.iter().rev() {
                there.take(&step(act.clone()));
            }
            prop_assert_eq!(here.state(), there.state());
            let collected = acts.iter().any(|act| act.state() == PickupState::Collected);
            prop_assert_eq!(here.state() == PickupState::Collected, collected);
            let over = acts.iter().any(|act| act.state().is_over());
            prop_assert_eq!(here.state().is_over(), over);
        }
    }

    #[test]
    fn it_reads_back_from_json_and_a_step_of_another_is_not_taken() {
        let mut pickup = pickup();
        assert!(pickup.take(&step(PickupAct::Accepted)));
        assert!(!pickup.take(&PickupStep {
            id: HoldId([8; 8]),
            ..step(PickupAct::Cancelled)
        }));
        let json = serde_json::to_string(&pickup).unwrap();
        assert_eq!(serde_json::from_str::<Pickup>(&json).unwrap(), pickup);
    }
}
