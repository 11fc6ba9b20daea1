//! One end of a link, driven by a test.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use finalmarket::domain::ids::{NodeId, OrgId};
use finalmarket::mqtt::{
    BrokerConfig, Connected, LinkConfig, LinkEvent, LinkHandle, Message, Presence, Publish, Receipt, Role, Topic,
    Trouble,
};
use tokio::sync::mpsc;

use crate::mosquitto::DEADLINE;

pub struct Peer {
    pub handle: LinkHandle,
    pub events: mpsc::Receiver<LinkEvent>,
    /// The session of the last connection that was waited for.
    pub session: u64,
}

pub fn node_id(name: &str) -> NodeId {
    name.parse().unwrap()
}

pub fn up(name: &str) -> Topic {
    Topic::Up(node_id(name))
}

pub fn down(name: &str) -> Topic {
    Topic::Down(node_id(name))
}

/// A broker on loopback; `more` is further configuration.
pub fn broker(port: u16, more: &str) -> BrokerConfig {
    toml::from_str(&format!("host = '127.0.0.1'\nport = {port}\nkeep_alive_s = 5\n{more}")).unwrap()
}

/// What a peer says of itself.
pub fn here(session: u64) -> Vec<u8> {
    format!("here {session}").into_bytes()
}

/// What is said of a peer that has gone.
pub fn gone(session: u64) -> Vec<u8> {
    format!("gone {session}").into_bytes()
}

impl Peer {
    pub fn node(name: &str, port: u16) -> Self {
        Self::start(Role::Node(node_id(name)), broker(port, ""))
    }

    pub fn hub(port: u16) -> Self {
        Self::start(Role::Hub, broker(port, ""))
    }

    pub fn start(role: Role, broker: BrokerConfig) -> Self {
        let org: OrgId = "market".parse().unwrap();
        let presence = |session| Presence {
            here: here(session),
            gone: gone(session),
        };
        let (handle, events) = finalmarket::mqtt::spawn(LinkConfig { broker, org, role }, presence, random);
        Self {
            handle,
            events,
            session: 0,
        }
    }

    /// The next event.
    pub async fn event(&mut self) -> LinkEvent {
        let event = tokio::time::timeout(DEADLINE, self.events.recv()).await;
        event.expect("an event in time").expect("the link lives")
    }

    /// The next connection; messages and troubles before it are passed over.
    pub async fn connected(&mut self) -> Connected {
        loop {
            if let LinkEvent::Connected(connected) = self.event().await {
                self.session = connected.session;
                return connected;
            }
        }
    }

    /// The next trouble; messages before it are passed over.
    pub async fn disconnected(&mut self) -> Trouble {
        loop {
            if let LinkEvent::Disconnected(trouble) = self.event().await {
                return trouble;
            }
        }
    }

    /// The next message.
    pub async fn message(&mut self) -> Message {
        loop {
            if let LinkEvent::Message(message) = self.event().await {
                return message;
            }
        }
    }

    /// The next message on a topic; others before it are passed over.
    pub async fn message_on(&mut self, topic: &Topic) -> Message {
        loop {
            let message = self.message().await;
            if message.topic == *topic {
                return message;
            }
        }
    }

    /// Publishes in the present session.
    pub async fn publish(&self, topic: Topic, payload: impl Into<Vec<u8>>) -> Receipt {
        let publish = Publish {
            session: self.session,
            topic,
            payload: payload.into(),
            retain: false,
        };
        let handed_over = tokio::time::timeout(DEADLINE, self.handle.publish(publish)).await;
        handed_over.expect("room in time").expect("the link lives")
    }
}

/// Waits for something, but not for ever.
pub async fn in_time<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, what).await.expect("in time")
}

/// Numbers that differ; nothing here depends on which.
pub fn random() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(1);
    let step = LAST.fetch_add(1, Ordering::Relaxed);
    // The finaliser of SplitMix64.
    let mut z = step.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The keep-alive of [`broker`]; a broker that is silent for twice as long is left.
pub const KEEP_ALIVE: Duration = Duration::from_secs(5);
