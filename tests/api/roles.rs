//! Who may call what: every route with every role, and with no token at all.

use finalmarket::http::roles::{Access, RULES, Rule};
use finalmarket::store::Role;
use reqwest::Method;

use crate::client::{Client, Reply, reply};
use crate::node::{As, Node};

const ROLES: [Role; 5] = [Role::Till, Role::Kiosk, Role::Manager, Role::Node, Role::Standby];

/// Asks a route for nothing that it could do: what matters is whether the guard lets it through.
async fn knock(client: &Client, rule: &Rule) -> Reply {
    let path = rule
        .path
        .replace("{sku}", "1001")
        .replace("{series}", "NOBODY")
        .replace("{counter}", "1")
        .replace("{number}", "NOBODY-000001")
        .replace("{device}", "0")
        .replace("{code}", "not-found");
    let method = Method::from_bytes(rule.method.as_str().as_bytes()).unwrap();
    if path == "/v1/events" {
        // The stream does not end by itself: its head is the answer.
        let response = client.request(method, &path).send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = if status == 200 {
            String::new()
        } else {
            response.text().await.unwrap()
        };
        return Reply { status, headers, text };
    }
    reply(client.request(method, &path)).await
}

fn code(reply: &Reply) -> String {
    if reply.status < 400 {
        return String::new();
    }
    reply.json()["type"]
        .as_str()
        .unwrap()
        .trim_start_matches("/problems/")
        .to_owned()
}

#[tokio::test]
async fn every_route_serves_the_roles_of_the_table_and_no_others() {
    let node = Node::start().await;
    for role in ROLES {
        let client = node.device(As::role(role, Some("1"))).await;
        for rule in RULES {
            let allowed = match rule.access {
                Access::Anyone | Access::ManagerOrLocal => true,
                Access::Paired(roles) => roles.contains(&role),
            };
            let reply = knock(&client, rule).await;
            let refused = matches!(
                code(&reply).as_str(),
                "role-forbidden" | "token-missing" | "token-unknown"
            );
            assert_eq!(
                allowed, !refused,
                "{role:?} {} {}: {}",
                rule.method, rule.path, reply.text
            );
        }
    }
}

#[tokio::test]
async fn without_a_token_only_what_is_open_answers() {
    let node = Node::start().await;
    let stranger = Client::new(node.address, Some("f".repeat(64)));
    for rule in RULES {
        let open = !matches!(rule.access, Access::Paired(_));
        for (client, expected) in [(&node.nobody(), "token-missing"), (&stranger, "token-unknown")] {
            let reply = knock(client, rule).await;
            let refused = code(&reply) == expected;
            assert_eq!(open, !refused, "{} {}: {}", rule.method, rule.path, reply.text);
            if refused {
                reply.problem(401, expected);
                assert!(reply.header("www-authenticate").starts_with("Bearer"));
            }
        }
    }
}

#[tokio::test]
async fn only_bearer_tokens_count() {
    let node = Node::start().await;
    let till = node.till("1").await;
    let token = till.token.clone().unwrap();
    for (header, status) in [
        (format!("Bearer {token}"), 200),
        (format!("bearer {token}"), 200),
        (format!("Basic {token}"), 401),
        (token.clone(), 401),
        ("Bearer ".into(), 401),
        (format!("Bearer {token}x"), 401),
        (format!("Bearer {}", "x".repeat(5000)), 401),
    ] {
        let request = node
            .nobody()
            .request(Method::GET, "/v1/sync")
            .header("Authorization", &header);
        assert_eq!(reply(request).await.status, status, "{header}");
    }
}

#[tokio::test]
async fn metrics_are_for_managers_and_for_the_machine_itself() {
    let node = Node::start().await;
    assert_eq!(node.nobody().get("/metrics").await.status, 200);
    // Whoever speaks for others is not the machine itself.
    let through_a_proxy = |client: &Client| {
        client
            .request(Method::GET, "/metrics")
            .header("X-Forwarded-For", "192.0.2.1")
    };
    reply(through_a_proxy(&node.nobody()))
        .await
        .problem(401, "token-missing");
    reply(through_a_proxy(&node.till("1").await))
        .await
        .problem(403, "role-forbidden");
    assert_eq!(reply(through_a_proxy(&node.manager().await)).await.status, 200);
}
