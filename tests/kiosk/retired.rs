//! Retired nodes that come back: a kiosk that its store retired, a store's node that headquarters retired. They sell on;
//! what they sold counts once; what they left is promised by nobody until somebody says that it is there.

use serde_json::{Value, json};

use crate::http::Request;
use crate::till::{SKU, Till};
use crate::tree::{Node, Tree, done, eventually};

fn goods_in(node: &Node, key: &str, change: &str) {
    let line = json!({"sku": SKU, "change": change});
    let body = json!({"kind": "receipt", "lines": [line]}).to_string();
    node.ask(Request::post("/v1/stock/movements", key, &body)).ok(201);
}

fn hold(node: &Node, key: &str, quantity: &str) -> u16 {
    let body = json!({"lines": [{"sku": SKU, "quantity": quantity}]}).to_string();
    node.ask(Request::post("/v1/holds", key, &body)).status
}

fn online(tree: &Tree, key: &str, quantity: &str) -> u16 {
    let line = json!({"sku": SKU, "quantity": quantity});
    let body = json!({"site": "store-1", "channel": "web", "lines": [line]}).to_string();
    tree.ask(Request::post("/v1/holds", key, &body)).status
}

fn stock(node: &Node) -> Value {
    node.get(&format!("/v1/stock/{SKU}"))
}

/// The shelf as headquarters has it.
fn shelf(tree: &Tree) -> Value {
    tree.get("/v1/shelves?site=store-1")["shelves"][0].clone()
}

fn lives(tree: &Tree, node: &str) -> Vec<(String, String)> {
    let lives = tree.node_at_headquarters(node)["incarnations"].clone();
    let text = |life: &Value, name: &str| life[name].as_str().unwrap_or("-").to_owned();
    let life = |life: &Value| (text(life, "state"), text(life, "reason"));
    lives.as_array().into_iter().flatten().map(life).collect()
}

fn alert_of(node: &Node) -> Value {
    let sync = node.get("/v1/sync");
    let alerts = sync["alerts"].as_array().cloned().unwrap_or_default();
    let retired = alerts.into_iter().find(|alert| alert["code"] == "retired");
    retired.unwrap_or_default()
}

#[test]
fn a_retired_kiosk_sells_on_and_comes_back() {
    let tree = Tree::open();
    tree.publish_goods();
    tree.store().has_goods();
    let kiosk = tree.open_kiosk("kiosk-1");
    goods_in(tree.store(), "ten", "10");
    let state = || format!("{:#} {:#}", stock(tree.store()), stock(&kiosk));
    eventually("the kiosk holds three", state, || hold(&kiosk, "three", "3") == 201);
    tree.store_has_everything_of(&kiosk);
    let mut till = Till::pair_alone(kiosk.reached.address, &kiosk.reached.token, "9");
    tree.has_everything_of(&[tree.store(), &kiosk]);
    kiosk.cut("cut", true);
    kiosk.link_is("cut");

    // Looking does nothing; the decision is made once.
    let at = tree.disk("store").display().to_string();
    let look = done(&["retire", "--at", &at, "kiosk-1", "--dry-run"]);
    assert!(
        look.contains("would be retired") && look.contains("3 of them were held"),
        "{look}"
    );
    assert!(stock(tree.store())["unpromised"].is_null());
    let told = done(&["retire", "--at", &at, "kiosk-1", "--reason", "it fell into the pond"]);
    assert!(told.contains("is retired at record"), "{told}");
    let body = json!({"reason": "again"}).to_string();
    let again = tree
        .store()
        .ask(Request::post("/v1/nodes/kiosk-1/retire", "again", &body));
    assert_eq!(again.status, 409, "{}", again.body);

    // Its hold has ended, and what it had nobody may promise.
    let left = stock(tree.store());
    let units = |value: &Value| value.as_str().unwrap_or("0").parse::<i64>().unwrap();
    let unpromised = units(&left["unpromised"]);
    assert!(unpromised >= 3, "{left:#}");
    assert_eq!(
        (&left["reserved"], units(&left["available"])),
        (&json!("0"), 10 - unpromised),
        "{left:#}"
    );
    assert_eq!(hold(tree.store(), "all-ten", "10"), 409);

    // It knows of nothing and sells more than it ever had.
    let sold_late = unpromised + 2;
    for counter in 1..=u64::try_from(sold_late).unwrap() {
        till.sell(counter).ok(201);
    }
    kiosk.cut("mend", false);
    tree.has_everything_of(&[tree.store(), &kiosk]);
    eventually(
        "its staff sees why",
        || format!("{:#}", kiosk.get("/v1/sync")),
        || {
            alert_of(&kiosk)["detail"]
                .as_str()
                .is_some_and(|detail| detail.contains("pond"))
        },
    );
    tree.has_everything_of(&[tree.store(), &kiosk]);
    assert_eq!(tree.sales().len(), usize::try_from(sold_late).unwrap(), "each once");
    assert_eq!(
        lives(&tree, "kiosk-1"),
        [("counted".into(), "first".into()), ("counted".into(), "retired".into())],
        "nobody has to settle it"
    );
    let now = stock(tree.store());
    assert_eq!(units(&now["quantity"]), 10 - sold_late, "{now:#}");
    assert!(now["unpromised"].is_null(), "what it left is sold: {now:#}");
    let state = || format!("{:#} {:#} {:#}", stock(tree.store()), stock(&kiosk), shelf(&tree));
    eventually("everybody has the same figure", state, || {
        let figure = json!((10 - sold_late).to_string());
        stock(&kiosk)["quantity"] == figure && shelf(&tree)["on_hand"] == figure
    });
    // It promises again, with rights that its store gives it.
    eventually("it holds one", state, || hold(&kiosk, "one", "1") == 201);
    tree.close(vec![kiosk]);
}

#[test]
fn a_count_says_that_what_a_retired_kiosk_left_is_there() {
    let tree = Tree::open();
    tree.publish_goods();
    tree.store().has_goods();
    let kiosk = tree.open_kiosk("kiosk-1");
    goods_in(tree.store(), "ten", "10");
    let state = || format!("{:#} {:#}", stock(tree.store()), stock(&kiosk));
    eventually("the kiosk holds three", state, || hold(&kiosk, "three", "3") == 201);
    tree.store_has_everything_of(&kiosk);
    tree.has_everything_of(&[tree.store(), &kiosk]);
    kiosk.kill();
    let at = tree.disk("store").display().to_string();
    done(&["retire", "--at", &at, "kiosk-1", "--reason", "stolen"]);
    assert!(!stock(tree.store())["unpromised"].is_null());
    let explained = done(&["explain", "--at", &at, SKU]);
    assert!(explained.contains("nobody may promise them"), "{explained}");

    let store = tree.store();
    let mark = store.ask(Request::post("/v1/stock/counts", "mark", "{}")).ok(200)["mark"].clone();
    let line = json!({"sku": SKU, "quantity": "9"});
    let work = json!({"work": {"kind": "count", "mark": mark}, "lines": [line]}).to_string();
    store.ask(Request::post("/v1/stock/work", "count", &work)).ok(201);
    let counted = stock(store);
    assert!(
        counted["unpromised"].is_null() && counted["owed"].is_null(),
        "{counted:#}"
    );
    assert_eq!(counted["quantity"], "9");
    let state = || format!("{:#} {:#}", stock(tree.store()), shelf(&tree));
    eventually("the store promises all nine", state, || {
        hold(tree.store(), "nine", "9") == 201
    });
    let explained = done(&["explain", "--at", &at, SKU]);
    assert!(
        explained.contains("left by a retired node, may be promised again"),
        "{explained}"
    );
    tree.close(Vec::new());
}

#[test]
fn a_retired_store_comes_back_under_another_incarnation() {
    let tree = Tree::open();
    tree.publish_goods();
    tree.store().has_goods();
    goods_in(tree.store(), "ten", "10");
    let store = &tree.store().reached;
    let mut till = Till::pair_alone(store.address, &store.token, "9");
    till.sell(1).ok(201);
    tree.has_everything_of(&[tree.store()]);
    let state = || format!("{:#} {:#}", stock(tree.store()), shelf(&tree));
    eventually("headquarters has its shelf", state, || shelf(&tree)["on_hand"] == "9");
    tree.store().cut("cut", true);
    tree.store().link_is("cut");

    let at = tree.disk("hq").display().to_string();
    let look = done(&["retire", "--at", &at, "store-1", "--dry-run"]);
    assert!(look.contains("would be retired"), "{look}");
    let told = done(&["retire", "--at", &at, "store-1", "--reason", "it burned"]);
    assert!(told.contains("is retired at record"), "{told}");
    let left = shelf(&tree);
    let unpromised: i64 = left["unpromised"].as_str().unwrap().parse().unwrap();
    assert!(unpromised > 0, "{left:#}");
    assert_eq!(online(&tree, "nine", "9"), 409, "nobody has counted yet");

    till.sell(2).ok(201);
    till.sell(3).ok(201);
    tree.store().cut("mend", false);
    let state = || format!("{:#}", tree.store().get("/v1/sync"));
    eventually("its staff sees why", state, || {
        alert_of(tree.store())["detail"]
            .as_str()
            .is_some_and(|detail| detail.contains("burned"))
    });
    till.sell(4).ok(201);
    tree.has_everything_of(&[tree.store()]);
    assert_eq!(tree.sales().len(), 4, "each once");
    assert_eq!(
        lives(&tree, "store-1"),
        [("counted".into(), "first".into()), ("counted".into(), "retired".into())]
    );
    let state = || format!("{:#} {:#}", stock(tree.store()), shelf(&tree));
    eventually("both have the same figure", state, || {
        shelf(&tree)["on_hand"] == "6" && stock(tree.store())["quantity"] == "6"
    });
    // An operator says that the rest is there, and it can be promised.
    let released = done(&["release", "--at", &at, "store-1", "--reason", "the shop was asked"]);
    assert!(released.contains("may be promised again"), "{released}");
    assert_eq!(shelf(&tree)["unpromised"], "0");
    eventually("the store holds what is left", state, || {
        hold(tree.store(), "six", "6") == 201
    });
    tree.close(Vec::new());
}

#[test]
fn what_a_retired_store_owed_is_settled_by_another_node_of_its_site() {
    let mut tree = Tree::open();
    tree.publish_goods();
    tree.store().has_goods();
    let store = &tree.store().reached;
    let mut till = Till::pair_alone(store.address, &store.token, "9");
    till.sell(1).ok(201);
    till.sell(2).ok(201);
    tree.has_everything_of(&[tree.store()]);
    let state = || format!("{:#}", shelf(&tree));
    eventually("headquarters knows what it owes", state, || shelf(&tree)["owed"] == "2");
    tree.kill_store();
    let beside = tree.open_beside("store-1-till-2");
    beside.has_goods();
    goods_in(&beside, "five", "5");
    let state = || format!("{:#}", shelf(&tree));
    eventually("headquarters knows what is there", state, || {
        shelf(&tree)["on_hand"] == "3"
    });
    assert_eq!(shelf(&tree)["owed"], "2", "who owes is not there to ask");

    let at = tree.disk("hq").display().to_string();
    done(&["retire", "--at", &at, "store-1", "--reason", "it burned"]);
    let state = || format!("{:#}", shelf(&tree));
    eventually("what it owed is settled", state, || shelf(&tree)["owed"] == "0");
    let state = || format!("{:#}", stock(&beside));
    eventually("the rest can be promised", state, || hold(&beside, "three", "3") == 201);
    tree.close(vec![beside]);
}
