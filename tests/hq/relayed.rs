//! What a store passes on for its kiosks: who may speak for whom, and what headquarters makes of it.

use finalmarket::hq::{Admission, Headquarters, Incoming, IntroduceError};
use finalmarket::sync::hub::{Introduction, Outcome};
use finalmarket::sync::wire::Hello;

use crate::journal::Journal;
use crate::{NOW_MS, ingest_one, open, open_for};

/// A store's introduction, with nothing to tell.
fn known_store(hq: &Headquarters, name: &str) {
    let hello = Hello {
        streams: Vec::new(),
        ..Journal::open(name).hello(1)
    };
    hq.introduce(&name.parse().unwrap(), hello, NOW_MS).unwrap();
}

/// A kiosk's journal with so many sales.
fn kiosk(sales: u64) -> Journal {
    let mut journal = Journal::open("kiosk-1");
    (1..=sales).for_each(|counter| {
        journal.sell(counter);
    });
    journal
}

fn hello(journal: &Journal, site: &str) -> Hello {
    Hello {
        site: site.parse().unwrap(),
        ..journal.hello(1)
    }
}

fn introduce(hq: &Headquarters, via: &str, hello: Hello, complete_ms: u64) -> Result<Introduction, IntroduceError> {
    let (via, node) = (via.parse().unwrap(), "kiosk-1".parse().unwrap());
    hq.introduce_relayed(&via, &node, hello, complete_ms, NOW_MS)
}

fn relayed(batch: Incoming) -> Incoming {
    Incoming { relayed: true, ..batch }
}

#[test]
fn a_store_introduces_kiosks_of_its_own_site_only() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    let journal = kiosk(3);
    let unknown = introduce(&hq, "store-1", hello(&journal, "store-1"), NOW_MS);
    assert!(matches!(unknown, Err(IntroduceError::NotEnrolled(_))), "{unknown:?}");
    // Nor does a batch alone make a kiosk known.
    let outcome = ingest_one(&hq, relayed(journal.batch(1, 4))).0;
    assert!(matches!(outcome, Outcome::Unwelcome { .. }), "{outcome:?}");

    known_store(&hq, "store-1");
    known_store(&hq, "store-2");
    for (via, site) in [("store-1", "store-2"), ("store-2", "store-1")] {
        let other = introduce(&hq, via, hello(&journal, site), NOW_MS);
        assert!(matches!(other, Err(IntroduceError::NotItsParent { .. })), "{other:?}");
    }
    introduce(&hq, "store-1", hello(&journal, "store-1"), NOW_MS).unwrap();
    let taken = introduce(&hq, "store-2", hello(&journal, "store-2"), NOW_MS);
    assert!(matches!(taken, Err(IntroduceError::NotItsParent { .. })), "{taken:?}");
    // The operator moves it.
    hq.enrol(&journal.node, &"store-2".parse().unwrap(), NOW_MS).unwrap();
    introduce(&hq, "store-2", hello(&journal, "store-2"), NOW_MS).unwrap();
    // A kiosk is nobody's parent.
    let (via, node) = (journal.node.clone(), "kiosk-2".parse().unwrap());
    let nested = hq.introduce_relayed(&via, &node, hello(&journal, "store-2"), NOW_MS, NOW_MS);
    assert!(matches!(nested, Err(IntroduceError::NotItsParent { .. })), "{nested:?}");
}

#[test]
fn an_enrolled_store_speaks_for_its_kiosks() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open_for(folder.path(), Admission::Enrolled);
    hq.enrol(&"store-1".parse().unwrap(), &"store-1".parse().unwrap(), NOW_MS)
        .unwrap();
    let journal = kiosk(3);
    introduce(&hq, "store-1", hello(&journal, "store-1"), NOW_MS).unwrap();
    let (outcome, taken) = ingest_one(&hq, relayed(journal.batch(1, 4)));
    assert_eq!((outcome, taken), (Outcome::Committed { acked: journal.head() }, 4));
    let status = hq.nodes().unwrap();
    let shown = status.iter().find(|node| node.node == journal.node).unwrap();
    assert_eq!(shown.parent.as_ref().map(|node| node.as_str()), Some("store-1"));
}

/// P7: that the store is there says nothing about the kiosk.
#[test]
fn a_kiosk_is_complete_up_to_when_its_store_had_everything() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    known_store(&hq, "store-1");
    let journal = kiosk(3);
    let complete_ms = NOW_MS - 3_600_000;
    introduce(&hq, "store-1", hello(&journal, "store-1"), complete_ms).unwrap();
    ingest_one(&hq, relayed(journal.batch(1, 4)));
    hq.project().unwrap();
    let through = || {
        let nodes = hq.nodes().unwrap();
        let shown = nodes.into_iter().find(|node| node.node == journal.node).unwrap();
        (shown.complete.pending, shown.complete.through_ms)
    };
    assert_eq!(through(), (0, complete_ms));
    introduce(&hq, "store-1", hello(&journal, "store-1"), 0).unwrap();
    assert_eq!(
        through(),
        (0, complete_ms),
        "a store that has lost its memory takes nothing back"
    );
    introduce(&hq, "store-1", hello(&journal, "store-1"), NOW_MS).unwrap();
    assert_eq!(through(), (0, NOW_MS));
}

#[test]
fn a_store_that_has_less_has_lost_some_and_another_branch_is_still_found() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    known_store(&hq, "store-1");
    let journal = kiosk(6);
    introduce(&hq, "store-1", hello(&journal, "store-1"), NOW_MS).unwrap();
    ingest_one(&hq, relayed(journal.batch(1, 4)));
    ingest_one(&hq, relayed(journal.batch(5, 7)));
    let mut less = hello(&kiosk(3), "store-1");
    less.session += 1;
    match introduce(&hq, "store-1", less, NOW_MS).unwrap() {
        Introduction::Known(statuses) => {
            assert_eq!((statuses[0].acked, statuses[0].common), (journal.head(), 4));
        }
        other => panic!("{other:?}"),
    }
    let mut other_branch = kiosk(3);
    other_branch.sell(77);
    let branched = introduce(&hq, "store-1", hello(&other_branch, "store-1"), NOW_MS).unwrap();
    assert!(matches!(branched, Introduction::Branched { .. }), "{branched:?}");
}
