//! One incarnation's journal on its way to the parent: a window that slides behind the parent's acknowledgement.

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

#[derive(Debug)]
pub(super) struct Stream {
    head_seq: u64,
    earliest: u64,
    acked: Head,
    next: u64,
    in_flight: VecDeque<Sent>,
    records_max: u32,
    records_max_usual: u32,
    /// A record that is being set aside; nothing is sent until that is done.
    setting_aside: Option<u64>,
    /// The last record that was withheld: a batch of it alone that is refused still cannot be helped.
    withheld: Option<u64>,
    /// Nothing more is sent until the next introduction.
    stuck: bool,
    resent_after: Option<(u64, u64)>,
}

/// What an acknowledgement did.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Acked {
    /// Nothing: it was known.
    Old,
    /// It moved the cursor.
    Moved,
    /// The parent has another record there.
    OtherBranch,
}

/// What is to be done with a batch from disk.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Loaded {
    /// Send it.
    Send,
    /// It is no longer wanted.
    Stale,
    /// It does not continue what the parent has.
    OtherBranch(Head),
}

impl Stream {
    pub(super) fn new(local: &LocalStream, limits: &NodeLimits) -> Self {
        Self {
            head_seq: local.head.head.seq,
            earliest: local.head.earliest,
            acked: local.acked,
            next: local.acked.seq + 1,
            in_flight: VecDeque::new(),
            records_max: limits.batch_records_max,
            records_max_usual: limits.batch_records_max,
            setting_aside: None,
            withheld: None,
            stuck: false,
            resent_after: None,
        }
    }

    pub(super) const fn incarnation(&self) -> Incarnation {
        self.acked.incarnation
    }

    pub(super) const fn acked(&self) -> Head {
        self.acked
    }

    pub(super) const fn head_seq(&self) -> u64 {
        self.head_seq
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
        self.next <= self.head_seq && self.setting_aside.is_none() && !self.stuck
    }

    pub(super) fn on_appended(&mut self, head_seq: u64) {
        self.head_seq = self.head_seq.max(head_seq);
    }

    /// The parent has said what it has. It may be less than before, where the parent itself was set back; what was
    /// pruned since cannot be sent again, and the parent learns of the hole from the introduction.
    pub(super) fn on_welcome(&mut self, acked: Head) {
        self.acked = acked;
        self.restart();
    }

    fn restart(&mut self) {
        self.in_flight.clear();
        self.next = (self.acked.seq + 1).max(self.earliest);
    }

    pub(super) fn on_ack(&mut self, acked: Head) -> Acked {
        if acked.seq <= self.acked.seq {
            return Acked::Old;
        }
        if self
            .in_flight
            .iter()
            .any(|sent| sent.last == acked.seq && sent.after != acked.hash)
        {
            return Acked::OtherBranch;
        }
        self.in_flight.retain(|sent| sent.last > acked.seq);
        self.acked = acked;
        self.next = self.next.max(acked.seq + 1);
        self.resent_after = None;
        self.records_max = self.records_max.saturating_mul(2).min(self.records_max_usual);
        Acked::Moved
    }

    /// Goes back to behind `acked`. True where that is less than had been acknowledged.
    ///
    /// Every batch behind a lost one is answered with the same request: only the first of them counts, until
    /// something moves or a second has passed.
    pub(super) fn on_resend(&mut self, now_ms: u64, acked: Head) -> bool {
        if self
            .resent_after
            .is_some_and(|(seq, at_ms)| seq == acked.seq && now_ms < at_ms + 1_000)
        {
            return false;
        }
        let lowered = acked.seq < self.acked.seq;
        self.resent_after = Some((acked.seq, now_ms));
        self.acked = acked;
        self.restart();
        lowered
    }

    pub(super) fn on_loaded(&mut self, now_ms: u64, batch: &LoadedBatch) -> Loaded {
        if batch.first != self.next || self.setting_aside.is_some() {
            return Loaded::Stale;
        }
        if batch.first == self.acked.seq + 1 && batch.before != self.acked.hash {
            return Loaded::OtherBranch(self.acked);
        }
        let last = batch.first + u64::from(batch.count) - 1;
        self.in_flight.push_back(Sent {
            last,
            after: batch.after,
            sent_ms: now_ms,
        });
        self.next = last + 1;
        Loaded::Send
    }

    /// A batch cannot be taken: halves what is sent at once. Gives the record to set aside once it stands alone.
    pub(super) fn on_refused(&mut self, first: u64, count: u32) -> Option<u64> {
        if first + u64::from(count) <= self.acked.seq + 1 || self.setting_aside.is_some() {
            return None;
        }
        self.restart();
        self.records_max = (count / 2).clamp(1, self.records_max);
        if count > 1 {
            return None;
        }
        if self.withheld == Some(first) {
            self.stuck = true;
            return None;
        }
        self.setting_aside = Some(first);
        Some(first)
    }

    pub(super) fn on_set_aside(&mut self, seq: u64) {
        if self.setting_aside == Some(seq) {
            self.setting_aside = None;
            self.withheld = Some(seq);
        }
    }
}
