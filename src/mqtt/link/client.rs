//! How rumqttc is set up for one connection, and how it is polled.

use std::time::Duration;

use futures_util::stream::{self, Stream};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnectProperties, LastWill};
use rumqttc::v5::{ConnectionError, Event, EventLoop, MqttOptions};
use rumqttc::{NetworkOptions, TlsConfiguration, Transport};

use super::incoming::RECEIVE_MAX;
use super::outgoing::PUBLISHES_MAX;
use super::size_limit::PACKET_BYTES_MAX;
use super::{Presence, Trouble};
use crate::mqtt::config::LinkConfig;
use crate::mqtt::{tls, topics};

/// How long the network may take up to the broker's CONNACK.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// rumqttc's own queue: every publish and acknowledgement that may be under way, and the few packets of the handshake.
pub(super) const REQUESTS_MAX: usize = PUBLISHES_MAX as usize + 4 * RECEIVE_MAX as usize;

/// What polling rumqttc gives.
// Made once for each packet: a box for the larger one would cost more than it saves.
#[allow(clippy::large_enum_variant)]
pub(super) enum Polled {
    Event(Event),
    /// The connection is over; these events came before its end.
    Over(ConnectionError, Vec<Event>),
}

/// rumqttc's events one by one. The poll under way lives in the stream: rumqttc loses a packet where its poll is dropped
/// half way, so it must outlive the turns of a `select`.
pub(super) fn polls(event_loop: EventLoop) -> impl Stream<Item = Polled> {
    stream::unfold(Some(event_loop), |event_loop| async {
        let mut event_loop = event_loop?;
        match event_loop.poll().await {
            Ok(event) => Some((Polled::Event(event), Some(event_loop))),
            Err(error) => {
                let rest = event_loop.state.events.drain(..).collect();
                Some((Polled::Over(error, rest), None))
            }
        }
    })
}

/// What rumqttc is told of a connection.
pub(super) async fn options(config: &LinkConfig, client_id: &str, presence: &Presence) -> Result<MqttOptions, Trouble> {
    let broker = &config.broker;
    let mut host = broker.host.to_string();
    if host.contains(':') {
        // rumqttc joins host and port with a colon.
        host = format!("[{host}]");
    }
    let mut options = MqttOptions::new(client_id, host, broker.port);
    let topic = topics::presence(&config.role).path(&config.org);
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    options
        .set_keep_alive(broker.keep_alive.interval())
        .set_clean_start(true)
        .set_connection_timeout(CONNECT_TIMEOUT.as_secs())
        .set_manual_acks(true)
        .set_outgoing_inflight_upper_limit(PUBLISHES_MAX)
        .set_last_will(LastWill::new(
            topic,
            presence.gone.clone(),
            QoS::AtLeastOnce,
            true,
            None,
        ))
        .set_connect_properties(ConnectProperties {
            receive_maximum: Some(RECEIVE_MAX),
            // Also what rumqttc itself takes; its own default is 10 KiB.
            max_packet_size: Some(PACKET_BYTES_MAX),
            ..ConnectProperties::new()
        })
        .set_network_options(network);
    if let Some(login) = &broker.login {
        options.set_credentials(&login.username, login.password.reveal());
    }
    if let Some(config) = &broker.tls {
        let config = tls::client(config).await?;
        options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(config)));
    }
    Ok(options)
}
