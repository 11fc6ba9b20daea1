//! A disk that was copied: two processes run over the copies at once, both online, and each believes to be the store.

use crate::headquarters::{Company, copy_disk};
use crate::seller::{Seller, sold};

#[test]
fn two_copies_of_a_disk_lose_nothing_and_count_nothing_twice() {
    let company = Company::open();
    let store = company.start("original");
    let mut first = Seller::pair(&store.reached, "1");
    let mut second = Seller::pair(&store.reached, "2");
    first.sells(5);
    second.sells(5);
    company.has_everything_of(&[&store]);
    let before = sold(&[&first, &second]);
    let disk = store.stop();
    copy_disk(&disk, &company.disk("copy"));

    let original = company.start("original");
    let copy = company.start("copy");
    first.goes_to(original.reached.address);
    second.goes_to(copy.reached.address);
    for _ in 0..10 {
        first.sells(1);
        second.sells(1);
    }
    // A till goes over to the other copy in the middle of a sale: it repeats there what the first has made.
    first.goes_to(copy.reached.address);
    assert!(!first.repeats_last().replayed());
    first.sells(3);
    company.has_everything_of(&[&original, &copy]);

    // One of them goes on under the old incarnation; the other is set apart with what it sold.
    let apart = company.set_apart();
    assert!(!apart.is_empty(), "{:?}", company.lives());
    let counted = company.sales();
    let all = sold(&[&first, &second]);
    assert!(before.len() < counted.len() && counted.len() < all.len(), "{counted:?}");
    assert!(before.keys().all(|sale| counted.contains_key(sale)), "{counted:?}");
    company.counts(&all.into_iter().filter(|(sale, _)| counted.contains_key(sale)).collect());

    // Both sell on, also with tills that are paired at both copies now.
    let mut third = Seller::pair(&original.reached, "3");
    let mut fourth = Seller::pair(&copy.reached, "3");
    third.sells(3);
    fourth.sells(3);
    first.goes_to(original.reached.address);
    first.sells(3);
    second.repeats_last();
    second.sells(3);
    company.has_everything_of(&[&original, &copy]);
    for life in company.set_apart() {
        company.settle(&life, "count");
    }
    company.has_everything_of(&[&original, &copy]);
    company.counts(&sold(&[&first, &second, &third, &fourth]));
    assert_eq!(company.came_again(), (1, 0));
    assert_eq!(company.alerts().len(), 0, "{:?}", company.alerts());
    original.stop_and_audit();
    copy.stop_and_audit();
    company.close();
}

#[test]
fn tills_that_are_paired_at_both_copies_before_anybody_knows_are_told_apart() {
    let company = Company::open();
    let store = company.start("original");
    let mut till = Seller::pair(&store.reached, "1");
    till.sells(5);
    company.has_everything_of(&[&store]);
    let disk = store.stop();
    copy_disk(&disk, &company.disk("copy"));

    let original = company.start("original");
    let copy = company.start("copy");
    original.cut("cut", true);
    copy.cut("cut", true);
    let mut here = Seller::pair(&original.reached, "2");
    let mut there = Seller::pair(&copy.reached, "2");
    assert_ne!(here.till.series, there.till.series, "a series is given out once");
    here.sells(7);
    there.sells(9);
    original.cut("mend", false);
    copy.cut("mend", false);
    company.has_everything_of(&[&original, &copy]);
    for life in company.set_apart() {
        company.settle(&life, "count");
    }
    company.has_everything_of(&[&original, &copy]);
    company.counts(&sold(&[&till, &here, &there]));
    assert_eq!(company.came_again().1, 0);
    original.stop_and_audit();
    copy.stop_and_audit();
    company.close();
}
