//! What can happen next, and the line in which it waits.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::rc::Rc;

use finalmarket::domain::ids::Incarnation;
use finalmarket::sync::{hub, node};

use super::calamities::Calamity;
use super::model::BranchId;
use super::network::{ClientId, Packet};
use super::requests::Request;

/// Something that happens at a moment.
#[derive(Debug, Clone)]
pub enum Event {
    /// A till thinks of something to do, or loses patience.
    Till(usize),
    /// A request reaches a machine.
    Request {
        /// The machine.
        machine: usize,
        /// The till.
        till: usize,
        /// What it asks.
        request: Rc<Request>,
        /// A bug will break its record.
        garbage: bool,
    },
    /// An answer reaches a till.
    Reply {
        /// The till.
        till: usize,
        /// The machine that answered, and its disk's branch then.
        from: (usize, BranchId),
        /// Which request.
        request: Rc<Request>,
        /// The answer.
        answer: Result<(), String>,
    },
    /// A machine starts.
    NodeBoot(usize),
    /// A machine's group commit ends.
    NodeCommitted(usize, u64),
    /// A machine reads its disk.
    NodeRead(usize, u64, Read),
    /// A machine's engine hears something from its own shell.
    NodeInput(usize, u64, Box<node::Input>),
    /// A machine's engine wanted to be woken.
    NodeTimer(usize, u64),
    /// Headquarters starts.
    HubBoot,
    /// Headquarters' group commit ends.
    HubCommitted(u64),
    /// Headquarters' engine hears something from its own shell.
    HubInput(u64, Box<hub::Input>),
    /// Headquarters' engine wanted to be woken.
    HubTimer(u64),
    /// A client tries to connect.
    Connect(ClientId),
    /// A client notices that its connection is gone.
    ConnectionLost {
        /// The client.
        client: ClientId,
        /// The connection.
        connection: u64,
    },
    /// The broker notices that a connection is dead.
    BrokerNotices {
        /// The client.
        client: ClientId,
        /// The connection.
        connection: u64,
    },
    /// The broker starts.
    BrokerBoot,
    /// A packet reaches the broker.
    AtBroker {
        /// Who sent it.
        client: ClientId,
        /// On which connection.
        connection: u64,
        /// The packet.
        packet: Packet,
    },
    /// A packet reaches a client.
    AtClient {
        /// Who.
        client: ClientId,
        /// On which connection.
        connection: u64,
        /// The packet.
        packet: Packet,
    },
    /// Something bad, or an operator.
    Calamity(Calamity),
    /// A disk has room again; none for headquarters'.
    Room(Option<usize>),
}

/// What a machine reads.
#[derive(Debug, Clone)]
pub enum Read {
    /// Its incarnations and feeds.
    Streams,
    /// Records for a batch.
    Batch {
        /// The incarnation.
        incarnation: Incarnation,
        /// The first record.
        from: u64,
        /// At most so many.
        records_max: u32,
        /// At most about so many bytes.
        bytes_max: u32,
    },
}

/// Events by time; those of one moment in the order in which they were planned.
#[derive(Debug, Default)]
pub struct Schedule {
    heap: BinaryHeap<Planned>,
    planned: u64,
}

#[derive(Debug)]
struct Planned {
    at_ms: u64,
    number: u64,
    event: Event,
}

impl Schedule {
    /// Plans an event.
    pub fn plan(&mut self, at_ms: u64, event: Event) {
        self.planned += 1;
        let number = self.planned;
        self.heap.push(Planned { at_ms, number, event });
    }

    /// The next event and its time.
    pub fn next(&mut self) -> Option<(u64, Event)> {
        self.heap.pop().map(|planned| (planned.at_ms, planned.event))
    }

    /// When the next event is due.
    pub fn next_ms(&self) -> Option<u64> {
        self.heap.peek().map(|planned| planned.at_ms)
    }

    /// Whether all that is planned is of a kind.
    pub fn all(&self, kind: impl Fn(&Event) -> bool) -> bool {
        self.heap.iter().all(|planned| kind(&planned.event))
    }

    /// Drops what is planned and not wanted.
    pub fn retain(&mut self, wanted: impl Fn(&Event) -> bool) {
        self.heap.retain(|planned| wanted(&planned.event));
    }
}

impl Ord for Planned {
    fn cmp(&self, other: &Self) -> Ordering {
        // The heap gives the greatest first.
        (other.at_ms, other.number).cmp(&(self.at_ms, self.number))
    }
}

impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Planned {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Planned {}
