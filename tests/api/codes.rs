//! What a scanner typed, read and looked up.

use serde_json::json;

use crate::node::Node;

#[tokio::test]
async fn a_scanned_code_says_what_it_is_and_names_the_item() {
    let node = Node::start().await;
    let till = node.till("1").await;
    let plain = till.get("/v1/codes?code=4006381333931").await.ok(200);
    let product = till.get("/v1/products/1001").await.ok(200);
    assert_eq!(plain["products"][0]["sku"], product["sku"]);
    assert_eq!((&plain["kind"], &plain["out_of_date"]), (&json!("gtin"), &json!(false)));

    // GS1 with FNC1 as the scanner sends it: %1D. Its last day was long ago.
    let old = till
        .get("/v1/codes?code=%5DC1010400638133393110L-7%1D17200131")
        .await
        .ok(200);
    assert_eq!(
        json!({
            "kind": "gtin", "number": "04006381333931", "lot": "L-7", "expires": "2020-01-31", "out_of_date": true,
            "currency": "USD", "products": plain["products"],
        }),
        old
    );

    // A label of the shop's own scale: three quarters of a kilogram of item 01002.
    let label = till.get("/v1/codes?code=2101002007504").await.ok(200);
    assert_eq!(label["products"][0]["name"], "Coffee, ground");
    assert_eq!(
        (&label["kind"], &label["number"], &label["net_weight"]),
        (&json!("in_store"), &json!("01002"), &json!("0.75"))
    );

    let link = till.get("/v1/codes?code=https%3A%2F%2Fid.gs1.org%2F01%2F04006381333931%2F10%2FL-7");
    assert_eq!(link.await.ok(200)["lot"], "L-7");
    assert_eq!(
        till.get("/v1/codes?code=odd%2Fsku").await.ok(200)["products"][0]["sku"],
        "odd/sku"
    );
    let unknown = till.get("/v1/codes?code=614141999996").await.ok(200);
    assert_eq!((&unknown["kind"], &unknown["products"]), (&json!("gtin"), &json!([])));
}

#[tokio::test]
async fn a_damaged_code_is_refused_with_what_is_wrong_and_where() {
    let node = Node::start().await;
    let till = node.till("1").await;
    for (code, detail) in [
        ("2101002007505", "the check digit of 2101002007505 should be 4"),
        (
            "(01)04006381333931(17)201301",
            "at position 19: \"201301\" is no date, which is YYMMDD",
        ),
        ("", "the code is empty"),
    ] {
        let problem = till
            .get(&format!("/v1/codes?code={code}"))
            .await
            .problem(422, "code-unreadable");
        assert_eq!(problem["detail"], detail);
    }
    till.get("/v1/codes").await.problem(400, "invalid-parameter");
}
