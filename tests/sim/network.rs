//! The broker and the links to it: what is published, delayed, lost, repeated, kept for those who are away.
//!
//! Modelled after MQTT with QoS 1 as it is met in the field: a connection keeps its order unless the seed says
//! otherwise, a broken one loses or repeats what was under way, a broker may forget sessions and retained messages.

use std::collections::VecDeque;
use std::rc::Rc;

use finalmarket::domain::ids::NodeId;
use finalmarket::sync::wire::{Down, HubState, Up};

use super::events::Event;
use super::promise::Checked;
use super::trace;
use super::world::World;

/// Who is connected to the broker: headquarters is the first, then the machines in their order.
pub type ClientId = usize;

/// Headquarters.
pub const HUB: ClientId = 0;

/// Something published.
#[derive(Debug, Clone)]
pub enum Packet {
    /// From a node to headquarters.
    Up(NodeId, Rc<[u8]>),
    /// From headquarters to a node, and to whoever else bears its name.
    Down(NodeId, Rc<[u8]>),
    /// Headquarters' retained state.
    Hub(HubState),
    /// A node has left.
    Gone(NodeId, u64),
}

/// One client's connection, as it sees it and as the broker sees it.
#[derive(Debug, Default)]
pub struct Client {
    /// Counts its connections.
    pub connection: u64,
    /// Whether the client believes that it is connected.
    pub connected: bool,
    /// The connection that the broker believes in.
    broker_side: Option<u64>,
    /// What is published when the broker misses the client.
    will: Option<Packet>,
    /// Nothing passes until then.
    pub cut_until_ms: u64,
    clear_up_ms: u64,
    clear_down_ms: u64,
    /// The broker knows a session of it.
    has_session: bool,
    kept: VecDeque<Packet>,
    /// To be sent again on the next connection.
    unsent: VecDeque<Packet>,
}

/// The broker.
#[derive(Debug)]
pub struct Network {
    /// By [`ClientId`].
    pub clients: Vec<Client>,
    /// Whether the broker runs.
    pub broker_up: bool,
    retained: Option<HubState>,
    /// Bytes that nodes have published.
    pub bytes_up: u64,
    /// How many messages nodes have published.
    pub messages_up: u64,
}

impl Network {
    /// A broker that nobody knows yet.
    pub fn new() -> Self {
        Self {
            clients: vec![Client::default()],
            broker_up: true,
            retained: None,
            bytes_up: 0,
            messages_up: 0,
        }
    }
}

impl World {
    /// A client hands a packet to its connection.
    pub fn publish(&mut self, client: ClientId, packet: Packet) {
        if let Packet::Up(_, bytes) = &packet {
            self.network.bytes_up += bytes.len() as u64;
            self.network.messages_up += 1;
        }
        let Some(state) = self.network.clients.get(client).filter(|state| state.connected) else {
            return;
        };
        let connection = state.connection;
        let matters = matches!(packet, Packet::Up(..) | Packet::Down(..));
        if matters && self.rng.chance(self.options.loss) {
            return self.note(|| format!("lost on the way to the broker: {}", describe(&packet)));
        }
        let packet = self.maybe_corrupt(packet);
        let copies = if matters && self.rng.chance(self.options.duplication) {
            2
        } else {
            1
        };
        for _ in 0..copies {
            let at_ms = self.hop_ms(client, true, matters);
            let packet = packet.clone();
            self.schedule(
                at_ms,
                Event::AtBroker {
                    client,
                    connection,
                    packet,
                },
            );
        }
    }

    /// A packet reaches the broker, or its connection has broken meanwhile.
    pub fn at_broker(&mut self, client: ClientId, connection: u64, packet: Packet) {
        let stands = self.network.broker_up && self.passes(client) && self.is_current(client, connection);
        if !stands {
            let again = self.rng.chance(self.options.redelivery);
            if let Some(state) = self.network.clients.get_mut(client).filter(|_| again) {
                state.unsent.push_back(packet);
            }
            return;
        }
        self.take_brokers_word(client, &packet);
        self.route(packet);
    }

    /// A packet reaches a client.
    pub fn at_client(&mut self, client: ClientId, connection: u64, packet: Packet) -> Checked {
        if !self.is_current(client, connection) || !self.passes(client) {
            self.keep(client, packet);
            return Ok(());
        }
        match packet {
            Packet::Up(node, bytes) => match Up::decode(&bytes) {
                Ok(message) => self.hub_receives(node, message),
                Err(error) => self.note(|| format!("headquarters cannot read a message: {error}")),
            },
            Packet::Gone(node, session) => self.hub_hears_gone(node, session),
            Packet::Down(_, bytes) => match Down::decode(&bytes) {
                Ok(message) => return self.node_receives(client - 1, message),
                Err(error) => self.note(|| format!("a node cannot read a message: {error}")),
            },
            Packet::Hub(state) => return self.node_hears_hub(client - 1, state),
        }
        Ok(())
    }

    /// A client tries to connect; again later where it cannot.
    pub fn connect(&mut self, client: ClientId) -> Checked {
        if !self.is_running(client) || self.network.clients[client].connected {
            return Ok(());
        }
        if !self.network.broker_up || !self.passes(client) {
            let at_ms = self.now_ms + self.rng.between(500, 5_000);
            self.schedule(at_ms, Event::Connect(client));
            return Ok(());
        }
        self.broker_misses(client);
        self.throw_off_namesakes(client);
        let session = self.rng.next();
        let will = self.will_of(client, session);
        let state = &mut self.network.clients[client];
        state.connection += 1;
        state.connected = true;
        state.broker_side = Some(state.connection);
        state.will = Some(will);
        state.has_session = true;
        let kept: Vec<Packet> = state.kept.drain(..).collect();
        let unsent: Vec<Packet> = state.unsent.drain(..).collect();
        self.note(|| format!("client {client} is connected"));
        for packet in kept {
            self.send_to(client, packet);
        }
        for packet in unsent {
            self.publish(client, packet);
        }
        if client == HUB {
            let online = self.hub_state(true);
            self.publish(HUB, Packet::Hub(online));
            Ok(())
        } else {
            if let Some(retained) = self.network.retained.clone() {
                self.send_to(client, Packet::Hub(retained));
            }
            self.node_connects(client - 1, session)
        }
    }

    /// The broker lets one client of a name in, and closes the connection of whoever was there under it.
    fn throw_off_namesakes(&mut self, client: ClientId) {
        let Some(machine) = client
            .checked_sub(1)
            .filter(|_| self.options.full.is_some_and(|full| full.one_client_id))
        else {
            return;
        };
        for other in 0..self.machines.len() {
            let namesake = other != machine && self.machines[other].node == self.machines[machine].node;
            if namesake && self.network.clients[other + 1].broker_side.is_some() {
                let client = other + 1;
                self.note(|| format!("client {client} is thrown off"));
                self.broker_misses(client);
                let connection = self.network.clients[client].connection;
                let at_ms = self.now_ms + self.rng.between(1, 50);
                self.schedule(at_ms, Event::ConnectionLost { client, connection });
            }
        }
    }

    /// A client notices that its connection is gone.
    pub fn connection_lost(&mut self, client: ClientId, connection: u64) -> Checked {
        let state = &mut self.network.clients[client];
        if !state.connected || state.connection != connection {
            return Ok(());
        }
        state.connected = false;
        self.note(|| format!("client {client} has lost its connection"));
        let at_ms = self.now_ms + self.rng.between(200, 3_000);
        self.schedule(at_ms, Event::Connect(client));
        if client == HUB {
            Ok(())
        } else {
            self.node_disconnected(client - 1)
        }
    }

    /// A process dies: its connection breaks, and the broker notices at once or when it has been silent for long.
    pub fn drop_client(&mut self, client: ClientId) {
        let state = &mut self.network.clients[client];
        state.connected = false;
        state.unsent.clear();
        let connection = state.connection;
        let at_ms = self.now_ms
            + if self.rng.chance(700) {
                1
            } else {
                self.rng.between(1_000, 30_000)
            };
        self.schedule(at_ms, Event::BrokerNotices { client, connection });
    }

    /// The broker finds a connection dead.
    pub fn broker_notices(&mut self, client: ClientId, connection: u64) {
        if self.network.clients[client].broker_side == Some(connection) && !self.network.clients[client].connected {
            self.broker_misses(client);
        }
    }

    /// A link is cut for a while.
    pub fn cut_link(&mut self, client: ClientId, for_ms: u64) {
        let until_ms = self.now_ms + for_ms;
        let noticed_ms = self.now_ms + self.rng.between(0, 20_000);
        let state = &mut self.network.clients[client];
        state.cut_until_ms = until_ms;
        let connection = state.connection;
        self.schedule(noticed_ms, Event::ConnectionLost { client, connection });
        self.schedule(noticed_ms + 10_000, Event::BrokerNotices { client, connection });
    }

    /// The broker dies, and comes back after a while.
    pub fn kill_broker(&mut self) {
        self.network.broker_up = false;
        for client in 0..self.network.clients.len() {
            let persistent = self.options.broker_persistent;
            let state = &mut self.network.clients[client];
            state.broker_side = None;
            if !persistent {
                state.has_session = false;
                state.kept.clear();
            }
            let connection = state.connection;
            let at_ms = self.now_ms + self.rng.between(1, 2_000);
            self.schedule(at_ms, Event::ConnectionLost { client, connection });
        }
        if !self.options.broker_persistent {
            self.network.retained = None;
        }
        let at_ms = self.now_ms + self.rng.between(100, 10_000);
        self.schedule(at_ms, Event::BrokerBoot);
    }

    /// Headquarters died with packets in hand that it had not acknowledged to the broker.
    pub fn return_to_broker(&mut self, packet: Packet) {
        if self.rng.chance(self.options.redelivery) {
            self.keep(HUB, packet);
        }
    }

    fn route(&mut self, packet: Packet) {
        match &packet {
            Packet::Up(..) | Packet::Gone(..) => self.send_to(HUB, packet),
            Packet::Down(node, _) => {
                for machine in 0..self.machines.len() {
                    if self.machines[machine].node == *node {
                        self.send_to(machine + 1, packet.clone());
                    }
                }
            }
            Packet::Hub(state) => {
                self.network.retained = Some(state.clone());
                for machine in 0..self.machines.len() {
                    self.send_to(machine + 1, packet.clone());
                }
            }
        }
    }

    fn send_to(&mut self, client: ClientId, packet: Packet) {
        let state = &self.network.clients[client];
        let Some(connection) = state.broker_side.filter(|_| self.network.broker_up) else {
            return self.keep(client, packet);
        };
        let matters = matches!(packet, Packet::Up(..) | Packet::Down(..));
        if matters && self.rng.chance(self.options.loss) {
            return self.note(|| format!("lost on the way from the broker: {}", describe(&packet)));
        }
        let copies = if matters && self.rng.chance(self.options.duplication) {
            2
        } else {
            1
        };
        for _ in 0..copies {
            let at_ms = self.hop_ms(client, false, matters);
            let packet = packet.clone();
            self.schedule(
                at_ms,
                Event::AtClient {
                    client,
                    connection,
                    packet,
                },
            );
        }
    }

    /// The broker keeps a packet for a client that is away, if it knows a session of it and has room.
    fn keep(&mut self, client: ClientId, packet: Packet) {
        let queue_max = self.options.broker_queue_max;
        // Retained state is sent afresh at each subscription.
        let kept = matches!(packet, Packet::Up(..) | Packet::Down(..));
        let state = &mut self.network.clients[client];
        if kept && state.has_session && self.options.broker_persistent && state.kept.len() < queue_max {
            state.kept.push_back(packet);
        }
    }

    fn broker_misses(&mut self, client: ClientId) {
        let state = &mut self.network.clients[client];
        if state.broker_side.take().is_some()
            && let Some(will) = state.will.take()
        {
            self.note(|| format!("the broker misses client {client}"));
            self.route(will);
        }
    }

    fn passes(&self, client: ClientId) -> bool {
        self.network.clients[client].cut_until_ms <= self.now_ms
    }

    fn is_current(&self, client: ClientId, connection: u64) -> bool {
        let state = &self.network.clients[client];
        state.connected && state.connection == connection
    }

    /// When a packet that leaves now arrives.
    fn hop_ms(&mut self, client: ClientId, up: bool, may_overtake: bool) -> u64 {
        let (low, high) = self.options.delay_ms;
        let at_ms = self.now_ms + self.rng.between(low, high);
        if may_overtake && self.rng.chance(self.options.reordering) {
            return at_ms + self.rng.between(0, 4_000);
        }
        let state = &mut self.network.clients[client];
        let clear_ms = if up {
            &mut state.clear_up_ms
        } else {
            &mut state.clear_down_ms
        };
        *clear_ms = at_ms.max(*clear_ms);
        *clear_ms
    }

    fn maybe_corrupt(&mut self, packet: Packet) -> Packet {
        if !self.rng.chance(self.options.corruption) {
            return packet;
        }
        // Only what is signed: TCP and TLS keep the rest whole, and no checksum of ours is to be proved here.
        let Packet::Up(node, bytes) = &packet else {
            return packet;
        };
        let Ok(Up::Batch { session, mut sealed }) = Up::decode(bytes) else {
            return packet;
        };
        if let Some(at) = self.rng.index(sealed.len()) {
            sealed[at] ^= 1 << self.rng.below(8);
        }
        Packet::Up(node.clone(), Up::Batch { session, sealed }.encode().into())
    }
}

/// A packet in a few words, for the trace.
pub fn describe(packet: &Packet) -> String {
    match packet {
        Packet::Up(node, bytes) => match Up::decode(bytes) {
            Ok(message) => format!("{node}: {}", trace::up(&message)),
            Err(error) => format!("{node}: {error}"),
        },
        Packet::Down(node, bytes) => match Down::decode(bytes) {
            Ok(message) => format!("to {node}: {}", trace::down(&message)),
            Err(error) => format!("to {node}: {error}"),
        },
        Packet::Hub(state) => format!("{state:?}"),
        Packet::Gone(node, _) => format!("{node} has left"),
    }
}
