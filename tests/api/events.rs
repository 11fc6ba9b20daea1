//! The event stream.

use finalmarket::http::{Link, LinkReport};
use finalmarket::store::Role;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::client::Client;
use crate::node::{As, NOON_MS, Node};

struct Events {
    response: Response,
    text: String,
}

#[derive(Debug)]
struct Event {
    name: String,
    id: Option<String>,
    data: Value,
}

impl Events {
    async fn open(client: &Client, last: Option<&str>) -> Self {
        let mut request = client.request(Method::GET, "/v1/events");
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status().as_u16(), 200);
        let text = String::new();
        Self { response, text }
    }

    /// The next event; none at the stream's end.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    let found = event.lines().find_map(|line| line.strip_prefix(name));
                    found.map(|value| value.trim_start().to_owned())
                };
                let event = field("event:").map(|name| Event {
                    name,
                    id: field("id:"),
                    data: serde_json::from_str(&field("data:").unwrap()).unwrap(),
                });
                self.text = rest.to_owned();
                match event {
                    Some(event) => return Some(event),
                    None => continue,
                }
            }
            let chunk = self.response.chunk().await.ok()??;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    async fn expect(&mut self, name: &str) -> Event {
        let event = self.next().await.unwrap();
        assert_eq!(event.name, name, "{event:?}");
        event
    }
}

#[tokio::test]
async fn sales_stock_and_the_link_are_told() {
    let node = Node::start().await;
    let till = node.till("1").await;
    let mut events = Events::open(&till, None).await;
    assert_eq!(events.expect("link").await.data["link"], "offline");
    let sold = till.sell(1).await.ok(201);
    let stock = events.expect("stock").await;
    assert_eq!(
        stock.data,
        json!({"sku": "1001", "quantity": "-1", "reserved": "0", "available": "0"})
    );
    let sale = events.expect("sale").await;
    assert_eq!(
        (&sale.data["receipt"], &sale.data["seq"]),
        (&sold["receipt"], &json!(2))
    );
    assert_eq!(sale.data["totals"], sold["totals"]);
    node.link.send_replace(LinkReport {
        state: Link::Online,
        since_ms: NOON_MS,
        reason: None,
    });
    assert_eq!(events.expect("link").await.data["link"], "online");
    node.manager()
        .await
        .post("/v1/link", "l", &json!({"cut": true}))
        .await
        .ok(200);
    assert_eq!(events.expect("link").await.data["link"], "cut");
}

#[tokio::test]
async fn a_client_that_comes_back_hears_what_it_missed() {
    let node = Node::start().await;
    let till = node.till("1").await;
    let mut events = Events::open(&till, None).await;
    events.expect("link").await;
    till.sell(1).await.ok(201);
    events.expect("stock").await;
    let last = events.expect("sale").await.id.unwrap();
    drop(events);
    till.sell(2).await.ok(201);
    let node = node.restart().await;
    let mut till = till;
    till.address = node.address;
    let mut events = Events::open(&till, Some(&last)).await;
    events.expect("link").await;
    events.expect("stock").await;
    assert_eq!(events.expect("sale").await.data["counter"], 2);
}

#[tokio::test]
async fn an_id_of_another_journal_resets() {
    let node = Node::start().await;
    let till = node.till("1").await;
    till.sell(1).await.ok(201);
    for last in ["ZZZZ-1", "nonsense", ""] {
        let mut events = Events::open(&till, Some(last)).await;
        events.expect("reset").await;
        events.expect("link").await;
    }
}

#[tokio::test]
async fn a_kiosk_hears_of_stock_and_of_the_link_only() {
    let node = Node::start().await;
    let (till, kiosk) = (node.till("1").await, node.device(As::role(Role::Kiosk, None)).await);
    let mut events = Events::open(&kiosk, None).await;
    events.expect("link").await;
    till.sell(1).await.ok(201);
    assert!(events.expect("stock").await.id.is_some());
    till.sell(2).await.ok(201);
    assert_eq!(events.expect("stock").await.data["quantity"], "-2");
}

#[tokio::test]
async fn a_stream_ends_with_its_devices_rights() {
    let node = Node::start().await;
    let (manager, till) = (node.manager().await, node.till("1").await);
    let mut events = Events::open(&till, None).await;
    events.expect("link").await;
    let devices = manager.get("/v1/devices").await.ok(200);
    let device = &devices["devices"][1]["device"];
    assert_eq!(manager.delete(&format!("/v1/devices/{device}")).await.status, 204);
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn a_stream_ends_when_the_node_stops() {
    let node = Node::start().await;
    let till = node.till("1").await;
    let mut events = Events::open(&till, None).await;
    events.expect("link").await;
    let _node = node.restart().await;
    assert!(events.next().await.is_none());
}
