//! Alerts at headquarters: raised once, said anew, cleared when over, seen by a person.

use axum::http::StatusCode;
use finalmarket::domain::fact::Fact;
use finalmarket::domain::quantity::Quantity;
use finalmarket::domain::stock::{MovementId, MovementKind, StockWork, ThresholdSet, WorkKind, WorkLine};
use serde_json::{Value, json};

use super::account::{SKU, brings_its_document, busy, moves, sku};
use super::api_caller::Api;
use super::journal::Journal;
use super::{NOW_MS, ingest};

fn ten() -> Quantity {
    Quantity::from_units(10).unwrap()
}

/// Headquarters takes in what is new in a journal, with its document, and judges.
fn told(api: &Api, journal: &Journal, from: u64) {
    ingest(&api.hq, vec![journal.batch(from, journal.slots.len() as u64)]);
    api.hq.project().unwrap();
    brings_its_document(api, journal);
    api.hq.judge_alerts(ten(), NOW_MS).unwrap();
}

async fn open(api: &Api) -> Vec<(String, String)> {
    let alerts = api.get("/v1/alerts").await;
    let mut open: Vec<_> = alerts["alerts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|alert| {
            (
                alert["kind"].as_str().unwrap().to_owned(),
                alert["detail"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    open.sort();
    open
}

fn kinds(open: &[(String, String)]) -> Vec<&str> {
    open.iter().map(|(kind, _)| kind.as_str()).collect()
}

#[tokio::test]
async fn what_is_wrong_with_a_shelf_is_told_once_and_is_over_when_it_is() {
    let (api, mut store, _) = busy().await;
    api.hq.judge_alerts(ten(), NOW_MS).unwrap();
    let first = open(&api).await;
    assert_eq!(kinds(&first), ["low_stock", "oversold"]);
    assert!(first[1].1.ends_with("KIOSK-1-R1-AAAA-001500"), "{first:?}");
    api.hq.judge_alerts(ten(), NOW_MS + 1).unwrap();
    assert_eq!(open(&api).await, first, "nothing is told twice");
    let alerts = api.get("/v1/alerts?site=store-1").await;
    let id = alerts["alerts"][0]["id"].as_i64().unwrap();
    let path = format!("/v1/alerts/{id}/acknowledge");
    let (seen, _) = api.post_as("seen", &path, json!({})).await;
    assert_eq!(
        (seen.status, seen.json()["acknowledged_by"].clone()),
        (StatusCode::OK, json!("operator"))
    );
    let missing = api.post("/v1/alerts/999/acknowledge", json!({})).await;
    assert_eq!(missing.problem(), "alert-not-found");
    let from = store.slots.len() as u64 + 1;
    moves(&mut store, MovementKind::Receipt, "DN 7", "20");
    told(&api, &store, from);
    assert_eq!(kinds(&open(&api).await), ["oversold"]);
    let all = api.get("/v1/alerts?cleared=true").await;
    let cleared: Vec<&Value> = all["alerts"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|alert| alert["cleared_at"].is_string())
        .collect();
    assert_eq!((cleared.len(), &cleared[0]["kind"]), (1, &json!("low_stock")));
    // A site's own threshold.
    let from = store.slots.len() as u64 + 1;
    store.record(Fact::ThresholdSet(ThresholdSet {
        site: "store-1".parse().unwrap(),
        sku: sku(),
        threshold: Some(Quantity::from_units(100).unwrap()),
        by: "manager".into(),
    }));
    told(&api, &store, from);
    assert_eq!(kinds(&open(&api).await), ["low_stock", "oversold"]);
    assert!(
        api.get("/v1/alerts?site=store-2").await["alerts"]
            .as_array()
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_count_s_difference_is_told_until_it_is_none() {
    let (api, mut store, _) = busy().await;
    let work = |kind, quantity: &str, counted: Option<&str>| {
        Fact::StockWork(StockWork {
            id: MovementId(if counted.is_some() { [1; 8] } else { [2; 8] }),
            site: "store-1".parse().unwrap(),
            kind,
            device: "till 1".into(),
            staff: None,
            note: None,
            lines: vec![WorkLine {
                sku: sku(),
                quantity: quantity.parse().unwrap(),
                cost: None,
                counted: counted.map(|counted| counted.parse().unwrap()),
            }],
        })
    };
    let from = store.slots.len() as u64 + 1;
    let others = Vec::new();
    store.record(work(WorkKind::Count { mark: 9, others }, "-1", Some("3")));
    told(&api, &store, from);
    let alerts = open(&api).await;
    assert_eq!(
        kinds(&alerts),
        ["count_difference", "high_reservation", "out_of_stock", "oversold"]
    );
    assert_eq!(
        alerts[0].1,
        format!("the last count of {SKU} found 3 units where 4 should have been")
    );
    let from = store.slots.len() as u64 + 1;
    let late = WorkKind::CountLate {
        count: MovementId([1; 8]),
        of: store.id(1),
    };
    store.record(work(late, "1", None));
    told(&api, &store, from);
    assert_eq!(kinds(&open(&api).await), ["low_stock", "oversold"]);
}

#[tokio::test]
async fn a_silent_node_is_told_until_it_is_heard() {
    let (api, ..) = busy().await;
    let (site, node) = ("store-1".parse().unwrap(), "kiosk-1".parse().unwrap());
    let silent = || Some("kiosk-1 was not heard from".to_owned());
    api.hq.judge_stale(&site, &node, silent(), NOW_MS).unwrap();
    api.hq.judge_stale(&site, &node, silent(), NOW_MS).unwrap();
    let alerts = api.get("/v1/alerts").await;
    assert_eq!(alerts["alerts"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&alerts["alerts"][0]["node"], &alerts["alerts"][0]["severity"]),
        (&json!("kiosk-1"), &json!("warning"))
    );
    api.hq.judge_stale(&site, &node, None, NOW_MS).unwrap();
    assert_eq!(open(&api).await, []);
}
