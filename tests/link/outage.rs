//! Brokers that die, forget and fall silent.

use std::collections::BTreeSet;

use finalmarket::mqtt::{LinkEvent, PublishFailed, Topic, Trouble};

use crate::mosquitto::{Mosquitto, STOCK};
use crate::peer::{KEEP_ALIVE, Peer, down, in_time, up};
use crate::ports::free_port;

/// The caller keeps what the other side has not answered for, and sends it again whenever either side is new.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_messages_arrive_across_two_kills_of_the_broker() {
    const MESSAGES: u32 = 2_000;
    let mut mosquitto = Mosquitto::start(STOCK);
    let mut hub = Peer::hub(mosquitto.port());
    let mut node = Peer::node("store-1", mosquitto.port());
    let mut ledger = tokio::spawn(async move {
        let (mut seen, mut repeated) = (BTreeSet::new(), 0);
        loop {
            match hub.events.recv().await {
                None => return (seen, repeated),
                Some(LinkEvent::Connected(connected)) => hub.session = connected.session,
                Some(LinkEvent::Message(message)) if message.topic == up("store-1") => {
                    let number = u32::from_le_bytes(message.payload[..4].try_into().unwrap());
                    assert_eq!(message.payload, payload(number));
                    repeated += usize::from(!seen.insert(number));
                    drop(hub.publish(down("store-1"), number.to_le_bytes()).await);
                    message.token.acknowledge();
                    if seen.len() == MESSAGES as usize {
                        hub.handle.stop().await;
                        return (seen, repeated);
                    }
                }
                Some(_) => {}
            }
        }
    });

    let mut unanswered: BTreeSet<u32> = (0..MESSAGES).collect();
    let mut unsent = unanswered.clone();
    let mut kills = vec![1_300, 600];
    let mut connected = false;
    let (seen, repeated) = loop {
        tokio::select! {
            // Headquarters stops when it has everything; its last answers may be lost with that.
            seen = &mut ledger => break seen.unwrap(),
            event = node.event(), if !unanswered.is_empty() => match event {
                LinkEvent::Connected(now) => {
                    node.session = now.session;
                    connected = true;
                    unsent = unanswered.clone();
                }
                LinkEvent::Disconnected(_) => connected = false,
                LinkEvent::Message(message) if message.topic == Topic::Hub => unsent = unanswered.clone(),
                LinkEvent::Message(message) => {
                    let number = u32::from_le_bytes(message.payload[..].try_into().unwrap());
                    unanswered.remove(&number);
                    unsent.remove(&number);
                    if kills.last().is_some_and(|at| unanswered.len() <= MESSAGES as usize - at) {
                        kills.pop();
                        mosquitto.restart();
                    }
                }
            },
            // A window, so that mosquitto's queue of 1,000 messages never overflows.
            () = std::future::ready(()), if connected && !unsent.is_empty() && unanswered.len() - unsent.len() < 200 => {
                let number = unsent.pop_first().unwrap();
                drop(node.publish(up("store-1"), payload(number)).await);
            }
        }
    };
    assert_eq!(seen.len(), MESSAGES as usize);
    assert!(kills.is_empty());
    println!("{repeated} messages came twice");
}

fn payload(number: u32) -> Vec<u8> {
    number.to_le_bytes().repeat(1 + number as usize % 500)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_sent_again_behind_the_callers_back() {
    let mut mosquitto = Mosquitto::start(STOCK);
    let mut node = Peer::node("store-1", mosquitto.port());
    node.connected().await;
    let old_session = node.session;
    mosquitto.pause();
    let mut receipts = Vec::new();
    for number in 0..30 {
        receipts.push(node.publish(up("store-1"), format!("old {number}")).await);
    }
    mosquitto.restart();
    assert!(matches!(node.disconnected().await, Trouble::Broken(_)));
    for receipt in receipts {
        assert_eq!(in_time(receipt).await, Err(PublishFailed::Disconnected));
    }
    let mut hub = Peer::hub(mosquitto.port());
    hub.connected().await;
    node.connected().await;
    assert_ne!(node.session, old_session);
    let new_session = node.session;
    node.session = old_session;
    let stale = node.publish(up("store-1"), "made for the old session").await;
    assert_eq!(in_time(stale).await, Err(PublishFailed::Disconnected));
    node.session = new_session;
    drop(node.publish(up("store-1"), "new").await);
    assert_eq!(hub.message_on(&up("store-1")).await.payload, b"new");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_has_forgotten_everything_is_told_again() {
    let mut mosquitto = Mosquitto::start(STOCK);
    let (mut hub, mut node) = (Peer::hub(mosquitto.port()), Peer::node("store-1", mosquitto.port()));
    hub.connected().await;
    node.connected().await;
    mosquitto.restart();
    hub.connected().await;
    node.connected().await;
    // Subscriptions and retained states are there again, though nothing was saved.
    let mut late = Peer::node("store-2", mosquitto.port());
    late.connected().await;
    assert!(late.message_on(&Topic::Hub).await.retained);
    drop(hub.publish(down("store-1"), "still there?").await);
    assert_eq!(node.message_on(&down("store-1")).await.payload, b"still there?");
    drop(node.publish(up("store-1"), "yes").await);
    assert_eq!(hub.message_on(&up("store-1")).await.payload, b"yes");
    assert!(mosquitto.log().matches("-- start").count() == 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_falls_silent_is_left_and_found_again() {
    let mosquitto = Mosquitto::start(STOCK);
    let (mut idle, mut busy) = (
        Peer::node("store-1", mosquitto.port()),
        Peer::node("store-2", mosquitto.port()),
    );
    idle.connected().await;
    busy.connected().await;
    mosquitto.pause();
    // More than the sockets hold: rumqttc is stuck in the middle of a write and does not even ping.
    let mut receipts = Vec::new();
    for _ in 0..18 {
        receipts.push(busy.publish(up("store-2"), vec![7; 1_000_000]).await);
    }
    let silent = Trouble::Silent(2 * KEEP_ALIVE);
    assert_eq!(idle.disconnected().await, silent);
    assert_eq!(busy.disconnected().await, silent);
    for receipt in receipts {
        assert_eq!(in_time(receipt).await, Err(PublishFailed::Disconnected));
    }
    mosquitto.resume();
    idle.connected().await;
    busy.connected().await;
    assert_eq!(in_time(busy.publish(up("store-2"), "awake").await).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_not_there_yet_is_waited_for() {
    let port = free_port();
    let mut node = Peer::node("store-1", port);
    let trouble = node.disconnected().await;
    assert!(
        matches!(&trouble, Trouble::Unreachable(why) if why.contains("refused")),
        "{trouble:?}"
    );
    let lost = node.publish(up("store-1"), "nobody is there").await;
    assert_eq!(in_time(lost).await, Err(PublishFailed::Disconnected));
    let _mosquitto = Mosquitto::start(&STOCK.replace("@PORT@", &port.to_string()));
    node.connected().await;
}
