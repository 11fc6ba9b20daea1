//! Every process is killed while the kiosks sell; what they were told "ok" for counts once at headquarters.

use crate::seller::{Seller, sold};
use crate::tree::{Node, Tree};

/// Kills a kiosk's node and starts it again; its till repeats what it may not have heard.
fn kill_kiosk(tree: &Tree, kiosk: Node, seller: &mut Seller) -> Node {
    let name = kiosk.name.clone();
    kiosk.kill();
    let kiosk = tree.start(&name);
    seller.till.goes_to(kiosk.reached.address);
    assert!(seller.repeats_last().replayed());
    kiosk
}

#[test]
fn whoever_is_killed_every_sale_counts_once() {
    let mut tree = Tree::open();
    tree.publish_goods();
    tree.store().has_goods();
    let mut one = tree.open_kiosk("kiosk-1");
    let mut two = tree.open_kiosk("kiosk-2");
    let mut till = Seller::pair_alone(&tree.store().reached, "1");
    let mut sellers = [&one, &two].map(|kiosk| Seller::pair_alone(&kiosk.reached, "k"));
    for round in 0..3 {
        // A backlog at one of them, so that somebody dies while it drains.
        one.cut(&format!("cut-{round}"), true);
        sellers[0].sells(120);
        sellers[1].sells(10);
        one.cut(&format!("mend-{round}"), false);
        tree.kill_store();
        sellers[1].sells(10);
        tree.start_store();
        till.goes_to(tree.store().reached.address);
        till.sells(5);
        one = kill_kiosk(&tree, one, &mut sellers[0]);
        sellers[0].sells(10);
        tree.kill_headquarters();
        sellers[1].sells(10);
        two = kill_kiosk(&tree, two, &mut sellers[1]);
        tree.start_headquarters();
        tree.broker.restart();
        sellers[0].sells(5);
    }
    tree.has_everything_of(&[tree.store(), &one, &two]);
    let all = sold(&[&till, &sellers[0], &sellers[1]]);
    assert_eq!(all.len(), 3 * (135 + 30 + 5));
    tree.counts(&all);
    assert_eq!(tree.alerts().len(), 0, "{:?}", tree.alerts());
    tree.close(vec![one, two]);
}

/// The broker carries so little that a kiosk's batches do not get through as they are. Only the kiosk can seal smaller
/// ones, and the store asks it to.
#[test]
fn a_batch_that_cannot_be_passed_on_is_asked_for_in_smaller_parts() {
    let template = format!("{}\nmax_packet_size 1500\n", crate::mosquitto::STOCK);
    let tree = Tree::open_with(&template);
    tree.publish_goods();
    tree.store().has_goods();
    let kiosk = tree.open_kiosk("kiosk-1");
    let mut seller = Seller::pair_alone(&kiosk.reached, "k");
    kiosk.cut("cut", true);
    seller.sells(400);
    kiosk.cut("mend", false);
    tree.has_everything_of(&[tree.store(), &kiosk]);
    tree.counts(&sold(&[&seller]));
    let asked = tree.store().log("the kiosk is asked for it in smaller parts");
    assert!(!asked.is_empty(), "the batch was to be too large");
    assert_eq!(tree.alerts().len(), 0, "{:?}", tree.alerts());
    tree.close(vec![kiosk]);
}
