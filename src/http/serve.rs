//! Serves the router on a socket: bounded connections, bounded heads, and no patience with who sends them slowly.
//!
//! The framework's own loop cannot time out a head that trickles in, so that a handful of idle sockets would hold it.
//! Heads are bounded below the router: what is over those bounds is answered by the protocol library, without a body.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tower::Service as _;

/// What bounds connections.
#[derive(Debug, Clone)]
pub struct ServeLimits {
    /// How many connections are open at once; further ones wait in the system's queue.
    pub connections_max: usize,
    /// How long a request's head may take, and how long an idle connection is kept, in milliseconds.
    pub head_timeout_ms: u64,
    /// The most bytes of a request's head.
    pub head_bytes_max: usize,
    /// The most header fields of a request.
    pub headers_max: usize,
    /// How long requests under way may take once the node stops, in milliseconds.
    pub drain_timeout_ms: u64,
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self {
            connections_max: 1_024,
            head_timeout_ms: 30_000,
            head_bytes_max: 16 << 10,
            headers_max: 64,
            drain_timeout_ms: 5_000,
        }
    }
}

/// Who asks, by address. Every request has it as an extension.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// Serves until `stop` holds true or its sender is gone, then lets requests under way finish. A failing connection is
/// that connection's matter, and accepting is tried again.
pub async fn serve(listener: TcpListener, router: Router, limits: ServeLimits, mut stop: watch::Receiver<bool>) {
    let protocol = Arc::new(protocol(&limits));
    let places = Arc::new(Semaphore::new(limits.connections_max));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            _ = connections.join_next(), if !connections.is_empty() => continue,
            () = stopped(&mut stop) => break,
        };
        let (stream, peer, place) = accepted;
        let (protocol, router, stop) = (Arc::clone(&protocol), router.clone(), stop.clone());
        connections.spawn(async move {
            connection(stream, Peer(peer), &protocol, router, stop).await;
            drop(place);
        });
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(Duration::from_millis(limits.drain_timeout_ms), drained)
        .await
        .is_err()
    {
        tracing::warn!(open = connections.len(), "connections did not end in time and are cut");
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, Option<tokio::sync::OwnedSemaphorePermit>) {
    // The semaphore is never closed.
    let place = Arc::clone(places).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, place),
            Err(error) => {
                // Out of descriptors, most likely: the connection stays in the queue and comes again.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Waits until the node is to stop.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // Where the sender is gone nobody could say "go on" either.
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn connection(
    stream: TcpStream,
    peer: Peer,
    protocol: &http1::Builder,
    router: Router,
    mut stop: watch::Receiver<bool>,
) {
    // An answer is written at once; waiting for more to send would only delay it.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a socket option could not be set");
    }
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        // The router is always ready.
        router.clone().call(request)
    });
    let mut served = std::pin::pin!(protocol.serve_connection(TokioIo::new(stream), service).with_upgrades());
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = stopped(&mut stop) => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        // Clients go away all the time.
        tracing::debug!(%error, peer = %peer.0, "a connection ended early");
    }
}

fn protocol(limits: &ServeLimits) -> http1::Builder {
    let mut protocol = http1::Builder::new();
    protocol
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(limits.head_timeout_ms))
        .max_headers(limits.headers_max)
        .max_header_size(limits.head_bytes_max)
        .max_buf_size(limits.head_bytes_max.max(8 << 10));
    protocol
}
