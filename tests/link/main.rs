//! The MQTT link against real brokers: mosquitto, killed, paused and badly configured, and the embedded one.

#[path = "../fixtures/mosquitto.rs"]
mod mosquitto;
#[path = "../fixtures/ports.rs"]
mod ports;

#[cfg(feature = "embedded-broker")]
mod embedded;
mod limits;
mod meeting;
mod outage;
mod peer;
mod proxy;
mod security;
