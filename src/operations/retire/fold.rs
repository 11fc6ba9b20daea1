//! What this node's journal says of the replicas that it has retired.

use std::collections::BTreeMap;

use crate::domain::escrow::ReplicaId;
use crate::domain::fact::Fact;
use crate::domain::ids::Sku;
use crate::domain::stock::LateMove;

/// What this node's own journal says of the replicas that it has retired, record by record: for `verify` and `repair`.
#[derive(Debug, Default)]
pub(in crate::operations) struct RetiredFold {
    /// By replica: its last record that was here.
    pub retired: BTreeMap<ReplicaId, u64>,
    /// By item and replica: what nobody may promise.
    pub unpromised: BTreeMap<(Sku, ReplicaId), u64>,
}

impl RetiredFold {
    /// Goes on with a record.
    pub(in crate::operations) fn add_fact(&mut self, fact: &Fact) {
        match fact {
            Fact::Retired(retired) => {
                self.retired.entry(retired.replica.clone()).or_insert(retired.seq);
                for line in &retired.lines {
                    *self.left(&line.sku, &retired.replica) += line.left.amount().parts();
                }
            }
            Fact::LatePosted(posted) => {
                for line in &posted.lines {
                    let left = self.left(&line.sku, &posted.of);
                    *left = left.saturating_sub(line.drawn.parts());
                    if let LateMove::Came { grant, .. } = &line.moved {
                        *left += grant.amount().parts();
                    }
                }
            }
            Fact::RightsReleased(released) => {
                for line in &released.lines {
                    let left = self.left(&line.sku, &released.of);
                    *left = left.saturating_sub(line.grant.amount().parts());
                }
            }
            _ => {}
        }
    }

    fn left(&mut self, sku: &Sku, replica: &ReplicaId) -> &mut u64 {
        self.unpromised.entry((sku.clone(), replica.clone())).or_default()
    }
}
