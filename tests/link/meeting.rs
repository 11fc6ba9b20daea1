//! Both sides meet: handshake, presence, messages, farewell.

use finalmarket::mqtt::{LinkEvent, Role, Topic};

use crate::mosquitto::{Mosquitto, STOCK};
use crate::peer::{Peer, broker, down, gone, here, in_time, node_id, up};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_and_headquarters_talk() {
    let mosquitto = Mosquitto::start(STOCK);
    let mut hub = Peer::hub(mosquitto.port());
    hub.connected().await;
    let mut node = Peer::node("store-1", mosquitto.port());
    let first = node.event().await;
    let LinkEvent::Connected(connected) = first else {
        panic!("nothing comes before the connection stands: {first:?}");
    };
    node.session = connected.session;
    assert_eq!(
        connected.payload_bytes_max,
        (1 << 20) - 128,
        "mosquitto announces no limit by default"
    );
    assert_eq!(connected.publishes_max, 19, "mosquitto takes 20 at once by default");

    let state = node.message_on(&Topic::Hub).await;
    assert_eq!((state.payload, state.retained), (here(hub.session), true));
    let birth = hub.message_on(&Topic::On(node_id("store-1"))).await;
    assert_eq!((birth.payload, birth.retained), (here(node.session), false));

    let receipt = node.publish(up("store-1"), "a batch").await;
    let batch = hub.message_on(&up("store-1")).await;
    assert_eq!(batch.payload, b"a batch");
    batch.token.acknowledge();
    assert_eq!(in_time(receipt).await, Ok(()));
    let receipt = hub.publish(down("store-1"), "an acknowledgement").await;
    assert_eq!(node.message_on(&down("store-1")).await.payload, b"an acknowledgement");
    assert_eq!(in_time(receipt).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_of_64_kib_passes_both_ways() {
    let mosquitto = Mosquitto::start(STOCK);
    let (mut hub, mut node) = (Peer::hub(mosquitto.port()), Peer::node("store-1", mosquitto.port()));
    hub.connected().await;
    node.connected().await;
    let large: Vec<u8> = (0..64 << 10).map(|i: u32| i.to_le_bytes()[0]).collect();
    drop(node.publish(up("store-1"), large.clone()).await);
    assert_eq!(hub.message_on(&up("store-1")).await.payload, large);
    drop(hub.publish(down("store-1"), large.clone()).await);
    assert_eq!(node.message_on(&down("store-1")).await.payload, large);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_copies_of_one_disk_are_connected_side_by_side() {
    let mosquitto = Mosquitto::start(STOCK);
    let mut hub = Peer::hub(mosquitto.port());
    hub.connected().await;
    let mut first = Peer::node("store-1", mosquitto.port());
    let mut second = Peer::node("store-1", mosquitto.port());
    assert_ne!(first.connected().await.session, second.connected().await.session);
    for (peer, text) in [
        (&first, "of the first"),
        (&second, "of the second"),
        (&first, "again of the first"),
    ] {
        let receipt = peer.publish(up("store-1"), text).await;
        assert_eq!(hub.message_on(&up("store-1")).await.payload, text.as_bytes());
        assert_eq!(in_time(receipt).await, Ok(()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stops_says_goodbye() {
    let mosquitto = Mosquitto::start(STOCK);
    let (mut hub, mut node) = (Peer::hub(mosquitto.port()), Peer::node("store-1", mosquitto.port()));
    hub.connected().await;
    node.connected().await;
    let presence = Topic::On(node_id("store-1"));
    assert_eq!(hub.message_on(&presence).await.payload, here(node.session));
    in_time(node.handle.stop()).await;
    assert_eq!(hub.message_on(&presence).await.payload, gone(node.session));
    while in_time(node.events.recv()).await.is_some() {}
    assert!(
        node.handle.publish(publish_of(&node)).await.is_err(),
        "a stopped link takes nothing"
    );

    in_time(hub.handle.stop()).await;
    let mut next = Peer::hub(mosquitto.port());
    next.connected().await;
    let kept = next.message_on(&presence).await;
    assert_eq!((kept.payload, kept.retained), (gone(node.session), true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_without_an_owner_stops_by_itself() {
    let mosquitto = Mosquitto::start(STOCK);
    let mut hub = Peer::hub(mosquitto.port());
    hub.connected().await;
    let presence = Topic::On(node_id("store-1"));
    let mut without_handle = Peer::node("store-1", mosquitto.port());
    without_handle.connected().await;
    let session = without_handle.session;
    assert_eq!(hub.message_on(&presence).await.payload, here(session));
    let Peer { handle, mut events, .. } = without_handle;
    drop(handle);
    assert_eq!(hub.message_on(&presence).await.payload, gone(session));
    while in_time(events.recv()).await.is_some() {}

    let mut without_ears = Peer::node("store-1", mosquitto.port());
    without_ears.connected().await;
    let session = without_ears.session;
    assert_eq!(hub.message_on(&presence).await.payload, here(session));
    let Peer { handle, events, .. } = without_ears;
    drop(events);
    let publish = finalmarket::mqtt::Publish {
        session: hub.session,
        topic: down("store-1"),
        payload: b"is anybody there".to_vec(),
        retain: false,
    };
    drop(hub.handle.publish(publish).await);
    assert_eq!(hub.message_on(&presence).await.payload, gone(session));
    in_time(handle.stop()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_broker_tells_of_a_node_that_vanishes() {
    let mosquitto = Mosquitto::start(STOCK);
    let mut hub = Peer::hub(mosquitto.port());
    hub.connected().await;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let config = broker(mosquitto.port(), "");
    let starting = runtime.spawn(async move {
        let mut node = Peer::start(Role::Node(node_id("store-1")), config);
        node.connected().await;
        node
    });
    let node = in_time(starting).await.unwrap();
    let presence = Topic::On(node_id("store-1"));
    assert_eq!(hub.message_on(&presence).await.payload, here(node.session));
    // Its tasks end where they stand, and its socket closes without a word, as with SIGKILL.
    runtime.shutdown_background();
    assert_eq!(hub.message_on(&presence).await.payload, gone(node.session));
}

fn publish_of(node: &Peer) -> finalmarket::mqtt::Publish {
    finalmarket::mqtt::Publish {
        session: node.session,
        topic: up("store-1"),
        payload: Vec::new(),
        retain: false,
    }
}
