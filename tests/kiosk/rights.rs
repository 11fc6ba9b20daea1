//! One shelf, and three that promise what is on it: headquarters' web shop, the store's tills, a kiosk. Rights go to whoever
//! has customers; nothing is promised twice.

use serde_json::{Value, json};

use crate::http::Request;
use crate::till::{SKU, Till};
use crate::tree::{Node, Tree, eventually};

fn goods_in(node: &Node, key: &str, change: &str) {
    let line = json!({"sku": SKU, "change": change});
    let body = json!({"kind": "receipt", "lines": [line]}).to_string();
    node.ask(Request::post("/v1/stock/movements", key, &body)).ok(201);
}

fn cart(quantity: &str) -> String {
    json!({"lines": [{"sku": SKU, "quantity": quantity}]}).to_string()
}

fn hold(node: &Node, key: &str, quantity: &str) -> (u16, Value) {
    let body = cart(quantity);
    let reply = node.ask(Request::post("/v1/holds", key, &body));
    (reply.status, serde_json::from_str(&reply.body).unwrap())
}

fn online(tree: &Tree, key: &str, quantity: &str) -> (u16, Value) {
    let line = json!({"sku": SKU, "quantity": quantity});
    let body = json!({"site": "store-1", "channel": "web", "lines": [line]}).to_string();
    let reply = tree.ask(Request::post("/v1/holds", key, &body));
    (reply.status, serde_json::from_str(&reply.body).unwrap())
}

fn stock(node: &Node) -> Value {
    node.get(&format!("/v1/stock/{SKU}"))
}

fn id(hold: &Value) -> String {
    hold["id"].as_str().unwrap().to_owned()
}

/// Everybody is connected and knows whom to ask.
fn settled(tree: &Tree) -> Node {
    tree.publish_goods();
    tree.store().has_goods();
    tree.open_kiosk("kiosk-1")
}

#[test]
fn the_last_unit_is_promised_once() {
    let tree = Tree::open();
    let kiosk = settled(&tree);
    goods_in(tree.store(), "ten", "10");
    let state = || format!("{:#} {:#}", stock(tree.store()), tree.get("/v1/holds"));
    eventually("the web shop holds four", state, || online(&tree, "four", "4").0 == 201);
    let (status, refused) = hold(tree.store(), "seven", "7");
    assert_eq!(
        (status, &refused["type"]),
        (409, &json!("/problems/not-enough-to-promise"))
    );
    let (status, six) = hold(tree.store(), "six", "6");
    assert_eq!(status, 201, "{six:#}");
    let (status, refused) = hold(&kiosk, "one", "1");
    assert_eq!(status, 409, "{refused:#}");
    assert_eq!(online(&tree, "one", "1").0, 409);

    let path = format!("/v1/holds/{}/release", id(&six));
    tree.store().ask(Request::post(&path, "release", "{}")).ok(200);
    let (status, two) = hold(&kiosk, "two", "2");
    assert_eq!(status, 201, "{two:#}");
    let (status, refused) = online(&tree, "five", "5");
    assert_eq!(status, 409, "four are left: {refused:#}");
    assert_eq!(online(&tree, "last four", "4").0, 400, "a key has no spaces");
    assert_eq!(online(&tree, "last-four", "4").0, 201);
    assert_eq!(hold(tree.store(), "none", "1").0, 409);
    tree.close(vec![kiosk]);
}

#[test]
fn goods_in_hand_are_sold_beyond_the_rights_and_later_rights_settle_it() {
    let tree = Tree::open();
    let kiosk = settled(&tree);
    goods_in(tree.store(), "five", "5");
    let state = || format!("{:#} {:#}", stock(tree.store()), tree.get("/v1/holds"));
    eventually("the web shop holds four", state, || online(&tree, "four", "4").0 == 201);
    let held = tree.get("/v1/holds")["holds"][0].clone();
    let mut till = Till::pair(tree.store().reached.address, &tree.store().reached.token, "1");
    for counter in 1..=3 {
        assert_eq!(till.sold(counter), counter);
    }
    assert_eq!(
        stock(tree.store())["owed"],
        "2",
        "one was the store's own: {:#}",
        stock(tree.store())
    );
    let sale = till.get(&format!("/v1/sales/{}/3", till.series.clone()));
    let path = format!("/v1/receipts/{}", sale["receipt"].as_str().unwrap());
    let receipt = till.ask(Request::get(&path)).body;
    assert!(receipt.contains(r#""oversold":"1""#), "{receipt}");
    assert_eq!(hold(tree.store(), "while-owing", "1").0, 409);

    // The web shop's customer changes their mind: what they held goes to the store, and nobody has to say so.
    let path = format!("/v1/holds/{}/release", id(&held));
    tree.ask(Request::post(&path, "release", "{}")).ok(200);
    let state = || format!("{:#}", stock(tree.store()));
    eventually("the debt is settled", state, || stock(tree.store())["owed"].is_null());
    let (status, last) = hold(tree.store(), "last", "2");
    assert_eq!(status, 201, "{last:#}");
    assert_eq!(hold(tree.store(), "over", "1").0, 409);
    tree.close(vec![kiosk]);
}

#[test]
fn what_a_kiosk_is_configured_to_keep_comes_by_itself_and_is_no_other_sellers() {
    let tree = Tree::open();
    tree.publish_goods();
    tree.store().has_goods();
    goods_in(tree.store(), "twenty", "20");
    tree.join("kiosk-1");
    let kept = format!("[[rights.item]]\nskus = [{SKU:?}]\nsites = [\"store-1\"]\nfloor = \"2\"\n");
    let kiosk = tree.start_configured("kiosk-1", &kept);
    kiosk.has_goods();
    let rights = || {
        let explained = kiosk.get(&format!("/v1/stock/{SKU}/explain"));
        let replicas = explained["replicas"].as_array().cloned().unwrap_or_default();
        let own = replicas.into_iter().find(|replica| replica["present"] == true);
        own.map_or(Value::Null, |own| own["rights"].clone())
    };
    let state = || format!("{:#} {}", stock(tree.store()), rights());
    eventually("the kiosk has its two", state, || rights() == "2");
    let (status, refused) = hold(tree.store(), "nineteen", "19");
    assert_eq!(status, 409, "{refused:#}");
    assert_eq!(hold(tree.store(), "eighteen", "18").0, 201);
    assert_eq!(hold(&kiosk, "two", "2").0, 201);
    tree.close(vec![kiosk]);
}
