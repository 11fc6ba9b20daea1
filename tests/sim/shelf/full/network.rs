//! Links between children and parents: a broker that loses, repeats and reorders, and WebSockets that only end.

use finalmarket::sync::wire::{Down, Up};

use super::world::{Event, World};

/// A child's link to its parent.
#[derive(Debug, Clone, Default)]
pub struct Link {
    /// Carries what is sent.
    pub up: bool,
    /// When it last did not carry something, or one of its ends was not there.
    pub failed_ms: u64,
    /// Raised with each break, so that what was under way before is dropped.
    pub era: u64,
    /// When the last message of each way arrives: a WebSocket keeps their order.
    pub last_ms: [u64; 2],
}

/// A message under way.
#[derive(Debug, Clone)]
pub enum Message {
    Up(Vec<u8>),
    Down(Vec<u8>),
}

impl World {
    /// Sends to the parent.
    pub fn send_up(&mut self, child: usize, message: &Up) {
        self.put(child, Message::Up(message.encode()));
    }

    /// Sends to a child.
    pub fn send_down(&mut self, child: usize, message: &Down) {
        self.put(child, Message::Down(message.encode()));
    }

    fn put(&mut self, child: usize, message: Message) {
        let now_ms = self.now_ms;
        let broker = self.nodes[child].parent.is_none();
        let faults = self.faults_on && broker;
        self.messages += 1;
        let node = &self.nodes[child];
        let stands = |process: &super::node::Process| process.connected_era == Some(node.link.era);
        if !node.link.up || !node.process.as_ref().is_some_and(stands) {
            self.nodes[child].link.failed_ms = now_ms;
            return;
        }
        if faults && self.rng.chance(self.options.loss) {
            self.nodes[child].link.failed_ms = now_ms;
            return;
        }
        let times = if faults && self.rng.chance(self.options.duplication) {
            2
        } else {
            1
        };
        for _ in 0..times {
            let (low_ms, high_ms) = self.options.delay_ms;
            let mut at_ms = now_ms + self.rng.between(low_ms, high_ms);
            let late = faults && self.rng.chance(self.options.reordering);
            if late {
                at_ms += self.rng.between(100, 3_000);
                // Whoever waits for an answer no longer than that cannot count on this link.
                self.nodes[child].link.failed_ms = now_ms;
            }
            let link = &mut self.nodes[child].link;
            let last_ms = &mut link.last_ms[usize::from(matches!(message, Message::Up(_)))];
            if !late {
                at_ms = at_ms.max(*last_ms);
                *last_ms = at_ms;
            }
            let (era, message) = (link.era, message.clone());
            self.at(at_ms, Event::Deliver { child, era, message });
        }
    }

    /// A message arrives.
    pub fn deliver(&mut self, child: usize, era: u64, message: Message) {
        if self.nodes[child].link.era != era {
            return;
        }
        match message {
            Message::Down(payload) => match Down::decode(&payload) {
                Ok(message) => self.node_is_told(child, message),
                Err(error) => self.broken(&format!("a message down cannot be read: {error}")),
            },
            Message::Up(payload) => match (Up::decode(&payload), self.nodes[child].parent) {
                (Ok(message), None) => self.hq_is_told(child, message),
                (Ok(message), Some(store)) => self.store_is_told(store, child, message),
                (Err(error), _) => self.broken(&format!("a message up cannot be read: {error}")),
            },
        }
    }

    /// A link breaks: whatever is under way is lost, and both ends notice in their time.
    pub fn breaks(&mut self, child: usize) {
        let now_ms = self.now_ms;
        let link = &mut self.nodes[child].link;
        link.era += 1;
        link.failed_ms = now_ms;
        link.last_ms = [0, 0];
        let delays = [0, 1].map(|_| self.rng.between(1, self.options.notice_ms_max));
        if let Some(session) = self.nodes[child].process.as_ref().and_then(|process| process.session) {
            self.at(now_ms + delays[0], Event::ChildNotices { child, session });
        }
        if let Some(session) = self.nodes[child].last_session {
            self.at(now_ms + delays[1], Event::ParentNotices { child, session });
        }
    }

    /// A child tries to connect.
    pub fn connect(&mut self, child: usize) {
        let node = &self.nodes[child];
        let Some(process) = node.process.as_ref() else { return };
        let parent_runs = node.parent.is_none_or(|parent| self.nodes[parent].process.is_some());
        if !node.link.up || !parent_runs || process.connected_era == Some(node.link.era) {
            return;
        }
        if process.session.is_some() {
            self.node_loses_link(child);
        }
        let session = self.rng.next() | 1;
        let now_ms = self.now_ms;
        let node = &mut self.nodes[child];
        node.last_session = Some(session);
        node.link.failed_ms = now_ms;
        if let Some(process) = node.process.as_mut() {
            process.connected_era = Some(node.link.era);
        }
        self.node_gets_link(child, session);
    }

    /// A child finds that its session is over, and comes again.
    pub fn child_notices(&mut self, child: usize, session: u64) {
        let process = self.nodes[child].process.as_ref();
        if process.is_some_and(|process| process.session == Some(session)) {
            self.node_loses_link(child);
        }
        let pause_ms = self.rng.between(50, 1_000);
        self.at(self.now_ms + pause_ms, Event::Connect { child });
    }

    /// A parent finds that a child's session is over.
    pub fn parent_notices(&mut self, child: usize, session: u64) {
        match self.nodes[child].parent {
            None => self.hq_loses(child, session),
            Some(store) => self.store_loses(store, child, session),
        }
    }
}
