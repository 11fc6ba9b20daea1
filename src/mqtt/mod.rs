//! The link between a node and headquarters: MQTT 5, for both roles.
//!
//! Promises: what is published is published once for each call, in the session that the caller names, and its fate is
//! told; nothing of an earlier connection is sent again behind the caller's back; queues are bounded, and a consumer
//! that is slow slows the broker down instead of losing messages; a connection that is dead is found and rebuilt.
//! It must never keep anything that has to outlive it: the node's database is the queue. It knows topics and bytes, not
//! what they mean.

pub mod config;
#[cfg(feature = "embedded-broker")]
pub mod embedded_broker;
mod link;
mod tls;
mod topics;

pub use config::{BrokerConfig, ClientCertificate, Host, KeepAlive, LinkConfig, Login, Role, Secret, TlsConfig};
#[cfg(feature = "embedded-broker")]
pub use embedded_broker::EmbeddedBroker;
pub use link::{
    AckToken, Connected, LinkEvent, LinkHandle, LinkStopped, Message, Presence, Publish, PublishFailed, Receipt,
    Trouble, spawn,
};
pub use topics::{Topic, TopicError};
