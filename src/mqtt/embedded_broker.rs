//! A broker inside this process, for the demo, development and tests: rumqttd on a loopback port.
//!
//! It keeps nothing on disk, lets everybody in, knows no access rules and announces no limits; production uses a broker
//! of its own. Of a subscription it keeps the last 32 MiB: a subscriber that falls further behind loses the oldest
//! messages and is not told. A node has a few batches under way, so this side never comes near. It logs at length, also
//! an ordinary farewell as an error: a log filter should hold `rumqttd=off`.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use rumqttd::protocol::v5::V5;
use rumqttd::{ConnectionSettings, LinkType, Router, RouterConfig, Server, ServerSettings};
use tokio::runtime::Runtime;

/// The largest packet, in bytes: what links announce to each other, and some room for headers.
const PACKET_BYTES_MAX: usize = (1 << 20) + 1_024;
/// Messages of one subscription are kept in segments of so many bytes, and the oldest of so many segments is dropped.
const SEGMENT_BYTES: usize = 4 << 20;
const SEGMENTS_MAX: usize = 8;
/// How often a free port that somebody else takes at the last moment is replaced by another one.
const PORT_ATTEMPTS: usize = 8;
/// How long stopping may take.
const SHUT_DOWN_TIMEOUT: Duration = Duration::from_secs(2);

/// A running broker. Dropping it stops it.
#[derive(Debug)]
pub struct EmbeddedBroker {
    address: SocketAddr,
    /// Nothing once it is stopped.
    runtime: Option<Runtime>,
}

impl EmbeddedBroker {
    /// Starts a broker; port 0 takes a free one. It listens when this returns.
    ///
    /// # Errors
    /// Where the port is taken or the system gives no thread.
    pub fn start(port: u16) -> io::Result<Self> {
        let mut attempts = if port == 0 { PORT_ATTEMPTS } else { 1 };
        loop {
            attempts -= 1;
            match Self::start_once(port) {
                Err(error) if attempts > 0 && error.kind() == io::ErrorKind::AddrInUse => {}
                result => return result,
            }
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The port on which it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Closes the port and all connections. What it kept is forgotten.
    ///
    /// rumqttd's router cannot be stopped: its thread sleeps until the process ends, with what it held.
    pub fn stop(self) {
        drop(self);
    }

    fn start_once(port: u16) -> io::Result<Self> {
        let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        // rumqttd does not tell which port it was given, so one is chosen for it.
        let address = TcpListener::bind(wanted)?.local_addr()?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("embedded-broker")
            .enable_all()
            .build()?;
        let (listening, started) = std::sync::mpsc::sync_channel(1);
        runtime.spawn(async move {
            let router = Router::new(0, router_config()).spawn();
            let mut server = Server::new(server_settings(address), router, V5);
            let mut serving = std::pin::pin!(server.start(LinkType::Remote));
            // It binds when it is first polled, and then waits for connections.
            tokio::select! {
                biased;
                failed = &mut serving => {
                    let _ = listening.send(failed);
                    return;
                }
                () = std::future::ready(()) => {}
            }
            // Nobody waits any more only where the starting thread is gone.
            let _ = listening.send(Ok(()));
            if let Err(error) = serving.await {
                tracing::error!("the embedded broker has ended: {error}");
            }
        });
        match started.recv() {
            Ok(Ok(())) => Ok(Self {
                address,
                runtime: Some(runtime),
            }),
            // Binding is all that can fail here, and the port was free a moment ago.
            Ok(Err(error)) => {
                shut_down(runtime);
                Err(io::Error::new(io::ErrorKind::AddrInUse, error.to_string()))
            }
            Err(_) => {
                shut_down(runtime);
                Err(io::Error::other("the embedded broker's thread has ended"))
            }
        }
    }
}

impl Drop for EmbeddedBroker {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            shut_down(runtime);
        }
    }
}

/// Waits until the runtime's tasks, and with them the sockets, are gone. On a thread of its own, because a runtime must
/// not be waited for inside another one.
fn shut_down(runtime: Runtime) {
    let waiting = std::thread::Builder::new()
        .name("embedded-broker-stop".to_owned())
        .spawn(move || runtime.shutdown_timeout(SHUT_DOWN_TIMEOUT));
    if let Ok(waiting) = waiting {
        // It only fails where the shutdown panics, and there is nothing to do about that.
        let _ = waiting.join();
    }
}

fn router_config() -> RouterConfig {
    RouterConfig {
        max_connections: 1_024,
        max_outgoing_packet_count: 200,
        max_segment_size: SEGMENT_BYTES,
        max_segment_count: SEGMENTS_MAX,
        ..RouterConfig::default()
    }
}

fn server_settings(listen: SocketAddr) -> ServerSettings {
    ServerSettings {
        name: "embedded-broker".to_owned(),
        listen,
        tls: None,
        next_connection_delay_ms: 1,
        connections: ConnectionSettings {
            connection_timeout_ms: 5_000,
            max_payload_size: PACKET_BYTES_MAX,
            max_inflight_count: 100,
            auth: None::<HashMap<String, String>>,
            external_auth: None,
            dynamic_filters: true,
        },
    }
}
