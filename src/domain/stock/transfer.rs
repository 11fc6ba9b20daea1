//! Transfers: goods that go from one site to another.
//!
//! Promises: what is known of a transfer is the same in whatever order its facts come and however often; what left and
//! what arrived are facts of those who let them go and took them in, and their difference is named. Must never: block a
//! site because the other cannot be reached.
//!
//! The rule where decisions cross: goods that left have left, whatever was called off; goods that arrived have arrived,
//! also where nobody has heard that they left.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use sha2::{Digest as _, Sha256};

use super::hold::HoldLine;
use super::movement::MovementId;
use crate::domain::fact::Fact;
use crate::domain::ids::{SiteId, Sku, StaffId};
use crate::domain::quantity::Quantity;

/// A transfer's identity, made of its client and of what that client calls its request. It stands on the paper that
/// travels with the goods: text and JSON write it as sixteen hexadecimal digits, binary formats as its eight bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransferId(pub [u8; 8]);

impl TransferId {
    /// Of a client, in words that no other has, and the key of its request.
    #[must_use]
    pub fn of(client: &[u8], key: &str) -> Self {
        Self(MovementId::of(&[b"transfer\0", client].concat(), key).0)
    }

    /// The identity of its dispatch, or of its receipt, as a movement of stock: each is made once.
    #[must_use]
    pub fn movement(self, leg: Leg) -> MovementId {
        let mut hasher = Sha256::new();
        hasher.update(b"finalmarket transfer 1\0");
        hasher.update(self.0);
        hasher.update([match leg {
            Leg::Dispatch => 1,
            Leg::Receipt => 2,
        }]);
        let [a, b, c, d, e, f, g, h, ..] = <[u8; 32]>::from(hasher.finalize());
        MovementId([a, b, c, d, e, f, g, h])
    }
}

/// One end of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leg {
    /// Goods left.
    Dispatch,
    /// Goods arrived.
    Receipt,
}

impl fmt::Display for TransferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Text that is not a transfer's identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a transfer's identity is sixteen hexadecimal digits")]
pub struct TransferIdError;

impl FromStr for TransferId {
    type Err = TransferIdError;

    fn from_str(text: &str) -> Result<Self, TransferIdError> {
        let digits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u64::from_str_radix(text, 16).map_err(|_| TransferIdError)?;
        if digits {
            Ok(Self(number.to_be_bytes()))
        } else {
            Err(TransferIdError)
        }
    }
}

impl Serialize for TransferId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for TransferId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            text.parse().map_err(D::Error::custom)
        } else {
            <[u8; 8]>::deserialize(deserializer).map(Self)
        }
    }
}

/// Which way a transfer goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// The site that the goods leave.
    pub from: SiteId,
    /// The site that they go to.
    pub to: SiteId,
}

/// Who did something about a transfer, and what they said of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct By {
    /// At which device, or by whom at headquarters, in words.
    pub device: String,
    /// Who did it, where known.
    pub staff: Option<StaffId>,
    /// In words, where somebody said more.
    pub note: Option<String>,
}

/// The fact that somebody asked for goods to go from one site to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferRequested {
    /// Its identity.
    pub id: TransferId,
    /// Which way.
    pub way: Way,
    /// What is wanted; each item once.
    pub lines: Vec<HoldLine>,
    /// Who asked.
    pub by: By,
}

/// The fact that a request was called off, by whoever asked, or by the source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferCalledOff {
    /// The transfer.
    pub id: TransferId,
    /// Who called it off.
    pub by: By,
}

/// The fact that goods left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferDispatched {
    /// The transfer.
    pub id: TransferId,
    /// Which way.
    pub way: Way,
    /// What left; each item once.
    pub lines: Vec<HoldLine>,
    /// Whether it came out of a hold, whose end then says what left the shelf; else this does.
    pub from_hold: bool,
    /// Who sent it.
    pub by: By,
}

/// The fact that goods arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferReceived {
    /// The transfer.
    pub id: TransferId,
    /// The site that they came from, where the receiver knew.
    pub from: Option<SiteId>,
    /// The site that they arrived at.
    pub to: SiteId,
    /// What arrived; each item once, nothing of one that was sent and is missing.
    pub lines: Vec<HoldLine>,
    /// Why it is not what was sent, where the receiver knew that it is not.
    pub reason: Option<DifferenceReason>,
    /// Who took it in.
    pub by: By,
}

/// Why other goods arrived than left; what the list does not have is `other` with a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DifferenceReason {
    /// It was not among what arrived.
    Missing,
    /// It broke on the way and is not taken in.
    Damaged,
    /// More arrived than the paper says.
    Surplus,
    /// The source counted wrong.
    WrongPaper,
    /// Something else; the note says what.
    Other,
}

/// How far a transfer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransferState {
    /// Asked for; nothing has left.
    Requested,
    /// Nothing will leave.
    CalledOff,
    /// On the way.
    InTransit,
    /// Arrived, and the source has not been heard of.
    ReceivedEarly,
    /// Arrived.
    Received,
}

impl TransferState {
    /// Whether nothing more is to be done.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::CalledOff | Self::Received)
    }
}

/// All that is known of a transfer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// Its identity.
    pub id: TransferId,
    /// What was asked for, where somebody asked.
    pub requested: Option<TransferRequested>,
    /// That it was called off.
    pub called_off: Option<TransferCalledOff>,
    /// What left.
    pub dispatched: Option<TransferDispatched>,
    /// What arrived.
    pub received: Option<TransferReceived>,
}

/// An item of which not so much arrived as left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferDifference {
    /// The item.
    pub sku: Sku,
    /// How much left.
    pub sent: Quantity,
    /// How much arrived.
    pub arrived: Quantity,
}

impl Transfer {
    /// One of which nothing is known.
    #[must_use]
    pub const fn new(id: TransferId) -> Self {
        Self {
            id,
            requested: None,
            called_off: None,
            dispatched: None,
            received: None,
        }
    }

    /// What a fact says of a transfer; none where it says nothing of one.
    #[must_use]
    pub fn of(fact: &Fact) -> Option<Self> {
        Some(match fact {
            Fact::TransferRequested(requested) => Self {
                requested: Some(requested.clone()),
                ..Self::new(requested.id)
            },
            Fact::TransferCalledOff(called_off) => Self {
                called_off: Some(called_off.clone()),
                ..Self::new(called_off.id)
            },
            Fact::TransferDispatched(dispatched) => Self {
                dispatched: Some(dispatched.clone()),
                ..Self::new(dispatched.id)
            },
            Fact::TransferReceived(received) => Self {
                received: Some(received.clone()),
                ..Self::new(received.id)
            },
            _ => return None,
        })
    }

    /// Takes over what is known elsewhere. Of two facts that say the same thing otherwise the first stays: each is made
    /// once. True where something is new.
    pub fn merge(&mut self, other: &Self) -> bool {
        fn first<T: Clone>(mine: &mut Option<T>, theirs: Option<&T>) -> bool {
            let new = mine.is_none() && theirs.is_some();
            if new {
                *mine = theirs.cloned();
            }
            new
        }
        if self.id != other.id {
            return false;
        }
        let requested = first(&mut self.requested, other.requested.as_ref());
        let called_off = first(&mut self.called_off, other.called_off.as_ref());
        let dispatched = first(&mut self.dispatched, other.dispatched.as_ref());
        let received = first(&mut self.received, other.received.as_ref());
        requested || called_off || dispatched || received
    }

    /// How far it is.
    #[must_use]
    pub const fn state(&self) -> TransferState {
        match (&self.dispatched, &self.received) {
            (Some(_), Some(_)) => TransferState::Received,
            (None, Some(_)) => TransferState::ReceivedEarly,
            (Some(_), None) => TransferState::InTransit,
            (None, None) if self.called_off.is_some() => TransferState::CalledOff,
            (None, None) => TransferState::Requested,
        }
    }

    /// The site that the goods leave, where it is known.
    #[must_use]
    pub fn from(&self) -> Option<&SiteId> {
        let dispatched = self.dispatched.as_ref().map(|dispatched| &dispatched.way.from);
        let requested = self.requested.as_ref().map(|requested| &requested.way.from);
        let received = self.received.as_ref().and_then(|received| received.from.as_ref());
        dispatched.or(requested).or(received)
    }

    /// The site that they go to, where it is known.
    #[must_use]
    pub fn to(&self) -> Option<&SiteId> {
        let received = self.received.as_ref().map(|received| &received.to);
        let dispatched = self.dispatched.as_ref().map(|dispatched| &dispatched.way.to);
        let requested = self.requested.as_ref().map(|requested| &requested.way.to);
        received.or(dispatched).or(requested)
    }

    /// What an alert says of an item of which not so much arrived as left.
    #[must_use]
    pub fn in_words(&self, found: &TransferDifference) -> String {
        let TransferDifference { sku, sent, arrived } = found;
        let from = self.from().map_or("another site", SiteId::as_str);
        format!(
            "transfer {} from {from}: {sent} of {sku} left, {arrived} arrived",
            self.id
        )
    }

    /// Where other goods arrived than left, by item; empty while not both are known.
    #[must_use]
    pub fn differences(&self) -> Vec<TransferDifference> {
        match (&self.dispatched, &self.received) {
            (Some(dispatched), Some(received)) => differences(&dispatched.lines, &received.lines),
            _ => Vec::new(),
        }
    }
}

/// Where other goods arrived than left, by item.
#[must_use]
pub fn differences(sent: &[HoldLine], arrived: &[HoldLine]) -> Vec<TransferDifference> {
    let mut items: BTreeMap<&Sku, (Quantity, Quantity)> = BTreeMap::new();
    for line in sent {
        items.entry(&line.sku).or_default().0 = line.quantity;
    }
    for line in arrived {
        items.entry(&line.sku).or_default().1 = line.quantity;
    }
    let differ = items.into_iter().filter(|(_, (sent, arrived))| sent != arrived);
    differ
        .map(|(sku, (sent, arrived))| TransferDifference {
            sku: sku.clone(),
            sent,
            arrived,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(quantities: &[(&str, i64)]) -> Vec<HoldLine> {
        let line = |(sku, units): &(&str, i64)| HoldLine {
            sku: sku.parse().unwrap(),
            quantity: Quantity::from_units(*units).unwrap(),
        };
        quantities.iter().map(line).collect()
    }

    fn by() -> By {
        By {
            device: "office".into(),
            staff: None,
            note: None,
        }
    }

    fn way() -> Way {
        Way {
            from: "store-1".parse().unwrap(),
            to: "store-2".parse().unwrap(),
        }
    }

    /// A transfer of which one fact is known.
    fn heard(which: u8) -> Transfer {
        let id = TransferId([5; 8]);
        let mut transfer = Transfer::new(id);
        match which {
            0 => {
                transfer.requested = Some(TransferRequested {
                    id,
                    way: way(),
                    lines: lines(&[("a", 5)]),
                    by: by(),
                });
            }
            1 => transfer.called_off = Some(TransferCalledOff { id, by: by() }),
            2 => {
                transfer.dispatched = Some(TransferDispatched {
                    id,
                    way: way(),
                    lines: lines(&[("a", 5), ("b", 1)]),
                    from_hold: false,
                    by: by(),
                });
            }
            _ => {
                transfer.received = Some(TransferReceived {
                    id,
                    from: None,
                    to: way().to,
                    lines: lines(&[("a", 4), ("b", 1)]),
                    reason: None,
                    by: by(),
                });
            }
        }
        transfer
    }

    proptest! {
        #[test]
        fn what_is_known_is_the_same_in_whatever_order_it_comes(order in prop::collection::vec(0u8..4, 0..12)) {
            let (mut there, mut again) = (Transfer::new(TransferId([5; 8])), Transfer::new(TransferId([5; 8])));
            for which in &order {
                there.merge(&heard(*which));
            }
            for which in order.iter().rev().chain(&order) {
                again.merge(&heard(*which));
            }
            prop_assert_eq!(&there, &again);
            prop_assert!(!again.merge(&there), "all of it is known");
            let has = |which: u8| order.contains(&which);
            let state = match (has(2), has(3), has(1)) {
                (true, true, _) => TransferState::Received,
                (false, true, _) => TransferState::ReceivedEarly,
                (true, false, _) => TransferState::InTransit,
                (false, false, true) => TransferState::CalledOff,
                (false, false, false) => TransferState::Requested,
            };
            prop_assert_eq!(there.state(), state);
            prop_assert_eq!(there.differences().len(), usize::from(has(2) && has(3)));
        }
    }

    #[test]
    fn a_difference_names_what_left_and_what_arrived() {
        let found = differences(&lines(&[("a", 5), ("b", 1)]), &lines(&[("a", 4), ("b", 1), ("c", 2)]));
        let said: Vec<_> = found
            .iter()
            .map(|one| (one.sku.as_str(), one.sent.thousandths(), one.arrived.thousandths()))
            .collect();
        assert_eq!(said, [("a", 5_000, 4_000), ("c", 0, 2_000)]);
    }

    #[test]
    fn its_two_legs_are_two_movements_and_its_identity_reads_back() {
        let id = TransferId::of(b"till 1", "out-1");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("12".parse::<TransferId>(), Err(TransferIdError));
        assert_ne!(id.movement(Leg::Dispatch), id.movement(Leg::Receipt));
    }
}
