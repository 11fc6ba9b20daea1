//! The embedded broker does for a demo what mosquitto does for production.

use std::io::ErrorKind;

use finalmarket::mqtt::{EmbeddedBroker, PublishFailed, Role, Topic};

use crate::peer::{Peer, broker, down, gone, here, in_time, node_id, up};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_carries_messages_and_keeps_retained_ones() {
    let embedded = EmbeddedBroker::start(0).unwrap();
    let mut hub = Peer::hub(embedded.port());
    hub.connected().await;
    let mut node = Peer::node("store-1", embedded.port());
    node.connected().await;
    let state = node.message_on(&Topic::Hub).await;
    assert_eq!((state.payload, state.retained), (here(hub.session), true));
    let presence = Topic::On(node_id("store-1"));
    assert_eq!(hub.message_on(&presence).await.payload, here(node.session));
    for size in [1, 64 << 10, 1_000_000] {
        let receipt = node.publish(up("store-1"), vec![7; size]).await;
        assert_eq!(hub.message_on(&up("store-1")).await.payload, vec![7; size]);
        assert_eq!(in_time(receipt).await, Ok(()));
        drop(hub.publish(down("store-1"), vec![8; size]).await);
        assert_eq!(node.message_on(&down("store-1")).await.payload, vec![8; size]);
    }
    in_time(node.handle.stop()).await;
    assert_eq!(hub.message_on(&presence).await.payload, gone(node.session));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_tells_of_a_node_that_vanishes() {
    let embedded = EmbeddedBroker::start(0).unwrap();
    let mut hub = Peer::hub(embedded.port());
    hub.connected().await;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let config = broker(embedded.port(), "");
    let starting = runtime.spawn(async move {
        let mut node = Peer::start(Role::Node(node_id("store-1")), config);
        node.connected().await;
        node
    });
    let node = in_time(starting).await.unwrap();
    let presence = Topic::On(node_id("store-1"));
    assert_eq!(hub.message_on(&presence).await.payload, here(node.session));
    runtime.shutdown_background();
    assert_eq!(hub.message_on(&presence).await.payload, gone(node.session));
    let mut late = Peer::hub(embedded.port());
    late.connected().await;
    let kept = late.message_on(&presence).await;
    assert_eq!((kept.payload, kept.retained), (gone(node.session), true));
}

/// rumqttd throws out a client whose acknowledgements come in another order than its messages.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_may_be_dealt_with_in_any_order() {
    const MESSAGES: u32 = 1_000;
    let embedded = EmbeddedBroker::start(0).unwrap();
    let (mut hub, mut node) = (Peer::hub(embedded.port()), Peer::node("store-1", embedded.port()));
    hub.connected().await;
    node.connected().await;
    let sender = tokio::spawn(async move {
        for number in 0..MESSAGES {
            drop(hub.publish(down("store-1"), number.to_le_bytes()).await);
        }
        hub
    });
    let mut held = Vec::new();
    for expected in 0..MESSAGES {
        let message = node.message_on(&down("store-1")).await;
        assert_eq!(message.payload, expected.to_le_bytes());
        held.push(message);
        if held.len() == 50 {
            while let Some(message) = held.pop() {
                message.token.acknowledge();
            }
        }
    }
    let hub = in_time(sender).await.unwrap();
    assert_eq!(in_time(hub.publish(down("store-1"), "the last").await).await, Ok(()));
    assert_eq!(node.message_on(&down("store-1")).await.payload, b"the last");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_stops_and_starts_on_the_same_port() {
    let first = EmbeddedBroker::start(0).unwrap();
    let port = first.port();
    let taken = EmbeddedBroker::start(port).unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AddrInUse);
    let mut node = Peer::node("store-1", port);
    node.connected().await;
    first.stop();
    node.disconnected().await;
    let lost = node.publish(up("store-1"), "nobody is there").await;
    assert_eq!(in_time(lost).await, Err(PublishFailed::Disconnected));
    let second = EmbeddedBroker::start(port).unwrap();
    node.connected().await;
    assert_eq!(in_time(node.publish(up("store-1"), "there again").await).await, Ok(()));
    second.stop();
}
