//! What a broker does not take: sizes and topics; and a consumer that does not keep up.

use finalmarket::mqtt::{PublishFailed, Trouble};
use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use tokio::sync::mpsc;

use crate::mosquitto::{Mosquitto, STOCK};
use crate::peer::{Peer, down, in_time, up};
use crate::proxy::Proxy;

fn stock_and(more: &str) -> String {
    format!("{STOCK}\n{more}\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_over_the_announced_limit_is_not_sent() {
    let mosquitto = Mosquitto::start(&stock_and("max_packet_size 20000"));
    let (mut hub, mut node) = (Peer::hub(mosquitto.port()), Peer::node("store-1", mosquitto.port()));
    hub.connected().await;
    let connected = node.connected().await;
    assert_eq!(connected.payload_bytes_max, 20_000 - 128);
    let large = node.publish(up("store-1"), vec![1; 20_000]).await;
    assert!(matches!(
        in_time(large).await,
        Err(PublishFailed::TooLarge { bytes: 20_001.. })
    ));
    let largest = node
        .publish(up("store-1"), vec![2; connected.payload_bytes_max as usize])
        .await;
    assert_eq!(in_time(largest).await, Ok(()), "in the same session");
    assert_eq!(hub.message_on(&up("store-1")).await.payload[0], 2);
}

/// mosquitto says nothing of this limit, and then answers with a reason code that rumqttc cannot read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_over_a_limit_that_was_not_announced_is_found_out() {
    let mosquitto = Mosquitto::start(&stock_and("message_size_limit 10000"));
    let mut node = Peer::node("store-1", mosquitto.port());
    let connected = node.connected().await;
    assert!(connected.payload_bytes_max > 1_000_000);
    let before = node.publish(up("store-1"), vec![1; 9_000]).await;
    let large = node.publish(up("store-1"), vec![2; 20_000]).await;
    let larger = node.publish(up("store-1"), vec![3; 30_000]).await;
    let small = node.publish(up("store-1"), vec![4; 11]).await;
    assert_eq!(in_time(before).await, Ok(()));
    assert!(matches!(
        in_time(large).await,
        Err(PublishFailed::TooLarge { bytes: 20_001..20_100 })
    ));
    // The broker may have hung up before it was sent.
    assert!(matches!(
        in_time(larger).await,
        Err(PublishFailed::TooLarge { bytes: 30_001..30_100 } | PublishFailed::Disconnected)
    ));
    assert_eq!(in_time(small).await, Err(PublishFailed::Disconnected));
    assert_eq!(node.disconnected().await, Trouble::PacketTooLarge);

    let connected = node.connected().await;
    assert!((19_000..20_000).contains(&connected.payload_bytes_max), "{connected:?}");
    let again = node.publish(up("store-1"), vec![2; 20_000]).await;
    assert!(matches!(in_time(again).await, Err(PublishFailed::TooLarge { .. })));
    let half = node.publish(up("store-1"), vec![2; 10_000]).await;
    assert_eq!(in_time(half).await, Ok(()), "in the same session");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_hangs_up_without_a_word_is_understood_in_the_end() {
    let mosquitto = Mosquitto::start(STOCK);
    let proxy = Proxy::start(mosquitto.port(), 40_000).await;
    let mut node = Peer::node("store-1", proxy.port);
    node.connected().await;
    let mut lost = 0;
    let refused = loop {
        let receipt = node.publish(up("store-1"), vec![9; 50_000]).await;
        match in_time(receipt).await {
            Err(PublishFailed::Disconnected) => lost += 1,
            other => break other,
        }
        node.connected().await;
    };
    assert!(
        matches!(refused, Err(PublishFailed::TooLarge { bytes: 50_001.. })),
        "{refused:?}"
    );
    assert_eq!((lost, proxy.cuts()), (2, 3));
    let connected = node.connected().await;
    assert!(connected.payload_bytes_max < 50_000);
    let half = node.publish(up("store-1"), vec![9; 25_000]).await;
    assert_eq!(in_time(half).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_rules_do_not_allow_is_refused_by_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let rules = "topic read fm/market/hq\ntopic write fm/market/store-1/up\n";
    std::fs::write(folder.path().join("acl"), rules).unwrap();
    let mosquitto = Mosquitto::start_in(folder, &stock_and("acl_file @DIR@/acl"));
    let mut node = Peer::node("store-1", mosquitto.port());
    // Its presence is refused too, which keeps no sale from its way.
    node.connected().await;
    let foreign = node.publish(up("store-2"), "forged").await;
    assert_eq!(in_time(foreign).await, Err(PublishFailed::NotAuthorized));
    let own = node.publish(up("store-1"), "honest").await;
    assert_eq!(in_time(own).await, Ok(()), "in the same session");
}

/// The consumer holds what it gets for a while, and deals with it in any order: the broker waits meanwhile, and then
/// everything is there and in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_consumer_loses_nothing() {
    const MESSAGES: u32 = 700;
    let mosquitto = Mosquitto::start(STOCK);
    let (mut hub, mut node) = (Peer::hub(mosquitto.port()), Peer::node("store-1", mosquitto.port()));
    hub.connected().await;
    node.connected().await;
    let mut last = None;
    for number in 0..MESSAGES {
        last = Some(hub.publish(down("store-1"), number.to_le_bytes()).await);
    }
    assert_eq!(in_time(last.unwrap()).await, Ok(()), "all of them are at the broker");
    let mut held = Vec::new();
    for expected in 0..MESSAGES {
        let message = node.message_on(&down("store-1")).await;
        assert_eq!(message.payload, expected.to_le_bytes());
        held.push(message);
        if held.len() == 80 {
            while let Some(message) = held.pop() {
                message.token.acknowledge();
            }
        }
    }
}

/// A flood that no window holds back: this side stops reading, goes on answering its caller, and takes it all later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_stops_at_the_link_and_not_in_the_callers_publish() {
    const MESSAGES: u32 = 900;
    let mosquitto = Mosquitto::start(STOCK);
    let mut node = Peer::node("store-1", mosquitto.port());
    node.connected().await;
    let flood = tokio::spawn(flood(mosquitto.port(), MESSAGES));
    // Nobody takes events. Publishing is refused in the end, and never waits for ever.
    let (told, mut fates) = mpsc::unbounded_channel();
    let congested = async {
        loop {
            let receipt = node.publish(up("store-1"), "under water").await;
            let told = told.clone();
            tokio::spawn(async move { told.send(receipt.await) });
            if let Ok(Err(why)) = fates.try_recv() {
                break why;
            }
        }
    };
    assert_eq!(in_time(congested).await, PublishFailed::Congested);
    in_time(flood).await.unwrap();
    for expected in 0..MESSAGES {
        assert_eq!(node.message_on(&down("store-1")).await.payload, expected.to_le_bytes());
    }
    assert_eq!(in_time(node.publish(up("store-1"), "afloat").await).await, Ok(()));
}

/// Sends as another program would that asks for no acknowledgement (QoS 0).
async fn flood(port: u16, messages: u32) {
    let (client, mut events) = AsyncClient::new(MqttOptions::new("flood", "127.0.0.1", port), 10);
    let sending = async {
        for number in 0..messages {
            let payload = number.to_le_bytes();
            client
                .publish("fm/market/store-1/down", QoS::AtMostOnce, false, payload.to_vec())
                .await
                .unwrap();
        }
        client.disconnect().await.unwrap();
        std::future::pending::<()>().await;
    };
    let polling = async { while !matches!(events.poll().await, Ok(Event::Outgoing(Outgoing::Disconnect)) | Err(_)) {} };
    tokio::select! {
        () = sending => {}
        () = polling => {}
    }
}
