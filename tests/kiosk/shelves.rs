//! Shelves: what every node of a site has moved is known at headquarters, at the store and at each kiosk, whichever
//! link was cut and whoever was killed meanwhile.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::seller::Seller;
use crate::till::SKU;
use crate::tree::{Node, Tree, eventually};

/// What headquarters says that each node has sold of the goods.
fn removed(tree: &Tree) -> BTreeMap<String, u64> {
    let shelves = tree.get("/v1/shelves?site=store-1");
    let goods = shelves["shelves"].as_array().into_iter().flatten();
    let goods = goods.filter(|shelf| shelf["sku"] == SKU);
    let replicas = goods.flat_map(|shelf| shelf["replicas"].as_array().into_iter().flatten());
    let row = |row: &Value| {
        let node = row["replica"].as_str()?.split_once('/')?.0.to_owned();
        let removed = row["registers"]["removed"].as_str()?.parse().ok()?;
        Some((node, removed))
    };
    replicas.filter_map(row).collect()
}

/// What a node says is there.
fn on_hand(node: &Node) -> String {
    let stock = node.get(&format!("/v1/stock/{SKU}"));
    stock["quantity"].as_str().unwrap_or_default().to_owned()
}

/// A seller's n-th sale is of n pieces.
const fn pieces(sales: u64) -> u64 {
    sales * (sales + 1) / 2
}

/// Waits until everybody knows that each node has made so many sales.
fn expect(tree: &Tree, nodes: &[&Node], sales: &[(&str, u64)]) {
    let sold = sales.iter().map(|(node, sales)| ((*node).to_owned(), pieces(*sales)));
    let sold: BTreeMap<String, u64> = sold.collect();
    let state = || {
        let figures: Vec<String> = nodes.iter().map(|node| on_hand(node)).collect();
        format!("{:#} {figures:?}", tree.get("/v1/shelves?site=store-1"))
    };
    eventually("headquarters knows every row", state, || removed(tree) == sold);
    let left = format!("-{}", sold.values().sum::<u64>());
    eventually("every node knows what the others have sold", state, || {
        nodes.iter().all(|node| on_hand(node) == left)
    });
    let shelves = tree.get("/v1/shelves?site=store-1");
    let shelf = &shelves["shelves"][0];
    assert_eq!(
        (&shelf["on_hand"], &shelf["owed"]),
        (&left.clone().into(), &left[1..].into())
    );
    // Every row is complete: the ledger has no more of its node than is in it.
    for row in shelf["replicas"].as_array().unwrap() {
        assert!(row["through"].as_u64() <= row["journal"].as_u64(), "{row:#}");
        assert_eq!(row["state"], "counted");
    }
}

#[test]
fn every_node_of_a_site_knows_what_the_others_have_sold() {
    let mut tree = Tree::open();
    tree.publish_goods();
    tree.store().has_goods();
    let kiosks = [tree.open_kiosk("kiosk-1"), tree.open_kiosk("kiosk-2")];
    let [one, two] = &kiosks;
    let mut till = Seller::pair_alone(&tree.store().reached, "1");
    let mut first = Seller::pair_alone(&one.reached, "k");
    let mut second = Seller::pair_alone(&two.reached, "k");
    till.sells(7);
    first.sells(5);
    second.sells(3);
    expect(
        &tree,
        &[tree.store(), one, two],
        &[("store-1", 7), ("kiosk-1", 5), ("kiosk-2", 3)],
    );

    // Headquarters is killed, and the broker forgets: kiosks hear of the store all the same, and headquarters later.
    tree.kill_headquarters();
    tree.broker.kill();
    till.sells(10);
    second.sells(1);
    let state = || on_hand(one);
    let left = format!("-{}", pieces(17) + pieces(5) + pieces(4));
    eventually("a kiosk knows without headquarters", state, || on_hand(one) == left);
    tree.broker.restart();
    tree.start_headquarters();
    first.sells(2);
    expect(
        &tree,
        &[tree.store(), one, two],
        &[("store-1", 17), ("kiosk-1", 7), ("kiosk-2", 4)],
    );

    // The store is killed while a kiosk sells.
    tree.kill_store();
    first.sells(4);
    tree.start_store();
    expect(
        &tree,
        &[tree.store(), one, two],
        &[("store-1", 17), ("kiosk-1", 11), ("kiosk-2", 4)],
    );
    let [one, two] = kiosks;
    tree.close(vec![one, two]);
}
