//! A shelf's history and its account.

use serde_json::json;

use crate::node::Node;

#[tokio::test]
async fn a_history_comes_in_pages_and_catches_up_when_it_is_asked() {
    let node = Node::start().await;
    let till = node.till("1").await;
    let receipt = json!({"kind": "receipt", "reference": "DN 7", "lines": [{"sku": "1001", "change": "10"}]});
    till.post("/v1/stock/movements", "m-1", &receipt).await.ok(201);
    for counter in 1..=3 {
        till.sell(counter).await.ok(201);
    }
    let page = till.get("/v1/stock/1001/history?limit=2").await.ok(200);
    let kinds = |page: &serde_json::Value| -> Vec<(String, String, String)> {
        let text = |step: &serde_json::Value, name: &str| step[name].as_str().unwrap().to_owned();
        let steps = page["history"].as_array().unwrap().iter();
        steps
            .map(|step| (text(step, "kind"), text(step, "change"), text(step, "quantity_after")))
            .collect()
    };
    let is = |kind: &str, change: &str, after: &str| (kind.into(), change.into(), after.into());
    assert_eq!(kinds(&page), [is("sale", "-1", "7"), is("sale", "-1", "8")]);
    let next = page["next"].as_i64().unwrap();
    let page = till
        .get(&format!("/v1/stock/1001/history?limit=5&cursor={next}"))
        .await
        .ok(200);
    assert_eq!(kinds(&page), [is("sale", "-1", "9"), is("receipt", "10", "10")]);
    assert_eq!(page["history"][1]["document"], "DN 7");
    assert!(page.get("next").is_none());
    till.get("/v1/stock/9999/history")
        .await
        .problem(404, "product-not-found");
    let nothing = till.get("/v1/stock/1001/history?place=damaged").await.ok(200);
    assert_eq!(nothing["history"], json!([]));
}

#[tokio::test]
async fn an_account_adds_up_as_json_and_as_text() {
    let node = Node::start().await;
    let till = node.till("1").await;
    let receipt = json!({"kind": "receipt", "lines": [{"sku": "1001", "change": "2"}]});
    till.post("/v1/stock/movements", "m-1", &receipt).await.ok(201);
    let hold = json!({"purpose": "pickup", "lines": [{"sku": "1001", "quantity": "2"}]});
    till.post("/v1/holds", "h-1", &hold).await.ok(201);
    till.sell(1).await.ok(201);
    let account = till.get("/v1/stock/1001/explain").await.ok(200);
    assert_eq!(
        (&account["quantity"], &account["reserved"], &account["owed"]),
        (&json!("1"), &json!("2"), &json!("1"))
    );
    assert_eq!(account["replicas"][0]["rights"], "0");
    assert_eq!(account["debts"][0]["owed"], "1");
    assert_eq!(account["holds"][0]["quantity"], "2");
    let text = till.get("/v1/stock/1001/explain?format=text").await;
    assert_eq!(text.header("content-type"), "text/plain; charset=utf-8");
    assert!(
        text.text
            .contains("rights 0 + reserved 2 + under way 0 - owed 1 = 1 units"),
        "{}",
        text.text
    );
    till.get("/v1/stock/1001/explain?format=pdf")
        .await
        .problem(400, "invalid-parameter");
    till.get("/v1/stock/9999/explain")
        .await
        .problem(404, "product-not-found");
}
