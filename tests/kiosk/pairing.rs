//! Who gets in: a kiosk's token is good for the node that it was given to, at the store that gave it, until a manager
//! ends it.

use std::fs;

use crate::http::{Connection, Request};
use crate::node_process::NodeProcess;
use crate::tree::{Tree, command, done, node};

#[test]
fn a_node_that_has_not_joined_says_how_to() {
    let tree = Tree::open();
    let mut start = node("kiosk-1", &tree.disk("kiosk-1"), "127.0.0.1:0");
    let ended = NodeProcess::spawn(start.args(["--parent", &tree.parent()])).ends();
    assert!(
        !ended.status.success() && ended.log.contains("finalmarket join"),
        "{}",
        ended.log
    );
    tree.join("kiosk-1");
    let both = start.args(["--broker", "127.0.0.1:1883"]);
    let ended = NodeProcess::spawn(both).ends();
    assert!(
        !ended.status.success() && ended.log.contains("not both"),
        "{}",
        ended.log
    );
    tree.close(vec![]);
}

#[test]
fn a_tills_code_joins_no_node() {
    let tree = Tree::open();
    let (store, data) = (tree.disk("store"), tree.disk("kiosk-1"));
    let (store, data) = (store.display().to_string(), data.display().to_string());
    let code = done(&["pair", "--with", &store, "--name", "Till 1", "--register", "1", "till"]);
    let joined = command(&[
        "join",
        "--data",
        &data,
        "--parent",
        &tree.parent(),
        "--code",
        code.trim(),
    ]);
    let said = String::from_utf8_lossy(&joined.stderr);
    assert!(!joined.status.success() && said.contains("made for a till"), "{said}");
    let refused = command(&["pair", "--with", &store, "--name", "Kiosk One", "node"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(
        !refused.status.success() && said.contains("the node's own name"),
        "{said}"
    );
    tree.close(vec![]);
}

#[test]
fn a_token_is_good_for_one_node() {
    let tree = Tree::open();
    tree.join("kiosk-1");
    fs::create_dir(tree.disk("kiosk-2")).unwrap();
    fs::copy(
        tree.disk("kiosk-1").join("parent-token"),
        tree.disk("kiosk-2").join("parent-token"),
    )
    .unwrap();
    let stranger = tree.start("kiosk-2");
    stranger.wait_for_log("its name is kiosk-2, and it is paired for kiosk-1");
    assert_eq!(stranger.get("/v1/sync")["link"], "offline");
    assert!(tree.relayed("kiosk-2").is_empty());

    // The store's own calls are not for a kiosk's node.
    let token = fs::read_to_string(tree.disk("kiosk-1").join("parent-token")).unwrap();
    let mut connection = Connection::open(tree.store().reached.address).unwrap();
    let sale = Request::post("/v1/sales", "key", "{}").by(&token);
    connection.ask(sale).unwrap().problem(403, "role-forbidden");
    let plain = Request::get("/v1/link?org=market&node=kiosk-1&site=store-1").by(&token);
    connection.ask(plain).unwrap().problem(400, "malformed-request");
    stranger.stop();
    tree.close(vec![]);
}

#[test]
fn a_manager_ends_a_kiosks_rights() {
    let tree = Tree::open();
    tree.store().import_goods("3.99", "goods");
    let kiosk = tree.open_kiosk("kiosk-1");
    kiosk.link_is("online");
    let devices = tree.store().get("/v1/devices");
    let devices = devices["devices"].as_array().unwrap();
    let device = devices.iter().find(|device| device["role"] == "node").unwrap();
    assert_eq!(device["name"], "kiosk-1");
    let path = format!("/v1/devices/{}", device["device"]);
    let end = Request {
        method: "DELETE",
        ..Request::get(&path)
    };
    assert_eq!(tree.store().ask(end).status, 204);
    kiosk.wait_for_log("the token is not known");
    kiosk.link_is("offline");
    tree.close(vec![kiosk]);
}
