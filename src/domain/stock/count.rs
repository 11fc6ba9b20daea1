//! Counts at a site where several nodes move goods: what is counted is what stood on the shelf when a mark was taken of each
//! node's journal.
//!
//! A count posts what was counted minus what was on the shelf at the marks, as far as that was known. A record from before a
//! mark that comes later changes what was on the shelf then: what it moved is compensated, once, by its number, so that in
//! the end the figure is what was counted and what moved since, in whatever order records came.

use serde::{Deserialize, Serialize};

use super::movement::MovementId;
use crate::domain::escrow::ReplicaId;
use crate::domain::ids::SiteId;

/// Another node's mark, and how much of it was known when a count was entered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeMark {
    /// The node in one of its lives.
    pub replica: ReplicaId,
    /// The last of its records that the count includes; none where it could not be asked, [`NodeMark::ALL`] where whoever
    /// counts says that it has stopped.
    pub mark: Option<u64>,
    /// The last of its records that was known when the count was entered.
    pub had: u64,
}

/// The fact that everything from before a count's marks is known: it is provisional no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountSettled {
    /// The site.
    pub site: SiteId,
    /// The count.
    pub count: MovementId,
}

impl NodeMark {
    /// The mark of a node that cannot be asked and moves nothing any more, as whoever counts says: all that it has ever
    /// recorded was done when the shelf was counted, whenever it comes. A person says so, because no clock can: one that
    /// goes on selling behind a cut link would be taken back for nothing, and promised twice.
    pub const ALL: u64 = i64::MAX.unsigned_abs();

    /// Whether everything from before the mark was known. Of a node that could not be asked nobody knows. Of one that has
    /// stopped something may still come, or never: the figure stands, and what comes is compensated.
    #[must_use]
    pub fn was_reached(&self) -> bool {
        self.mark.is_some_and(|mark| mark == Self::ALL || self.had >= mark)
    }

    /// Whether records from before the mark may come that were not known.
    #[must_use]
    pub fn lacks(&self) -> bool {
        self.mark.is_some_and(|mark| self.had < mark)
    }

    /// Whether a record of the node is to be compensated when it comes: it is from before the mark, and was not known.
    #[must_use]
    pub fn is_late(&self, seq: u64) -> bool {
        seq > self.had && self.mark.is_some_and(|mark| seq <= mark)
    }

    /// The last record of the node that the count was posted against: later ones that were known moved goods that had
    /// been counted already. Of a node that could not be asked all that was known counts as moved before.
    #[must_use]
    pub fn posted_through(&self) -> u64 {
        self.mark.map_or(self.had, |mark| mark.min(self.had))
    }
}

#[cfg(test)]
mod properties {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::NodeMark;
    use crate::domain::escrow::ReplicaId;
    use crate::domain::ids::Incarnation;

    fn replica() -> ReplicaId {
        ReplicaId {
            node: "kiosk-1".parse().unwrap(),
            incarnation: Incarnation { counter: 1, random: 7 },
        }
    }

    proptest! {
        /// A kiosk moves goods; somebody counts at a mark while the store knows a part of its journal, and enters it when
        /// it knows another part. Once everything has come the figure is what is there.
        #[test]
        fn the_figure_is_what_is_there_once_everything_has_come(
            moves in vec(-5_i64..6, 0..30),
            unrecorded in -20_i64..20,
            cuts in any::<(prop::sample::Index, prop::sample::Index)>(),
        ) {
            let (last, opening) = (moves.len(), 100);
            let (mark, had) = (cuts.0.index(last + 1), cuts.1.index(last + 1));
            let moved = |through: usize| moves[..through].iter().sum::<i64>();
            // What somebody stole or found before the mark is in no record; a count is there to find it.
            let counted = opening + moved(mark) + unrecorded;
            let taken = NodeMark { replica: replica(), mark: Some(mark as u64), had: had as u64 };
            let difference = counted - (opening + moved(taken.posted_through() as usize));
            let mut figure = opening + moved(had) + difference;
            for seq in had + 1..=last {
                let change = moves[seq - 1];
                figure += change;
                if taken.is_late(seq as u64) {
                    figure -= change;
                }
            }
            prop_assert_eq!(figure, opening + moved(last) + unrecorded);
            prop_assert_eq!(taken.was_reached(), had >= mark);
            prop_assert_eq!(taken.lacks(), had < mark);
        }

        /// The same where nobody knows how far the kiosk's journal goes, and it has moved nothing since: the figure is what
        /// was counted, whatever comes.
        #[test]
        fn of_a_kiosk_that_has_stopped_the_figure_is_what_was_counted(
            moves in vec(-5_i64..6, 0..30),
            unrecorded in -20_i64..20,
            cut in any::<prop::sample::Index>(),
        ) {
            let (last, opening) = (moves.len(), 100);
            let had = cut.index(last + 1);
            let moved = |through: usize| moves[..through].iter().sum::<i64>();
            let counted = opening + moved(last) + unrecorded;
            let taken = NodeMark { replica: replica(), mark: Some(NodeMark::ALL), had: had as u64 };
            let difference = counted - (opening + moved(taken.posted_through() as usize));
            let mut figure = opening + moved(had) + difference;
            for seq in had + 1..=last {
                figure += moves[seq - 1];
                if taken.is_late(seq as u64) {
                    figure -= moves[seq - 1];
                }
            }
            prop_assert_eq!(figure, counted);
            prop_assert!(taken.was_reached());
        }
    }
}
