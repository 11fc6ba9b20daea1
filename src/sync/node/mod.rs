//! The node's side of the link.
//!
//! Promises: nothing is sent that the caller has not committed; every record is offered until the parent has
//! acknowledged it; only the parent's acknowledgement moves the cursor, a broker's never does; a record that the parent
//! or the broker cannot take is set aside and the rest goes on; two branches of one incarnation are never mixed.

mod feeds;
mod inputs;
mod outputs;
mod stream;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use self::feeds::Feeds;
pub use self::inputs::{Input, LoadedBatch, LocalStream};
pub use self::outputs::{LinkState, Output, WakeReason};
use self::stream::{Kind, Stream};
use super::wire::{Down, FeedCursor, Hello, HubState, Up, WIRE_VERSION, Welcome};
use crate::domain::ids::{Incarnation, SiteId};
use crate::domain::journal::Head;

/// What bounds a node's sending.
#[derive(Debug, Clone)]
pub struct NodeLimits {
    /// How many batches may be under way at once.
    pub in_flight_max: usize,
    /// The most records in a batch.
    pub batch_records_max: u32,
    /// The most bytes in a batch; the parent may ask for less.
    pub batch_bytes_max: u32,
    /// How long an answer may take before the question is repeated, in milliseconds.
    pub answer_timeout_ms: u64,
    /// The longest pause between two introductions that nobody answers, in milliseconds.
    pub pause_max_ms: u64,
    /// How often a node that has nothing to say introduces itself all the same, in milliseconds: so the parent knows
    /// that it has everything up to then, and one that has forgotten the session goes on with its feeds.
    pub refresh_ms: u64,
}

impl Default for NodeLimits {
    fn default() -> Self {
        Self {
            in_flight_max: 8,
            batch_records_max: 2_000,
            batch_bytes_max: 64 << 10,
            answer_timeout_ms: 5_000,
            pause_max_ms: 60_000,
            refresh_ms: 600_000,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing to do until the transport and the parent are there.
    Idle,
    /// Reading the incarnations from disk.
    Loading,
    /// The parent was asked; answer due at `due_ms`.
    Greeting { due_ms: u64 },
    /// The parent answered; the next introduction is due at `refresh_ms`.
    Open { refresh_ms: u64 },
    /// A branch is being kept apart on disk.
    Rehoming,
    /// Storage failed; start over at `due_ms`.
    Pausing { due_ms: u64 },
}

/// The node's engine.
#[derive(Debug)]
pub struct NodeEngine {
    limits: NodeLimits,
    software: String,
    site: SiteId,
    /// Another node's journal is passed on, not one of this disk sent.
    relays: bool,
    session: Option<u64>,
    hub: Option<HubState>,
    phase: Phase,
    greetings: u32,
    batch_bytes_max: u32,
    streams: Vec<Stream>,
    feeds: Feeds,
    /// The heads that the disk has told of: it may have grown while the incarnations were being read.
    told: Vec<Head>,
    loading_batch: bool,
    outputs: VecDeque<Output>,
}

impl NodeEngine {
    /// An engine at rest. `software` is the program's version, for people.
    #[must_use]
    pub fn new(site: SiteId, software: String, limits: NodeLimits) -> Self {
        Self {
            batch_bytes_max: limits.batch_bytes_max,
            limits,
            software,
            site,
            relays: false,
            session: None,
            hub: None,
            phase: Phase::Idle,
            greetings: 0,
            streams: Vec::new(),
            feeds: Feeds::default(),
            told: Vec::new(),
            loading_batch: false,
            outputs: VecDeque::new(),
        }
    }

    /// An engine at rest that passes another node's records on, as that node sealed them: there is one for each such
    /// node, so that none holds up another. Batches cannot be made smaller here, so that one that the parent cannot take is
    /// [given back](Output::GiveBack); where the parent has more than this disk, that is taken for what was lost here.
    #[must_use]
    pub fn relay(site: SiteId, limits: NodeLimits) -> Self {
        // Which program the other node runs is its own to say.
        let software = String::new();
        Self {
            relays: true,
            ..Self::new(site, software, limits)
        }
    }

    /// Takes one input at `now_ms` (monotonic milliseconds). Drain [`poll`](Self::poll) afterwards.
    pub fn handle(&mut self, now_ms: u64, input: Input) {
        match input {
            Input::Connected { session } => {
                self.session = Some(session);
                self.greetings = 0;
                self.start_over();
            }
            Input::Disconnected => {
                self.session = None;
                self.hub = None;
                self.phase = Phase::Idle;
                self.loading_batch = false;
            }
            Input::Hub(state) => self.on_hub(state),
            Input::Received(message) => self.on_message(now_ms, message),
            Input::TooLarge {
                incarnation,
                first,
                count,
            } => {
                self.shrink(
                    incarnation,
                    first,
                    count,
                    "the record is over the broker's largest message",
                );
            }
            Input::Streams { streams, feeds } => self.on_streams(now_ms, &streams, feeds),
            Input::Appended(head) => self.on_appended(head),
            Input::BatchLoaded(batch) => self.on_batch(now_ms, batch),
            Input::SetAside { incarnation, seq } => {
                if let Some(stream) = self.stream(incarnation) {
                    stream.on_set_aside(seq);
                }
            }
            Input::Rehomed => {
                self.forget_what_was_told();
                self.start_over();
            }
            Input::FeedApplied(cursor) => {
                self.feeds.on_applied(cursor.clone());
                if let Some(session) = self.session {
                    self.outputs
                        .push_back(Output::Send(Up::FeedApplied { session, cursor }));
                }
            }
            Input::StorageFailed => {
                self.forget_what_was_told();
                self.loading_batch = false;
                self.phase = Phase::Pausing {
                    due_ms: now_ms + self.limits.answer_timeout_ms,
                };
            }
            Input::Timeout => self.on_timeout(now_ms),
        }
        self.pump();
    }

    /// The next thing to do, until there is none.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When, in the caller's milliseconds, [`Input::Timeout`] is due, and why.
    #[must_use]
    pub fn deadline(&self) -> Option<(u64, WakeReason)> {
        match self.phase {
            Phase::Greeting { due_ms } => Some((due_ms, WakeReason::HelloUnanswered)),
            Phase::Pausing { due_ms } => Some((due_ms, WakeReason::StoragePause)),
            Phase::Open { refresh_ms } => {
                let oldest_ms = self.streams.iter().filter_map(Stream::oldest_sent_ms).min();
                let unacknowledged =
                    oldest_ms.map(|sent_ms| (sent_ms + self.limits.answer_timeout_ms, WakeReason::BatchUnacknowledged));
                unacknowledged.or(Some((refresh_ms, WakeReason::Refresh)))
            }
            Phase::Idle | Phase::Loading | Phase::Rehoming => None,
        }
    }

    /// Where the link stands.
    #[must_use]
    pub fn link_state(&self) -> LinkState {
        match (self.session, self.hub_is_online(), self.phase) {
            (None, ..) => LinkState::Offline,
            (_, false, _) => LinkState::WaitingForParent,
            (_, true, Phase::Open { .. }) => LinkState::Online,
            (_, true, _) => LinkState::Introducing,
        }
    }

    fn hub_is_online(&self) -> bool {
        self.hub.as_ref().is_some_and(|hub| hub.online)
    }

    const fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open { .. })
    }

    fn stream(&mut self, incarnation: Incarnation) -> Option<&mut Stream> {
        self.streams
            .iter_mut()
            .find(|stream| stream.incarnation() == incarnation)
    }

    /// What is passed on for another node can become less, where a batch is given back: only the disk knows then.
    fn forget_what_was_told(&mut self) {
        if self.relays {
            self.told.clear();
        }
    }

    /// Reads everything afresh and introduces itself again.
    fn start_over(&mut self) {
        self.loading_batch = false;
        self.phase = Phase::Idle;
        if self.session.is_some() && self.hub_is_online() {
            self.phase = Phase::Loading;
            self.outputs.push_back(Output::LoadStreams);
        }
    }

    fn on_hub(&mut self, state: HubState) {
        let restarted = self.hub.as_ref().map(|hub| hub.run) != Some(state.run);
        let online = state.online;
        self.hub = Some(state);
        if !online {
            self.phase = Phase::Idle;
        } else if restarted || self.phase == Phase::Idle {
            self.greetings = 0;
            self.start_over();
        }
    }

    fn on_streams(&mut self, now_ms: u64, streams: &[LocalStream], feeds: Vec<FeedCursor>) {
        let (Some(session), Phase::Loading) = (self.session, self.phase) else {
            return;
        };
        let newest = streams.len().saturating_sub(1);
        let kind = |at| match self.relays {
            true => Kind::Relayed,
            false if at < newest => Kind::Closed,
            false => Kind::Written,
        };
        let stream = |(at, local)| Stream::new(local, kind(at), &self.limits);
        self.streams = streams.iter().enumerate().map(stream).collect();
        for told in self.told.clone() {
            if let Some(stream) = self.stream(told.incarnation) {
                stream.on_appended(told);
            }
        }
        self.feeds = Feeds::new(feeds.clone());
        self.outputs.push_back(Output::Send(Up::Hello(Hello {
            session,
            wire: WIRE_VERSION,
            software: self.software.clone(),
            site: self.site.clone(),
            streams: streams.iter().map(|local| local.head.clone()).collect(),
            acked: streams.iter().map(|local| local.acked).collect(),
            feeds,
        })));
        let pause_ms = self.limits.answer_timeout_ms << self.greetings.min(10);
        self.greetings += 1;
        self.phase = Phase::Greeting {
            due_ms: now_ms + pause_ms.min(self.limits.pause_max_ms),
        };
    }

    fn on_appended(&mut self, head: Head) {
        match self.told.iter_mut().find(|told| told.incarnation == head.incarnation) {
            Some(told) if told.seq < head.seq => *told = head,
            Some(_) => {}
            None => self.told.push(head),
        }
        if let Some(stream) = self.stream(head.incarnation) {
            stream.on_appended(head);
        } else if self.is_open() {
            // An incarnation that was not there at the last introduction: introduce it.
            self.start_over();
        }
    }

    fn on_message(&mut self, now_ms: u64, message: Down) {
        // Another copy of this disk may share our name: its answers are not ours.
        let (Some(session), true) = (self.session, self.session == message.session()) else {
            return;
        };
        match message {
            Down::Welcome(welcome) => self.on_welcome(now_ms, &welcome),
            Down::Ack(ack) => self.on_parents_word(ack.acked, |stream| stream.on_ack(ack.acked)),
            Down::Resend(resend) if self.is_open() => {
                self.on_parents_word(resend.acked, |stream| stream.on_resend(now_ms, resend.acked));
            }
            Down::Resend(_) => {}
            Down::Refused(refused) => {
                self.shrink(refused.incarnation, refused.first, refused.count, &refused.reason);
            }
            Down::AckedAtTop(ack) => {
                if let Some(stream) = self.stream(ack.acked.incarnation) {
                    stream.on_top_ack();
                }
                self.outputs.push_back(Output::SaveTopAck(ack.acked));
            }
            // What is meant for others is not this engine's, and rights are moved by an engine of their own.
            Down::Relayed { .. }
            | Down::Here { .. }
            | Down::Rights { .. }
            | Down::Granted { .. }
            | Down::Retired(_)
            | Down::Shelves { .. }
            | Down::Succeeded { .. } => {}
            Down::Fenced(fenced) => self.rehome(fenced.acked.incarnation, fenced.common, fenced.set_back),
            Down::FeedPage(page) => match self.feeds.on_page(&page) {
                feeds::Step::Apply => self.outputs.push_back(Output::ApplyFeed(page)),
                feeds::Step::Tell(cursor) => {
                    self.outputs
                        .push_back(Output::Send(Up::FeedApplied { session, cursor }));
                }
                feeds::Step::Wait => {}
            },
        }
    }

    fn on_welcome(&mut self, now_ms: u64, welcome: &Welcome) {
        if !matches!(self.phase, Phase::Greeting { .. }) {
            return;
        }
        self.greetings = 0;
        self.phase = Phase::Open {
            refresh_ms: now_ms + self.limits.refresh_ms,
        };
        self.batch_bytes_max = welcome.batch_bytes_max.min(self.limits.batch_bytes_max).max(1_024);
        for status in &welcome.streams {
            self.on_parents_word(status.acked, |stream| stream.on_welcome(status.acked, status.common));
            if !self.is_open() {
                return;
            }
        }
    }

    /// What the parent says it has of an incarnation.
    fn on_parents_word(&mut self, theirs: Head, word: impl FnOnce(&mut Stream) -> stream::Acked) {
        let Some(stream) = self.stream(theirs.incarnation) else {
            return;
        };
        match word(stream) {
            stream::Acked::Old => {}
            stream::Acked::Moved(acked) => self.outputs.push_back(Output::SaveAck(acked)),
            stream::Acked::OtherBranch => self.rehome(theirs.incarnation, 0, false),
            // A parent says so with a fence; one that does not is believed all the same.
            stream::Acked::SetBack => self.rehome(theirs.incarnation, 0, true),
            stream::Acked::Unclear => self.start_over(),
        }
    }

    fn on_batch(&mut self, now_ms: u64, batch: LoadedBatch) {
        self.loading_batch = false;
        let (Some(session), Phase::Open { .. }) = (self.session, self.phase) else {
            return;
        };
        let Some(stream) = self.stream(batch.incarnation) else {
            return;
        };
        match stream.on_loaded(now_ms, &batch) {
            stream::Loaded::Send(proved) => {
                self.outputs.extend(proved.map(Output::SaveAck));
                self.outputs.push_back(Output::Send(Up::Batch {
                    session,
                    sealed: batch.sealed,
                }));
            }
            stream::Loaded::Stale => {}
            stream::Loaded::OtherBranch => self.rehome(batch.incarnation, 0, false),
        }
    }

    /// Has a branch kept apart. `common` is what the parent itself has compared, if anything.
    fn rehome(&mut self, incarnation: Incarnation, common: u64, set_back: bool) {
        let Some(stream) = self.stream(incarnation) else {
            return;
        };
        let common = stream.common().max(common);
        self.phase = Phase::Rehoming;
        self.outputs.push_back(Output::Rehome {
            incarnation,
            common,
            set_back,
        });
    }

    fn shrink(&mut self, incarnation: Incarnation, first: u64, count: u32, reason: &str) {
        let (relays, open) = (self.relays, self.is_open());
        let Some(stream) = self.stream(incarnation) else { return };
        if relays {
            if open && stream.is_wanted(first, count) {
                self.phase = Phase::Rehoming;
                self.outputs.push_back(Output::GiveBack {
                    incarnation,
                    first,
                    count,
                    reason: reason.to_owned(),
                });
            }
            return;
        }
        if let Some(seq) = stream.on_refused(first, count) {
            self.outputs.push_back(Output::SetAside {
                incarnation,
                seq,
                reason: reason.to_owned(),
            });
        }
    }

    fn on_timeout(&mut self, now_ms: u64) {
        match self.phase {
            Phase::Greeting { due_ms } | Phase::Pausing { due_ms } if now_ms >= due_ms => self.start_over(),
            Phase::Open { refresh_ms } => {
                let timeout_ms = self.limits.answer_timeout_ms;
                let late = |stream: &Stream| stream.oldest_sent_ms().is_some_and(|sent| now_ms >= sent + timeout_ms);
                // Whoever does not acknowledge has lost the batch, or the session, or its memory: an introduction
                // finds out which, and sending goes on from what the parent has.
                if self.streams.iter().any(late) || now_ms >= refresh_ms {
                    self.start_over();
                }
            }
            _ => {}
        }
    }

    /// Asks for the next batch where one may be sent. Older incarnations go first.
    fn pump(&mut self) {
        if !self.is_open() || self.loading_batch {
            return;
        }
        let under_way: usize = self.streams.iter().map(Stream::in_flight).sum();
        if under_way >= self.limits.in_flight_max {
            return;
        }
        let bytes_max = self.batch_bytes_max;
        if let Some(stream) = self.streams.iter().find(|stream| stream.has_more()) {
            self.loading_batch = true;
            self.outputs.push_back(Output::LoadBatch {
                incarnation: stream.incarnation(),
                from: stream.next(),
                records_max: stream.records_max(),
                bytes_max,
            });
        }
    }
}
