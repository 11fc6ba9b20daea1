//! The test of power cuts is worth something only if it finds a node that breaks the promise: here two of them.

use finalmarket::store::Faults;

use crate::power_cuts::run_store;
use crate::sim::promise::Promise;

/// A loss must show within so many stores.
const STORES_MAX: u64 = 10;
const CUTS_IN_STORE: u64 = 10;

#[test]
fn a_disk_that_is_not_waited_for_is_found() {
    let faults = Faults {
        synchronous_off: true,
        ..Faults::default()
    };
    assert_found("synchronous=OFF", faults);
}

#[test]
fn an_answer_before_the_commit_is_found() {
    let faults = Faults {
        reply_before_commit: true,
        ..Faults::default()
    };
    assert_found("a reply before the commit", faults);
}

fn assert_found(fault: &str, faults: Faults) {
    for store in 0..STORES_MAX {
        if let Err(violation) = run_store(0, store, CUTS_IN_STORE, faults) {
            println!(
                "{fault}: found in store {store}: {}: {}",
                violation.promise, violation.what
            );
            assert_eq!(violation.promise, Promise::NothingLost, "{}", violation.what);
            return;
        }
    }
    panic!("{fault} was not found in {STORES_MAX} stores with {CUTS_IN_STORE} power cuts each");
}
