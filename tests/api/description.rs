//! The API's description, and the page that shows it without the internet.

use std::collections::BTreeSet;

use finalmarket::http::roles::{Access, RULES};
use serde_json::Value;

use crate::node::Node;

fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[tokio::test]
async fn the_description_is_openapi_3_1_and_lists_every_call() {
    let node = Node::start().await;
    let description = node.nobody().get("/openapi.json").await.ok(200);
    assert!(description["openapi"].as_str().unwrap().starts_with("3.1."));
    let mut listed = BTreeSet::new();
    let mut operation_ids = BTreeSet::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            listed.insert((method.to_uppercase(), path.clone()));
            let id = operation["operationId"].as_str().unwrap();
            assert!(operation_ids.insert(id), "{id} stands for two calls");
            assert!(
                operation["responses"]["default"].is_object(),
                "{method} {path} says nothing of problems"
            );
            for (status, answer) in operation["responses"].as_object().unwrap() {
                let said = answer["description"].as_str().unwrap_or_default();
                assert!(!said.is_empty(), "{method} {path} {status} has no description");
            }
            let names: BTreeSet<&str> = path.split(['{', '}']).skip(1).step_by(2).collect();
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            let described: BTreeSet<String> = parameters
                .iter()
                .filter(|parameter| parameter["in"] == "path")
                .map(|parameter| parameter["name"].as_str().unwrap().to_owned())
                .collect();
            assert!(described.iter().map(String::as_str).eq(names), "{path}: {described:?}");
        }
    }
    let table: BTreeSet<_> = RULES
        .iter()
        .map(|rule| (rule.method.to_string(), rule.path.to_owned()))
        .collect();
    assert_eq!(listed, table);
    let mut referred = BTreeSet::new();
    references(&description, &mut referred);
    for reference in referred {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(description.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

#[tokio::test]
async fn the_description_says_who_may_call() {
    let node = Node::start().await;
    let description = node.nobody().get("/openapi.json").await.ok(200);
    for rule in RULES {
        let method = rule.method.as_str().to_lowercase();
        let security = &description["paths"][rule.path][&method]["security"];
        let open = rule.access == Access::Anyone;
        assert_eq!(
            open,
            security.as_array().unwrap().is_empty(),
            "{} {}",
            rule.method,
            rule.path
        );
    }
}

#[tokio::test]
async fn the_page_loads_nothing_from_elsewhere() {
    let node = Node::start().await;
    let page = node.nobody().get("/docs/").await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-security-policy").contains("default-src 'self'"));
    for file in [
        "swagger-ui.css",
        "swagger-ui-bundle.js",
        "swagger-ui-standalone-preset.js",
        "swagger-initializer.js",
    ] {
        let file = node.nobody().get(&format!("/docs/{file}")).await;
        assert_eq!(file.status, 200);
        assert!(!file.header("content-security-policy").is_empty());
    }
}
