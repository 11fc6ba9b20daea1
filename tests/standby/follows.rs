//! A standby follows: what it has is what the other one has, whenever it dies.

use crate::books;
use crate::http::Request;
use crate::seller::Seller;
use crate::shop::Shop;
use crate::tree::{audit, done, eventually};

#[test]
fn a_standby_that_is_killed_at_any_time_has_the_same_books_in_the_end() {
    let shop = Shop::open();
    let primary = shop.sells(0, &[]);
    let mut till = Seller::pair(&primary.reached(), "1");
    till.sells(30);
    shop.join(1, 0);
    for round in 0..4 {
        let standby = shop.follows(1, 0, &[]);
        // It dies while it takes its copy, while it catches up, or while it follows.
        till.sells(10 + 40 * round);
        standby.process.kill();
        till.sells(20);
    }
    let standby = shop.follows(1, 0, &[]);
    // A till that comes while it follows, and its series with it.
    let mut late = Seller::pair_alone(&primary.reached(), "2");
    late.sells(10);
    till.sells(10);
    primary.is_followed();

    let refused = standby.ask(Request::get("/v1/stock")).problem(503, "not-primary");
    assert_eq!(refused["primary"], shop.url(0), "{refused}");
    standby.ask(Request::get("/readyz")).problem(503, "not-primary");
    assert_eq!(standby.ask(Request::get("/healthz")).status, 200);
    assert_eq!(standby.ask(Request::get("/v1/role")).ok(200)["role"], "standby");
    let role = primary.ask(Request::get("/v1/role")).ok(200);
    assert_eq!(role["standbys"][0], shop.url(1), "{role}");
    let metrics = primary.ask(Request::get("/metrics"));
    assert!(
        metrics
            .body
            .contains("finalmarket_standby_lag_records{standby=\"second machine\"} 0")
    );

    // In this order, so that nothing is recorded that the other one has not heard.
    let (first, second) = (primary.stop(), standby.stop());
    audit(&first);
    audit(&second);
    let (ours, theirs) = (
        books::audit_folder(&first, None).expect("sound books"),
        books::audit_folder(&second, None).expect("sound books"),
    );
    assert_eq!(ours.sales, theirs.sales);
    assert_eq!(ours.moved, theirs.moved);
    assert_eq!(theirs.sales.len(), 30 + (10 + 50 + 90 + 130) + 4 * 20 + 20);
}

/// It has heard the other one since its own start, so that its silence means something.
#[test]
fn a_standby_takes_a_silent_nodes_place_by_itself_where_that_is_configured() {
    let shop = Shop::open();
    let primary = shop.sells(0, &[]);
    let mut till = Seller::pair(&primary.reached(), "1");
    shop.join(1, 0);
    let standby = shop.follows(1, 0, &["--promote-after-s", "2"]);
    till.sells(5);
    primary.is_followed();
    primary.process.kill();
    let next = standby.reached();
    till.goes_to(next.address);
    // The last sale is known there, whoever answered it first.
    assert!(till.repeats_last().replayed());
    till.sells(5);
    let sold = crate::seller::sold(&[&till]);
    shop.counts(&sold);
    let state = || format!("{:#?}", shop.lives());
    eventually("both incarnations count", state, || {
        let lives = shop.lives();
        lives.len() == 2 && lives.iter().all(|life| life["state"] == "counted")
    });
    assert_eq!(shop.lives()[1]["reason"], "promoted");
    let disk = standby.stop();
    audit(&disk);
    done(&["verify", "--data", &shop.tree.disk("hq").display().to_string()]);
}
