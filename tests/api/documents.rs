//! What was sold: by identity, by receipt, by day, and as the printer's text.

use finalmarket::store::Role;
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::reply;
use crate::node::{As, Node};

#[tokio::test]
async fn a_sale_is_found_again() {
    let node = Node::start().await;
    let till = node.till("1").await;
    let sold = till.sell(1).await.ok(201);
    let mut found = till.get(&format!("/v1/sales/{}/1", till.series())).await.ok(200);
    // The present incarnation's opening is the journal's first record.
    assert_eq!(found.as_object_mut().unwrap().remove("seq"), Some(json!(2)));
    assert_eq!(found, sold);
    till.get(&format!("/v1/sales/{}/2", till.series()))
        .await
        .problem(404, "document-not-found");
    till.get("/v1/sales/NOBODY/1").await.problem(404, "document-not-found");
    let receipt = sold["receipt"].as_str().unwrap();
    assert_eq!(till.get(&format!("/v1/receipts/{receipt}")).await.ok(200)["counter"], 1);
    let next = receipt.replace("000001", "000002");
    till.get(&format!("/v1/receipts/{next}"))
        .await
        .problem(404, "document-not-found");
}

#[tokio::test]
async fn a_receipt_is_text_for_a_printer() {
    let node = Node::start().await;
    let till = node.till("1").await;
    let sold = till.sell(1).await.ok(201);
    let receipt = sold["receipt"].as_str().unwrap();
    let text = till.get(&format!("/v1/receipts/{receipt}.txt")).await;
    assert_eq!(text.header("content-type"), "text/plain; charset=utf-8");
    insta::assert_snapshot!("receipt", text.text);
    let accepts = till
        .request(Method::GET, &format!("/v1/receipts/{receipt}"))
        .header("Accept", "text/plain");
    assert_eq!(reply(accepts).await.text, text.text);
    let copy = till
        .get(&format!("/v1/receipts/{receipt}.txt?width=32&copy=true"))
        .await
        .text;
    assert!(
        copy.contains("COPY") && copy.lines().all(|line| line.chars().count() <= 32),
        "{copy}"
    );
}

#[tokio::test]
async fn lists_are_newest_first_and_paged() {
    let node = Node::start().await;
    let till = node.till("1").await;
    for counter in 1..=5 {
        till.sell(counter).await.ok(201);
    }
    let counters = |page: &Value| -> Vec<u64> {
        page["sales"]
            .as_array()
            .unwrap()
            .iter()
            .map(|sale| sale["counter"].as_u64().unwrap())
            .collect()
    };
    for list in ["/v1/sales?", "/v1/sales?day=2024-02-29&", "/v1/sales?order=newest&"] {
        let first = till.get(&format!("{list}limit=3")).await.ok(200);
        assert_eq!(counters(&first), [5, 4, 3]);
        let second = till
            .get(&format!("{list}limit=3&cursor={}", first["next"]))
            .await
            .ok(200);
        assert_eq!(counters(&second), [2, 1], "{list}");
    }
    assert_eq!(counters(&till.get("/v1/sales?day=2024-03-01").await.ok(200)), [0; 0]);
    let today = till.get("/v1/today").await.ok(200);
    assert_eq!(
        today,
        json!({
            "business_day": "2024-02-29", "currency": "USD", "sales": 5, "sold": "19.95", "refunds": 0,
            "refunded": "0.00", "total": "19.95",
        })
    );
}

#[tokio::test]
async fn a_kiosk_sees_its_own_sales_only() {
    let node = Node::start().await;
    let (till, kiosk) = (
        node.till("1").await,
        node.device(As::role(Role::Kiosk, Some("k"))).await,
    );
    let others = till.sell(1).await.ok(201);
    let own = kiosk.sell(1).await.ok(201);
    let receipt = |sale: &Value| format!("/v1/receipts/{}", sale["receipt"].as_str().unwrap());
    kiosk.get(&receipt(&own)).await.ok(200);
    kiosk.get(&receipt(&others)).await.problem(403, "role-forbidden");
    kiosk
        .get(&format!("/v1/sales/{}/1", till.series()))
        .await
        .problem(403, "role-forbidden");
    till.get(&receipt(&own)).await.ok(200);
}
