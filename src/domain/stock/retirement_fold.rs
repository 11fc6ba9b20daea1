//! What a parent's journal says of the replicas that it has retired, for whoever checks or rebuilds what it keeps of them.

use std::collections::BTreeMap;

use super::retirement::LateMove;
use crate::domain::escrow::ReplicaId;
use crate::domain::fact::Fact;
use crate::domain::ids::Sku;

/// What a parent's own journal says of the replicas that it has retired, record by record.
#[derive(Debug, Default)]
pub struct RetiredFold {
    /// By replica: its last record that was here.
    pub retired: BTreeMap<ReplicaId, u64>,
    /// By item and replica: what nobody may promise, in thousandths.
    pub unpromised: BTreeMap<(Sku, ReplicaId), u64>,
}

impl RetiredFold {
    /// Goes on with a record.
    pub fn add_fact(&mut self, fact: &Fact) {
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
