//! A node's side of the link to its parent: its own engine, and those that pass its kiosks' records on.

use std::collections::BTreeSet;

use finalmarket::domain::ids::NodeId;
use finalmarket::operations::{self, relay};
use finalmarket::sync::carriage::{self, Link, Neighbour};
use finalmarket::sync::node::{Input, LinkState, NodeEngine, NodeLimits, Output};
use finalmarket::sync::rights;
use finalmarket::sync::wire::{Ack, Down, Fenced, HubState, Refused, Resend, Up, WIRE_VERSION};

use super::super::fault::Rule;
use super::node::{Inner, Relay};
use super::world::{Event, Seat, World};

impl World {
    /// The transport stands.
    pub fn node_gets_link(&mut self, at: usize, session: u64) {
        self.say(|world| format!("{} is connected, in session {session:x}", world.name(Seat::Node(at))));
        if let Some(process) = self.nodes[at].process.as_mut() {
            process.session = Some(session);
            process.hub_state = None;
        }
        self.everybody(at, &Input::Connected { session });
        match self.nodes[at].parent {
            Some(_) => self.hub_is(at, true, session),
            None => {
                let delay_ms = self.rng.between(1, 50);
                let (online, run) = self.hq.state();
                let hub = Event::HubState { child: at, online, run };
                self.at(self.now_ms + delay_ms, hub);
            }
        }
    }

    /// The transport is gone.
    pub fn node_loses_link(&mut self, at: usize) {
        self.say(|world| format!("{} loses its link", world.name(Seat::Node(at))));
        if let Some(process) = self.nodes[at].process.as_mut() {
            process.session = None;
            process.hub_state = None;
            process.connected_era = None;
        }
        self.everybody(at, &Input::Disconnected);
        self.parent_is_gone(at);
    }

    /// A store sees the state that headquarters retains at the broker.
    pub fn node_sees_hub(&mut self, at: usize, online: bool, run: u64) {
        let linked = self.nodes[at]
            .process
            .as_ref()
            .is_some_and(|process| process.session.is_some());
        // What was said since says more.
        if linked && (online, run) == self.hq.state() {
            self.hub_is(at, online, run);
        }
    }

    fn hub_is(&mut self, at: usize, online: bool, run: u64) {
        let state = HubState {
            online,
            run,
            wire: WIRE_VERSION,
        };
        let Some(process) = self.nodes[at].process.as_mut() else {
            return;
        };
        process.hub_state = Some(state.clone());
        if process.parent_end.run.replace(run) != Some(run) {
            self.close_carriage(at);
        }
        if !online {
            self.parent_is_gone(at);
        }
        self.everybody(at, &Input::Hub(state));
    }

    fn parent_is_gone(&mut self, at: usize) {
        let gone = self.nodes[at]
            .process
            .as_mut()
            .and_then(|process| process.parent.take());
        if let Some(peer) = gone {
            self.tell(at, Inner::Rights(rights::Input::Disconnected { peer }));
        }
    }

    fn everybody(&mut self, at: usize, input: &Input) {
        let Some(process) = self.nodes[at].process.as_ref() else {
            return;
        };
        let relays: Vec<NodeId> = process.relays.keys().cloned().collect();
        self.tell(at, Inner::Engine(None, input.clone()));
        for relay in relays {
            self.tell(at, Inner::Engine(Some(relay), input.clone()));
        }
    }

    /// A message from the parent.
    pub fn node_is_told(&mut self, at: usize, message: Down) {
        let Some(process) = self.nodes[at].process.as_mut() else {
            return;
        };
        let session = process.session;
        let message = match message {
            Down::Relayed { node, message } => {
                match Down::decode(&message) {
                    Ok(message) => self.tell(at, Inner::Engine(Some(node), Input::Received(message))),
                    Err(error) => self.broken(&format!("a message for {node} cannot be read: {error}")),
                }
                return;
            }
            message => message,
        };
        if let Down::Shelves { session: of, message } = &message {
            if session == Some(*of) {
                self.open_carriage(at, *of);
            }
            let received = carriage::Input::Received {
                from: Neighbour::Parent,
                session: *of,
                message: message.clone(),
            };
            self.tell(at, Inner::Carriage(received));
        }
        if message.session() == session {
            match message.clone() {
                Down::Here { replica, .. } => self.parent_is(at, replica),
                Down::Rights { message, .. } => {
                    let parent = self.nodes[at]
                        .process
                        .as_ref()
                        .and_then(|process| process.parent.clone());
                    if let Some(from) = parent {
                        self.tell(at, Inner::Rights(rights::Input::Received { from, message }));
                    }
                }
                Down::Granted { from, granted, .. } => {
                    for granted in granted {
                        self.take_over(at, &from, &granted);
                    }
                }
                _ => {}
            }
        }
        self.tell(at, Inner::Engine(None, Input::Received(message)));
    }

    fn parent_is(&mut self, at: usize, replica: finalmarket::domain::escrow::ReplicaId) {
        let Some(process) = self.nodes[at].process.as_mut() else {
            return;
        };
        let before = process.parent.replace(replica.clone());
        // From now on it can be counted on.
        self.nodes[at].link.failed_ms = self.now_ms;
        if let Some(peer) = before.filter(|known| *known != replica) {
            self.tell(at, Inner::Rights(rights::Input::Disconnected { peer }));
        }
        let connected = rights::Input::Connected {
            peer: replica,
            place: rights::Place::Parent,
        };
        self.tell(at, Inner::Rights(connected));
    }

    /// An engine takes an input and has done what it wants.
    pub fn engine_takes(&mut self, at: usize, whose: Option<NodeId>, input: Input) {
        let now_ms = self.now_ms;
        let site = self.sites[self.nodes[at].site].clone();
        let Some(process) = self.nodes[at].process.as_mut() else {
            return;
        };
        match &whose {
            None => {
                let before = process.engine.link_state();
                process.engine.handle(now_ms, input);
                if process.engine.link_state() == LinkState::Online && before != LinkState::Online {
                    // What it has given goes up in its journal, and that has stood until now.
                    self.nodes[at].link.failed_ms = now_ms;
                }
            }
            Some(name) => {
                let (session, hub) = (process.session, process.hub_state.clone());
                let relay = process.relays.entry(name.clone()).or_insert_with(|| {
                    let mut engine = NodeEngine::relay(site, NodeLimits::default());
                    if let Some(session) = session {
                        engine.handle(now_ms, Input::Connected { session });
                    }
                    if let Some(state) = hub {
                        engine.handle(now_ms, Input::Hub(state));
                    }
                    Relay {
                        engine,
                        complete_age_ms: u64::MAX,
                    }
                });
                relay.engine.handle(now_ms, input);
            }
        }
        while let Some(process) = self.nodes[at].process.as_mut() {
            let output = match &whose {
                None => process.engine.poll(),
                Some(name) => process.relays.get_mut(name).and_then(|relay| relay.engine.poll()),
            };
            match (output, &whose) {
                (None, _) => break,
                (Some(Output::Send(message)), None) => self.say_up(at, message),
                (Some(Output::Send(message)), Some(name)) => self.pass_up(at, name.clone(), &message),
                (Some(output), None) => self.do_own(at, output),
                (Some(output), Some(name)) => self.do_relayed(at, &name.clone(), output),
            }
        }
        if whose.is_none() {
            self.follow_link(at);
        }
    }

    fn say_up(&mut self, at: usize, message: Up) {
        let greets = matches!(message, Up::Hello(_));
        self.send_up(at, &message);
        if greets {
            self.tell_children(at);
        }
    }

    fn pass_up(&mut self, at: usize, node: NodeId, message: &Up) {
        let Some(process) = self.nodes[at].process.as_ref() else {
            return;
        };
        let complete_age_ms = process
            .relays
            .get(&node)
            .map_or(u64::MAX, |relay| relay.complete_age_ms);
        let message = message.encode();
        let relayed = Up::Relayed {
            node,
            complete_age_ms,
            message,
        };
        self.send_up(at, &relayed);
    }

    /// Headquarters hears which kiosks are connected.
    pub fn tell_children(&mut self, at: usize) {
        let Some(process) = self.nodes[at].process.as_ref() else {
            return;
        };
        let Some(session) = process.session.filter(|_| self.nodes[at].parent.is_none()) else {
            return;
        };
        let names = process.connections.values().map(|connection| connection.child);
        let names: BTreeSet<NodeId> = names.map(|child| self.nodes[child].disk.node.node.clone()).collect();
        let online = names.into_iter().collect();
        self.send_up(at, &Up::Children { session, online });
    }

    fn do_own(&mut self, at: usize, output: Output) {
        let now = self.now_at(at);
        match output {
            Output::LoadStreams => {
                if let Some((streams, _)) = self.reads(at, operations::streams) {
                    self.tell(
                        at,
                        Inner::Engine(
                            None,
                            Input::Streams {
                                streams,
                                feeds: Vec::new(),
                            },
                        ),
                    );
                }
            }
            Output::LoadBatch {
                incarnation,
                from,
                records_max,
                bytes_max,
            } => {
                let node = self.nodes[at].disk.node.node.clone();
                let packed = self.reads(at, |snapshot| {
                    operations::load_batch(snapshot, &node, incarnation, from, records_max, bytes_max)
                });
                let loaded = match packed.flatten() {
                    Some(packed) => Input::BatchLoaded(packed.batch),
                    None => Input::StorageFailed,
                };
                self.tell(at, Inner::Engine(None, loaded));
            }
            Output::SaveAck(acked) if self.nodes[at].parent.is_none() => {
                let _ = self.write(at, |tx| operations::save_ack(tx, acked));
            }
            Output::SaveTopAck(acked) => {
                let _ = self.write(at, |tx| operations::save_ack(tx, acked));
            }
            Output::SetAside {
                incarnation,
                seq,
                reason,
            } => {
                let what = format!("{} sets record {seq} aside: {reason}", self.name(Seat::Node(at)));
                self.broken(&what);
                let aside = self.write(at, |tx| {
                    operations::set_record_aside(tx, now, incarnation, seq, &reason)
                });
                if aside.is_some() {
                    self.tell(at, Inner::Engine(None, Input::SetAside { incarnation, seq }));
                }
            }
            Output::Rehome { incarnation, .. } => {
                let what = format!("{} has two branches of {incarnation}", self.name(Seat::Node(at)));
                self.fail(Rule::OneWriter, what);
            }
            Output::Send(_) | Output::SaveAck(_) | Output::GiveBack { .. } | Output::ApplyFeed(_) => {}
        }
    }

    fn do_relayed(&mut self, at: usize, name: &NodeId, output: Output) {
        let (now, whose) = (self.now_at(at), Some(name.clone()));
        match output {
            Output::LoadStreams => {
                let streams = self.reads(at, |snapshot| relay::relayed_streams(snapshot, now, name));
                let Some(streams) = streams else { return };
                if let Some(relay) = self.relay(at, name) {
                    relay.complete_age_ms = streams.complete_age_ms;
                }
                let (streams, feeds) = (streams.streams, Vec::new());
                self.tell(at, Inner::Engine(whose, Input::Streams { streams, feeds }));
            }
            Output::LoadBatch { incarnation, from, .. } => {
                // What was given back is not there any more, which the engine hears as a failure.
                let core = self.nodes[at].process.as_ref().map(|process| &process.core);
                let loaded =
                    core.map(|core| core.read(|snapshot| relay::load_relayed(snapshot, name, incarnation, from)));
                let input = match loaded {
                    Some(Ok(batch)) => Input::BatchLoaded(batch),
                    _ => Input::StorageFailed,
                };
                self.tell(at, Inner::Engine(whose, input));
            }
            Output::SaveAck(acked) => {
                if let Some(Ok(true)) = self.write(at, |tx| relay::save_relayed_ack(tx, name, acked)) {
                    self.pass_down(at, name, |session| Down::AckedAtTop(Ack { session, acked }));
                }
            }
            Output::GiveBack {
                incarnation,
                first,
                reason,
                ..
            } => {
                let back = self.write(at, |tx| relay::give_back(tx, name, incarnation, first));
                if let Some(Ok(Some(back))) = back {
                    let acked = back.acked;
                    self.pass_down(at, name, |session| Down::Resend(Resend { session, acked }));
                    self.pass_down(at, name, |session| {
                        Down::Refused(Refused {
                            session,
                            incarnation,
                            first: back.first,
                            count: back.count,
                            reason: reason.clone(),
                        })
                    });
                }
                self.tell(at, Inner::Engine(whose, Input::Rehomed));
            }
            Output::Rehome {
                incarnation,
                common,
                set_back,
            } => {
                let fenced = self.write(at, |tx| relay::fence_relayed(tx, name, incarnation, common, set_back));
                if let Some(Ok(Some(origin))) = fenced {
                    let acked = origin.acked;
                    self.pass_down(at, name, |session| {
                        Down::Fenced(Fenced {
                            session,
                            acked,
                            common,
                            set_back,
                        })
                    });
                }
                self.tell(at, Inner::Engine(whose, Input::Rehomed));
            }
            Output::Send(_) | Output::SetAside { .. } | Output::ApplyFeed(_) | Output::SaveTopAck(_) => {}
        }
    }

    fn relay(&mut self, at: usize, name: &NodeId) -> Option<&mut Relay> {
        self.nodes[at].process.as_mut()?.relays.get_mut(name)
    }

    /// Makes the engines of the kiosks whose records are on this disk.
    pub fn wake_relays(&mut self, at: usize) {
        if self.nodes[at].parent.is_some() {
            return;
        }
        let origins = self.reads(at, |snapshot| snapshot.relay_origins()).unwrap_or_default();
        let names: BTreeSet<NodeId> = origins.into_iter().map(|origin| origin.node).collect();
        for name in names {
            self.tell(at, Inner::Engine(Some(name), Input::Timeout));
        }
    }

    /// Documents go over the link once facts do.
    fn follow_link(&mut self, at: usize) {
        let Some(process) = self.nodes[at].process.as_mut() else {
            return;
        };
        let state = process.engine.link_state();
        let session = process.session;
        let was_online = std::mem::replace(&mut process.parent_end.online, state == LinkState::Online);
        match (state, session) {
            (LinkState::Online, Some(session)) if !was_online => {
                process.parent_end.open = None;
                self.open_carriage(at, session);
            }
            (LinkState::Offline | LinkState::WaitingForParent, _) => self.close_carriage(at),
            _ => {}
        }
    }

    fn open_carriage(&mut self, at: usize, session: u64) {
        let Some(process) = self.nodes[at].process.as_mut() else {
            return;
        };
        if process.parent_end.open != Some(session) {
            process.parent_end.open = Some(session);
            let link = Link::Parent;
            self.tell(at, Inner::Carriage(carriage::Input::Opened { link, session }));
        }
    }

    fn close_carriage(&mut self, at: usize) {
        let open = self.nodes[at]
            .process
            .as_mut()
            .and_then(|process| process.parent_end.open.take());
        if let Some(session) = open {
            let neighbour = Neighbour::Parent;
            self.tell(at, Inner::Carriage(carriage::Input::Closed { neighbour, session }));
        }
    }
}
