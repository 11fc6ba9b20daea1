//! Bodies and addresses that are wrong before anybody looks at what they ask, and what every answer has in common.

use finalmarket::http::problem::kind;
use reqwest::Method;
use serde_json::json;

use crate::client::{chocolate, reply};
use crate::node::Node;

#[tokio::test]
async fn json_that_breaks_off_is_named_with_line_and_column() {
    let node = Node::start().await;
    let till = node.till("1").await;
    for (text, line, column) in [
        ("{\n  \"counter\": 1,\n  \"lines\": [}\n", 3, 13),
        ("", 1, 0),
        ("{\"counter\": 1", 1, 13),
        ("nonsense", 1, 2),
    ] {
        let problem = till
            .post_text("/v1/sales", "k", text)
            .await
            .problem(400, "malformed-json");
        assert_eq!(
            (&problem["json_line"], &problem["json_column"]),
            (&json!(line), &json!(column)),
            "{problem}"
        );
    }
    let problem = till
        .post_text("/v1/sales", "k", "[1]")
        .await
        .problem(422, "invalid-field");
    assert_eq!(
        problem["detail"], "the body: invalid length 1, expected an object",
        "{problem}"
    );
}

#[tokio::test]
async fn the_body_is_json_and_bounded() {
    let node = Node::start().await;
    let till = node.till("1").await;
    let post = |kind: Option<&str>, body: String| {
        let request = till
            .request(Method::POST, "/v1/sales")
            .header("Idempotency-Key", "k")
            .body(body);
        match kind {
            Some(kind) => request.header("Content-Type", kind),
            None => request,
        }
    };
    let good = chocolate(1, "1").to_string();
    reply(post(None, good.clone()))
        .await
        .problem(415, "unsupported-media-type");
    reply(post(Some("text/plain"), good.clone()))
        .await
        .problem(415, "unsupported-media-type");
    let large = format!("{{\"counter\": 1, \"customer\": \"{}\"}}", "x".repeat(64 << 10));
    reply(post(Some("application/json"), large))
        .await
        .problem(413, "body-too-large");
    reply(post(Some("Application/JSON; charset=utf-8"), good)).await.ok(201);
}

#[tokio::test]
async fn addresses_and_methods_that_are_not_there_are_problems() {
    let node = Node::start().await;
    let till = node.till("1").await;
    for path in [
        "/",
        "/v1",
        "/v1/nothing",
        "/v1/products/",
        "/docs/nothing.js",
        "/v1/products/a/b",
    ] {
        till.get(path).await.problem(404, "not-found");
        node.nobody().get(path).await.problem(404, "not-found");
    }
    let reply = till.delete("/v1/sales").await;
    reply.problem(405, "method-not-allowed");
    let allowed: Vec<&str> = reply.header("allow").split(',').collect();
    assert!(allowed.contains(&"POST") && allowed.contains(&"GET"), "{allowed:?}");
}

#[tokio::test]
async fn parameters_are_checked() {
    let node = Node::start().await;
    let till = node.till("1").await;
    for path in [
        "/v1/products?limit=0",
        "/v1/products?limit=501",
        "/v1/products?limit=many",
        "/v1/products?search=a&gtin=96385074",
        "/v1/products?gtin=96385075",
        "/v1/products?colour=red",
        "/v1/products/%20",
        "/v1/products/%FF",
        "/v1/stock?cursor=",
        "/v1/sales?day=someday",
        "/v1/sales?order=oldest",
        "/v1/sales/lower/1",
        "/v1/sales/SERIES/minus",
        "/v1/receipts/42",
        "/v1/receipts/A-000001.txt?width=5",
    ] {
        let problem = till.get(path).await.problem(400, "invalid-parameter");
        assert_eq!(problem["instance"], path.split('?').next().unwrap());
    }
}

#[tokio::test]
async fn every_problem_leads_to_its_explanation() {
    let node = Node::start().await;
    let list = node.nobody().get("/problems").await;
    assert_eq!(list.status, 200);
    for kind in kind::ALL {
        assert!(list.text.contains(kind.code), "{}", kind.code);
        let page = node.nobody().get(&format!("/problems/{}", kind.code)).await;
        assert_eq!(page.status, 200);
        assert!(
            page.text.starts_with(kind.title) && page.text.contains(kind.explanation),
            "{}",
            page.text
        );
    }
    node.nobody()
        .get("/problems/nothing")
        .await
        .problem(404, "problem-not-found");
    let mut codes: Vec<_> = kind::ALL.iter().map(|kind| kind.code).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), kind::ALL.len(), "no code stands for two kinds");
}

#[tokio::test]
async fn a_write_needs_a_key() {
    let node = Node::start().await;
    let till = node.till("1").await;
    let post = |key: Option<&str>| {
        let request = till.request(Method::POST, "/v1/sales").json(&chocolate(1, "1"));
        match key {
            Some(key) => request.header("Idempotency-Key", key),
            None => request,
        }
    };
    reply(post(None)).await.problem(400, "idempotency-key-missing");
    for key in ["", "with space", &"k".repeat(65)] {
        reply(post(Some(key))).await.problem(400, "idempotency-key-invalid");
    }
    reply(post(Some(&"k".repeat(64)))).await.ok(201);
}
