//! The way to this node's parent, whichever it has: headquarters behind a broker, or a store's node on the LAN. What
//! happens there and what is sent looks the same, so that there is one loop for both.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::mpsc;

use super::randomness;
use crate::domain::ids::NodeId;
use crate::lan::{self, ParentConfig};
use crate::mqtt::{self, LinkConfig, Presence, Publish, PublishFailed, Topic};
use crate::sync::wire::{Birth, Down, HubState, Up, WIRE_VERSION};

/// How long saying goodbye may take: a parent that does not answer must not keep the node from stopping.
const GOODBYE_MAX: Duration = Duration::from_secs(10);

/// Who this node's parent is and how it is reached.
#[derive(Debug, Clone)]
pub(super) enum ParentLink {
    /// Headquarters, behind a broker.
    Broker(LinkConfig),
    /// The store's node.
    Store(ParentConfig),
}

impl ParentLink {
    /// Whether the parent's acknowledgement is headquarters'.
    pub(super) const fn is_headquarters(&self) -> bool {
        matches!(self, Self::Broker(_))
    }
}

/// What happens on the way.
#[derive(Debug)]
pub(super) enum UplinkEvent {
    /// The transport is connected. A store that takes the connection is there itself, and says so with it.
    Connected {
        /// The session's number.
        session: u64,
        /// The parent's state, where it is known already.
        hub: Option<HubState>,
    },
    /// The transport is gone, for this reason.
    Disconnected(String),
    /// Headquarters' retained state.
    Hub(HubState),
    /// A message from the parent.
    Message(Down),
    /// Something that cannot be read; it was told and is passed.
    Passed,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivery {
    /// It is on its way, or nobody knows: the engine's own timer notices what did not arrive.
    Left,
    /// It is over what the transport carries.
    TooLarge {
        /// Its size.
        bytes: usize,
    },
}

/// An open way to the parent.
pub(super) enum Uplink {
    /// Over a broker.
    Broker(mqtt::LinkHandle, mpsc::Receiver<mqtt::LinkEvent>, NodeId),
    /// Over the LAN.
    Store(lan::LinkHandle, mpsc::Receiver<lan::LinkEvent>),
}

impl Uplink {
    /// Opens the way; it tells when it stands.
    pub(super) fn open(parent: &ParentLink, node: &NodeId) -> Self {
        match parent {
            ParentLink::Broker(config) => {
                let birth = Birth {
                    node: node.clone(),
                    session: 0,
                    online: true,
                    software: env!("CARGO_PKG_VERSION").to_owned(),
                    head: None,
                };
                let presence = move |session| {
                    let here = Birth {
                        session,
                        ..birth.clone()
                    };
                    Presence {
                        here: here.encode(),
                        gone: Birth { online: false, ..here }.encode(),
                    }
                };
                let (handle, events) = mqtt::spawn(config.clone(), presence, randomness::number);
                Self::Broker(handle, events, node.clone())
            }
            ParentLink::Store(config) => {
                let (handle, events) = lan::spawn(config.clone(), randomness::number);
                Self::Store(handle, events)
            }
        }
    }

    /// What happens next; none once the link has ended.
    pub(super) async fn next(&mut self) -> Option<UplinkEvent> {
        match self {
            Self::Broker(_, events, _) => events.recv().await.map(read_broker),
            Self::Store(_, events) => events.recv().await.map(read_store),
        }
    }

    /// Sends a message in a session; waits while too much is waiting already. The future that it gives says what became
    /// of it.
    pub(super) async fn send(
        &self,
        session: u64,
        message: &Up,
    ) -> Pin<Box<dyn Future<Output = Delivery> + Send + 'static>> {
        let payload = message.encode();
        match self {
            Self::Broker(handle, _, node) => {
                let publish = Publish {
                    session,
                    topic: Topic::Up(node.clone()),
                    payload,
                    retain: false,
                };
                let handed = handle.publish(publish).await;
                Box::pin(async move {
                    let Ok(receipt) = handed else { return Delivery::Left };
                    match receipt.await {
                        Err(PublishFailed::TooLarge { bytes }) => Delivery::TooLarge { bytes: bytes as usize },
                        Err(error) if error != PublishFailed::Disconnected => {
                            tracing::warn!(%error, "the broker did not take a message");
                            Delivery::Left
                        }
                        _ => Delivery::Left,
                    }
                })
            }
            Self::Store(handle, _) => {
                let sent = handle.send(session, payload).await;
                Box::pin(async move {
                    match sent.await {
                        Err(lan::SendFailed::TooLarge { bytes }) => Delivery::TooLarge { bytes },
                        Ok(()) | Err(lan::SendFailed::Disconnected) => Delivery::Left,
                    }
                })
            }
        }
    }

    /// Says goodbye.
    pub(super) async fn close(self) {
        let goodbye = async {
            match self {
                Self::Broker(handle, ..) => handle.stop().await,
                Self::Store(handle, _) => handle.stop().await,
            }
        };
        let _ = tokio::time::timeout(GOODBYE_MAX, goodbye).await;
    }
}

fn read_broker(event: mqtt::LinkEvent) -> UplinkEvent {
    match event {
        mqtt::LinkEvent::Connected(connected) => UplinkEvent::Connected {
            session: connected.session,
            hub: None,
        },
        mqtt::LinkEvent::Disconnected(trouble) => UplinkEvent::Disconnected(trouble.to_string()),
        mqtt::LinkEvent::Message(message) => match message.topic {
            Topic::Hub => read(HubState::decode(&message.payload).map(UplinkEvent::Hub)),
            _ => read(Down::decode(&message.payload).map(UplinkEvent::Message)),
        },
    }
}

fn read_store(event: lan::LinkEvent) -> UplinkEvent {
    match event {
        lan::LinkEvent::Connected(session) => UplinkEvent::Connected {
            session,
            // Its run is this connection: whoever comes back introduces itself again anyway.
            hub: Some(HubState {
                online: true,
                run: session,
                wire: WIRE_VERSION,
            }),
        },
        lan::LinkEvent::Disconnected(trouble) => UplinkEvent::Disconnected(trouble),
        lan::LinkEvent::Message(payload) => read(Down::decode(&payload).map(UplinkEvent::Message)),
    }
}

/// A message that cannot be read is told and passed.
fn read(event: Result<UplinkEvent, crate::sync::wire::MessageError>) -> UplinkEvent {
    event.unwrap_or_else(|error| {
        tracing::warn!(%error, "a message is passed over");
        UplinkEvent::Passed
    })
}
