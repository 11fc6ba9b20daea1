//! Pickups and transfers at headquarters: what stores decided, in whatever order it comes, and what their sites are told.

use finalmarket::domain::escrow::{Amount, Grant, ReplicaId};
use finalmarket::domain::fact::Fact;
use finalmarket::domain::ids::SiteId;
use finalmarket::domain::quantity::Quantity;
use finalmarket::domain::stock::{
    By, GrantLine, Granted, HoldId, HoldLine, PickupAct, PickupStep, SiteKey, TransferDispatched, TransferId,
    TransferReceived, Way, site_feed,
};
use finalmarket::hq::Projection;
use finalmarket::sync::wire::{FeedCursor, FeedEntry};
use serde_json::{Value, json};

use super::api_caller::Api;
use super::ingest;
use super::journal::Journal;

fn site(name: &str) -> SiteId {
    name.parse().unwrap()
}

fn lines(units: i64) -> Vec<HoldLine> {
    vec![HoldLine {
        sku: "1001".parse().unwrap(),
        quantity: Quantity::from_units(units).unwrap(),
    }]
}

fn by() -> By {
    By {
        device: "ramp".into(),
        staff: None,
        note: None,
    }
}

/// Takes in what a journal has behind `first`, and makes figures of it.
fn heard(api: &Api, journal: &Journal, first: u64) {
    ingest(&api.hq, vec![journal.batch(first, journal.slots.len() as u64)]);
    api.hq.project().unwrap();
}

/// A store that has handed five units' rights to headquarters.
fn store_with_rights(api: &Api) -> Journal {
    let mut journal = Journal::open("store-1");
    journal.record(Fact::Granted(Granted {
        to: api.hq.replica().unwrap(),
        site: site("store-1"),
        request: None,
        lines: vec![GrantLine {
            sku: "1001".parse().unwrap(),
            grant: Grant {
                before: Amount::ZERO,
                after: Amount::new(5_000).unwrap(),
            },
        }],
        hold: None,
    }));
    heard(api, &journal, 1);
    journal
}

async fn order(api: &Api, key: &str) -> HoldId {
    let line = json!({"sku": "1001", "quantity": "2"});
    let body = json!({"site": "store-1", "channel": "web", "paid": true, "lines": [line]});
    let (answer, _) = api.post_as(key, "/v1/pickups", body).await;
    assert_eq!(answer.status, 201, "{:?}", answer.body);
    answer.json()["id"].as_str().unwrap().parse().unwrap()
}

fn decided(id: HoldId, at: &str, act: PickupAct) -> Fact {
    Fact::PickupStep(PickupStep {
        id,
        site: site(at),
        act,
        by: "till 1".into(),
        staff: None,
        note: None,
    })
}

/// What a site's feed says under a key.
fn told(api: &Api, at: &str, key: SiteKey) -> Option<Value> {
    let cursor = FeedCursor {
        feed: site_feed(&site(at)),
        version: 0,
        epoch: 0,
    };
    let page = api.hq.feed_page(&cursor, 8 << 10).unwrap()?;
    let bytes = zstd::bulk::decompress(&page.entries, 1 << 20).unwrap();
    let entries: Vec<FeedEntry> = postcard::from_bytes(&bytes).unwrap();
    let entry = entries.into_iter().find(|entry| entry.key == key.key())?;
    serde_json::from_str(&entry.body?).ok()
}

async fn pickup(api: &Api, id: HoldId) -> Value {
    for path in ["/v1/pickups", "/v1/pickups?over=true"] {
        let page = api.get(path).await;
        let mut pickups = page["pickups"].as_array().unwrap().iter();
        if let Some(found) = pickups.find(|pickup| pickup["id"] == id.to_string()) {
            return found.clone();
        }
    }
    panic!("no pickup {id}")
}

async fn on_hand(api: &Api, at: &str) -> Value {
    api.get(&format!("/v1/stock?site={at}")).await["stock"][0]["quantity"].clone()
}

#[tokio::test]
async fn a_hold_is_handed_over_with_the_store_s_word_and_never_after_it_ended() {
    let api = Api::new();
    let mut journal = store_with_rights(&api);
    let replica = ReplicaId {
        node: journal.node.clone(),
        incarnation: journal.incarnation,
    };
    let (kept, cancelled) = (order(&api, "a").await, order(&api, "b").await);
    assert!(told(&api, "store-1", SiteKey::Pickup(kept)).is_some());
    assert_eq!(told(&api, "store-2", SiteKey::Pickup(kept)), None);
    let path = format!("/v1/pickups/{cancelled}/cancel");
    assert_eq!(api.post(&path, json!({})).await.status, 200);
    assert_eq!(api.post(&path, json!({})).await.problem(), "pickup-over");
    let ended = told(&api, "store-1", SiteKey::Pickup(cancelled)).unwrap();
    assert!(ended["last"]["act"] == "cancelled", "{ended:#}");

    // The store had said yes to both before it heard.
    for id in [kept, cancelled] {
        journal.record(decided(id, "store-1", PickupAct::Accepted));
    }
    heard(&api, &journal, 3);
    let said = pickup(&api, kept).await;
    assert_eq!(
        (&said["state"], &said["held_here"]),
        (&json!("accepted"), &json!(false))
    );
    assert_eq!(pickup(&api, cancelled).await["state"], "cancelled");
    assert_eq!(api.get("/v1/holds").await["holds"], json!([]));
    let sku = "1001".parse().unwrap();
    let grants = api
        .hq
        .grants_behind(&replica, &site("store-1"), &sku, Amount::ZERO)
        .unwrap();
    let holds: Vec<HoldId> = grants
        .iter()
        .flat_map(|granted| granted.hold.as_ref().map(|hold| hold.opened.id))
        .collect();
    assert_eq!(holds, [kept], "once, and not what was cancelled");

    // The customer of the cancelled order was quicker than the news: the goods are gone, and it says so.
    let in_hand = lines(2);
    let act = PickupAct::Collected { sale: None, in_hand };
    let next = journal.record(decided(cancelled, "store-1", act));
    heard(&api, &journal, next);
    assert_eq!(pickup(&api, cancelled).await["state"], "collected");
    assert_eq!(on_hand(&api, "store-1").await, "-2");
    api.hq.rebuild(Projection::Stock).unwrap();
    assert_eq!(on_hand(&api, "store-1").await, "-2");
    let grants = api
        .hq
        .grants_behind(&replica, &site("store-1"), &sku, Amount::ZERO)
        .unwrap();
    assert_eq!(grants.len(), 1, "figures that are made anew hand nothing over again");
}

#[tokio::test]
async fn another_site_decides_nothing_and_is_listed() {
    let api = Api::new();
    store_with_rights(&api);
    let id = order(&api, "a").await;
    let mut other = Journal::open("store-2");
    other.record(decided(id, "store-1", PickupAct::Accepted));
    other.record(decided(id, "store-2", PickupAct::Accepted));
    heard(&api, &other, 1);
    assert_eq!(pickup(&api, id).await["state"], "requested");
    let listed = api.get("/v1/set-aside").await;
    assert_eq!(listed["records"].as_array().map(Vec::len), Some(2), "{listed:#}");
}

#[tokio::test]
async fn goods_that_arrived_before_the_news_meet_it_and_each_leg_counts_once() {
    let api = Api::new();
    let (mut source, mut destination) = (Journal::open("store-1"), Journal::open("store-2"));
    let id = TransferId([6; 8]);
    let received = Fact::TransferReceived(TransferReceived {
        id,
        from: None,
        to: site("store-2"),
        lines: lines(2),
        reason: None,
        by: by(),
    });
    destination.record(received.clone());
    heard(&api, &destination, 1);
    let listed = api.get("/v1/transfers").await;
    assert_eq!(listed["transfers"][0]["state"], "received_early", "{listed:#}");
    let way = Way {
        from: site("store-1"),
        to: site("store-2"),
    };
    source.record(Fact::TransferDispatched(TransferDispatched {
        id,
        way,
        lines: lines(3),
        from_hold: false,
        by: by(),
    }));
    heard(&api, &source, 1);
    // It is told where it arrived, once, until somebody has seen it.
    let alerts = async || api.get("/v1/alerts").await["alerts"].as_array().unwrap().clone();
    let raised = alerts().await;
    let raised: Vec<_> = raised
        .iter()
        .filter(|alert| alert["kind"] == "transfer_difference")
        .collect();
    assert_eq!(raised.len(), 1, "{raised:?}");
    assert_eq!(raised[0]["site"], "store-2");
    let path = format!("/v1/alerts/{}/acknowledge", raised[0]["id"]);
    assert_eq!(api.post(&path, json!({})).await.status, axum::http::StatusCode::OK);
    api.hq.rebuild(finalmarket::hq::Projection::Stock).unwrap();
    assert!(
        alerts()
            .await
            .iter()
            .all(|alert| alert["kind"] != "transfer_difference")
    );
    let listed = api.get("/v1/transfers?over=true&site=store-1").await;
    let differs = &listed["transfers"][0]["differences"][0];
    assert_eq!(
        (&differs["sent"], &differs["arrived"]),
        (&json!("3"), &json!("2")),
        "{listed:#}"
    );
    for at in ["store-1", "store-2"] {
        let said = told(&api, at, SiteKey::Transfer(id)).unwrap();
        assert!(
            said["dispatched"].is_object() && said["received"].is_object(),
            "{said:#}"
        );
    }
    assert_eq!(
        (on_hand(&api, "store-1").await, on_hand(&api, "store-2").await),
        (json!("-3"), json!("2"))
    );
    // Typed in once more, at another device; and at a site that it never went to.
    let again = destination.record(received);
    heard(&api, &destination, again);
    assert_eq!(on_hand(&api, "store-2").await, "2");
    let mut third = Journal::open("store-3");
    third.record(Fact::TransferReceived(TransferReceived {
        id,
        from: None,
        to: site("store-3"),
        lines: lines(2),
        reason: None,
        by: by(),
    }));
    heard(&api, &third, 1);
    assert_eq!(api.get("/v1/stock?site=store-3").await["stock"], json!([]));
}

#[tokio::test]
async fn a_transfer_is_asked_for_and_called_off_while_nothing_has_left() {
    let api = Api::new();
    let line = json!({"sku": "1001", "quantity": "2"});
    let body = json!({"from": "store-1", "to": "store-2", "lines": [line], "note": "for the fair"});
    let (answer, _) = api.post_as("t", "/v1/transfers", body.clone()).await;
    assert_eq!(answer.status, 201);
    let id: TransferId = answer.json()["id"].as_str().unwrap().parse().unwrap();
    for at in ["store-1", "store-2"] {
        assert!(told(&api, at, SiteKey::Transfer(id)).is_some(), "{at}");
    }
    let path = format!("/v1/transfers/{id}/call-off");
    assert_eq!(api.post(&path, json!({})).await.json()["state"], "called_off");
    assert_eq!(api.post(&path, json!({})).await.problem(), "transfer-state");
    let unknown = format!("/v1/transfers/{}/call-off", TransferId([1; 8]));
    assert_eq!(api.post(&unknown, json!({})).await.problem(), "transfer-not-found");
    let same = json!({"from": "store-1", "to": "store-1", "lines": body["lines"]});
    assert_eq!(api.post_as("s", "/v1/transfers", same).await.0.problem(), "same-site");
    assert_eq!(
        api.post("/v1/transfers", body).await.problem(),
        "idempotency-key-missing"
    );
}
