//! What headquarters tells single sites, with real processes: orders for pickup that are decided while the link is cut,
//! holds that change hands with their rights, goods that go from one site to another and do not all arrive.

use serde_json::{Value, json};

use crate::http::Request;
use crate::till::{SKU, Till};
use crate::tree::{Node, Tree, eventually};

fn goods_in(node: &Node, key: &str, change: &str) {
    let line = json!({"sku": SKU, "change": change});
    let body = json!({"kind": "receipt", "lines": [line]}).to_string();
    node.ask(Request::post("/v1/stock/movements", key, &body)).ok(201);
}

/// A store with ten pieces, whose headquarters can reach it.
fn stocked() -> Tree {
    let tree = Tree::open();
    tree.publish_goods();
    tree.store().has_goods();
    goods_in(tree.store(), "ten", "10");
    tree
}

fn lines(quantity: &str) -> Value {
    json!([{"sku": SKU, "quantity": quantity}])
}

/// Orders goods for pickup, once headquarters has the rights; its identity.
fn order(tree: &Tree, key: &str, quantity: &str, paid: bool) -> String {
    let body = json!({"site": "store-1", "channel": "web", "reference": key, "paid": paid, "lines": lines(quantity)});
    let body = body.to_string();
    let state = || format!("{:#} {:#}", stock(tree.store()), tree.get("/v1/pickups"));
    eventually("the order is taken", state, || {
        tree.ask(Request::post("/v1/pickups", key, &body)).status == 201
    });
    let again = tree.ask(Request::post("/v1/pickups", key, &body)).ok(201);
    again["id"].as_str().expect("an identity").to_owned()
}

/// A pickup as it is listed, with those that are over.
fn listed(get: impl Fn(&str) -> Value, list: &str, id: &str) -> Value {
    let pages = [get(&format!("/v1/{list}")), get(&format!("/v1/{list}?over=true"))];
    let mut all = pages
        .iter()
        .flat_map(|page| page[list].as_array().into_iter().flatten());
    all.find(|one| one["id"] == id).cloned().unwrap_or_default()
}

fn at_store(tree: &Tree, id: &str) -> Value {
    listed(|path| tree.store().get(path), "pickups", id)
}

fn at_headquarters(tree: &Tree, id: &str) -> Value {
    listed(|path| tree.get(path), "pickups", id)
}

#[track_caller]
fn both_say(tree: &Tree, id: &str, state: &str) {
    let said = || format!("{:#} {:#}", at_store(tree, id), at_headquarters(tree, id));
    eventually("both say so", said, || {
        at_store(tree, id)["state"] == state && at_headquarters(tree, id)["state"] == state
    });
}

/// Decides at the store.
fn decide(tree: &Tree, id: &str, what: &str, body: &Value) -> Value {
    let (path, key) = (format!("/v1/pickups/{id}/{what}"), format!("{what}-{id}"));
    let text = body.to_string();
    tree.store().ask(Request::post(&path, &key, &text)).ok(200)
}

fn stock(node: &Node) -> Value {
    node.get(&format!("/v1/stock/{SKU}"))
}

fn sale_from(hold: &str, counter: u64, quantity: &str) -> String {
    let cash = json!({"kind": "cash", "amount": "50.00"});
    json!({"counter": counter, "hold": hold, "lines": lines(quantity), "tenders": [cash]}).to_string()
}

#[test]
fn an_order_is_accepted_and_collected_while_the_link_is_cut_and_headquarters_agrees() {
    let tree = stocked();
    let mut till = Till::pair(tree.store().reached.address, &tree.store().reached.token, "1");
    let id = order(&tree, "W-1", "2", false);
    both_say(&tree, &id, "requested");
    assert_eq!(at_store(&tree, &id)["hold_is_here"], false);
    tree.store().cut("cut", true);
    tree.store().link_is("cut");
    assert_eq!(decide(&tree, &id, "accept", &json!({}))["state"], "accepted");
    assert_eq!(
        decide(&tree, &id, "ready", &json!({"note": "shelf 4"}))["state"],
        "ready"
    );
    let unpaid = tree
        .store()
        .ask(Request::post(&format!("/v1/pickups/{id}/collect"), "unpaid", "{}"));
    assert_eq!(
        (unpaid.status, unpaid.json()["type"].clone()),
        (409, json!("/problems/pickup-not-paid"))
    );
    let sale = till
        .ask(Request::post("/v1/sales", "fetched", &sale_from(&id, 1, "2")))
        .ok(201);
    assert_eq!(at_store(&tree, &id)["state"], "collected");
    assert!(at_store(&tree, &id)["decided"]["sale"].is_string(), "{sale}");
    assert_eq!(at_headquarters(&tree, &id)["held_here"], true, "it has not heard");

    tree.store().cut("mend", false);
    both_say(&tree, &id, "collected");
    let state = || format!("{:#} {:#}", stock(tree.store()), tree.get("/v1/holds"));
    eventually("the hold's rights came and settled the sale", state, || {
        let stock = stock(tree.store());
        let free = stock["quantity"] == "8" && stock["reserved"] == "0" && stock["owed"].is_null();
        free && tree.get("/v1/holds")["holds"] == json!([])
    });
    tree.has_everything_of(&[tree.store()]);
    let figures = tree.get("/v1/stock?site=store-1");
    assert_eq!(figures["stock"][0]["quantity"], "8", "{figures:#}");
    tree.close(Vec::new());
}

#[test]
fn a_pickup_s_hold_goes_to_the_store_and_ends_there_however_it_ends() {
    let tree = stocked();
    let mut till = Till::pair(tree.store().reached.address, &tree.store().reached.token, "1");
    let held_at_store = |id: &str| {
        let state = || format!("{:#} {:#}", at_store(&tree, id), at_headquarters(&tree, id));
        eventually("the hold is the store's", state, || {
            at_store(&tree, id)["hold_is_here"] == true && at_headquarters(&tree, id)["held_here"] == false
        });
    };
    let [sold, paid, refused, cancelled] =
        [("W-1", false), ("W-2", true), ("W-3", false), ("W-4", true)].map(|(key, paid)| order(&tree, key, "2", paid));
    for id in [&sold, &paid, &cancelled] {
        both_say(&tree, id, "requested");
        decide(&tree, id, "accept", &json!({}));
        held_at_store(id);
    }
    let reserved = || stock(tree.store())["reserved"].as_str().expect("a quantity").to_owned();
    let state = || format!("{:#}", stock(tree.store()));
    let path = format!("/v1/holds/{sold}/release");
    let kept = tree.store().ask(Request::post(&path, "release", "{}"));
    assert_eq!(kept.status, 409, "it is the pickup's: {}", kept.body);
    till.ask(Request::post("/v1/sales", "sold", &sale_from(&sold, 1, "2")))
        .ok(201);
    decide(&tree, &paid, "collect", &json!({}));
    both_say(&tree, &refused, "requested");
    decide(&tree, &refused, "refuse", &json!({"reason": "not_there"}));
    let path = format!("/v1/pickups/{cancelled}/cancel");
    tree.ask(Request::post(&path, "cancel", "{}")).ok(200);
    for (id, state) in [
        (&sold, "collected"),
        (&paid, "collected"),
        (&refused, "refused"),
        (&cancelled, "cancelled"),
    ] {
        both_say(&tree, id, state);
    }
    eventually("nothing is promised any more", state, || reserved() == "0");
    assert_eq!(stock(tree.store())["quantity"], "6");
    let over = tree
        .store()
        .ask(Request::post(&format!("/v1/pickups/{refused}/accept"), "late", "{}"));
    assert_eq!(
        (over.status, over.json()["type"].clone()),
        (409, json!("/problems/pickup-over"))
    );
    tree.has_everything_of(&[tree.store()]);
    let figures = tree.get("/v1/stock?site=store-1");
    assert_eq!(figures["stock"][0]["quantity"], "6", "{figures:#}");
    tree.close(Vec::new());
}

#[test]
fn a_kiosk_s_order_is_handed_over_and_paid_at_the_till() {
    let tree = stocked();
    let kiosk = tree.open_kiosk("kiosk-1");
    let mut till = Till::pair(tree.store().reached.address, &tree.store().reached.token, "1");
    let body = json!({"lines": lines("2")}).to_string();
    let state = || format!("{:#}", stock(&kiosk));
    eventually("the kiosk holds two", state, || {
        kiosk.ask(Request::post("/v1/holds", "two", &body)).status == 201
    });
    let hold = kiosk.get("/v1/holds")["holds"][0]["id"]
        .as_str()
        .expect("a hold")
        .to_owned();
    let path = format!("/v1/holds/{hold}/hand-over");
    let no_store = tree.store().ask(Request::post(&path, "wrong", "{}"));
    assert_eq!(
        (no_store.status, no_store.json()["type"].clone()),
        (409, json!("/problems/store-not-reached"))
    );
    let first = kiosk.ask(Request::post(&path, "over", "{}")).ok(200);
    let again = kiosk.ask(Request::post(&path, "over", "{}"));
    assert_eq!((again.ok(200), again.replayed()), (first, true));
    assert_eq!(kiosk.ask(Request::post(&path, "again", "{}")).status, 404);
    let path = format!("/v1/holds/{hold}");
    let state = || format!("{:#}", tree.store().get("/v1/holds"));
    eventually("the hold is the store's", state, || {
        tree.store().ask(Request::get(&path)).status == 200
    });
    till.ask(Request::post("/v1/sales", "paid", &sale_from(&hold, 1, "2")))
        .ok(201);
    assert_eq!(stock(tree.store())["quantity"], "8");
    tree.has_everything_of(&[tree.store(), &kiosk]);
    tree.close(vec![kiosk]);
}

#[test]
fn goods_go_to_another_site_one_is_missing_and_some_arrive_before_the_news() {
    let tree = stocked();
    let other = tree.open_site("store-2");
    other.has_goods();
    let transfer = |node: &Node, id: &str| listed(|path| node.get(path), "transfers", id);
    let is = |node: &Node, id: &str, state: &str| {
        let said = || format!("{:#} {:#}", transfer(node, id), tree.get("/v1/transfers"));
        eventually("the site has heard", said, || transfer(node, id)["state"] == state);
    };
    let post = |node: &Node, path: String, key: &str, body: Value| {
        let text = body.to_string();
        node.ask(Request::post(&path, key, &text))
    };
    let asked = post(
        &other,
        "/v1/transfers".into(),
        "ask",
        json!({"from": "store-1", "lines": lines("3")}),
    )
    .ok(201);
    let id = asked["id"].as_str().expect("an identity").to_owned();
    is(tree.store(), &id, "requested");
    let dispatch = format!("/v1/transfers/{id}/dispatch");
    assert_eq!(
        post(&other, dispatch.clone(), "not-here", json!({"lines": lines("3")})).json()["type"],
        "/problems/transfer-elsewhere"
    );
    let short = post(
        tree.store(),
        dispatch.clone(),
        "too-much",
        json!({"lines": lines("11")}),
    );
    assert_eq!(
        short.json()["type"],
        "/problems/not-enough-to-promise",
        "{}",
        short.body
    );
    post(tree.store(), dispatch.clone(), "send", json!({"lines": lines("3")})).ok(200);
    assert_eq!(
        post(tree.store(), dispatch, "again", json!({"lines": lines("3")})).status,
        409
    );
    is(&other, &id, "in_transit");
    let at_headquarters = listed(|path| tree.get(path), "transfers", &id);
    assert_eq!(at_headquarters["state"], "in_transit");
    assert!(at_headquarters["age_seconds"].is_u64(), "{at_headquarters:#}");
    assert_eq!(stock(tree.store())["quantity"], "7");
    let receive = format!("/v1/transfers/{id}/receive");
    let unexplained = post(&other, receive.clone(), "two", json!({"lines": lines("2")})).json();
    assert_eq!(unexplained["type"], "/problems/transfer-difference");
    assert_eq!(
        unexplained["differences"][0],
        json!({"sku": SKU, "sent": "3", "arrived": "2"})
    );
    let body = json!({"lines": lines("2"), "reason": "missing", "note": "box open"});
    let received = post(&other, receive, "why", body).ok(200);
    assert_eq!(
        (&received["state"], &received["reason"]),
        (&json!("received"), &json!("missing"))
    );
    let alerts = other.get("/v1/alerts");
    let told = alerts["alerts"].as_array().into_iter().flatten();
    assert_eq!(
        told.filter(|alert| alert["kind"] == "transfer_difference").count(),
        1,
        "{alerts:#}"
    );

    // The lorry is faster than the news.
    other.cut("cut", true);
    let planned = post(
        tree.store(),
        "/v1/transfers".into(),
        "plan",
        json!({"to": "store-2", "lines": lines("1")}),
    );
    let early = planned.ok(201)["id"].as_str().expect("an identity").to_owned();
    let path = format!("/v1/transfers/{early}");
    post(
        tree.store(),
        format!("{path}/dispatch"),
        "send-1",
        json!({"lines": lines("1")}),
    )
    .ok(200);
    let body = json!({"from": "store-1", "lines": lines("1")});
    let arrived = post(&other, format!("{path}/receive"), "paper", body).ok(200);
    assert_eq!(arrived["state"], "received_early");
    assert_eq!(stock(&other)["quantity"], "3");
    other.cut("mend", false);
    for node in [tree.store(), &other] {
        is(node, &early, "received");
        is(node, &id, "received");
    }
    assert_eq!(stock(tree.store())["quantity"], "6");
    tree.has_everything_of(&[tree.store(), &other]);
    let left = listed(|path| tree.get(path), "transfers", &id);
    assert_eq!(left["differences"][0]["arrived"], "2", "{left:#}");
    for (site, quantity) in [("store-1", "6"), ("store-2", "3")] {
        let figures = tree.get(&format!("/v1/stock?site={site}"));
        assert_eq!(figures["stock"][0]["quantity"], quantity, "{figures:#}");
    }
    tree.close(vec![other]);
}
