//! Stock work over the API.

use serde_json::json;

use crate::node::Node;

#[tokio::test]
async fn work_is_entered_once_and_told_in_the_history() {
    let node = Node::start().await;
    let till = node.till("1").await;
    let delivery = json!({
        "work": {"kind": "goods_in", "supplier": "ACME", "reference": "DN 7"},
        "lines": [{"sku": "1001", "quantity": "10", "cost": "2.45"}],
    });
    let first = till.post("/v1/stock/work", "w-1", &delivery).await.ok(201);
    assert_eq!(till.post("/v1/stock/work", "w-1", &delivery).await.ok(201), first);
    let mark = till.post("/v1/stock/counts", "c-1", &json!({})).await.ok(200)["mark"].clone();
    till.sell(1).await.ok(201);
    let count = json!({"work": {"kind": "count", "mark": mark}, "lines": [{"sku": "1001", "quantity": "9"}]});
    let counted = till.post("/v1/stock/work", "w-2", &count).await.ok(201);
    assert_eq!(counted["lines"], json!([{"sku": "1001", "quantity": "-1"}]));
    let moved = json!({
        "work": {"kind": "move", "reason": "damaged", "from": "sellable", "to": "damaged"},
        "lines": [{"sku": "1001", "quantity": "2"}],
    });
    till.post("/v1/stock/work", "w-3", &moved).await.ok(201);
    assert_eq!(till.get("/v1/stock/1001").await.ok(200)["quantity"], "6");
    let damaged = till.get("/v1/stock/1001/history?place=damaged").await.ok(200);
    assert_eq!(damaged["history"][0]["quantity_after"], "2");
    let history = till.get("/v1/stock/1001/history").await.ok(200);
    assert_eq!(history["history"][3]["why"], "from ACME");
    let other = json!({"work": {"kind": "loss", "reason": "other"}, "lines": [{"sku": "1001", "quantity": "1"}]});
    till.post("/v1/stock/work", "w-4", &other)
        .await
        .problem(422, "note-missing");
    let stale = json!({"work": {"kind": "count", "mark": 9_999}, "lines": [{"sku": "1001", "quantity": "1"}]});
    till.post("/v1/stock/work", "w-5", &stale)
        .await
        .problem(409, "count-mark");
}
