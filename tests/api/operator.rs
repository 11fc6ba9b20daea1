//! What an operator looks at: health, the link, status, metrics.

use finalmarket::http::{Link, LinkReport};
use serde_json::json;

use crate::node::{NOON_MS, Node};

#[tokio::test]
async fn health_and_readiness() {
    let node = Node::start().await;
    assert_eq!(node.nobody().get("/healthz").await.ok(200), json!({"status": "ok"}));
    assert_eq!(node.nobody().get("/readyz").await.ok(200), json!({"status": "ok"}));
}

#[tokio::test]
async fn readiness_writes_and_nobody_sees_it() {
    let node = Node::start().await;
    let till = node.till("1").await;
    till.sell(1).await.ok(201);
    let before = till.get("/v1/sync").await.ok(200)["journal_seq"].clone();
    for _ in 0..2 {
        node.nobody().get("/readyz").await.ok(200);
    }
    assert_eq!(till.get("/v1/sync").await.ok(200)["journal_seq"], before);
    // A disk that is full is part of `tests/bad_days`.
    let node = node.restart().await;
    node.nobody().get("/readyz").await.ok(200);
}

#[tokio::test]
async fn the_link_and_what_is_pending() {
    let node = Node::start().await;
    let till = node.till("1").await;
    till.sell(1).await.ok(201);
    let sync = till.get("/v1/sync").await.ok(200);
    assert_eq!(
        (&sync["link"], &sync["link_step"]),
        (&json!("offline"), &json!("offline"))
    );
    assert_eq!(sync["link_since"], "2024-02-29T12:00:00.000Z");
    assert_eq!(sync["link_reason"], "the broker does not answer");
    assert_eq!(
        (&sync["pending"], &sync["journal_seq"], &sync["acknowledged_seq"]),
        (&json!(2), &json!(2), &json!(0))
    );
    assert!(sync["oldest_pending_age_ms"].is_u64());
    assert_eq!(sync["alerts"], json!([]));
    node.link.send_replace(LinkReport {
        state: Link::Online,
        since_ms: NOON_MS + 1000,
        reason: None,
    });
    assert_eq!(till.get("/v1/sync").await.ok(200)["link"], "online");
}

#[tokio::test]
async fn a_manager_cuts_and_mends_the_link() {
    let node = Node::start().await;
    let manager = node.manager().await;
    assert_eq!(
        manager.post("/v1/link", "l-1", &json!({"cut": true})).await.ok(200),
        json!({"cut": true})
    );
    assert!(*node.cut.borrow());
    assert_eq!(manager.get("/v1/sync").await.ok(200)["link"], "cut");
    manager.post("/v1/link", "l-2", &json!({"cut": false})).await.ok(200);
    assert!(!*node.cut.borrow());
    // A request that comes again was done before: it is answered as it was, and cuts nothing.
    let again = manager.post("/v1/link", "l-1", &json!({"cut": true})).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.ok(200), json!({"cut": true}));
    assert!(!*node.cut.borrow());
    manager
        .post("/v1/link", "l-1", &json!({"cut": false}))
        .await
        .problem(409, "idempotency-key-reused");
}

#[tokio::test]
async fn status_at_a_glance() {
    let node = Node::start().await;
    let (till, manager) = (node.till("1").await, node.manager().await);
    till.sell(1).await.ok(201);
    let status = manager.get("/v1/status").await.ok(200);
    for (member, value) in [
        ("site", json!("store-1")),
        ("items", json!(4)),
        ("devices", json!(2)),
        ("currency", json!("USD")),
        ("set_aside", json!([])),
    ] {
        assert_eq!(status[member], value, "{member}");
    }
    assert_eq!(status["days"][0]["sold"], "3.99");
    assert_eq!(status["sync"]["pending"], 2);
}

#[tokio::test]
async fn metrics_count_what_happened() {
    let node = Node::start().await;
    let till = node.till("1").await;
    till.sell(1).await.ok(201);
    till.sell(1).await.ok(201);
    till.get("/v1/products/9999").await.problem(404, "product-not-found");
    let metrics = node.nobody().get("/metrics").await;
    assert!(
        metrics
            .header("content-type")
            .starts_with("application/openmetrics-text")
    );
    for line in [
        "finalmarket_sales_total 1",
        "finalmarket_replays_total 1",
        "finalmarket_problems_total{code=\"product-not-found\"} 1",
        "finalmarket_http_request_duration_seconds_count{method=\"POST\",route=\"/v1/sales\"} 2",
        "finalmarket_committed_documents_total 1",
        "finalmarket_writes_waiting 0",
        "finalmarket_journal_seq 2",
        "finalmarket_pending_records 2",
        "finalmarket_link{state=\"offline\"} 1",
        "finalmarket_link{state=\"online\"} 0",
    ] {
        assert!(
            metrics.text.lines().any(|found| found == line),
            "{line} in\n{}",
            metrics.text
        );
    }
    assert!(metrics.text.ends_with("# EOF\n"));
}
