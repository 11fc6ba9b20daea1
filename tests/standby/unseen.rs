//! "Ok" does not wait: the successor says what it never saw, headquarters shows it, and the old node becomes a standby.

use crate::http::Request;
use crate::seller::{Seller, sold};
use crate::shop::{SELLS, Shop};
use crate::tree::{audit, eventually};

#[test]
fn a_successor_says_what_it_never_saw_and_the_old_node_follows_it() {
    let shop = Shop::open();
    let primary = shop.sells(0, &[]);
    let mut till = Seller::pair(&primary.reached(), "1");
    shop.join(1, 0);
    let standby = shop.follows(1, 0, &[]);
    till.sells(10);
    primary.is_followed();
    standby.process.kill();
    // Nobody but the primary and headquarters hears of these.
    till.sells(7);
    shop.counts(&sold(&[&till]));
    primary.process.kill();

    let standby = shop.follows(1, 0, &[]);
    standby.promote();
    let mut other = Seller::pair_alone(&standby.reached(), "2");
    other.sells(5);
    shop.counts(&sold(&[&till, &other]));
    let state = || format!("{:#?}", shop.lives());
    eventually("headquarters says how many it never saw", state, || {
        let lives = shop.lives();
        lives.len() == 2 && lives[1]["state"] == "counted" && lives[1]["unseen"] == 7
    });

    // Back again, it sells no more. Then it joins its successor: its old disk is kept aside.
    let old = shop.start(0, &[], SELLS);
    old.ask(Request::get("/v1/stock")).problem(503, "not-primary");
    old.stop();
    shop.join(0, 1);
    let old = shop.follows(0, 1, &[]);
    standby.is_followed();
    let aside = std::fs::read_dir(shop.disk(0))
        .expect("its folder")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    assert!(aside.into_iter().any(|name| name.starts_with("node.db.succeeded-")));
    let first = standby.stop();
    let second = old.stop();
    audit(&first);
    audit(&second);
}
