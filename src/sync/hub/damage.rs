//! Batches that come damaged: how often in a row, at the same place of an incarnation.
//!
//! A batch that was damaged on its way is simply sent again. One that comes damaged every time must not hold up its
//! incarnation for ever: after so many tries its node is asked for smaller parts, and in the end sets the one record
//! aside that does not come through.

use std::collections::HashMap;

use crate::domain::ids::{Incarnation, NodeId};
use crate::domain::journal::Head;

/// One entry for each incarnation whose next batch came damaged last time.
#[derive(Debug, Default)]
pub(super) struct Damage {
    tries: HashMap<(NodeId, Incarnation), (u64, u32)>,
}

impl Damage {
    /// The batch behind `acked` came damaged. Gives how often in a row it has by now.
    pub(super) fn tries(&mut self, node: &NodeId, acked: &Head) -> u32 {
        let entry = self.tries.entry((node.clone(), acked.incarnation)).or_default();
        let (seq, tries) = *entry;
        let tries = if seq == acked.seq { tries.saturating_add(1) } else { 1 };
        *entry = (acked.seq, tries);
        tries
    }

    /// A batch came through, or smaller ones were asked for.
    pub(super) fn is_over(&mut self, node: &NodeId, incarnation: Incarnation) {
        self.tries.remove(&(node.clone(), incarnation));
    }
}

#[cfg(test)]
mod tests {
    use super::super::{HubEngine, HubLimits, Input, Outcome, Output};
    use super::*;
    use crate::domain::journal::Hash;
    use crate::sync::wire::Down;

    const INCARNATION: Incarnation = Incarnation { counter: 1, random: 7 };

    fn head(seq: u64) -> Head {
        Head {
            incarnation: INCARNATION,
            seq,
            hash: Hash([1; 32]),
        }
    }

    /// What the engine answers to a batch.
    fn answer(engine: &mut HubEngine, outcome: Outcome) -> Option<Down> {
        let node = "store-1".parse().unwrap();
        let session = 5;
        engine.handle(0, Input::Ingested { node, session, outcome });
        engine.poll().map(|output| match output {
            Output::Send { message, .. } => message,
            other => panic!("{other:?}"),
        })
    }

    fn damaged(acked: Option<Head>, first: u64) -> Outcome {
        Outcome::Damaged {
            acked,
            first,
            count: 100,
            reason: "the signature".into(),
        }
    }

    #[test]
    fn a_damaged_batch_is_asked_for_again_and_in_smaller_parts_only_in_the_end() {
        let mut engine = HubEngine::new(HubLimits::default());
        let mut asked = Vec::new();
        for _ in 0..6 {
            asked.push(answer(&mut engine, damaged(Some(head(7)), 8)).unwrap());
        }
        let again = |message: &Down| matches!(message, Down::Resend(resend) if resend.acked == head(7));
        assert!(asked[..4].iter().all(again), "{asked:?}");
        assert!(matches!(&asked[4], Down::Refused(refused) if (refused.first, refused.count) == (8, 100)));
        assert!(again(&asked[5]), "the smaller ones have as many tries");
    }

    #[test]
    fn what_came_through_ends_the_count_and_what_is_not_next_is_not_counted() {
        let mut engine = HubEngine::new(HubLimits::default());
        for round in 0..20 {
            let blocked = answer(&mut engine, damaged(Some(head(7 + round)), 8 + round));
            assert!(matches!(blocked, Some(Down::Resend(_))), "{blocked:?}");
            let further = answer(&mut engine, damaged(Some(head(7)), 300));
            assert!(matches!(further, Some(Down::Resend(_))), "{further:?}");
            if round % 3 == 2 {
                let acked = head(8 + round);
                assert!(matches!(
                    answer(&mut engine, Outcome::Committed { acked }),
                    Some(Down::Ack(_))
                ));
            }
        }
        assert_eq!(answer(&mut engine, damaged(None, 0)), None);
        let reason = "not enrolled".into();
        assert_eq!(answer(&mut engine, Outcome::Unwelcome { reason }), None);
    }
}
