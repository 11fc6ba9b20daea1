//! A node restored from yesterday's backup: once, twice from the same one, and while the old node still runs.

use crate::headquarters::{Company, Store, done};
use crate::seller::{Seller, sold};

/// Makes a backup while the node sells.
fn backup(company: &Company, store: &Store) -> String {
    let file = company.disk("yesterday.db").display().to_string();
    done(&["backup", "--data", &store.disk.display().to_string(), &file]);
    file
}

/// Restores it to a disk of its own and starts the node there.
fn restore(company: &Company, file: &str, disk: &str) -> Store {
    let said = done(&["restore", file, "--data", &company.disk(disk).display().to_string()]);
    assert!(said.contains("it goes on in incarnation 2-"), "{said}");
    company.start(disk)
}

#[test]
fn a_restored_node_is_set_apart_and_counts_once_settled() {
    let company = Company::open();
    let first = company.start("first");
    let mut till = Seller::pair(&first.reached, "1");
    till.sells(10);
    let file = backup(&company, &first);
    till.sells(10);
    company.has_everything_of(&[&first]);
    let before = sold(&[&till]);
    company.counts(&before);
    first.stop();

    // The disk is lost. The till does not know whether its last sale arrived: it asks the restored node again.
    let second = restore(&company, &file, "second");
    till.goes_to(second.reached.address);
    assert!(!till.repeats_last().replayed(), "the restored node has forgotten it");
    till.sells(10);
    assert!(till.repeats_last().replayed());
    company.has_everything_of(&[&second]);

    company.counts(&before);
    let apart = company.set_apart();
    let [life] = &apart[..] else {
        panic!("{:?}", company.lives())
    };
    assert_eq!(life.reason, "restored");
    assert!(company.alerts().contains_key("set_apart"), "{:?}", company.alerts());

    company.settle(life, "count");
    company.has_everything_of(&[&second]);
    company.counts(&sold(&[&till]));
    // The repeated sale is known by what its till made of it.
    assert_eq!(company.came_again(), (1, 0));
    assert_eq!(company.alerts().len(), 0, "{:?}", company.alerts());
    // Ten from the backup, the repeated one and ten more.
    assert_eq!(second.stop_and_audit().sales.len(), 21);
    company.close();
}

#[test]
fn two_nodes_from_one_backup_are_set_apart_each_beside_the_old_one() {
    let company = Company::open();
    let old = company.start("old");
    let mut tills: Vec<Seller> = ["1", "2", "3"]
        .map(|register| Seller::pair(&old.reached, register))
        .into();
    let [first, second, third] = &mut tills[..] else {
        panic!()
    };
    for till in [&mut *first, &mut *second, &mut *third] {
        till.sells(5);
    }
    let file = backup(&company, &old);
    second.sells(3);
    third.sells(3);
    company.has_everything_of(&[&old]);
    // The old node is cut off and thought to be dead; it sells on.
    old.cut("cut", true);
    first.sells(4);

    let one = restore(&company, &file, "one");
    let two = restore(&company, &file, "two");
    second.goes_to(one.reached.address);
    third.goes_to(two.reached.address);
    for till in [&mut *second, &mut *third] {
        assert!(!till.repeats_last().replayed());
        till.sells(6);
    }
    // The old one comes back.
    old.cut("mend", false);
    first.sells(2);
    company.has_everything_of(&[&old, &one, &two]);

    let apart = company.set_apart();
    assert_eq!(apart.len(), 2, "{:?}", company.lives());
    assert!(apart.iter().all(|life| life.reason == "restored"), "{apart:?}");
    let in_old = |counter: u64, series: &str, till: &Seller| series != till.till.series || counter <= 8;
    let all = sold(&[first, second, third]);
    let mut counted = all.clone();
    counted.retain(|(series, counter), _| in_old(*counter, series, second) && in_old(*counter, series, third));
    company.counts(&counted);

    for life in &apart {
        company.settle(life, "count");
    }
    company.has_everything_of(&[&old, &one, &two]);
    company.counts(&all);
    assert_eq!(company.came_again(), (2, 0));
    for store in [old, one, two] {
        store.stop_and_audit();
    }
    company.close();
}

#[test]
fn a_test_on_a_restored_backup_is_kept_and_never_counted() {
    let company = Company::open();
    let store = company.start("store");
    let mut till = Seller::pair(&store.reached, "1");
    till.sells(5);
    let file = backup(&company, &store);
    let rehearsal = restore(&company, &file, "rehearsal");
    let mut trainee = Seller::pair(&rehearsal.reached, "2");
    trainee.sells(5);
    till.sells(5);
    company.has_everything_of(&[&store, &rehearsal]);
    company.settle(&company.set_apart()[0], "exclude");
    trainee.sells(1);
    company.has_everything_of(&[&store, &rehearsal]);
    company.counts(&sold(&[&till]));
    assert_eq!(company.alerts().len(), 0, "{:?}", company.alerts());
    company.close();
}
