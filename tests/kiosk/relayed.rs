//! What a kiosk sells reaches headquarters through its store, once, whichever link is cut meanwhile.

use crate::seller::{Seller, sold};
use crate::tree::{Tree, eventually};

#[test]
fn what_two_kiosks_and_a_store_sell_arrives_once() {
    let tree = Tree::open();
    tree.publish_goods();
    tree.store().has_goods();
    let kiosks = [tree.open_kiosk("kiosk-1"), tree.open_kiosk("kiosk-2")];
    let mut till = Seller::pair_alone(&tree.store().reached, "1");
    let mut sellers = kiosks.each_ref().map(|kiosk| Seller::pair_alone(&kiosk.reached, "k"));
    std::thread::scope(|scope| {
        scope.spawn(|| till.sells(30));
        for seller in &mut sellers {
            scope.spawn(|| seller.sells(30));
        }
    });
    let [one, two] = &kiosks;
    tree.has_everything_of(&[tree.store(), one, two]);
    let all = sold(&[&till, &sellers[0], &sellers[1]]);
    assert_eq!(all.len(), 90);
    tree.counts(&all);

    let state = || format!("{:#}", tree.get("/v1/nodes"));
    eventually("headquarters shows the kiosks under their store", state, || {
        ["kiosk-1", "kiosk-2"].iter().all(|kiosk| {
            let shown = tree.node_at_headquarters(kiosk);
            shown["parent"] == "store-1" && shown["site"] == "store-1" && shown["online"] == true
        })
    });
    assert!(tree.node_at_headquarters("store-1")["parent"].is_null());
    let [one, two] = kiosks;
    one.stop();
    let state = || format!("{:#}", tree.get("/v1/nodes"));
    eventually("headquarters sees that one is gone", state, || {
        tree.node_at_headquarters("kiosk-1")["online"] == false
            && tree.node_at_headquarters("kiosk-2")["online"] == true
    });
    assert_eq!(tree.alerts().len(), 0, "{:?}", tree.alerts());
    tree.close(vec![two]);
}

#[test]
fn the_store_brings_what_a_kiosk_sold_that_is_gone_since() {
    let mut tree = Tree::open();
    tree.publish_goods();
    tree.store().has_goods();
    let kiosk = tree.open_kiosk("kiosk-1");
    let mut seller = Seller::pair_alone(&kiosk.reached, "k");
    seller.sells(5);
    tree.has_everything_of(&[tree.store(), &kiosk]);
    tree.broker.kill();
    seller.sells(20);
    tree.store_has_everything_of(&kiosk);
    let (received, acknowledged) = tree.relayed("kiosk-1")[0];
    assert!(received > acknowledged, "headquarters cannot have it yet");
    // What the store has is not safe yet: only headquarters' word lets the kiosk forget.
    assert!(kiosk.get("/v1/sync")["pending"].as_u64().unwrap() >= 20);
    kiosk.kill();
    tree.broker.restart();
    let state = || format!("{:#}", tree.get("/v1/nodes"));
    eventually("headquarters has what the kiosk sold", state, || {
        tree.has_counted() && tree.sales().len() == 25
    });
    tree.counts(&sold(&[&seller]));

    let kiosk = tree.start("kiosk-1");
    tree.has_everything_of(&[tree.store(), &kiosk]);
    tree.counts(&sold(&[&seller]));
    tree.close(vec![kiosk]);
}

#[test]
fn either_link_may_be_cut_in_between() {
    let tree = Tree::open();
    tree.publish_goods();
    tree.store().has_goods();
    let kiosk = tree.open_kiosk("kiosk-1");
    let mut seller = Seller::pair_alone(&kiosk.reached, "k");
    let mut till = Seller::pair_alone(&tree.store().reached, "1");
    for round in 0..3 {
        let key = |what: &str| format!("{what}-{round}");
        kiosk.cut(&key("cut"), true);
        seller.sells(7);
        till.sells(3);
        tree.store().cut(&key("cut"), true);
        kiosk.cut(&key("mend"), false);
        tree.store_has_everything_of(&kiosk);
        seller.sells(7);
        tree.store().cut(&key("mend"), false);
        seller.sells(1);
        tree.has_everything_of(&[tree.store(), &kiosk]);
        tree.counts(&sold(&[&seller, &till]));
    }
    tree.close(vec![kiosk]);
}
