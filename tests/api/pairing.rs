//! Pairing: codes, tokens, devices, and the end of their rights.

use serde_json::{Value, json};

use crate::client::{Client, Reply};
use crate::node::Node;

async fn offer(manager: &Client, key: &str, wish: Value) -> Reply {
    manager.post("/v1/pairing-codes", key, &wish).await
}

async fn bring(node: &Node, key: &str, code: &Value) -> Reply {
    node.nobody().post("/v1/pair", key, &json!({"code": code})).await
}

#[tokio::test]
async fn a_code_pairs_one_device() {
    let node = Node::start().await;
    let manager = node.manager().await;
    let wish = json!({"role": "till", "name": "Till 7", "register": "7", "permissions": ["backdate"]});
    let shown = offer(&manager, "c", wish).await.ok(201);
    assert_eq!(shown["code"].as_str().unwrap().len(), 9);
    let first = bring(&node, "p-1", &shown["code"]).await;
    assert_eq!(first.header("idempotency-replayed"), "");
    let first = first.ok(201);
    assert_eq!(
        (&first["name"], &first["role"], &first["register"]),
        (&json!("Till 7"), &json!("till"), &json!("7"))
    );
    assert_eq!(first["permissions"], json!(["backdate"]));
    assert_eq!((&first["site"], &first["currency"]), (&json!("store-1"), &json!("USD")));
    // A device that did not hear the answer asks again and gets the same token.
    let again = bring(&node, "p-1", &shown["code"]).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.ok(201), first);
    bring(&node, "p-2", &shown["code"])
        .await
        .problem(403, "pairing-code-used");
    let token = first["token"].as_str().unwrap().to_owned();
    let till = Client::new(node.address, Some(token));
    let sale = till.sell(1).await.ok(201);
    assert_eq!(sale["series"], first["series"]);
    let listed = manager.get("/v1/devices").await;
    assert!(!listed.text.contains("token"));
    let devices = listed.ok(200);
    assert_eq!(devices["devices"][1]["series"], first["series"]);
}

#[tokio::test]
async fn wrong_and_late_codes_are_refused() {
    let node = Node::start().await;
    let manager = node.manager().await;
    let shown = offer(&manager, "c", json!({"role": "kiosk", "name": "Kiosk"}))
        .await
        .ok(201);
    bring(&node, "p", &json!("0000-0000"))
        .await
        .problem(403, "pairing-code-unknown");
    bring(&node, "p", &json!("letters"))
        .await
        .problem(403, "pairing-code-unknown");
    let eleven_minutes_ms = 11 * 60 * 1000;
    node.clock_ms
        .fetch_add(eleven_minutes_ms, std::sync::atomic::Ordering::Relaxed);
    bring(&node, "p", &shown["code"])
        .await
        .problem(403, "pairing-code-expired");
    for (number, wish) in [
        json!({"role": "till", "name": ""}),
        json!({"role": "till", "name": "x".repeat(61)}),
    ]
    .into_iter()
    .enumerate()
    {
        offer(&manager, &format!("w-{number}"), wish)
            .await
            .problem(422, "device-name");
    }
    for (number, wish) in [
        json!({"role": "owner", "name": "x"}),
        json!({"role": "till", "name": "x", "register": "No 1"}),
        json!({"role": "till", "name": "x", "permissions": ["fly"]}),
    ]
    .into_iter()
    .enumerate()
    {
        offer(&manager, &format!("v-{number}"), wish)
            .await
            .problem(422, "invalid-field");
    }
}

#[tokio::test]
async fn guesses_are_few() {
    let node = Node::start().await;
    let mut refused = Vec::new();
    for guess in 0..15 {
        let reply = bring(&node, &format!("g-{guess}"), &json!("0000-0000")).await;
        refused.push((reply.status, reply.header("retry-after").to_owned()));
    }
    assert!(refused[..10].iter().all(|(status, _)| *status == 403), "{refused:?}");
    assert!(
        refused[10..]
            .iter()
            .all(|(status, wait)| *status == 429 && !wait.is_empty()),
        "{refused:?}"
    );
}

#[tokio::test]
async fn an_ended_device_is_not_served_and_its_series_stays_its_own() {
    let node = Node::start().await;
    let (manager, till) = (node.manager().await, node.till("1").await);
    till.sell(1).await.ok(201);
    let devices = manager.get("/v1/devices").await.ok(200);
    let device = devices["devices"][1]["device"].as_i64().unwrap();
    for _ in 0..2 {
        assert_eq!(manager.delete(&format!("/v1/devices/{device}")).await.status, 204);
    }
    till.sell(2).await.problem(401, "token-unknown");
    let devices = manager.get("/v1/devices").await.ok(200);
    assert!(devices["devices"][1]["revoked_at"].is_string());
    let next = node.till("1").await;
    assert_ne!(next.series(), till.series());
    manager.delete("/v1/devices/999").await.problem(404, "device-unknown");
    manager.delete("/v1/devices/x").await.problem(400, "invalid-parameter");
}

#[tokio::test]
async fn the_operator_of_the_machine_may_do_everything() {
    let node = Node::start().await;
    let operator = node.operator();
    operator.get("/v1/status").await.ok(200);
    offer(&operator, "c", json!({"role": "manager", "name": "Boss"}))
        .await
        .ok(201);
}
