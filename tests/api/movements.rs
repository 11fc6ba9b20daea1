//! Goods in, opening stock, corrections.

use serde_json::{Value, json};

use crate::node::Node;

#[tokio::test]
async fn stock_moves_by_a_change_or_to_a_quantity() {
    let node = Node::start().await;
    let till = node.till("1").await;
    let opening = json!({
        "kind": "opening", "reference": "stock.csv",
        "lines": [{"sku": "1001", "change": "10"}, {"sku": "1002", "change": "2.5"}],
    });
    let moved = till.post("/v1/stock/movements", "m-1", &opening).await.ok(201);
    assert_eq!(moved, opening);
    let counted = json!({
        "kind": "adjustment",
        "lines": [{"sku": "1001", "quantity": "7"}, {"sku": "1002", "quantity": "2.5"}],
    });
    let moved = till.post("/v1/stock/movements", "m-2", &counted).await.ok(201);
    assert_eq!(moved["lines"], json!([{"sku": "1001", "change": "-3"}]));
    let again = till.post("/v1/stock/movements", "m-2", &counted).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.ok(201), moved);
    let nothing = till.post("/v1/stock/movements", "m-3", &counted).await.ok(201);
    assert_eq!(nothing["lines"], json!([]));
    till.post("/v1/stock/movements", "m-3", &opening)
        .await
        .problem(409, "idempotency-key-reused");
    assert_eq!(till.get("/v1/stock/1001").await.ok(200)["quantity"], "7");
}

#[tokio::test]
async fn refusals_move_nothing() {
    let node = Node::start().await;
    let till = node.till("1").await;
    let receipt = |lines: Value| json!({"kind": "receipt", "lines": lines});
    let good = json!({"sku": "1001", "change": "1"});
    let cases = [
        (
            receipt(json!([good, {"sku": "9998", "change": "1"}, {"sku": "9999", "change": "1"}])),
            "unknown-sku",
            "/lines/1/sku",
        ),
        (
            receipt(json!([good, {"sku": "1001", "change": "0"}])),
            "no-change",
            "/lines/1",
        ),
        (
            receipt(json!([good, {"sku": "1001", "change": "1000001"}])),
            "quantity-too-large",
            "/lines/1",
        ),
        (receipt(json!([good, {"sku": "1001"}])), "invalid-field", "/lines/1"),
        (
            receipt(json!([{"sku": "1001", "change": "1", "quantity": "1"}])),
            "invalid-field",
            "/lines/0",
        ),
        (receipt(json!([])), "no-lines", "/lines"),
        (receipt(json!(vec![good.clone(); 1001])), "too-many-lines", "/lines"),
        (json!({"kind": "theft", "lines": [good]}), "invalid-field", "/kind"),
        (
            json!({"kind": "receipt", "reference": "x".repeat(201), "lines": [good]}),
            "reference",
            "/reference",
        ),
    ];
    for (number, (body, code, pointer)) in cases.into_iter().enumerate() {
        let reply = till.post("/v1/stock/movements", &format!("k-{number}"), &body).await;
        assert_eq!(reply.problem(422, code)["pointer"], pointer, "{}", reply.text);
    }
    assert_eq!(till.get("/v1/stock/1001").await.ok(200)["quantity"], "0");
}
