//! Goods brought back.

use finalmarket::store::Role;
use serde_json::{Value, json};

use crate::client::{Client, chocolate};
use crate::node::{As, Node};

fn back(counter: u64, of: Value, quantity: &str, amount: &str) -> Value {
    json!({
        "counter": counter,
        "of": of,
        "reason": "melted",
        "lines": [{"line": 1, "quantity": quantity}],
        "tenders": [{"kind": "cash", "amount": amount}],
    })
}

/// Sells three bars and gives the receipt.
async fn sold(till: &Client) -> Value {
    let sale = till.post("/v1/sales", "three", &chocolate(1, "3")).await.ok(201);
    json!({"receipt": sale["receipt"]})
}

#[tokio::test]
async fn goods_come_back_line_by_line_and_never_more_than_was_sold() {
    let node = Node::start().await;
    let till = node.till("1").await;
    let of = sold(&till).await;
    let first = till
        .post("/v1/refunds", "r-1", &back(2, of.clone(), "1", "3.99"))
        .await
        .ok(201);
    assert_eq!((&first["kind"], &first["of"]["counter"]), (&json!("refund"), &json!(1)));
    assert_eq!(first["totals"]["total"], "3.99");
    assert!(first["receipt"].as_str().unwrap().ends_with("-000002"));
    let by_id = json!({"series": till.series(), "counter": 1});
    let problem = till
        .post("/v1/refunds", "r-2", &back(3, by_id.clone(), "2.5", "9.98"))
        .await;
    let problem = problem.problem(422, "more-than-was-sold");
    assert_eq!(problem["line"], 1);
    till.post("/v1/refunds", "r-3", &back(3, by_id, "2", "7.98"))
        .await
        .ok(201);
    let last = till.post("/v1/refunds", "r-4", &back(4, of, "0.001", "0.00")).await;
    last.problem(422, "more-than-was-sold");
    assert_eq!(till.get("/v1/stock/1001").await.ok(200)["quantity"], "0");
    let today = till.get("/v1/today").await.ok(200);
    assert_eq!((&today["refunds"], &today["total"]), (&json!(2), &json!("0.00")));
    let text = till
        .get(&format!("/v1/receipts/{}.txt", first["receipt"].as_str().unwrap()))
        .await
        .text;
    assert!(text.contains("REFUND") && text.contains("melted"), "{text}");
}

#[tokio::test]
async fn a_repeated_refund_is_made_once() {
    let node = Node::start().await;
    let till = node.till("1").await;
    let of = sold(&till).await;
    let body = back(2, of.clone(), "1", "3.99");
    let first = till.post("/v1/refunds", "r-1", &body).await.ok(201);
    for key in ["r-1", "r-2"] {
        let again = till.post("/v1/refunds", key, &body).await;
        assert_eq!(again.header("idempotency-replayed"), "true");
        assert_eq!(again.ok(201), first);
    }
    let other = back(2, of, "2", "7.98");
    till.post("/v1/refunds", "r-1", &other)
        .await
        .problem(409, "idempotency-key-reused");
    till.post("/v1/refunds", "r-3", &other).await.problem(409, "id-used");
    till.post("/v1/sales", "s-2", &chocolate(2, "1"))
        .await
        .problem(409, "id-used");
}

#[tokio::test]
async fn refusals_name_the_place() {
    let node = Node::start().await;
    let till = node.till("1").await;
    let of = sold(&till).await;
    let with = |member: &str, value: Value| {
        let mut body = back(2, of.clone(), "1", "3.99");
        body[member] = value;
        body
    };
    let line = |line: Value| with("lines", json!([line]));
    let cases = [
        (
            with("of", json!({"receipt": "STORE-1-R1-0000-000099"})),
            "unknown-sale",
            "/of",
        ),
        (with("of", json!({"receipt": "42"})), "invalid-field", "/of/receipt"),
        (with("of", json!({})), "invalid-field", "/of"),
        (
            with("of", json!({"series": "A", "counter": 0})),
            "invalid-field",
            "/of/counter",
        ),
        (with("of", json!({"series": "A"})), "invalid-field", "/of"),
        (with("lines", json!([])), "no-lines", "/lines"),
        (
            line(json!({"line": 0, "quantity": "1"})),
            "invalid-field",
            "/lines/0/line",
        ),
        (
            line(json!({"line": 70000, "quantity": "1"})),
            "invalid-field",
            "/lines/0/line",
        ),
        (
            with("tenders", json!([{"kind": "cash", "amount": "4.00"}])),
            "tenders-differ-from-total",
            "/tenders",
        ),
        (
            with("tenders", json!([{"kind": "cash", "amount": "-1"}])),
            "tender-not-positive",
            "/tenders/0/amount",
        ),
        (with("reason", json!("x".repeat(201))), "invalid-field", "/reason"),
        (with("reason", json!("a\nb")), "invalid-field", "/reason"),
    ];
    for (number, (body, code, pointer)) in cases.into_iter().enumerate() {
        let problem = till
            .post("/v1/refunds", &format!("k-{number}"), &body)
            .await
            .problem(422, code);
        assert_eq!(problem["pointer"], pointer, "{problem}");
    }
    for (number, (body, code)) in [
        (line(json!({"line": 2, "quantity": "1"})), "no-such-line"),
        (line(json!({"line": 1, "quantity": "0"})), "quantity-not-positive"),
    ]
    .into_iter()
    .enumerate()
    {
        let problem = till
            .post("/v1/refunds", &format!("l-{number}"), &body)
            .await
            .problem(422, code);
        assert!(problem["line"].is_u64(), "{problem}");
    }
    let exact = till.post("/v1/refunds", "d", &with("tenders", json!([]))).await;
    assert_eq!(exact.problem(422, "tenders-differ-from-total")["total"], "3.99");
}

#[tokio::test]
async fn a_manager_without_a_register_cannot_refund() {
    let node = Node::start().await;
    let till = node.till("1").await;
    let of = sold(&till).await;
    let manager = node.manager().await;
    manager
        .post("/v1/refunds", "r", &back(1, of.clone(), "1", "3.99"))
        .await
        .problem(403, "not-a-till");
    let desk = node.device(As::role(Role::Manager, Some("desk"))).await;
    desk.post("/v1/refunds", "r", &back(1, of, "1", "3.99")).await.ok(201);
}

#[tokio::test]
async fn a_line_says_where_its_goods_go() {
    let node = Node::start().await;
    let till = node.till("1").await;
    let of = sold(&till).await;
    let mut body = back(2, of.clone(), "1", "3.99");
    body["lines"][0]["place"] = json!("damaged");
    let refund = till.post("/v1/refunds", "r-1", &body).await.ok(201);
    assert_eq!(refund["lines"][0]["place"], "damaged");
    assert_eq!(till.get("/v1/stock/1001").await.ok(200)["quantity"], "-3");
    let account = till.get("/v1/stock/1001/explain").await.ok(200);
    let damaged = &account["places"][1];
    assert_eq!(
        (&damaged["place"], &damaged["steps"][0]["change"]),
        (&json!("damaged"), &json!("1"))
    );
    let mut body = back(3, of, "1", "3.99");
    body["lines"][0]["place"] = json!("attic");
    let problem = till.post("/v1/refunds", "r-2", &body).await;
    assert_eq!(problem.status, 422);
    assert!(problem.text.contains("attic"), "{}", problem.text);
}
