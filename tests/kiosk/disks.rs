//! What happens to disks in the tree: a kiosk's is set back or copied, which its store finds first; a store's is set
//! back, which is no matter of its kiosks.

use std::fs;

use serde_json::Value;

use crate::seller::{Seller, sold};
use crate::tree::{Tree, copy_disk, done, eventually};

/// The incarnations of a node as headquarters has them: name, state, reason.
fn lives(tree: &Tree, node: &str) -> Vec<(String, String, String)> {
    let lives = tree.node_at_headquarters(node)["incarnations"].clone();
    let text = |life: &Value, name: &str| life[name].as_str().unwrap_or("-").to_owned();
    let life = |life: &Value| (text(life, "incarnation"), text(life, "state"), text(life, "reason"));
    lives.as_array().into_iter().flatten().map(life).collect()
}

/// The one incarnation of a node that waits for the operator's word: it opened for this reason, and now counts.
#[track_caller]
fn count(tree: &Tree, node: &str, expected: &str) {
    let all = lives(tree, node);
    let apart: Vec<_> = all.iter().filter(|(_, state, _)| state == "set_apart").collect();
    let [(name, _, reason)] = apart[..] else {
        panic!("{all:?}")
    };
    assert_eq!(reason, expected, "{all:?}");
    let at = tree.disk("hq").display().to_string();
    done(&[
        "settle",
        "--at",
        &at,
        node,
        name,
        "count",
        "--reason",
        "the shop was asked",
    ]);
}

#[test]
fn a_kiosks_disk_that_was_set_back_is_found_by_its_store_alone() {
    let mut tree = Tree::open();
    tree.publish_goods();
    tree.store().has_goods();
    let kiosk = tree.open_kiosk("kiosk-1");
    let mut seller = Seller::pair_alone(&kiosk.reached, "k");
    seller.sells(10);
    tree.has_everything_of(&[tree.store(), &kiosk]);
    kiosk.stop();
    copy_disk(&tree.disk("kiosk-1"), &tree.disk("copy"));
    let kiosk = tree.start("kiosk-1");
    seller.goes_to(kiosk.reached.address);
    tree.broker.kill();
    seller.sells(10);
    tree.store_has_everything_of(&kiosk);
    kiosk.stop();
    fs::remove_dir_all(tree.disk("kiosk-1")).unwrap();
    copy_disk(&tree.disk("copy"), &tree.disk("kiosk-1"));

    let kiosk = tree.start("kiosk-1");
    seller.goes_to(kiosk.reached.address);
    let state = || format!("{:#}", tree.store().get("/v1/sync"));
    eventually("the store finds it", state, || tree.relayed("kiosk-1").len() == 2);
    seller.sells(3);
    tree.store_has_everything_of(&kiosk);
    tree.broker.restart();
    tree.has_everything_of(&[tree.store(), &kiosk]);
    count(&tree, "kiosk-1", "set_back");
    tree.has_everything_of(&[tree.store(), &kiosk]);
    tree.counts(&sold(&[&seller]));
    assert_eq!(tree.alerts().len(), 0, "{:?}", tree.alerts());
    tree.close(vec![kiosk]);
}

#[test]
fn two_copies_of_a_kiosks_disk_both_arrive() {
    let tree = Tree::open();
    tree.publish_goods();
    tree.store().has_goods();
    let kiosk = tree.open_kiosk("kiosk-1");
    let mut seller = Seller::pair_alone(&kiosk.reached, "k");
    seller.sells(5);
    tree.has_everything_of(&[tree.store(), &kiosk]);
    kiosk.stop();
    copy_disk(&tree.disk("kiosk-1"), &tree.disk("copy"));
    let kiosk = tree.start("kiosk-1");
    seller.goes_to(kiosk.reached.address);
    seller.sells(5);
    tree.has_everything_of(&[tree.store(), &kiosk]);
    let copy = tree.start_over("kiosk-1", "copy");
    seller.goes_to(copy.reached.address);
    seller.sells(5);
    tree.has_everything_of(&[tree.store(), &kiosk, &copy]);
    let all = lives(&tree, "kiosk-1");
    assert_eq!(all.len(), 2, "{all:?}");
    let (_, _, reason) = &all[1];
    count(&tree, "kiosk-1", reason);
    tree.has_everything_of(&[tree.store(), &kiosk, &copy]);
    tree.counts(&sold(&[&seller]));
    copy.stop();
    tree.close(vec![kiosk]);
}

#[test]
fn a_store_that_was_set_back_costs_its_kiosks_nothing() {
    let mut tree = Tree::open();
    tree.publish_goods();
    tree.store().has_goods();
    let kiosk = tree.open_kiosk("kiosk-1");
    let mut seller = Seller::pair_alone(&kiosk.reached, "k");
    let mut till = Seller::pair_alone(&tree.store().reached, "1");
    seller.sells(10);
    till.sells(2);
    tree.has_everything_of(&[tree.store(), &kiosk]);
    tree.stop_store();
    copy_disk(&tree.disk("store"), &tree.disk("copy"));
    tree.start_store();
    till.goes_to(tree.store().reached.address);
    seller.sells(10);
    till.sells(2);
    tree.has_everything_of(&[tree.store(), &kiosk]);
    seller.sells(1);
    tree.stop_store();
    fs::remove_dir_all(tree.disk("store")).unwrap();
    copy_disk(&tree.disk("copy"), &tree.disk("store"));
    seller.sells(5);
    tree.start_store();
    tree.has_everything_of(&[tree.store(), &kiosk]);
    till.goes_to(tree.store().reached.address);
    till.sells(1);
    tree.has_everything_of(&[tree.store(), &kiosk]);
    let of_kiosk = lives(&tree, "kiosk-1");
    assert_eq!(of_kiosk.len(), 1, "{of_kiosk:?}");
    count(&tree, "store-1", "set_back");
    tree.has_everything_of(&[tree.store(), &kiosk]);
    tree.counts(&sold(&[&seller, &till]));
    tree.close(vec![kiosk]);
}
