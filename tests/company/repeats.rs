//! Repeating any POST of headquarters with its key gives the first answer: while the first is still running, and after
//! headquarters was killed.
//!
//! The calls are those that its own description lists, so that a new one cannot be forgotten here.

use serde_json::{Value, json};

use crate::at_once::{first_of, is_the_first_again};
use crate::bad_record::{sell_without_link, spoil};
use crate::headquarters::{Company, done, eventually};
use crate::http::Request;
use crate::till::SKU;

#[test]
fn every_post_of_headquarters_is_answered_as_it_was_first() {
    let mut company = Company::open();
    // A record to repair, and an incarnation to settle.
    let sold = sell_without_link(&company, 1, 3);
    let backup = company.disk("backup.db").display().to_string();
    done(&[
        "backup",
        "--data",
        &company.disk("store").display().to_string(),
        &backup,
    ]);
    let spoilt = spoil(&company.disk("store"), 3, true);
    let store = company.start("store");
    company.has_everything_of(&[&store]);
    done(&[
        "restore",
        &backup,
        "--data",
        &company.disk("restored").display().to_string(),
    ]);
    let restored = company.start("restored");
    company.has_everything_of(&[&store, &restored]);
    let lives = company.lives();
    let [first, second] = &lives[..] else {
        panic!("{lives:?}")
    };

    // Goods that the web shop holds some of.
    let line = json!({"sku": SKU, "change": "100"});
    let goods = json!({"kind": "receipt", "lines": [line]}).to_string();
    store
        .ask(Request::post("/v1/stock/movements", "for-the-web", &goods))
        .ok(201);
    let line = json!({"sku": SKU, "quantity": "2"});
    let cart = json!({"site": "store-1", "channel": "web", "lines": [line]});
    let text = cart.to_string();
    eventually(
        "the web shop holds some",
        || format!("{:#}", company.get("/v1/holds")),
        || company.ask(Request::post("/v1/holds", "held", &text)).status == 201,
    );
    let held = company.get("/v1/holds")["holds"][0]["id"].as_str().unwrap().to_owned();

    // An alert to see: less is there than somebody wants.
    let threshold = json!({"threshold": "1000"}).to_string();
    let path = format!("/v1/stock/{SKU}/threshold");
    store.ask(Request::post(&path, "more", &threshold)).ok(200);
    let alerts = || company.get("/v1/alerts");
    eventually(
        "headquarters tells of it",
        || format!("{:#}", alerts()),
        || alerts()["alerts"].as_array().is_some_and(|alerts| !alerts.is_empty()),
    );
    let alert = alerts()["alerts"][0]["id"].as_i64().unwrap();
    let order = json!({"site": "store-1", "channel": "web", "paid": true,
        "lines": [{"sku": SKU, "quantity": "1"}]});
    let text = order.to_string();
    eventually(
        "the web shop takes an order",
        || format!("{:#}", company.get("/v1/pickups")),
        || company.ask(Request::post("/v1/pickups", "ordered", &text)).status == 201,
    );
    let ordered = company.get("/v1/pickups")["pickups"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let wanted = json!({"from": "store-1", "to": "store-9", "lines": [{"sku": SKU, "quantity": "1"}]});
    let text = wanted.to_string();
    let asked = company.ask(Request::post("/v1/transfers", "asked", &text)).ok(201);
    let asked = asked["id"].as_str().unwrap().to_owned();

    let item = json!({"sku": "7", "gtin": null, "name": "Tea", "department": "", "brand": "", "size": "",
        "price": "2.50", "tax_class": "standard"});
    let description = company.get("/openapi.json");
    let paths = description["paths"].as_object().unwrap();
    let posts = paths.iter().filter(|(_, methods)| methods.get("post").is_some());
    let case = |(path, _): (&String, &Value)| {
        let (path, body) = match path.as_str() {
            "/v1/nodes" => (path.clone(), json!({"node": "store-9", "site": "store-9"})),
            "/v1/products/import" => (path.clone(), json!({"items": [item]})),
            "/v1/feeds/{feed}" => ("/v1/feeds/notes".into(), json!({"entries": [{"key": "a", "body": 1}]})),
            "/v1/settlements" => {
                let settled =
                    json!({"node": "store-1", "incarnation": second.name, "decision": "count", "reason": "r"});
                (path.clone(), settled)
            }
            "/v1/set-aside/{node}/{incarnation}/{seq}/repair" => {
                let path = format!("/v1/set-aside/store-1/{}/{}/repair", first.name, spoilt.seq);
                (path, json!({"reason": "r", "fact": {"sale": spoilt.sale}}))
            }
            "/v1/holds" => (path.clone(), cart.clone()),
            "/v1/holds/{hold}/release" => (format!("/v1/holds/{held}/release"), json!({})),
            "/v1/alerts/{alert}/acknowledge" => (format!("/v1/alerts/{alert}/acknowledge"), json!({})),
            "/v1/pickups" => (path.clone(), order.clone()),
            "/v1/pickups/{pickup}/cancel" => (format!("/v1/pickups/{ordered}/cancel"), json!({})),
            "/v1/transfers" => (path.clone(), wanted.clone()),
            "/v1/transfers/{transfer}/call-off" => (format!("/v1/transfers/{asked}/call-off"), json!({})),
            "/v1/tokens" => (path.clone(), json!({"name": "screen", "role": "read"})),
            "/v1/nodes/{node}/retire" | "/v1/nodes/{node}/release" => {
                let body = json!({"incarnation": first.name, "reason": "r"});
                (path.replace("{node}", "store-1"), body)
            }
            other => panic!("a new call: {other}. What would a client send?"),
        };
        (path, body.to_string())
    };
    let mut cases: Vec<(String, String)> = posts.map(case).collect();
    // What a node left is released once it is retired.
    cases.sort_by_key(|(path, _)| path.starts_with("/v1/nodes/") && path.ends_with("/release"));
    let answered: Vec<_> = cases
        .iter()
        .enumerate()
        .map(|(number, (path, body))| {
            let key = format!("case-{number}");
            let first = first_of(path, &company.ask_at_once(Request::post(path, &key, body)));
            (key, first)
        })
        .collect();
    company.kill_headquarters();
    for ((path, body), (key, first)) in cases.iter().zip(&answered) {
        is_the_first_again(path, first, &company.ask(Request::post(path, key, body)));
    }
    let line = json!({"sku": SKU, "change": "-100"});
    let goods = json!({"kind": "adjustment", "lines": [line]}).to_string();
    store
        .ask(Request::post("/v1/stock/movements", "out-again", &goods))
        .ok(201);
    company.has_everything_of(&[&store, &restored]);
    company.counts(&sold);
    assert_eq!(company.lives().len(), 3, "the retired store has begun another");
    company.close();
}
