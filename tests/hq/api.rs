//! The API from outside: the real router over a real database.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use finalmarket::domain::fact::OpenedReason;
use finalmarket::hq::TokenRole;
use finalmarket::hq::http::{Access, RULES};
use futures_util::StreamExt as _;
use serde_json::json;
use tower::ServiceExt as _;

use super::api_caller::Api;
use super::journal::{Journal, sale};
use super::{NOW_MS, ingest};

/// A path of the table with something in the place of its names.
fn filled(path: &str) -> String {
    path.replace("{series}", "STORE-1-T1-AAAA")
        .replace("{counter}", "1")
        .replace("{node}", "store-1")
        .replace("{incarnation}", "1-00000000000000aa")
        .replace("{seq}", "1")
        .replace("{feed}", "catalog")
        .replace("{code}", "not-found")
        .replace("{name}", "nobody")
}

#[tokio::test]
async fn nobody_is_served_without_a_token_that_may() {
    let (api, ..) = Api::with_sales();
    let reader = api.hq.issue_token("screen", TokenRole::Read, NOW_MS).unwrap();
    for rule in RULES {
        let path = filled(rule.path);
        let call = |token| api.call(token, rule.method, &path, Some(json!({})));
        match rule.access {
            Access::Anyone => assert_eq!(call(None).await.status, StatusCode::OK, "{path}"),
            Access::Token(role) => {
                assert_eq!(call(None).await.problem(), "token-missing", "{path}");
                assert_eq!(call(Some("fmhq_wrong")).await.problem(), "token-unknown", "{path}");
                if role == TokenRole::Operate {
                    assert_eq!(call(Some(&reader)).await.problem(), "role-forbidden", "{path}");
                }
            }
        }
    }
    assert!(api.hq.revoke_token("screen", NOW_MS).unwrap());
    let answer = api.call(Some(&reader), &Method::GET, "/v1/totals", None).await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (StatusCode::UNAUTHORIZED, "token-unknown")
    );
}

#[tokio::test]
async fn the_description_and_the_table_of_access_name_the_same_calls() {
    let api = Api::new();
    let answer = api.call(None, &Method::GET, "/openapi.json", None).await;
    let description = answer.json();
    assert_eq!(description["openapi"], "3.1.0");
    let mut described = Vec::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            described.push(format!("{} {path}", method.to_uppercase()));
        }
    }
    let mut ruled: Vec<_> = RULES
        .iter()
        .map(|rule| format!("{} {}", rule.method, rule.path))
        .collect();
    described.sort();
    ruled.sort();
    assert_eq!(described, ruled);
    let docs = api.call(None, &Method::GET, "/docs/", None).await;
    assert_eq!(docs.status, StatusCode::OK);
}

#[tokio::test]
async fn what_is_not_there_is_a_problem() {
    let api = Api::new();
    let token = Some(api.token.as_str());
    let nowhere = api.call(token, &Method::GET, "/v1/nowhere", None).await;
    assert_eq!(
        (nowhere.status, nowhere.problem().as_str()),
        (StatusCode::NOT_FOUND, "not-found")
    );
    let wrong = api.call(token, &Method::DELETE, "/v1/totals", None).await;
    assert_eq!(wrong.problem(), "method-not-allowed");
    for path in [
        "/v1/totals?limit=0",
        "/v1/totals?from=yesterday",
        "/v1/totals?cursor=x",
        "/v1/sales?day=2017-01-01&to=2017-01-02",
        "/v1/sales?colour=red",
        "/v1/stock?site=Store%201",
        "/v1/set-aside?cursor=a~b~c",
        "/v1/set-aside/store-1/one/2",
    ] {
        let answer = api.call(token, &Method::GET, path, None).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (StatusCode::BAD_REQUEST, "invalid-parameter"),
            "{path}"
        );
    }
    let sale = api.call(token, &Method::GET, "/v1/sales/STORE-9-T1-AAAA/1", None).await;
    assert_eq!(sale.problem(), "document-not-found");
}

#[tokio::test]
async fn totals_come_in_pages_and_say_how_complete_they_are() {
    let (api, ..) = Api::with_sales();
    let first = api.get("/v1/totals?limit=2").await;
    assert_eq!(first["totals"].as_array().unwrap().len(), 2);
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = api.get(&format!("/v1/totals?limit=2&cursor={cursor}")).await;
    assert_eq!(second.get("next_cursor"), None);
    let day = &second["totals"][0];
    assert_eq!(
        (
            &day["site"],
            &day["business_day"],
            &day["sales"],
            &day["total"],
            &day["units"]
        ),
        (
            &json!("store-2"),
            &json!("2017-01-02"),
            &json!(2),
            &json!("24.00"),
            &json!("12")
        )
    );
    let one = api.get("/v1/totals?site=store-1&from=2017-01-01&to=2017-01-01").await;
    assert_eq!(
        (&one["totals"][0]["total"], one["totals"].as_array().unwrap().len()),
        (&json!("30.00"), 1)
    );
    let through = &one["complete_through"];
    assert_eq!(through.as_array().unwrap().len(), 1);
    assert_eq!(
        (
            &through[0]["node"],
            &through[0]["pending"],
            &through[0]["complete_through"]
        ),
        (&json!("store-1"), &json!(0), &json!("2023-11-14T22:13:20.005Z"))
    );
}

#[tokio::test]
async fn sales_are_listed_in_pages_and_shown_whole() {
    let (api, first, _) = Api::with_sales();
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = api.get(&format!("/v1/sales?limit=3{cursor}")).await;
        seen.extend(page["sales"].as_array().unwrap().clone());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let mut receipts: Vec<_> = seen.iter().map(|sale| sale["receipt"].as_str().unwrap()).collect();
    receipts.sort_unstable();
    receipts.dedup();
    assert_eq!(receipts.len(), 10);
    let day = api.get("/v1/sales?day=2017-01-02").await;
    assert_eq!(day["sales"].as_array().unwrap().len(), 2);
    let whole = api.get("/v1/sales/STORE-1-T1-AAAA/3").await;
    assert_eq!(whole["record"]["seq"], 4);
    assert_eq!(whole["record"]["incarnation"], first.incarnation.to_string());
    assert_eq!(whole["document"]["totals"]["total"], "6.00");
    assert_eq!(whole["document"]["lines"].as_array().unwrap().len(), 3);
    let stock = api.get("/v1/stock?site=store-2&limit=2").await;
    assert_eq!(
        (&stock["stock"][0]["sku"], &stock["stock"][0]["quantity"]),
        (&json!("1007"), &json!("-2"))
    );
    let next = stock["next_cursor"].as_str().unwrap();
    let more = api.get(&format!("/v1/stock?site=store-2&limit=2&cursor={next}")).await;
    assert_eq!(more["stock"][0]["sku"], "1021");
}

#[tokio::test]
async fn nodes_tell_what_is_missing_and_a_settlement_counts_what_was_set_apart() {
    let (api, first, _) = Api::with_sales();
    let mut restored = Journal::reopen("store-1", 2, OpenedReason::Restored, Some(first.head_at(3)));
    restored.sell(6);
    api.hq.introduce(&restored.node, restored.hello(1), NOW_MS).unwrap();
    ingest(&api.hq, vec![restored.batch(1, 1)]);
    api.hq.present(&restored.node, true);
    let nodes = api.get("/v1/nodes").await;
    let node = &nodes["nodes"][0];
    assert_eq!(
        (&node["online"], &node["set_apart"], &node["software"]),
        (&json!(true), &json!(2), &json!("test"))
    );
    let life = &node["incarnations"][1];
    assert_eq!(
        (
            &life["state"],
            &life["reason"],
            &life["lag"],
            &life["predecessor"]["seq"]
        ),
        (&json!("set_apart"), &json!("restored"), &json!(1), &json!(3))
    );
    assert_eq!(api.get("/v1/status").await["alerts"][0]["code"], "set_apart");
    assert_eq!(api.get("/v1/sites").await["sites"][0]["online"], true);

    ingest(&api.hq, vec![restored.batch(2, 2)]);
    let decision = |reason: &str| json!({"node": "store-1", "incarnation": restored.incarnation.to_string(), "decision": "count", "reason": reason});
    assert_eq!(
        api.post("/v1/settlements", decision("")).await.problem(),
        "words-missing"
    );
    let settled = api.post("/v1/settlements", decision("it really sold")).await;
    assert_eq!(settled.status, StatusCode::CREATED);
    assert_eq!(settled.json()["settlement"]["node"], "hq");
    assert_eq!(
        api.post("/v1/settlements", decision("again")).await.problem(),
        "already-settled"
    );
    api.hq.project().unwrap();
    let totals = api.get("/v1/totals?site=store-1").await;
    assert_eq!(totals["totals"][0]["sales"], 6);
    assert_eq!(api.get("/v1/status").await["alerts"], json!([]));
}

#[tokio::test]
async fn a_record_that_was_set_aside_is_shown_exported_and_repaired() {
    let (api, mut first, _) = Api::with_sales();
    let bad = first.bytes(b"\x02 not a sale");
    ingest(&api.hq, vec![first.batch(bad, bad)]);
    api.hq.project().unwrap();
    let listed = api.get("/v1/set-aside?state=open").await;
    let record = &listed["records"][0];
    assert_eq!(
        (&record["record"]["seq"], record["by"].as_array().unwrap().len()),
        (&json!(bad), 2)
    );
    let path = format!("/v1/set-aside/store-1/{}/{bad}", first.incarnation);
    assert_eq!(api.get(&path).await, *record);
    let token = Some(api.token.as_str());
    let bytes = api.call(token, &Method::GET, &format!("{path}/record"), None).await;
    assert_eq!(
        (bytes.media_type.as_str(), bytes.body.as_slice()),
        ("application/octet-stream", &b"\x02 not a sale"[..])
    );
    let good = format!("/v1/set-aside/store-1/{}/1/record", first.incarnation);
    assert_eq!(
        api.call(token, &Method::GET, &good, None).await.problem(),
        "record-not-found"
    );

    let repair = format!("{path}/repair");
    let wrong = api.post(&repair, json!({"reason": "guess", "record": "0f0"})).await;
    assert_eq!(wrong.problem(), "invalid-field");
    let wrong = api.post(&repair, json!({"reason": "guess", "record": "0f0f"})).await;
    assert_eq!(wrong.problem(), "replacement-unusable");
    let wrong = api.post(&repair, json!({"reason": "guess"})).await;
    assert_eq!(wrong.problem(), "invalid-field");
    let sale = sale("store-1", 6, "2017-01-01", 1);
    let right = json!({"reason": "from the till's paper", "fact": {"sale": sale}});
    let repaired = api.post(&repair, right.clone()).await;
    assert_eq!(
        repaired.status,
        StatusCode::CREATED,
        "{}",
        String::from_utf8_lossy(&repaired.body)
    );
    api.hq.project().unwrap();
    assert_eq!(api.get("/v1/totals?site=store-1").await["totals"][0]["sales"], 6);
    assert_eq!(api.post(&repair, right).await.problem(), "record-dealt-with");
    assert_eq!(api.get("/v1/set-aside?state=open").await["records"], json!([]));
}

#[tokio::test]
async fn feeds_and_catalogs_are_published_and_offered_once() {
    let mut api = Api::new();
    let item = json!({"sku": "1", "gtin": null, "name": "Milk", "department": "", "brand": "", "size": "",
        "price": "1.99", "tax_class": "zero"});
    let import = json!({"items": [item]});
    let first = api.post("/v1/products/import", import.clone()).await.json();
    assert_eq!(
        (&first["items"], &first["changed"], &first["version"]),
        (&json!(1), &json!(1), &json!(1))
    );
    assert_eq!(api.published.try_recv().unwrap(), "catalog");
    let again = api.post("/v1/products/import", import).await.json();
    assert_eq!(again["changed"], 0);
    let entries = json!({"entries": [{"key": "1", "body": "1.89"}, {"key": "2", "body": null}]});
    assert_eq!(api.post("/v1/feeds/prices", entries).await.json()["changed"], 1);
    let refused = api.post("/v1/feeds/Prices", json!({"entries": []})).await;
    assert_eq!(refused.problem(), "feed-name");
    let feeds = api.get("/v1/feeds").await;
    assert_eq!(
        feeds["feeds"],
        json!([{"feed": "catalog", "version": 1}, {"feed": "prices", "version": 1}])
    );
}

#[tokio::test]
async fn a_request_that_comes_again_with_its_key_is_done_once() {
    let mut api = Api::new();
    let entries = |price: &str| json!({"entries": [{"key": "1", "body": price}]});
    let (first, replayed) = api.post_as("a", "/v1/feeds/prices", entries("1.89")).await;
    assert!(!replayed);
    assert_eq!(first.json()["version"], 1);
    api.published.try_recv().unwrap();
    api.post_as("b", "/v1/feeds/prices", entries("1.99")).await;
    api.published.try_recv().unwrap();
    let (again, replayed) = api.post_as("a", "/v1/feeds/prices", entries("1.89")).await;
    assert!(replayed);
    assert_eq!((again.status, again.body), (first.status, first.body));
    assert!(api.published.try_recv().is_err());
    assert_eq!(api.get("/v1/feeds").await["feeds"][0]["version"], 2);
    let (other, _) = api.post_as("a", "/v1/feeds/prices", entries("2.00")).await;
    assert_eq!(
        (other.status, other.problem().as_str()),
        (StatusCode::CONFLICT, "idempotency-key-reused")
    );
    let (refused, _) = api.post_as("c", "/v1/feeds/Prices", entries("1.89")).await;
    assert_eq!(refused.problem(), "feed-name");
    let (wrong, _) = api.post_as("two words", "/v1/feeds/prices", entries("1.89")).await;
    assert_eq!(wrong.problem(), "idempotency-key-invalid");
}

#[tokio::test]
async fn tokens_are_issued_once_and_end() {
    let api = Api::new();
    let issued = api.post("/v1/tokens", json!({"name": "screen", "role": "read"})).await;
    assert_eq!(issued.status, StatusCode::CREATED);
    let token = issued.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(
        api.call(Some(&token), &Method::GET, "/v1/nodes", None).await.status,
        StatusCode::OK
    );
    let taken = api.post("/v1/tokens", json!({"name": "screen", "role": "read"})).await;
    assert_eq!(taken.problem(), "token-name-taken");
    let own = Some(api.token.as_str());
    let revoke = || api.call(own, &Method::DELETE, "/v1/tokens/screen", None);
    assert_eq!(revoke().await.status, StatusCode::NO_CONTENT);
    assert_eq!(revoke().await.problem(), "token-not-found");
    assert_eq!(
        api.call(Some(&token), &Method::GET, "/v1/nodes", None).await.problem(),
        "token-unknown"
    );
    assert!(api.get("/v1/tokens").await["tokens"][1]["revoked"].is_string());
}

#[tokio::test]
async fn sales_are_told_as_they_are_counted() {
    let (api, mut first, _) = Api::with_sales();
    let request = Request::get("/v1/events").header(header::AUTHORIZATION, format!("Bearer {}", api.token));
    let response = api
        .router
        .clone()
        .oneshot(request.body(Body::empty()).unwrap())
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let mut stream = response.into_body().into_data_stream();
    let seq = first.sell(6);
    ingest(&api.hq, vec![first.batch(seq, seq)]);
    api.hq.project().unwrap();
    let mut text = String::new();
    while !text.contains("event: figures") {
        text.push_str(std::str::from_utf8(&stream.next().await.unwrap().unwrap()).unwrap());
    }
    assert!(text.contains("event: sale"), "{text}");
    assert!(text.contains("STORE-1-R1-AAAA-000006"), "{text}");
    // Made again, figures are not told as if they were new.
    api.hq.rebuild(finalmarket::hq::Projection::Sales).unwrap();
    let again = stream.next().await.unwrap().unwrap();
    assert!(again.starts_with(b"event: figures"));
}

#[tokio::test]
async fn measures_tell_of_each_node() {
    let (api, ..) = Api::with_sales();
    let answer = api.call(Some(&api.token), &Method::GET, "/metrics", None).await;
    let text = String::from_utf8(answer.body).unwrap();
    let line = "finalmarket_hq_node_pending_records{node=\"store-1\",site=\"store-1\"} 0";
    assert!(text.contains(line), "{text}");
    assert!(text.contains("finalmarket_hq_behind_batches 0"), "{text}");
}
