//! A kiosk sells with its store's catalog, also where headquarters was never heard of.

use std::fs;

use crate::seller::{Seller, sold};
use crate::tree::{Node, Tree, copy_disk, eventually};

#[track_caller]
fn costs(kiosk: &Node, price: &str) {
    let state = || kiosk.price();
    eventually("the goods cost as much as at the store", state, || {
        kiosk.price() == price
    });
}

#[test]
fn a_kiosk_follows_its_stores_catalog_without_headquarters() {
    let mut tree = Tree::open();
    tree.broker.kill();
    tree.store().import_goods("3.99", "first");
    let kiosk = tree.open_kiosk("kiosk-1");
    let mut seller = Seller::pair_alone(&kiosk.reached, "k");
    seller.sells(3);
    tree.store_has_everything_of(&kiosk);
    tree.store().import_goods("4.50", "second");
    costs(&kiosk, "4.50");

    // Versions go on behind a restart, in another epoch.
    tree.kill_store();
    tree.start_store();
    tree.store().import_goods("4.75", "third");
    costs(&kiosk, "4.75");
    tree.store().import_goods("3.99", "fourth");
    costs(&kiosk, "3.99");
    seller.sells(2);
    tree.broker.restart();
    tree.has_everything_of(&[tree.store(), &kiosk]);
    tree.counts(&sold(&[&seller]));
    tree.close(vec![kiosk]);
}

#[test]
fn a_store_that_was_set_back_gives_its_kiosks_its_catalog_afresh() {
    let mut tree = Tree::open();
    tree.broker.kill();
    tree.store().import_goods("3.99", "first");
    let kiosk = tree.open_kiosk("kiosk-1");
    tree.stop_store();
    copy_disk(&tree.disk("store"), &tree.disk("copy"));
    tree.start_store();
    tree.store().import_goods("4.50", "second");
    costs(&kiosk, "4.50");
    tree.stop_store();
    fs::remove_dir_all(tree.disk("store")).unwrap();
    copy_disk(&tree.disk("copy"), &tree.disk("store"));
    tree.start_store();
    costs(&kiosk, "3.99");
    tree.close(vec![kiosk]);
}
