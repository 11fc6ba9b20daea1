//! A standby that takes its node's place: counted where the node's own journal has admitted it, and only there.

use finalmarket::domain::fact::{Fact, OpenedReason, StandbyAdmitted, StandbyDismissed};
use finalmarket::sync::wire::StreamState;

use crate::journal::Journal;
use crate::{ingest, open, open_file, total};

/// A node with six sales, and its standby's incarnation, which has seen all but the last `unseen` records.
fn succession(unseen: u64) -> (Journal, Journal) {
    let mut first = Journal::open("store-1");
    let admitted = Journal::reopen("store-1", 2, OpenedReason::Promoted, None);
    first.record(Fact::StandbyAdmitted(StandbyAdmitted {
        name: "second machine".into(),
        public_key: admitted.key.verifying_key().to_bytes(),
    }));
    let last = (1..=6).map(|counter| first.sell(counter)).last().unwrap();
    let mut next = Journal::reopen("store-1", 2, OpenedReason::Promoted, Some(first.head_at(last - unseen)));
    next.sell(7);
    (first, next)
}

#[test]
fn a_successor_that_was_admitted_counts_whichever_comes_first() {
    let folder = tempfile::tempdir().unwrap();
    for (name, successor_first) in [("a", false), ("b", true)] {
        let hq = open_file(&folder.path().join(name));
        let (first, next) = succession(2);
        let parts = if successor_first {
            // The first incarnation must be known first: it counts because it is the first.
            [
                first.batches(1)[..1].to_vec(),
                next.batches(9),
                first.batches(1)[1..].to_vec(),
            ]
        } else {
            [first.batches(9), next.batches(9), Vec::new()]
        };
        for part in parts {
            ingest(&hq, part);
        }
        hq.project().unwrap();
        let nodes = hq.nodes().unwrap();
        let life = &nodes[0].incarnations[1];
        assert_eq!(life.state, StreamState::Counted);
        assert_eq!(life.unseen, Some(2));
        assert_eq!(total(&hq).sales, 7);
        let shown = hq.proof_of_succession(&first.node, first.incarnation).unwrap();
        assert!(shown.is_some());
        assert_eq!(hq.proof_of_succession(&first.node, next.incarnation).unwrap(), None);
    }
}

#[test]
fn a_copied_disk_that_calls_itself_a_successor_is_set_apart() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    let mut first = Journal::open("store-1");
    let mut next = Journal::reopen("store-1", 2, OpenedReason::Promoted, Some(first.head_at(1)));
    // Admitted, and dismissed before it came.
    let public_key = next.key.verifying_key().to_bytes();
    first.record(Fact::StandbyAdmitted(StandbyAdmitted {
        name: "second machine".into(),
        public_key,
    }));
    first.record(Fact::StandbyDismissed(StandbyDismissed { public_key }));
    next.sell(1);
    ingest(&hq, first.batches(9));
    ingest(&hq, next.batches(9));
    assert_eq!(hq.nodes().unwrap()[0].incarnations[1].state, StreamState::SetApart);
    assert_eq!(hq.proof_of_succession(&first.node, first.incarnation).unwrap(), None);
}
