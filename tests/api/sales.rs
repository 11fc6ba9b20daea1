//! Selling: what a till gets, and everything that it is refused for.

use finalmarket::store::{Rights, Role};
use serde_json::{Value, json};

use crate::client::chocolate;
use crate::node::{As, Node};

#[tokio::test]
async fn a_sale_is_answered_with_its_receipt_totals_and_change() {
    let node = Node::start().await;
    let till = node.till("1").await;
    let reply = till
        .post(
            "/v1/sales",
            "k-1",
            &json!({
                "counter": 7,
                "at": "2024-02-29T12:30:00+01:00",
                "customer": "c-99",
                "staff": "anna",
                "lines": [
                    {"gtin": "4006381333931", "quantity": "2", "discount": {"percent": "10"}},
                    {"sku": "1002", "quantity": "0.5", "discount": {"amount": "0.25"}},
                ],
                "discount": {"amount": "1.00"},
                "tenders": [
                    {"kind": "card", "amount": "5.00", "reference": "auth 42"},
                    {"kind": "cash", "amount": "10.00"},
                ],
            }),
        )
        .await;
    assert_eq!(reply.header("idempotency-replayed"), "");
    let mut sale = reply.ok(201);
    let receipt = sale["receipt"].as_str().unwrap().to_owned();
    assert!(
        receipt.starts_with("STORE-1-R1-") && receipt.ends_with("-000001"),
        "{receipt}"
    );
    assert_eq!(sale["series"], till.series());
    for named_by_the_node in ["receipt", "series"] {
        sale.as_object_mut().unwrap().remove(named_by_the_node);
    }
    insta::assert_snapshot!("sale", format!("{sale:#}"));
    let stock = till.get("/v1/stock/1002").await.ok(200);
    assert_eq!(
        stock,
        json!({"sku": "1002", "quantity": "-0.5", "reserved": "0", "available": "0", "owed": "0.5", "status": "out_of_stock", "threshold": "10"})
    );
}

#[tokio::test]
async fn refusals_name_the_place_and_take_no_number() {
    let node = Node::start().await;
    let till = node.till("1").await;
    let line = |line: Value| json!({"counter": 1, "lines": [line], "tenders": [{"kind": "cash", "amount": "50"}]});
    let tenders =
        |tenders: Value| json!({"counter": 1, "lines": [{"sku": "1001", "quantity": "1"}], "tenders": tenders});
    let many = |count: usize| vec![json!({"sku": "1001", "quantity": "1"}); count];
    let cases: Vec<(Value, u16, &str, &str)> = vec![
        (
            line(json!({"sku": "9999", "quantity": "1"})),
            422,
            "unknown-sku",
            "/lines/0/sku",
        ),
        (
            line(json!({"gtin": "614141999996", "quantity": "1"})),
            422,
            "unknown-gtin",
            "/lines/0/gtin",
        ),
        (
            line(json!({"gtin": "4006381333932", "quantity": "1"})),
            422,
            "invalid-field",
            "/lines/0/gtin",
        ),
        (
            line(json!({"sku": "1001", "gtin": "96385074", "quantity": "1"})),
            422,
            "invalid-field",
            "/lines/0",
        ),
        (line(json!({"quantity": "1"})), 422, "invalid-field", "/lines/0"),
        (
            line(json!({"sku": "1001", "quantity": "-1"})),
            422,
            "quantity-not-positive",
            "/lines/0/quantity",
        ),
        (
            line(json!({"sku": "1001", "quantity": "0"})),
            422,
            "quantity-not-positive",
            "/lines/0/quantity",
        ),
        (
            line(json!({"sku": "1001", "quantity": "1000001"})),
            422,
            "quantity-too-large",
            "/lines/0/quantity",
        ),
        (
            line(json!({"sku": "1001", "quantity": "0.0001"})),
            422,
            "invalid-field",
            "/lines/0/quantity",
        ),
        (
            line(json!({"sku": "1001", "quantity": 1.5})),
            422,
            "invalid-field",
            "/lines/0/quantity",
        ),
        (
            line(json!({"sku": "1001", "quantity": "9".repeat(50)})),
            422,
            "invalid-field",
            "/lines/0/quantity",
        ),
        (line(json!({"sku": "1001"})), 422, "invalid-field", "/lines/0"),
        (
            line(json!({"sku": "1001", "quantity": "1", "discont": "1"})),
            422,
            "invalid-field",
            "/lines/0/discont",
        ),
        (
            line(json!({"sku": "1001", "quantity": "1", "unit_price": "1.00"})),
            403,
            "price-not-allowed",
            "/lines/0/unit_price",
        ),
        (
            line(json!({"sku": "1001", "quantity": "1", "unit_price": "-1"})),
            422,
            "invalid-field",
            "/lines/0/unit_price",
        ),
        (
            line(json!({"sku": "1001", "quantity": "1", "discount": {"amount": "4.00"}})),
            422,
            "line-discount-out-of-range",
            "/lines/0/discount",
        ),
        (
            line(json!({"sku": "1001", "quantity": "1", "discount": {"amount": "0.001"}})),
            422,
            "discount-amount",
            "/lines/0/discount",
        ),
        (
            line(json!({"sku": "1001", "quantity": "1", "discount": {"percent": "101"}})),
            422,
            "invalid-field",
            "/lines/0/discount/percent",
        ),
        (
            tenders(json!([{"kind": "cash", "amount": "1.00"}])),
            422,
            "tenders-do-not-cover-total",
            "/tenders",
        ),
        (tenders(json!([])), 422, "tenders-do-not-cover-total", "/tenders"),
        (
            tenders(json!([{"kind": "card", "amount": "5.00"}])),
            422,
            "change-without-cash",
            "/tenders",
        ),
        (
            tenders(json!([{"kind": "cash", "amount": "-5.00"}])),
            422,
            "tender-not-positive",
            "/tenders/0/amount",
        ),
        (
            tenders(json!([{"kind": "cash", "amount": "5.001"}])),
            422,
            "tender-amount",
            "/tenders/0/amount",
        ),
        (
            tenders(json!([{"kind": "gold", "amount": "5"}])),
            422,
            "invalid-field",
            "/tenders/0/kind",
        ),
        (
            tenders(json!([{"kind": "cash", "amount": "5", "reference": "auth\n42"}])),
            422,
            "invalid-field",
            "/tenders/0/reference",
        ),
        (
            tenders(json!([{"kind": "cash", "amount": "5", "reference": "x".repeat(101)}])),
            422,
            "invalid-field",
            "/tenders/0/reference",
        ),
        (
            tenders(json!(vec![json!({"kind": "cash", "amount": "1"}); 21])),
            422,
            "too-many-tenders",
            "/tenders",
        ),
        (
            json!({"counter": 1, "lines": [], "tenders": []}),
            422,
            "no-lines",
            "/lines",
        ),
        (
            json!({"counter": 1, "lines": many(1001), "tenders": []}),
            422,
            "too-many-lines",
            "/lines",
        ),
        (
            json!({"counter": 0, "lines": many(1), "tenders": [{"kind": "cash", "amount": "5"}]}),
            422,
            "counter-out-of-range",
            "/counter",
        ),
        (
            json!({"counter": -1, "lines": many(1), "tenders": []}),
            422,
            "invalid-field",
            "/counter",
        ),
        (
            json!({"counter": 1, "at": "2017-01-01T00:00:00", "lines": many(1), "tenders": [{"kind": "cash", "amount": "5"}]}),
            403,
            "time-outside-window",
            "/at",
        ),
        (
            json!({"counter": 1, "at": "yesterday", "lines": many(1), "tenders": []}),
            422,
            "invalid-field",
            "/at",
        ),
        (
            json!({"counter": 1, "discount": {"amount": "9"}, "lines": many(1), "tenders": [{"kind": "cash", "amount": "5"}]}),
            422,
            "basket-discount-out-of-range",
            "/discount",
        ),
    ];
    for (number, (body, status, code, pointer)) in cases.into_iter().enumerate() {
        let reply = till.post("/v1/sales", &format!("refused-{number}"), &body).await;
        let problem = reply.problem(status, code);
        assert_eq!(problem["pointer"], pointer, "{problem}");
        assert_eq!(problem["instance"], "/v1/sales");
    }
    let sale = till.sell(1).await.ok(201);
    assert!(sale["receipt"].as_str().unwrap().ends_with("-000001"));
}

#[tokio::test]
async fn a_short_tender_says_how_much_is_to_be_paid() {
    let node = Node::start().await;
    let till = node.till("1").await;
    let mut body = chocolate(1, "2");
    body["tenders"][0]["amount"] = json!("5.00");
    let problem = till
        .post("/v1/sales", "k", &body)
        .await
        .problem(422, "tenders-do-not-cover-total");
    insta::assert_snapshot!("tenders_do_not_cover_total", format!("{problem:#}"));
}

#[tokio::test]
async fn a_used_identity_with_other_content_is_a_conflict() {
    let node = Node::start().await;
    let till = node.till("1").await;
    let first = till.sell(1).await.ok(201);
    let other = till.post("/v1/sales", "another key", &chocolate(1, "2")).await;
    other.problem(400, "idempotency-key-invalid");
    let other = till.post("/v1/sales", "another-key", &chocolate(1, "2")).await;
    let problem = other.problem(409, "id-used");
    assert_eq!(problem["receipt"], first["receipt"]);
    // The same sale under another key is the same sale.
    let again = till.post("/v1/sales", "a-third-key", &chocolate(1, "1")).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.ok(201), first);
}

#[tokio::test]
async fn a_till_with_the_rights_states_prices_and_old_days() {
    let node = Node::start().await;
    let rights = Rights {
        backdate: true,
        state_prices: true,
    };
    let what = As {
        rights,
        ..As::role(Role::Till, Some("1"))
    };
    let till = node.device(what).await;
    let body = json!({
        "counter": 1,
        "at": "2017-01-01T12:26:30",
        "lines": [{"sku": "1001", "quantity": "3", "unit_price": "1.005"}],
        "tenders": [{"kind": "cash", "amount": "3.02"}],
    });
    let sale = till.post("/v1/sales", "k", &body).await.ok(201);
    assert_eq!(sale["business_day"], "2017-01-01");
    assert_eq!(sale["at"], "2017-01-01T12:26:30");
    assert_eq!(sale["totals"]["total"], "3.02");
    assert_eq!(sale["price_version"], 0);
}

#[tokio::test]
async fn a_device_without_a_register_cannot_sell() {
    let node = Node::start().await;
    node.manager().await.sell(1).await.problem(403, "not-a-till");
}

#[tokio::test]
async fn what_is_given_away_is_sold_for_nothing() {
    let node = Node::start().await;
    let till = node.device(As::role(Role::Kiosk, Some("k1"))).await;
    let body = json!({"counter": 1, "lines": [{"gtin": "96385074", "quantity": "1"}], "tenders": []});
    let sale = till.post("/v1/sales", "k", &body).await.ok(201);
    assert_eq!(
        (&sale["totals"]["total"], &sale["channel"]),
        (&json!("0.00"), &json!("kiosk"))
    );
}

#[tokio::test]
async fn a_customer_at_a_kiosk_gives_himself_no_discount() {
    let node = Node::start().await;
    let kiosk = node.device(As::role(Role::Kiosk, Some("k1"))).await;
    let line = json!({"sku": "1001", "quantity": "1", "discount": {"percent": "100"}});
    let body = json!({"counter": 1, "lines": [line], "tenders": []});
    let refused = kiosk.post("/v1/sales", "k", &body).await;
    refused.problem(403, "discount-not-allowed");
    assert_eq!(refused.json()["pointer"], "/lines/0/discount");
    let line = json!({"sku": "1001", "quantity": "1"});
    let body = json!({"counter": 1, "lines": [line], "discount": {"amount": "1.00"}, "tenders": []});
    let refused = kiosk.post("/v1/sales", "k", &body).await;
    refused.problem(403, "discount-not-allowed");
    assert_eq!(refused.json()["pointer"], "/discount");
}
