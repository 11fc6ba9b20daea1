//! "Ok" waits for two disks: the first is killed while many tills sell, and nothing that they heard is missing.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::{Command, Stdio};

use crate::books;
use crate::http::Request;
use crate::node_process::PROGRAM;
use crate::seller::Seller;
use crate::shop::{SELLS, Shop};
use crate::till::SKU;
use crate::tree::{audit, done, eventually};

const BASKETS: usize = 600;

fn baskets(shop: &Shop) -> String {
    let mut text = String::from("basket,site,at,customer,sku,quantity,unit_price,discount\n");
    let day = chrono::Local::now().format("%Y-%m-%d");
    for basket in 1..=BASKETS {
        let (minutes, seconds) = (basket / 60, basket % 60);
        let at = format!("{day}T08:{minutes:02}:{seconds:02}");
        writeln!(text, "{basket},store-1,{at},,{SKU},{},3.99,0", basket % 9 + 1).expect("text");
    }
    let file = shop.tree.disk("baskets.csv");
    std::fs::write(&file, text).expect("a file");
    file.display().to_string()
}

#[test]
fn a_standby_that_hangs_holds_no_till_up_and_is_waited_for_again_once_it_has_caught_up() {
    let shop = Shop::open();
    let primary = shop.sells(0, &["--standby-wait"]);
    let mut till = Seller::pair(&primary.reached(), "1");
    shop.join(1, 0);
    let standby = shop.follows(1, 0, &[]);
    let disks = |expected: &'static str| {
        primary.sync_is(expected, |sync| sync["disks"] == expected);
    };
    disks("two_disks");
    till.sells(5);
    standby.process.signal("-STOP");
    till.sells(5);
    disks("one_disk");
    assert!(
        primary
            .ask(Request::get("/metrics"))
            .body
            .contains("finalmarket_answer_disks 1")
    );
    standby.process.signal("-CONT");
    disks("two_disks");
    till.sells(5);
    primary.is_followed();
    audit(&primary.stop());
    audit(&standby.stop());
}

#[test]
fn what_was_answered_for_outlives_the_first_disk() {
    let shop = Shop::open();
    let primary = shop.sells(0, &["--standby-wait"]);
    let alone = primary.ask(Request::get("/v1/sync")).ok(200);
    assert_eq!(alone["disks"], "one_disk", "{alone}");
    assert_eq!(alone["alerts"][0]["code"], "one_disk", "{alone}");
    shop.join(1, 0);
    let standby = shop.follows(1, 0, &[]);
    primary.sync_is("answers wait for two disks", |sync| sync["disks"] == "two_disks");

    let node = format!("store-1={}", primary.disk.display());
    let replay = Command::new(PROGRAM)
        .args([
            "replay",
            &baskets(&shop),
            "--node",
            &node,
            "--tills",
            "4",
            "--patience-s",
            "110",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program");
    primary.sync_is("some hundred are sold", |sync| sync["journal_seq"].as_u64() > Some(150));
    let disk = primary.disk.clone();
    primary.process.kill();
    let old = books::audit_folder(&disk, None).expect("sound books");
    let said = standby.promote();
    assert!(said.contains("succeeds"), "{said}");
    let played = replay.wait_with_output().expect("its end");
    let printed = String::from_utf8_lossy(&played.stdout).into_owned();
    assert!(
        played.status.success(),
        "{printed}{}",
        String::from_utf8_lossy(&played.stderr)
    );
    assert!(printed.contains(&format!("{BASKETS} sales,")), "{printed}");

    // Everything that the tills heard "ok" for, from whichever node, is on the disk that is left.
    let books = books::audit_folder(&standby.disk, None).expect("sound books");
    assert_eq!(books.sales.len(), BASKETS);
    let state = || format!("{} {:#?}", shop.tree.sales().len(), shop.lives());
    eventually("headquarters counts them all", state, || {
        shop.tree.has_counted() && shop.tree.sales().len() == BASKETS
    });

    // The first one comes back: it does not sell beside its successor, and what only it has still goes up.
    let first = shop.start(0, &["--standby-wait"], SELLS);
    let refused = first.ask(Request::get("/v1/stock")).problem(503, "not-primary");
    assert_eq!(refused["primary"], shop.url(1), "{refused}");
    assert_eq!(first.ask(Request::get("/v1/role")).ok(200)["role"], "succeeded");
    eventually("headquarters has what only the old one knew", state, || {
        let acked = shop.lives().first().and_then(|life| life["acknowledged_seq"].as_u64());
        acked >= Some(old.records) && shop.tree.has_counted()
    });
    assert_eq!(
        shop.tree.sales().len(),
        BASKETS,
        "each counts once, whoever answered it"
    );
    let receipts: BTreeSet<String> = old
        .sales
        .values()
        .chain(books.sales.values())
        .map(|receipt| format!("{receipt:?}"))
        .collect();
    let both = old
        .sales
        .keys()
        .filter(|id| books.sales.get(id) == old.sales.get(id))
        .count();
    assert_eq!(
        receipts.len(),
        old.sales.len() + books.sales.len() - both,
        "no receipt number was given twice"
    );
    let lives = shop.lives();
    assert!(lives.iter().all(|life| life["state"] == "counted"), "{lives:#?}");
    assert!(lives[1]["unseen"].is_u64(), "{lives:#?}");
    // The old one has heard of its successor's shelves by now, which is no business of its own journal.
    done(&["verify", "--data", &first.stop().display().to_string()]);
    audit(&standby.stop());
}
