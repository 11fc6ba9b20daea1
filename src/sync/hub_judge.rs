//! What a parent makes of a batch and of an introduction, against what it has committed of an incarnation.
//!
//! Pure, and the only place where it is decided what continues a chain, what repeats it and what belongs to another
//! branch. The parent's ledger asks it inside the transaction that commits; the simulator's model asks it too.

use super::wire::{BatchHeader, Slot, StreamHead, StreamState};
use crate::domain::journal::{Hash, Head};

/// What becomes of a batch whose signature and chain have been checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Its records from `from` on are new and continue what is committed.
    Take {
        /// The first record that takes effect; those before it in the batch are known.
        from: u64,
    },
    /// Everything in it is committed already.
    Repeat,
    /// Something is missing before it.
    Gap,
    /// It belongs to another branch: its chain differs from the committed one.
    Branch,
    /// All of it lies where the parent itself has a hole that was accepted, so that its chain cannot be compared. It
    /// cannot be taken there any more either: headquarters has it recorded anew, like a branch.
    InHole,
}

/// What becomes of an incarnation's head, as its node tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadVerdict {
    /// Nothing speaks against it.
    Agrees,
    /// The node has less than is committed: its disk was set back.
    SetBack,
    /// The node has something else where it can be compared: its disk was copied, or set back and written again.
    Branch,
    /// The node has pruned what the parent does not have: the parent was set back. Everything from `first` to `last`
    /// is lost here.
    Hole {
        /// The first record that is missing.
        first: u64,
        /// The last record that is missing.
        last: u64,
        /// The chain's hash after it, as the node tells it.
        after: Hash,
    },
}

/// The number at which a batch's chain and the committed one must have the same hash; none where they do not touch.
#[must_use]
pub fn compared_at(acked: &Head, header: &BatchHeader) -> Option<u64> {
    let touches = header.first <= acked.seq.saturating_add(1);
    touches.then(|| header.last().min(acked.seq))
}

/// The chain's hash after `seq` as the batch itself tells it; none where `seq` is neither in it nor just before it.
#[must_use]
pub fn batch_hash_at(header: &BatchHeader, slots: &[Slot], seq: u64) -> Option<Hash> {
    let count = usize::try_from(seq.checked_add(1)?.checked_sub(header.first)?).ok()?;
    let known = slots.get(..count)?;
    Some(known.iter().fold(header.before, |hash, slot| slot.chain(hash)))
}

/// Judges a batch. `committed` is the hash of the committed chain after the record [`compared_at`] names; none where
/// the parent does not have that record.
///
/// Comparing one hash is enough: each is made of all before it.
#[must_use]
pub fn judge_batch(acked: &Head, header: &BatchHeader, slots: &[Slot], committed: Option<Hash>) -> Verdict {
    let Some(at) = compared_at(acked, header) else {
        return Verdict::Gap;
    };
    let Some(committed) = committed else {
        return Verdict::InHole;
    };
    if batch_hash_at(header, slots, at) != Some(committed) {
        Verdict::Branch
    } else if header.last() <= acked.seq {
        Verdict::Repeat
    } else {
        Verdict::Take { from: acked.seq + 1 }
    }
}

/// Judges the newest incarnation that a node introduces. Those before it are closed: what is left of them is judged
/// batch by batch.
///
/// `committed` is the hash of the committed chain after the head's record, where it is committed and known.
/// `same_session` says whether the node's present session has sent what is committed; its introduction may then
/// simply be older than its batches.
#[must_use]
pub fn judge_head(acked: &Head, told: &StreamHead, committed: Option<Hash>, same_session: bool) -> HeadVerdict {
    let before_kept = told.earliest.saturating_sub(1);
    if told.head.seq < acked.seq {
        match committed {
            Some(hash) if hash != told.head.hash => HeadVerdict::Branch,
            _ if same_session => HeadVerdict::Agrees,
            _ => HeadVerdict::SetBack,
        }
    } else if told.head.seq == acked.seq {
        if told.head.hash == acked.hash {
            HeadVerdict::Agrees
        } else {
            HeadVerdict::Branch
        }
    } else if before_kept > acked.seq && before_kept <= told.head.seq {
        HeadVerdict::Hole {
            first: acked.seq + 1,
            last: before_kept,
            after: told.before_earliest,
        }
    } else if before_kept == acked.seq && told.before_earliest != acked.hash {
        HeadVerdict::Branch
    } else {
        HeadVerdict::Agrees
    }
}

/// Where a node's chain can be compared with the committed one, the furthest place first: its head, what it was told
/// is acknowledged, what stands before the first record that it keeps. The first of them that is committed with the
/// same hash says up to where both are the same for certain.
#[must_use]
pub fn comparable(told: &StreamHead, told_acked: Option<&Head>) -> Vec<(u64, Hash)> {
    let mut places = vec![
        (told.head.seq, told.head.hash),
        (told.earliest.saturating_sub(1), told.before_earliest),
    ];
    places.extend(told_acked.map(|acked| (acked.seq, acked.hash)));
    places.retain(|(seq, _)| *seq > 0);
    places.sort_by_key(|(seq, _)| std::cmp::Reverse(*seq));
    places
}

/// How an incarnation starts: a node's first counts at once, any further one is set apart until an operator decides.
#[must_use]
pub const fn initial_state(other_incarnations_of_node: usize) -> StreamState {
    if other_incarnations_of_node == 0 {
        StreamState::Counted
    } else {
        StreamState::SetApart
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{Incarnation, NodeId};

    const INCARNATION: Incarnation = Incarnation { counter: 1, random: 7 };

    fn slots(records: &[&str]) -> Vec<Slot> {
        records
            .iter()
            .map(|text| Slot::Record(text.as_bytes().to_vec()))
            .collect()
    }

    fn batch(first: u64, before: Hash, records: &[&str]) -> (BatchHeader, Vec<Slot>) {
        let slots = slots(records);
        let header = BatchHeader {
            node: "store-1".parse().unwrap(),
            incarnation: INCARNATION,
            stream: 0,
            first,
            count: u32::try_from(records.len()).unwrap(),
            before,
            after: slots.iter().fold(before, |hash, slot| slot.chain(hash)),
            encoding: 1,
        };
        (header, slots)
    }

    fn genesis() -> Hash {
        let node: NodeId = "store-1".parse().unwrap();
        Hash::genesis(&node, INCARNATION)
    }

    fn head(seq: u64, records: &[&str]) -> Head {
        let hash = slots(records).iter().fold(genesis(), |hash, slot| slot.chain(hash));
        Head {
            incarnation: INCARNATION,
            seq,
            hash,
        }
    }

    /// Judges with a committed chain of `records`.
    fn verdict(records: &[&str], (header, slots): &(BatchHeader, Vec<Slot>)) -> Verdict {
        let acked = head(records.len() as u64, records);
        let committed = compared_at(&acked, header).map(|at| head(at, &records[..usize::try_from(at).unwrap()]).hash);
        judge_batch(&acked, header, slots, committed)
    }

    #[test]
    fn a_batch_is_taken_where_it_continues_the_chain() {
        assert_eq!(
            verdict(&[], &batch(1, genesis(), &["a", "b"])),
            Verdict::Take { from: 1 }
        );
        let after_ab = head(2, &["a", "b"]).hash;
        assert_eq!(
            verdict(&["a", "b"], &batch(3, after_ab, &["c"])),
            Verdict::Take { from: 3 }
        );
        assert_eq!(verdict(&["a", "b"], &batch(4, after_ab, &["d"])), Verdict::Gap);
        assert_eq!(verdict(&["a", "x"], &batch(3, after_ab, &["c"])), Verdict::Branch);
    }

    #[test]
    fn what_is_known_is_compared() {
        let whole = batch(1, genesis(), &["a", "b", "c"]);
        assert_eq!(verdict(&["a", "b", "c"], &whole), Verdict::Repeat);
        assert_eq!(verdict(&["a", "b", "c", "d"], &whole), Verdict::Repeat);
        assert_eq!(verdict(&["a", "b"], &whole), Verdict::Take { from: 3 });
        assert_eq!(verdict(&["a", "x"], &whole), Verdict::Branch);
        assert_eq!(verdict(&["a", "x", "c", "d"], &whole), Verdict::Branch);
    }

    #[test]
    fn a_batch_inside_a_hole_cannot_be_judged() {
        let (header, slots) = batch(1, genesis(), &["a"]);
        assert_eq!(judge_batch(&head(5, &["?"]), &header, &slots, None), Verdict::InHole);
    }

    #[test]
    fn a_head_tells_a_disk_that_was_set_back_or_copied() {
        let acked = head(2, &["a", "b"]);
        let told = |head: Head, earliest: u64, before_earliest: Hash| StreamHead {
            head,
            earliest,
            before_earliest,
            public_key: [0; 32],
        };
        let shorter = told(head(1, &["a"]), 1, genesis());
        let committed = Some(shorter.head.hash);
        assert_eq!(judge_head(&acked, &shorter, committed, false), HeadVerdict::SetBack);
        assert_eq!(judge_head(&acked, &shorter, committed, true), HeadVerdict::Agrees);
        assert_eq!(
            judge_head(&acked, &told(head(1, &["x"]), 1, genesis()), committed, false),
            HeadVerdict::Branch
        );
        assert_eq!(
            judge_head(&acked, &told(head(2, &["a", "x"]), 1, genesis()), None, true),
            HeadVerdict::Branch
        );
        assert_eq!(
            judge_head(&acked, &told(head(3, &["a", "b", "c"]), 3, acked.hash), None, false),
            HeadVerdict::Agrees
        );
        assert_eq!(
            judge_head(
                &acked,
                &told(head(3, &["a", "x", "c"]), 3, head(2, &["a", "x"]).hash),
                None,
                false
            ),
            HeadVerdict::Branch
        );
        let after = head(4, &["a", "b", "c", "d"]).hash;
        assert_eq!(
            judge_head(&acked, &told(head(9, &["?"]), 5, after), None, false),
            HeadVerdict::Hole {
                first: 3,
                last: 4,
                after
            }
        );
    }
}
