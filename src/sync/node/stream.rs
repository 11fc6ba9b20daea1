//! One incarnation's journal on its way to the parent: a window that slides behind the parent's acknowledgement.
//!
//! What the parent says it has is believed only once its hash was seen to be on this disk's own chain: a parent may
//! know another branch, and a cursor that was moved along that branch would leave records behind for good.

use std::collections::VecDeque;

use super::{LoadedBatch, LocalStream, NodeLimits};
use crate::domain::ids::Incarnation;
use crate::domain::journal::{Hash, Head};

#[derive(Debug, Clone, Copy)]
struct Sent {
    last: u64,
    after: Hash,
    sent_ms: u64,
}

/// Whose incarnation it is, and whether it grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The one that this disk writes.
    Written,
    /// An earlier one of this disk: the parent may have more of it, from another branch.
    Closed,
    /// Another node's, passed on: it grows here with what comes, and the parent may have more where this disk has
    /// lost some.
    Relayed,
}

#[derive(Debug)]
pub(super) struct Stream {
    kind: Kind,
    head: Head,
    earliest: u64,
    before_earliest: Hash,
    /// The last acknowledgement that is on this disk's chain.
    acked: Head,
    /// What the parent says it has, where that is still to be compared with this disk's chain: the next batch that is
    /// read tells.
    offered: Option<Head>,
    /// Up to here the parent's chain and this one are the same for certain, since the last introduction.
    common: u64,
    /// The most that the parent has said it has.
    highest_acked: u64,
    /// The parent gave records back that it had taken and could not pass on: that it takes a batch says nothing about
    /// its size then.
    given_back: bool,
    next: u64,
    in_flight: VecDeque<Sent>,
    records_max: u32,
    records_max_usual: u32,
    /// A record that is being set aside; nothing is sent until that is done.
    setting_aside: Option<u64>,
    /// The last record that was withheld.
    withheld: Option<u64>,
    resent_after: Option<(u64, u64)>,
}

/// What the parent's word did.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Acked {
    /// Nothing: it was known, or is still to be compared.
    Old,
    /// It moved the cursor to here.
    Moved(Head),
    /// The parent has another record there.
    OtherBranch,
    /// The parent has more than this disk, which was set back.
    SetBack,
    /// The parent has more of a closed incarnation than this disk, and has not compared it yet.
    Unclear,
}

/// What is to be done with a batch from disk.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Loaded {
    /// Send it. Where it proved what the parent had said, the cursor is here now.
    Send(Option<Head>),
    /// It is no longer wanted.
    Stale,
    /// It does not continue what the parent has.
    OtherBranch,
}

impl Stream {
    pub(super) fn new(local: &LocalStream, kind: Kind, limits: &NodeLimits) -> Self {
        Self {
            kind,
            head: local.head.head,
            earliest: local.head.earliest,
            before_earliest: local.head.before_earliest,
            acked: local.acked,
            offered: None,
            common: 0,
            highest_acked: 0,
            given_back: false,
            next: local.acked.seq + 1,
            in_flight: VecDeque::new(),
            records_max: limits.batch_records_max,
            records_max_usual: limits.batch_records_max,
            setting_aside: None,
            withheld: None,
            resent_after: None,
        }
    }

    pub(super) const fn incarnation(&self) -> Incarnation {
        self.acked.incarnation
    }

    pub(super) const fn common(&self) -> u64 {
        self.common
    }

    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    pub(super) const fn records_max(&self) -> u32 {
        self.records_max
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    pub(super) fn oldest_sent_ms(&self) -> Option<u64> {
        self.in_flight.front().map(|sent| sent.sent_ms)
    }

    pub(super) fn has_more(&self) -> bool {
        self.next <= self.head.seq && self.setting_aside.is_none()
    }

    /// A head may come late, even after its incarnation was closed and is offered only in part.
    pub(super) fn on_appended(&mut self, head: Head) {
        if head.seq > self.head.seq && self.kind != Kind::Closed {
            self.head = head;
        }
    }

    /// The parent has said what it has, and up to where it has compared it with what this node told. It may be less
    /// than before, where the parent itself was set back; what was pruned since cannot be sent again, and the parent
    /// learns of the hole from the introduction.
    pub(super) fn on_welcome(&mut self, theirs: Head, common: u64) -> Acked {
        self.common = common;
        if self.kind != Kind::Written && theirs.seq > self.head.seq {
            // What is here was compared: either all of it is there, or what is behind belongs to another branch.
            if common < self.head.seq {
                return Acked::OtherBranch;
            }
            if self.kind == Kind::Relayed {
                // This disk has lost what the parent has: nothing of it need be passed on again.
                self.head = theirs;
            }
            return self.go_back(self.head);
        }
        self.go_back(theirs)
    }

    pub(super) fn on_ack(&mut self, theirs: Head) -> Acked {
        if theirs.seq <= self.acked.seq {
            return Acked::Old;
        }
        let known = self.hash_at(theirs.seq);
        self.in_flight.retain(|sent| sent.last > theirs.seq);
        self.next = self.next.max(theirs.seq + 1);
        self.resent_after = None;
        self.highest_acked = self.highest_acked.max(theirs.seq);
        if !self.given_back {
            self.records_max = self.records_max.saturating_mul(2).min(self.records_max_usual);
        }
        self.compare(theirs, known)
    }

    /// Headquarters has more of what the parent passes on. Batches grow slowly there: each that is too large is made,
    /// sent and kept twice.
    pub(super) fn on_top_ack(&mut self) {
        if self.given_back {
            let more = (self.records_max / 8).max(1);
            self.records_max = self.records_max.saturating_add(more).min(self.records_max_usual);
        }
    }

    /// Goes back to behind what the parent has.
    ///
    /// Every batch behind a lost one is answered with the same request: only the first of them counts, until
    /// something moves or a second has passed.
    pub(super) fn on_resend(&mut self, now_ms: u64, theirs: Head) -> Acked {
        if self
            .resent_after
            .is_some_and(|(seq, at_ms)| seq == theirs.seq && now_ms < at_ms + 1_000)
        {
            return Acked::Old;
        }
        self.resent_after = Some((theirs.seq, now_ms));
        self.go_back(theirs)
    }

    pub(super) fn on_loaded(&mut self, now_ms: u64, batch: &LoadedBatch) -> Loaded {
        // What was read before smaller batches were asked for is no longer wanted; what another node sealed cannot be
        // made smaller here.
        let too_large = batch.count > self.records_max && self.kind != Kind::Relayed;
        if batch.first != self.next || too_large || self.setting_aside.is_some() {
            return Loaded::Stale;
        }
        let behind = self.offered.unwrap_or(self.acked);
        let mut proved = None;
        if batch.first == behind.seq + 1 {
            if batch.before != behind.hash {
                return Loaded::OtherBranch;
            }
            if self.offered.take().is_some() {
                self.believe(behind);
                proved = Some(behind);
            }
        }
        let last = batch.first + u64::from(batch.count) - 1;
        if last > self.head.seq && self.kind != Kind::Closed {
            // The disk has grown, and its own word of it is still on the way: the parent's answer may come first, and must
            // not be taken for that of a parent that has more than this disk.
            self.head = Head {
                seq: last,
                hash: batch.after,
                ..self.head
            };
        }
        self.in_flight.push_back(Sent {
            last,
            after: batch.after,
            sent_ms: now_ms,
        });
        self.next = last + 1;
        Loaded::Send(proved)
    }

    /// A batch cannot be taken: halves what is sent at once. Gives the record to set aside once it stands alone.
    pub(super) fn on_refused(&mut self, first: u64, count: u32) -> Option<u64> {
        // A refusal of the record as it was may come late. Where even the withheld record is refused nothing can be
        // done here: it stays unacknowledged, and the next introduction tries again.
        let was_withheld = count == 1 && self.withheld == Some(first);
        if !self.is_wanted(first, count) || self.setting_aside.is_some() || was_withheld {
            return None;
        }
        self.given_back |= first.saturating_add(u64::from(count)) <= self.highest_acked.saturating_add(1);
        self.restart();
        self.records_max = (count / 2).clamp(1, self.records_max);
        if count > 1 {
            return None;
        }
        self.setting_aside = Some(first);
        Some(first)
    }

    /// Whether the parent does not have all of these records yet. A parent that gives records back that it could not
    /// pass on has less than before.
    pub(super) fn is_wanted(&self, first: u64, count: u32) -> bool {
        let theirs = self.offered.unwrap_or(self.acked).seq;
        first.saturating_add(u64::from(count)) > theirs.saturating_add(1)
    }

    pub(super) fn on_set_aside(&mut self, seq: u64) {
        if self.setting_aside == Some(seq) {
            self.setting_aside = None;
            self.withheld = Some(seq);
        }
    }

    fn go_back(&mut self, theirs: Head) -> Acked {
        let known = self.hash_at(theirs.seq);
        let acked = self.compare(theirs, known);
        self.restart();
        acked
    }

    /// Compares the parent's word with this disk's chain, whose hash at that place is `known` where it is.
    fn compare(&mut self, theirs: Head, known: Option<Hash>) -> Acked {
        self.offered = None;
        match known {
            _ if theirs.seq > self.head.seq && self.kind != Kind::Written => Acked::Unclear,
            _ if theirs.seq > self.head.seq => Acked::SetBack,
            Some(hash) if hash != theirs.hash => Acked::OtherBranch,
            // Nothing can be compared with what is pruned.
            None if theirs.seq + 1 >= self.earliest => {
                self.offered = Some(theirs);
                Acked::Old
            }
            _ if theirs == self.acked => {
                self.believe(theirs);
                Acked::Old
            }
            _ => {
                self.believe(theirs);
                Acked::Moved(theirs)
            }
        }
    }

    fn believe(&mut self, theirs: Head) {
        self.acked = theirs;
        self.common = self.common.max(theirs.seq);
    }

    /// This disk's own hash after a record, where it is known without reading the disk.
    fn hash_at(&self, seq: u64) -> Option<Hash> {
        let sent = self.in_flight.iter().find(|sent| sent.last == seq);
        match seq {
            seq if seq == self.head.seq => Some(self.head.hash),
            seq if seq == self.acked.seq => Some(self.acked.hash),
            seq if seq + 1 == self.earliest => Some(self.before_earliest),
            _ => sent.map(|sent| sent.after),
        }
    }

    fn restart(&mut self) {
        self.in_flight.clear();
        self.next = (self.offered.unwrap_or(self.acked).seq + 1).max(self.earliest);
    }
}
