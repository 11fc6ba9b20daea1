//! Events on their way to the link's consumer.
//!
//! The link never waits for its consumer while it may still serve the broker: what does not fit into the channel waits
//! here. The broker's receive window bounds it (mosquitto 2.0.11 was seen to send twice what it may); past that the link
//! stops reading from the broker altogether.

use std::collections::VecDeque;

use tokio::sync::mpsc;

use super::LinkEvent;
use super::incoming::RECEIVE_MAX;

/// How many events the channel itself holds.
const CHANNEL_LEN: usize = 16;
/// How many events may wait before the link stops reading: more than two full windows, of the last connection and this.
const WAITING_MAX: usize = 2 * RECEIVE_MAX as usize + 56;

/// The sender's side of a link's events.
#[derive(Debug)]
pub(super) struct Mailbox {
    channel: mpsc::Sender<LinkEvent>,
    waiting: VecDeque<LinkEvent>,
}

/// The consumer is gone.
#[derive(Debug)]
pub(super) struct NobodyListens;

impl Mailbox {
    pub(super) fn new() -> (Self, mpsc::Receiver<LinkEvent>) {
        let (channel, events) = mpsc::channel(CHANNEL_LEN);
        let mailbox = Self {
            channel,
            waiting: VecDeque::new(),
        };
        (mailbox, events)
    }

    /// Adds an event behind all others.
    pub(super) fn push(&mut self, event: LinkEvent) {
        self.waiting.push_back(event);
    }

    /// How many more events fit before the link has to stop reading.
    pub(super) fn room(&self) -> usize {
        WAITING_MAX.saturating_sub(self.waiting.len())
    }

    /// Hands one waiting event to the consumer; waits for ever where there is none. May be dropped at any point.
    pub(super) async fn deliver(&mut self) -> Result<(), NobodyListens> {
        if self.waiting.is_empty() {
            return std::future::pending().await;
        }
        let place = self.channel.reserve().await.map_err(|_| NobodyListens)?;
        if let Some(event) = self.waiting.pop_front() {
            place.send(event);
        }
        Ok(())
    }
}
