//! Products and stock.

use serde_json::{Value, json};

use crate::node::Node;

fn skus(body: &Value) -> Vec<&str> {
    let products = body["products"].as_array().unwrap();
    products
        .iter()
        .map(|product| product["sku"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_product_is_found_by_number_bar_code_and_words() {
    let node = Node::start().await;
    let till = node.till("1").await;
    let product = till.get("/v1/products/1001").await.ok(200);
    assert_eq!(
        product,
        json!({
            "sku": "1001", "gtin": "4006381333931", "name": "Chocolate", "department": "GROCERY", "brand": "Own",
            "size": "100 G", "price": "3.99", "tax_class": "standard", "currency": "USD",
        })
    );
    assert_eq!(till.get("/v1/products/odd%2Fsku").await.ok(200)["name"], "Über-Größe");
    till.get("/v1/products/9999").await.problem(404, "product-not-found");
    let by_code = till.get("/v1/products?gtin=04006381333931").await.ok(200);
    assert_eq!((skus(&by_code), &by_code["currency"]), (vec!["1001"], &json!("USD")));
    assert_eq!(skus(&till.get("/v1/products?gtin=614141999996").await.ok(200)), [""; 0]);
    for (typed, found) in [
        ("choc", "1001"),
        ("coffee%20gr", "1002"),
        ("uber", "odd/sku"),
        ("1003", "1003"),
    ] {
        assert_eq!(
            skus(&till.get(&format!("/v1/products?search={typed}")).await.ok(200)),
            [found],
            "{typed}"
        );
    }
    assert_eq!(skus(&till.get("/v1/products?search=").await.ok(200)), [""; 0]);
}

#[tokio::test]
async fn all_products_come_page_by_page() {
    let node = Node::start().await;
    let till = node.till("1").await;
    let first = till.get("/v1/products?limit=3").await.ok(200);
    assert_eq!(
        (skus(&first), &first["next"]),
        (vec!["1001", "1002", "1003"], &json!("1003"))
    );
    let second = till.get("/v1/products?limit=3&cursor=1003").await.ok(200);
    assert_eq!((skus(&second), second.get("next")), (vec!["odd/sku"], None));
}

#[tokio::test]
async fn a_catalog_is_brought_once_for_a_key() {
    let node = Node::start().await;
    let manager = node.manager().await;
    let item = |sku: &str, price: &str| {
        json!({
            "sku": sku, "gtin": null, "name": "Tea", "department": "", "brand": "", "size": "", "price": price,
            "tax_class": "reduced",
        })
    };
    let body = json!({"items": [item("2001", "2.00"), item("1001", "4.49")]});
    assert_eq!(
        manager.post("/v1/products/import", "i-1", &body).await.ok(200),
        json!({"items": 2})
    );
    assert_eq!(manager.get("/v1/products/1001").await.ok(200)["price"], "4.49");
    let again = manager.post("/v1/products/import", "i-1", &body).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    manager
        .post("/v1/products/import", "i-1", &json!({"items": []}))
        .await
        .problem(409, "idempotency-key-reused");
    let wrong = json!({"items": [item("2002", "2.00"), item("20 03", "2.00")]});
    let problem = manager
        .post("/v1/products/import", "i-2", &wrong)
        .await
        .problem(422, "invalid-field");
    assert_eq!(problem["pointer"], "/items/1/sku");
    manager.get("/v1/products/2002").await.problem(404, "product-not-found");
}

#[tokio::test]
async fn stock_is_there_for_every_item() {
    let node = Node::start().await;
    let till = node.till("1").await;
    assert_eq!(till.get("/v1/stock/1001").await.ok(200)["quantity"], "0");
    till.get("/v1/stock/9999").await.problem(404, "product-not-found");
    till.sell(1).await.ok(201);
    let page = till.get("/v1/stock?limit=1").await.ok(200);
    assert_eq!(
        page,
        json!({"stock": [{"sku": "1001", "quantity": "-1", "reserved": "0", "available": "0", "owed": "1", "status": "out_of_stock", "threshold": "10"}], "next": "1001"})
    );
    assert_eq!(till.get("/v1/stock?cursor=1001").await.ok(200), json!({"stock": []}));
}
