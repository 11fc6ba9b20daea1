//! A node's engine and its kiosks', on one link: whose is what comes, and how what they say goes up.

use std::collections::BTreeSet;

use tokio::sync::{mpsc, watch};

use super::ack_saver::AckSaver;
use super::clock::MachineClock;
use super::relays::Relays;
use super::uplink::{Delivery, Uplink, UplinkEvent};
use crate::domain::ids::{Incarnation, NodeId};
use crate::operations::relay::RelayedStreams;
use crate::sync::node::{Input, NodeEngine, Output};
use crate::sync::wire::{Down, Up};

/// Whose engine: a kiosk's, or this node's own.
pub(super) type Whose = Option<NodeId>;

/// What the disk answers an engine.
#[derive(Debug)]
pub(super) enum Answer {
    /// An engine's input.
    Input(Whose, Input),
    /// What headquarters is to be told of a kiosk.
    Relayed {
        /// The kiosk's node.
        node: NodeId,
        /// What it is told.
        streams: RelayedStreams,
    },
}

/// This node's engine and its kiosks', with the link that they share.
pub(super) struct LinkEngines {
    /// This node's own.
    pub engine: NodeEngine,
    /// Its kiosks', where it is a store's node.
    pub relays: Option<Relays>,
    /// The link, while it is not cut.
    pub link: Option<Uplink>,
    /// Takes what the disk answers.
    pub answers: mpsc::Sender<Answer>,
    /// Saves what headquarters has acknowledged.
    pub acks: AckSaver,
    /// The session that the link stands in, where it does.
    pub session: Option<u64>,
    /// Which kiosks are connected, as headquarters is to know.
    pub online: Option<watch::Receiver<BTreeSet<NodeId>>>,
}

impl LinkEngines {
    /// Wakes an engine for every kiosk whose records are here.
    pub(super) async fn wake_known_relays(&mut self) {
        if let Some(relays) = &mut self.relays {
            for node in relays.known().await {
                // Nothing has happened to it yet, so there is nothing to do.
                let _ = relays.handle(&node, Input::Timeout);
            }
        }
    }

    /// When the first of them wants to be woken.
    pub(super) fn deadline_ms(&self) -> Option<u64> {
        let own = self.engine.deadline().map(|(at_ms, _)| at_ms);
        let relays = self.relays.as_ref().and_then(Relays::deadline_ms);
        own.into_iter().chain(relays).min()
    }

    /// The same for this node's engine and for all kiosks'.
    pub(super) fn everybody(&mut self, input: &Input) -> Vec<(Whose, Input)> {
        match input {
            Input::Connected { session } => self.session = Some(*session),
            Input::Disconnected => self.session = None,
            _ => {}
        }
        let mut inputs = vec![(None, input.clone())];
        if let Some(relays) = &mut self.relays {
            relays.follow(input);
            inputs.extend(relays.names().into_iter().map(|node| (Some(node), input.clone())));
        }
        inputs
    }

    /// Lets an engine take an input, and gives what it wants done.
    pub(super) fn handle(&mut self, clock: &MachineClock, whose: Option<&NodeId>, input: Input) -> Vec<Output> {
        match (whose, &mut self.relays) {
            (None, _) => {
                self.engine.handle(clock.monotonic_ms(), input);
                std::iter::from_fn(|| self.engine.poll()).collect()
            }
            (Some(node), Some(relays)) => relays.handle(node, input),
            (Some(_), None) => Vec::new(),
        }
    }

    /// What an event means to the engines.
    pub(super) fn read(&mut self, event: UplinkEvent) -> Vec<(Whose, Input)> {
        match event {
            UplinkEvent::Connected { session, hub } => {
                let mut inputs = self.everybody(&Input::Connected { session });
                if let Some(state) = hub {
                    inputs.extend(self.everybody(&Input::Hub(state)));
                }
                inputs
            }
            UplinkEvent::Disconnected(_) => self.everybody(&Input::Disconnected),
            UplinkEvent::Hub(state) => self.everybody(&Input::Hub(state)),
            UplinkEvent::Message(Down::Relayed { node, message }) => match Down::decode(&message) {
                Ok(message) => vec![(Some(node), Input::Received(message))],
                Err(error) => {
                    tracing::warn!(%node, %error, "a message for a kiosk is passed over");
                    Vec::new()
                }
            },
            UplinkEvent::Message(message) => vec![(None, Input::Received(message))],
            UplinkEvent::Passed => Vec::new(),
        }
    }

    /// What the disk's answer means to the engines.
    pub(super) fn take(&mut self, answer: Answer) -> Vec<(Whose, Input)> {
        match answer {
            Answer::Input(whose, input) => vec![(whose, input)],
            Answer::Relayed { node, streams } => {
                let RelayedStreams {
                    streams,
                    complete_age_ms,
                } = streams;
                if let Some(relays) = &mut self.relays {
                    relays.note_complete(&node, complete_age_ms);
                }
                let feeds = Vec::new();
                vec![(Some(node), Input::Streams { streams, feeds })]
            }
        }
    }

    /// Sends what an engine says; what a kiosk's says, in this node's name.
    pub(super) async fn send(&self, whose: Whose, message: Up) {
        let (Some(link), Some(session)) = (&self.link, message.session()) else {
            return;
        };
        let batch = batch_of(&message);
        let message = match (&whose, &self.relays) {
            (Some(node), Some(relays)) => relays.wrap(node, &message),
            _ => message,
        };
        let delivery = link.send(session, &message).await;
        let answers = self.answers.clone();
        tokio::spawn(async move {
            let (Delivery::TooLarge { bytes }, Some((incarnation, first, count))) = (delivery.await, batch) else {
                return;
            };
            tracing::warn!(bytes, first, count, "a batch is over the largest message of the link");
            let input = Input::TooLarge {
                incarnation,
                first,
                count,
            };
            let _ = answers.send(Answer::Input(whose, input)).await;
        });
    }

    /// Tells headquarters which kiosks are connected here.
    pub(super) async fn tell_children(&self) {
        if let (Some(session), Some(online)) = (self.session, &self.online) {
            let online = online.borrow().iter().cloned().collect();
            self.send(None, Up::Children { session, online }).await;
        }
    }
}

/// The range of a batch, so that a failure to carry it can be told.
fn batch_of(message: &Up) -> Option<(Incarnation, u64, u32)> {
    let Up::Batch { sealed, .. } = message else { return None };
    let batch = crate::sync::wire::Batch::open(sealed).ok()?;
    Some((batch.header.incarnation, batch.header.first, batch.header.count))
}

/// Runs work beside the loop; where it fails the engine is told so.
pub(super) fn answer<E: std::fmt::Display>(
    answers: &mpsc::Sender<Answer>,
    whose: Whose,
    work: impl Future<Output = Result<Answer, E>> + Send + 'static,
) {
    let answers = answers.clone();
    tokio::spawn(async move {
        let answer = match work.await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::error!(%error, "the disk could not do what the link needs; trying again");
                Answer::Input(whose, Input::StorageFailed)
            }
        };
        // Only a loop that has ended does not listen.
        let _ = answers.send(answer).await;
    });
}
