//! Thresholds, the status of stock, and alerts.

use serde_json::json;

use crate::node::Node;

#[tokio::test]
async fn stock_says_how_it_stands_and_alerts_are_seen_by_somebody() {
    let node = Node::start().await;
    let (till, manager) = (node.till("1").await, node.manager().await);
    let receipt = json!({"kind": "receipt", "lines": [{"sku": "1001", "change": "11"}]});
    till.post("/v1/stock/movements", "m-1", &receipt).await.ok(201);
    let stock = till.get("/v1/stock/1001").await.ok(200);
    assert_eq!(
        (&stock["status"], &stock["threshold"]),
        (&json!("in_stock"), &json!("10"))
    );
    assert_eq!(till.get("/v1/alerts").await.ok(200)["alerts"], json!([]));
    till.sell(1).await.ok(201);
    let stock = till.get("/v1/stock").await.ok(200);
    assert_eq!(stock["stock"][0]["status"], "low_stock");
    let alerts = till.get("/v1/alerts").await.ok(200);
    let alert = &alerts["alerts"][0];
    assert_eq!(
        (&alert["kind"], &alert["severity"]),
        (&json!("low_stock"), &json!("warning"))
    );
    let path = format!("/v1/alerts/{}/acknowledge", alert["id"]);
    let seen = till.post(&path, "a-1", &json!({})).await.ok(200);
    assert!(seen["acknowledged_by"].is_string() && seen["acknowledged_at"].is_string());
    till.post("/v1/alerts/999/acknowledge", "a-2", &json!({}))
        .await
        .problem(404, "alert-not-found");
    let path = "/v1/stock/1001/threshold";
    till.post(path, "t-1", &json!({"threshold": "5"}))
        .await
        .problem(403, "role-forbidden");
    manager
        .post(path, "t-2", &json!({"threshold": "-1"}))
        .await
        .problem(422, "threshold");
    manager.post(path, "t-3", &json!({"threshold": "5"})).await.ok(200);
    assert_eq!(till.get("/v1/stock/1001").await.ok(200)["status"], "in_stock");
    assert_eq!(till.get("/v1/alerts").await.ok(200)["alerts"], json!([]));
    let past = till.get("/v1/alerts?cleared=true").await.ok(200);
    assert!(past["alerts"][0]["cleared_at"].is_string());
    let metrics = node.operator().get("/metrics").await.text;
    assert!(
        metrics.contains("finalmarket_alerts_open{kind=\"low_stock\"} 0"),
        "{metrics}"
    );
    manager
        .post("/v1/stock/9999/threshold", "t-4", &json!({"threshold": null}))
        .await
        .problem(404, "product-not-found");
}
