//! Rights on their way from one replica to another: a chain of grants that can be lost, repeated and reordered.
//!
//! Each grant says from which total of the giver's register to which it leads. The receiver's own register says how far
//! it has come, so that it needs no list of what it has seen: a grant that it has passed is a repeat, one that does not
//! start where it stands waits for those before it.

use serde::{Deserialize, Serialize};

use super::amount::Amount;
use super::row::{ReplicaId, Row};

/// A step of the register `given[to]` of one replica. It may be sent only after the transaction that made it is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The total before it.
    pub before: Amount,
    /// The total after it.
    pub after: Amount,
}

/// What a receiver makes of a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantStep {
    /// The next one: so much is to be taken over.
    Take(Amount),
    /// Taken over before.
    Repeat,
    /// One before it has not come yet.
    Early,
}

impl Grant {
    /// How much it hands on.
    #[must_use]
    pub const fn amount(self) -> Amount {
        self.after.above(self.before)
    }

    /// What the receiver, whose row is `receiver`, makes of it.
    #[must_use]
    pub fn step(self, receiver: &Row, from: &ReplicaId) -> GrantStep {
        let accepted = receiver.accepted(from);
        if self.after <= accepted {
            GrantStep::Repeat
        } else if self.before == accepted {
            GrantStep::Take(self.amount())
        } else {
            GrantStep::Early
        }
    }
}
