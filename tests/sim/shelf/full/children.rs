//! A store's side that its kiosks talk to: the parent's engine, over the store's own disk.

use finalmarket::domain::escrow::ReplicaId;
use finalmarket::domain::ids::NodeId;
use finalmarket::operations::own_replica;
use finalmarket::operations::relay::{self, ChildBatch, ChildRights};
use finalmarket::store::Failure;
use finalmarket::sync::carriage::{self, Child, Link, Neighbour};
use finalmarket::sync::hub::{Input, Introduction, Output};
use finalmarket::sync::wire::{Ack, Down, Hello, Up};
use finalmarket::sync::{node, rights};

use super::node::{Connection, Inner};
use super::world::{Seat, World};

impl World {
    /// A kiosk says something over its connection.
    pub fn store_is_told(&mut self, at: usize, child: usize, message: Up) {
        let Some(connection) = self.nodes[child].last_session else {
            return;
        };
        let Some(process) = self.nodes[at].process.as_mut() else {
            return;
        };
        let new = !process.connections.contains_key(&connection);
        let known = process
            .connections
            .entry(connection)
            .or_insert(Connection { child, greeted: false });
        if let Up::Hello(_) = &message {
            known.greeted = true;
        }
        if new {
            self.tell_children(at);
        }
        let node = self.nodes[child].disk.node.node.clone();
        match message {
            Up::Rights { session, message } => {
                let from = self.nodes[at]
                    .process
                    .as_ref()
                    .and_then(|process| process.children.get(&session).cloned());
                if let Some(from) = from {
                    self.tell(at, Inner::Rights(rights::Input::Received { from, message }));
                }
            }
            Up::Shelves { session, message } => {
                let from = Neighbour::Child(node);
                let received = carriage::Input::Received { from, session, message };
                self.tell(at, Inner::Carriage(received));
            }
            message => self.tell(at, Inner::Hub(Input::Received { node, message })),
        }
    }

    /// A kiosk's connection is over.
    pub fn store_loses(&mut self, at: usize, child: usize, session: u64) {
        let node = self.nodes[child].disk.node.node.clone();
        let Some(process) = self.nodes[at].process.as_mut() else {
            return;
        };
        let Some(gone) = process.connections.remove(&session) else {
            return;
        };
        let peer = process.children.remove(&session);
        if gone.greeted {
            let neighbour = Neighbour::Child(node.clone());
            self.tell(at, Inner::Carriage(carriage::Input::Closed { neighbour, session }));
            self.tell(at, Inner::Hub(Input::Gone { node, session }));
        }
        if let Some(peer) = peer {
            self.tell(at, Inner::Rights(rights::Input::Disconnected { peer }));
        }
        self.tell_children(at);
    }

    /// Has the engine take an input, and does what it wants.
    pub fn children_take(&mut self, at: usize, input: Input) {
        let now_ms = self.now_ms;
        if let Input::Ingested { .. } = &input {
            self.tell(at, Inner::Carriage(carriage::Input::JournalsGrew));
        }
        let Some(process) = self.nodes[at].process.as_mut() else {
            return;
        };
        process.hub.handle(now_ms, input);
        while let Some(output) = self.nodes[at].process.as_mut().and_then(|process| process.hub.poll()) {
            match output {
                Output::Send { node, message } => self.say_down(at, &node, &message),
                Output::Introduce { node, hello } => self.introduce(at, node, &hello),
                Output::Ingest { node, session, sealed } => {
                    let batch = ChildBatch {
                        sender: node,
                        session,
                        sealed,
                    };
                    self.take_batch(at, &batch);
                }
                Output::LoadPage {
                    node, session, feed, ..
                } => {
                    let page = None;
                    let loaded = Input::PageLoaded {
                        node,
                        session,
                        feed,
                        page,
                    };
                    self.tell(at, Inner::Hub(loaded));
                }
            }
        }
    }

    /// Sends to a kiosk on the connection that speaks in the message's session.
    pub fn say_down(&mut self, at: usize, node: &NodeId, message: &Down) {
        let Some(process) = self.nodes[at].process.as_ref() else {
            return;
        };
        let connection = message
            .session()
            .and_then(|session| Some((session, process.connections.get(&session)?)));
        let Some((session, child)) = connection.map(|(session, connection)| (session, connection.child)) else {
            return;
        };
        if self.nodes[child].disk.node.node == *node && self.nodes[child].last_session == Some(session) {
            self.send_down(child, message);
        }
    }

    /// Tells a kiosk on all of its connections.
    pub fn pass_down(&mut self, at: usize, node: &NodeId, message: impl Fn(u64) -> Down) {
        let Some(process) = self.nodes[at].process.as_ref() else {
            return;
        };
        let greeted = process.connections.iter().filter(|(_, connection)| connection.greeted);
        let sessions: Vec<u64> = greeted.map(|(session, _)| *session).collect();
        for session in sessions {
            self.say_down(at, node, &message(session));
        }
    }

    fn introduce(&mut self, at: usize, node: NodeId, hello: &Hello) {
        let (now, session) = (self.now_at(at), hello.session);
        let newest = hello.streams.last().map(|stream| stream.head.incarnation);
        let introduced = self.write(at, |tx| {
            let result = relay::introduce_child(tx, now, &node, hello)?;
            Ok::<_, Failure<_>>((result, tx.relay_origins_of(&node)?, own_replica(tx)?))
        });
        let (result, origins, own) = match introduced {
            None => return,
            Some(Ok(introduced)) => introduced,
            Some(Err(refusal)) => {
                let what = format!(
                    "{} does not take the introduction of {node}: {refusal}",
                    self.name(Seat::Node(at))
                );
                return self.broken(&what);
            }
        };
        let welcome = matches!(result, Introduction::Known(_));
        let introduced = Input::Introduced {
            node: node.clone(),
            session,
            result,
        };
        // The welcome first, then what stands behind it.
        self.children_take(at, introduced);
        if let Some(newest) = origins.last() {
            let grown = node::Input::Appended(newest.acked);
            self.tell(at, Inner::Engine(Some(node.clone()), grown));
        }
        let Some(incarnation) = newest.filter(|_| welcome) else {
            return;
        };
        for acked in origins.iter().map(|origin| origin.top).filter(|top| top.seq > 0) {
            self.say_down(at, &node, &Down::AckedAtTop(Ack { session, acked }));
        }
        let here = Down::Here { session, replica: own };
        self.say_down(at, &node, &here);
        let replica = ReplicaId { node, incarnation };
        let site = self.sites[self.nodes[at].site].clone();
        let link = Link::Child(Child {
            site,
            replica: replica.clone(),
        });
        self.tell(at, Inner::Carriage(carriage::Input::Opened { link, session }));
        self.child_is(at, session, replica);
    }

    fn take_batch(&mut self, at: usize, batch: &ChildBatch) {
        let now = self.now_at(at);
        let Some(read) = self.reads(at, |snapshot| relay::read_child_batch(snapshot, batch)) else {
            return;
        };
        let received = match read {
            Err(outcome) => relay::Received {
                outcome,
                grown: None,
                rights: Vec::new(),
            },
            Ok(read) => {
                let taken = self.write(at, |tx| relay::take_child_batch(tx, now, batch, &read));
                let Some(Ok(received)) = taken else { return };
                received
            }
        };
        let node = batch.sender.clone();
        if let Some(head) = received.grown {
            self.tell(at, Inner::Engine(Some(node.clone()), node::Input::Appended(head)));
        }
        for rights in received.rights {
            match rights {
                ChildRights::TookOver { by, lines } => self.note_taken_over(at, by, lines),
                ChildRights::Accepted { from, request, skus } => {
                    for sku in skus {
                        self.tell_accepted(at, &from, &sku, request);
                    }
                }
                // Own rows are read after each commit.
                ChildRights::Posted { .. } => {}
            }
        }
        let (session, outcome) = (batch.session, received.outcome);
        self.tell(at, Inner::Hub(Input::Ingested { node, session, outcome }));
    }
}
