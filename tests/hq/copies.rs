//! Records that come twice, themselves and as copies under a later incarnation: each takes effect once, whatever comes
//! first, and the figures made again are the same.

use finalmarket::domain::fact::{Entry, Fact, OpenedReason, Rehomed, Settlement, SettlementDecision};
use finalmarket::domain::stock::{Movement, MovementKind, MovementLine};
use finalmarket::domain::time::Hlc;
use finalmarket::hq::{Headquarters, Incoming, Projection, Replacement, SetAsideState};
use finalmarket::sync::wire::Slot;

use super::journal::{Journal, id, sale};
use super::{NOW_MS, ingest, open, stock, total};

fn delivery(units: i64) -> Fact {
    let line = MovementLine {
        sku: "1007".parse().unwrap(),
        change: finalmarket::domain::quantity::Quantity::from_units(units).unwrap(),
    };
    Fact::Movement(Movement {
        id: None,
        kind: MovementKind::Receipt,
        reference: None,
        lines: vec![line],
    })
}

/// A disk with a sale and a delivery, and the incarnation in which both stand once more as copies.
fn branches() -> (Journal, Journal) {
    let mut original = Journal::open("store-1");
    original.sell(1);
    original.record(delivery(10));
    let mut copies = Journal::reopen("store-1", 2, OpenedReason::Copied, Some(original.head()));
    copies.rehome(&original, 2);
    copies.rehome(&original, 3);
    (original, copies)
}

fn count(hq: &Headquarters, journal: &Journal) {
    let settlement = Settlement {
        node: journal.node.clone(),
        incarnation: journal.incarnation,
        decision: SettlementDecision::Count,
        reason: "its till sold".into(),
        by: "operator".into(),
    };
    hq.settle(settlement, NOW_MS).unwrap();
}

/// Takes the batches in one after the other, and checks the figures then and made again.
fn figures(originals: &[Incoming], copies: &Journal, copies_first: bool) {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    let (first, rest) = originals.split_first().unwrap();
    ingest(&hq, vec![first.clone()]);
    let take_originals = || {
        ingest(&hq, rest.to_vec());
        hq.project().unwrap();
    };
    let take_copies = || {
        ingest(&hq, copies.batches(10));
        count(&hq, copies);
        hq.project().unwrap();
    };
    if copies_first {
        take_copies();
        take_originals();
    } else {
        take_originals();
        take_copies();
    }
    assert_eq!((total(&hq).sales, stock(&hq)), (1, 10_000 - 3_000));
    for projection in Projection::ALL {
        hq.rebuild(projection).unwrap();
    }
    assert_eq!((total(&hq).sales, stock(&hq)), (1, 10_000 - 3_000));
    assert_eq!(hq.repeats(false, 10).unwrap(), vec![], "not even as a repeat");
    assert_eq!(hq.set_aside(None, None, 10).unwrap(), vec![]);
}

#[test]
fn a_record_and_its_copy_count_once_in_whatever_order_they_come() {
    let (original, copies) = branches();
    let in_parts = original.batches(1);
    figures(&in_parts, &copies, false);
    figures(&in_parts, &copies, true);
    figures(&[original.batch(1, 1), original.batch(1, 3)], &copies, true);
}

#[test]
fn another_record_in_the_place_of_a_copied_one_counts_too() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    let (original, copies) = branches();
    // The other branch of the same incarnation, which has another delivery in that place.
    let mut other = Journal::open("store-1");
    other.sell(1);
    other.record(delivery(5));
    ingest(&hq, vec![original.batch(1, 1)]);
    ingest(&hq, copies.batches(10));
    count(&hq, &copies);
    hq.project().unwrap();
    ingest(&hq, vec![other.batch(2, 3)]);
    hq.project().unwrap();
    assert_eq!((total(&hq).sales, stock(&hq)), (1, 15_000 - 3_000));
}

#[test]
fn copies_of_what_does_not_count_do_count() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    let first = Journal::open("store-1");
    let mut second = Journal::reopen("store-1", 2, OpenedReason::Restored, Some(first.head()));
    second.record(delivery(10));
    let mut third = Journal::reopen("store-1", 3, OpenedReason::Copied, Some(second.head()));
    third.rehome(&second, 2);
    ingest(&hq, vec![first.batch(1, 1), second.batch(1, 2), third.batch(1, 2)]);
    count(&hq, &third);
    hq.project().unwrap();
    assert_eq!(stock(&hq), 10_000);
    count(&hq, &second);
    hq.project().unwrap();
    assert_eq!(stock(&hq), 10_000);
    hq.rebuild(Projection::Stock).unwrap();
    assert_eq!(stock(&hq), 10_000);
}

fn repair(hq: &Headquarters, journal: &Journal, seq: u64, fact: Fact) {
    let recorded = Hlc(5);
    let replacement = Replacement::Record(Entry { recorded, fact }.encode());
    let (by, reason) = ("operator".into(), "exported at the node".into());
    hq.repair(journal.id(seq), replacement, by, reason, NOW_MS).unwrap();
    hq.project().unwrap();
}

#[test]
fn a_copy_that_its_node_withheld_is_repaired_with_what_the_node_kept() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    let (original, _) = branches();
    let mut copies = Journal::reopen("store-1", 2, OpenedReason::Copied, Some(original.head()));
    let withheld = copies.withhold("too large for the broker");
    let Slot::Record(record) = original.slots[2].clone() else {
        panic!("a record")
    };
    let copy = Rehomed {
        incarnation: original.incarnation,
        seq: 3,
        hash: original.hashes[3],
        record,
    };
    ingest(&hq, vec![original.batch(1, 2)]);
    ingest(&hq, copies.batches(10));
    count(&hq, &copies);
    hq.project().unwrap();
    assert_eq!(stock(&hq), -3_000);
    repair(&hq, &copies, withheld, Fact::Rehomed(copy));
    assert_eq!(stock(&hq), 7_000);
    // The record itself comes late.
    ingest(&hq, vec![original.batch(3, 3)]);
    hq.project().unwrap();
    assert_eq!(stock(&hq), 7_000);
}

#[test]
fn a_copy_of_an_unreadable_record_is_repaired_once() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    let mut original = Journal::open("store-1");
    let bad = original.bytes(b"\x02 not a sale");
    let mut copies = Journal::reopen("store-1", 2, OpenedReason::Copied, Some(original.head()));
    let copied = copies.rehome(&original, bad);
    ingest(&hq, vec![original.batch(1, 1)]);
    ingest(&hq, copies.batches(10));
    count(&hq, &copies);
    hq.project().unwrap();
    // The same place with the record as it should have been.
    let recorded = Hlc(5);
    let fact = Fact::Sale(sale("store-1", 9, "2017-01-01", 1));
    let right = Rehomed {
        incarnation: original.incarnation,
        seq: bad,
        hash: original.hashes[bad as usize],
        record: Entry { recorded, fact }.encode(),
    };
    repair(&hq, &copies, copied, Fact::Rehomed(right));
    assert_eq!((total(&hq).sales, stock(&hq)), (1, -3_000));
    let (_, entry) = hq.sale(&id("store-1", 9)).unwrap().unwrap();
    assert!(matches!(entry.fact, Fact::Sale(_)));
    ingest(&hq, vec![original.batch(2, 2)]);
    hq.project().unwrap();
    assert_eq!(hq.set_aside(Some(SetAsideState::Open), None, 10).unwrap(), vec![]);
}

#[test]
fn a_copy_of_a_newer_kind_goes_on_waiting_for_an_upgrade() {
    let folder = tempfile::tempdir().unwrap();
    let mut original = Journal::open("store-1");
    let newer = original.bytes(&[0x84, 0x07, 0x01, 0x01]);
    let mut copies = Journal::reopen("store-1", 2, OpenedReason::Copied, Some(original.head()));
    let copied = copies.rehome(&original, newer);
    let hq = open(folder.path());
    ingest(&hq, vec![original.batch(1, 1)]);
    ingest(&hq, copies.batches(10));
    count(&hq, &copies);
    hq.project().unwrap();
    drop(hq);
    for _ in 0..2 {
        let hq = open(folder.path());
        let waiting = hq.set_aside(Some(SetAsideState::Waiting), None, 10).unwrap();
        assert_eq!(waiting.len(), 1);
        assert_eq!(waiting[0].record, copies.id(copied));
    }
}
