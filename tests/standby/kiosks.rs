//! A store's kiosks when its standby takes its place: they find it by themselves, and everything counts once.

use serde_json::json;

use crate::http::Request;
use crate::seller::{Seller, sold};
use crate::shop::{Machine, Shop};
use crate::till::SKU;
use crate::tree::{Node, audit, done, eventually, node};

/// Pairs a kiosk's node with the machine that sells, and starts it.
fn kiosk(shop: &Shop, name: &str, with: &Machine, parent: &str) -> Node {
    let (store, disk) = (with.disk.display().to_string(), shop.tree.disk(name));
    let code = done(&["pair", "--with", &store, "--name", name, "node"]);
    let data = disk.display().to_string();
    done(&["join", "--data", &data, "--parent", parent, "--code", code.trim()]);
    let mut command = node(name, &disk, "127.0.0.1:0");
    let kiosk = Node::start(name, command.args(["--parent", parent]), &disk);
    kiosk.has_goods();
    kiosk
}

#[test]
fn kiosks_go_on_at_the_successor_and_every_sale_counts_once() {
    let shop = Shop::open();
    let primary = shop.sells(0, &[]);
    // One kiosk has been connected since before there was a standby, the other comes later.
    let one = kiosk(&shop, "kiosk-1", &primary, &shop.url(0));
    let mut first = Seller::pair_alone(&one.reached, "k");
    first.sells(5);
    shop.join(1, 0);
    let standby = shop.follows(1, 0, &[]);
    let two = kiosk(&shop, "kiosk-2", &primary, &shop.url(0));
    let mut second = Seller::pair_alone(&two.reached, "k");
    second.sells(5);
    // Goods come in. Whoever entered them does not hear the answer.
    let goods = json!({"kind": "receipt", "lines": [{"sku": SKU, "change": "40"}]}).to_string();
    let entered = || Request::post("/v1/stock/movements", "delivery-7", &goods);
    let answer = primary.ask(entered()).ok(201);
    primary.is_followed();
    // The first one has come again to be told of the standby.
    primary.process.wait_for("a kiosk is connected", 3);
    // What headquarters does not have yet when the store dies, and some that the store does not have either.
    shop.tree.broker.pause();
    first.sells(5);
    two.cut("cut", true);
    second.sells(5);
    primary.process.kill();
    first.sells(5);
    two.cut("mend", false);

    standby.promote();
    shop.tree.broker.resume();
    let again = standby.ask(entered());
    assert!(again.replayed(), "{again:?}");
    assert_eq!(again.ok(201), answer);
    for kiosk in [&one, &two] {
        kiosk.link_is("online");
    }
    first.sells(5);
    assert!(first.repeats_last().replayed());
    second.sells(5);
    let all = sold(&[&first, &second]);
    assert_eq!(all.len(), 35);
    shop.counts(&all);
    shop.tree.has_everything_of(&[&one, &two]);
    let state = || format!("{:#}", shop.tree.get("/v1/nodes"));
    eventually("headquarters hears the kiosks through the successor", state, || {
        ["kiosk-1", "kiosk-2"].iter().all(|kiosk| {
            let shown = shop.tree.node_at_headquarters(kiosk);
            shown["parent"] == "store-1" && shown["online"] == true
        })
    });

    // A kiosk that starts anew knows whom to ask, though the address that it was given is dead.
    let disk = shop.tree.disk("kiosk-1");
    one.kill();
    let mut command = node("kiosk-1", &disk, "127.0.0.1:0");
    let one = Node::start("kiosk-1", command.args(["--parent", &shop.url(0)]), &disk);
    one.link_is("online");
    first.till.goes_to(one.reached.address);
    first.sells(3);
    shop.counts(&sold(&[&first, &second]));
    for kiosk in [one, two] {
        let disk = shop.tree.disk(&kiosk.name);
        kiosk.stop();
        audit(&disk);
    }
    audit(&standby.stop());
}
