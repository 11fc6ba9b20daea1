//! What one client can take: rates, requests under way, connections that trickle.

use finalmarket::http::{ApiLimits, Rate};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::node::Node;

#[tokio::test]
async fn a_device_that_asks_too_often_is_told_to_wait() {
    let device_rate = Rate {
        per_second: 1,
        burst: 5,
    };
    let node = Node::start_with(ApiLimits {
        device_rate,
        ..ApiLimits::default()
    })
    .await;
    let (till, other) = (node.till("1").await, node.till("2").await);
    for _ in 0..5 {
        till.get("/v1/sync").await.ok(200);
    }
    let reply = till.get("/v1/sync").await;
    reply.problem(429, "too-many-requests");
    assert_eq!(reply.header("retry-after"), "1");
    other.get("/v1/sync").await.ok(200);
    // Health is not a device's.
    node.nobody().get("/healthz").await.ok(200);
}

#[tokio::test]
async fn a_full_house_sheds_load_but_stays_healthy() {
    let node = Node::start_with(ApiLimits {
        in_flight_max: 0,
        ..ApiLimits::default()
    })
    .await;
    let till = node.till("1").await;
    let reply = till.sell(1).await;
    reply.problem(503, "overloaded");
    assert_eq!(reply.header("retry-after"), "1");
    node.nobody().get("/healthz").await.ok(200);
}

#[tokio::test]
async fn event_streams_are_bounded() {
    let node = Node::start_with(ApiLimits {
        streams_per_device_max: 1,
        streams_max: 2,
        ..ApiLimits::default()
    })
    .await;
    let (one, two, three) = (node.till("1").await, node.till("2").await, node.till("3").await);
    let open = |client: &crate::client::Client| client.request(reqwest::Method::GET, "/v1/events").send();
    let first = open(&one).await.unwrap();
    one.get("/v1/events").await.problem(503, "too-many-streams");
    let _second = open(&two).await.unwrap();
    three.get("/v1/events").await.problem(503, "too-many-streams");
    drop(first);
    // Its place is free once the node has noticed that the client is gone.
    while open(&three).await.unwrap().status().as_u16() != 200 {
        tokio::task::yield_now().await;
    }
}

async fn answer_to(node: &Node, head: &[u8]) -> String {
    let mut stream = TcpStream::connect(node.address).await.unwrap();
    stream.write_all(head).await.unwrap();
    let mut answer = Vec::new();
    // Closed in the middle is an answer too.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn heads_are_bounded_in_size_and_time() {
    let node = Node::start().await;
    let large = format!(
        "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Large: {}\r\n\r\n",
        "x".repeat(32 << 10)
    );
    assert!(answer_to(&node, large.as_bytes()).await.starts_with("HTTP/1.1 431"));
    let many: String = (0..100).map(|number| format!("X-{number}: 1\r\n")).collect();
    let many = format!("GET /healthz HTTP/1.1\r\nHost: x\r\n{many}\r\n");
    assert!(answer_to(&node, many.as_bytes()).await.starts_with("HTTP/1.1 431"));
    // A head that never ends: the node closes, and nobody waits for it.
    assert!(
        !answer_to(&node, b"GET /healthz HTTP/1.1\r\nHost:")
            .await
            .contains("200 OK")
    );
}

#[tokio::test]
async fn a_body_that_never_comes_is_given_up() {
    let node = Node::start_with(ApiLimits {
        request_timeout_ms: 50,
        ..ApiLimits::default()
    })
    .await;
    let token = node.till("1").await.token.unwrap();
    let head = format!(
        "POST /v1/sales HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nIdempotency-Key: k\r\n\
         Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{"
    );
    let answer = answer_to(&node, head.as_bytes()).await;
    assert!(
        answer.starts_with("HTTP/1.1 503") && answer.contains("/problems/timed-out"),
        "{answer}"
    );
}
