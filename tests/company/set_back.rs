//! A disk that is set back without `restore`: somebody put an older copy of its files in its place.

use std::fs;

use crate::headquarters::{Company, Store, copy_disk};
use crate::seller::{Seller, Sold, sold};

/// A till has sold ten and ten again; then the disk is as it was after the first ten. Gives the node that runs over it,
/// where `online` says whether it may speak to headquarters at once.
fn set_back(company: &mut Company, online: bool) -> (Store, Seller, Sold) {
    let store = company.start("store");
    let mut till = Seller::pair(&store.reached, "1");
    till.sells(10);
    company.has_everything_of(&[&store]);
    let disk = store.stop();
    copy_disk(&disk, &company.disk("copy"));

    let store = company.start("store");
    till.goes_to(store.reached.address);
    till.sells(10);
    company.has_everything_of(&[&store]);
    let before = sold(&[&till]);
    company.counts(&before);
    let disk = store.stop();
    fs::remove_dir_all(&disk).unwrap();
    copy_disk(&company.disk("copy"), &disk);
    if !online {
        company.broker.kill();
    }
    let store = company.start("store");
    till.goes_to(store.reached.address);
    (store, till, before)
}

/// Headquarters has found it and counts nothing of it, until an operator says so.
fn found_and_settled(company: Company, store: Store, till: &mut Seller, before: &Sold, reason: &str) {
    company.has_everything_of(&[&store]);
    company.counts(before);
    let apart = company.set_apart();
    let [life] = &apart[..] else {
        panic!("{:?}", company.lives())
    };
    assert_eq!(life.reason, reason);
    till.sells(3);
    company.has_everything_of(&[&store]);
    company.counts(before);

    company.settle(life, "count");
    company.has_everything_of(&[&store]);
    company.counts(&sold(&[till]));
    assert_eq!(company.came_again(), (1, 0));
    assert_eq!(company.alerts().len(), 0, "{:?}", company.alerts());
    let books = store.stop_and_audit();
    assert_eq!((books.sales.len(), books.incarnations), (19, 2));
    company.close();
}

#[test]
fn a_disk_set_back_is_found_at_its_first_word() {
    let mut company = Company::open();
    let (store, mut till, before) = set_back(&mut company, true);
    company.has_everything_of(&[&store]);
    assert_eq!(company.set_apart().len(), 1, "{:?}", company.lives());
    assert!(!till.repeats_last().replayed());
    till.sells(5);
    found_and_settled(company, store, &mut till, &before, "set_back");
}

#[test]
fn a_disk_set_back_that_sold_on_without_a_link_is_found_too() {
    let mut company = Company::open();
    let (store, mut till, before) = set_back(&mut company, false);
    assert!(!till.repeats_last().replayed());
    till.sells(5);
    company.broker.restart();
    found_and_settled(company, store, &mut till, &before, "copied");
}
