//! Links between parents and children: what they carry, lose, repeat and reorder.

use std::rc::Rc;

use finalmarket::domain::escrow::Row;
use finalmarket::sync::rights::RightsMessage;

use super::facts::{Fact, Item, Life};
use super::world::{Event, World};

/// What goes over a link. The sender's life stands beside it.
#[derive(Debug, Clone)]
pub enum Message {
    /// Records of a life, from a number on.
    Records {
        life: Life,
        first: usize,
        facts: Vec<Rc<Fact>>,
    },
    /// So many of them are on disk.
    Acknowledged { life: Life, seq: usize },
    /// Grants to a child, in order.
    Grants { to: Life, facts: Vec<Rc<Fact>> },
    /// What engines say to each other.
    Rights(RightsMessage),
    /// Rows that have changed since the other last said what it has.
    Rows {
        rows: Vec<(Life, Item, Rc<Row>)>,
        version: u64,
    },
    /// Rows up to this version are taken in.
    RowsTaken { version: u64 },
    /// The parent's word: you are retired.
    YouAreRetired { life: Life },
}

/// The link of a machine to its parent.
#[derive(Debug, Clone, Default)]
pub struct Link {
    /// Carries what is sent.
    pub up: bool,
    /// When it last did not carry something that was sent, or one of its ends was not there.
    pub failed_ms: u64,
    /// Raised with each cut, so that what was under way before is dropped.
    pub era: u64,
}

impl World {
    /// The link between two neighbours is the child's.
    pub fn link_of(&self, from: usize, to: usize) -> usize {
        if self.machines[from].parent == Some(to) {
            from
        } else {
            to
        }
    }

    /// Puts a message on its way.
    pub fn send(&mut self, from: usize, to: usize, message: Message) {
        let link = self.link_of(from, to);
        let now_ms = self.now_ms;
        self.messages += u64::from(matches!(message, Message::Rights(_) | Message::Grants { .. }));
        if !self.links[link].up {
            self.links[link].failed_ms = now_ms;
            return;
        }
        if self.faults_on && self.rng.chance(self.options.loss) {
            self.links[link].failed_ms = now_ms;
            self.say(|world| {
                format!(
                    "    lost: {} to {}: {}",
                    world.name(from),
                    world.name(to),
                    brief(&message)
                )
            });
            return;
        }
        let times = if self.faults_on && self.rng.chance(self.options.duplication) {
            2
        } else {
            1
        };
        let (life, era) = (self.machines[from].life, self.links[link].era);
        for _ in 0..times {
            let (low_ms, high_ms) = self.options.delay_ms;
            let mut delay_ms = self.rng.between(low_ms, high_ms);
            if self.faults_on && self.rng.chance(self.options.reordering) {
                delay_ms += self.rng.between(100, 3_000);
                // Whoever waits for an answer no longer than that cannot count on this link.
                self.links[link].failed_ms = now_ms;
            }
            let event = Event::Deliver {
                link,
                era,
                from,
                life,
                to,
                message: message.clone(),
            };
            self.at(now_ms + delay_ms, event);
        }
    }

    /// A message arrives.
    pub fn deliver(&mut self, from: usize, sender: Life, to: usize, message: Message) {
        if !self.machines[to].is_running() {
            return;
        }
        self.say(|world| {
            format!(
                "{} hears from {}: {}",
                world.name(to),
                world.name(from),
                brief(&message)
            )
        });
        match message {
            Message::Records { life, first, facts } => self.on_records(from, to, life, first, facts),
            Message::Acknowledged { life, seq } => {
                let machine = &mut self.machines[to];
                if let Some(stream) = machine.streams.iter_mut().find(|stream| stream.life == life) {
                    stream.acked = stream.acked.max(seq);
                    stream.sent = stream.sent.max(seq);
                }
                self.flush(to);
            }
            Message::Grants { to: life, facts } => {
                if self.machines[to].life == life {
                    for fact in facts {
                        let _ = self.accept(to, sender, &fact);
                    }
                }
            }
            Message::Rights(message) => self.on_rights(from, sender, to, message),
            Message::Rows { rows, version } => {
                for (life, item, row) in rows {
                    self.take_in_row(to, life, item, &row, Some(from));
                }
                self.send(to, from, Message::RowsTaken { version });
            }
            Message::RowsTaken { version } => {
                let known = self.machines[to].told.entry(from).or_default();
                *known = (*known).max(version);
            }
            Message::YouAreRetired { life } => self.on_retired(to, life),
        }
    }
}

/// A message in a few words.
pub fn brief(message: &Message) -> String {
    match message {
        Message::Records { life, first, facts } => format!("records {first}.. x{} of life {life}", facts.len()),
        Message::Acknowledged { life, seq } => format!("acknowledged life {life} up to {seq}"),
        Message::Grants { to, facts } => format!("grants to life {to}: {facts:?}"),
        Message::Rights(message) => format!("{message:?}"),
        Message::Rows { rows, version } => format!("{} rows up to version {version}", rows.len()),
        Message::RowsTaken { version } => format!("rows taken up to {version}"),
        Message::YouAreRetired { life } => format!("life {life} is retired"),
    }
}
