//! What is taken into the ledger, what is known, and what belongs to another branch.

use ed25519_dalek::Signer as _;
use finalmarket::domain::fact::{Fact, OpenedReason};
use finalmarket::domain::journal::{Hash, Head};
use finalmarket::hq::{Admission, Headquarters, Incoming, IntroduceError, OpenError, Settings};
use finalmarket::sync::hub::{Introduction, Outcome};
use finalmarket::sync::wire::{Batch, SigningKey, StreamState};

use super::journal::{Journal, hello, sale};
use super::{NOW_MS, ingest, ingest_one, open, open_for, total};

fn committed(head: Head) -> Outcome {
    Outcome::Committed { acked: head }
}

fn store(sales: u64) -> Journal {
    let mut journal = Journal::open("store-1");
    for counter in 1..=sales {
        journal.sell(counter);
    }
    journal
}

#[test]
fn batches_in_order_are_taken_and_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    let journal = store(8);
    assert_eq!(
        ingest(&hq, journal.batches(3)),
        vec![
            (committed(journal.head_at(3)), 3),
            (committed(journal.head_at(6)), 3),
            (committed(journal.head_at(9)), 3)
        ]
    );
}

#[test]
fn a_repeated_batch_is_acknowledged_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    let journal = store(8);
    ingest(&hq, journal.batches(9));
    // Wholly known in other cuts too, and after a restart.
    drop(hq);
    let hq = open(folder.path());
    for (first, last) in [(1, 9), (1, 4), (3, 5), (9, 9)] {
        assert_eq!(
            ingest_one(&hq, journal.batch(first, last)),
            (committed(journal.head()), 0)
        );
    }
    hq.project().unwrap();
    assert_eq!(total(&hq).sales, 8);
}

#[test]
fn of_an_overlapping_batch_only_the_rest_counts() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    let journal = store(8);
    ingest(&hq, vec![journal.batch(1, 5)]);
    assert_eq!(ingest_one(&hq, journal.batch(3, 9)), (committed(journal.head()), 4));
    hq.project().unwrap();
    assert_eq!(total(&hq).sales, 8);
    let (summary, _) = hq.sale(&super::journal::id("store-1", 8)).unwrap().unwrap();
    assert_eq!(summary.record, journal.id(9));
}

#[test]
fn behind_a_gap_nothing_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    let journal = store(8);
    let genesis = Head {
        incarnation: journal.incarnation,
        seq: 0,
        hash: Hash::genesis(&journal.node, journal.incarnation),
    };
    assert_eq!(
        ingest_one(&hq, journal.batch(2, 4)),
        (Outcome::Gap { acked: genesis }, 0)
    );
    ingest(&hq, vec![journal.batch(1, 4)]);
    let acked = journal.head_at(4);
    assert_eq!(ingest_one(&hq, journal.batch(6, 9)), (Outcome::Gap { acked }, 0));
}

#[test]
fn another_branch_is_found_wherever_it_parts() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    let journal = store(8);
    let mut copy = store(3);
    for counter in 100..110 {
        copy.sell(counter);
    }
    ingest(&hq, vec![journal.batch(1, 5), journal.batch(6, 9)]);
    let acked = journal.head();
    let branched = (Outcome::Branched { acked }, 0);
    // It parts behind record 4: wholly known, overlapping, and continuing the wrong chain.
    assert_eq!(ingest_one(&hq, copy.batch(1, 4)), (committed(acked), 0));
    assert_eq!(ingest_one(&hq, copy.batch(1, 5)), branched);
    assert_eq!(ingest_one(&hq, copy.batch(4, 7)), branched);
    assert_eq!(ingest_one(&hq, copy.batch(5, 12)), branched);
    assert_eq!(ingest_one(&hq, copy.batch(10, 12)), branched);
    hq.project().unwrap();
    assert_eq!(total(&hq).sales, 8);
    assert!(hq.nodes().unwrap()[0].incarnations[0].branched_ms > 0);
}

#[test]
fn a_batch_that_another_key_signed_is_taken_for_damaged_and_asked_for_again() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    let journal = store(8);
    let forger = SigningKey::from_bytes(&[9; 32]);
    let damaged = |outcome: &Outcome, behind: Option<Head>| matches!(outcome, Outcome::Damaged { acked, reason, .. } if reason.contains("signature") && *acked == behind);
    let (outcome, _) = ingest_one(&hq, journal.batch_signed_by(&forger, 1, 4));
    assert!(damaged(&outcome, None), "{outcome:?}");
    ingest(&hq, vec![journal.batch(1, 4)]);
    let (outcome, _) = ingest_one(&hq, journal.batch_signed_by(&forger, 5, 9));
    assert!(damaged(&outcome, Some(journal.head_at(4))), "{outcome:?}");
    assert_eq!(ingest_one(&hq, journal.batch(5, 9)), (committed(journal.head()), 5));
}

#[test]
fn rubbish_in_a_group_costs_the_others_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    let journal = store(8);
    let rubbish = Incoming {
        sealed: vec![7; 300],
        ..journal.batch(1, 1)
    };
    let mut cut = journal.batch(1, 9);
    cut.sealed.pop();
    let answers = ingest(&hq, vec![rubbish, journal.batch(1, 4), cut, journal.batch(5, 9)]);
    assert!(matches!(answers[0].0, Outcome::Damaged { acked: None, .. }));
    assert_eq!(answers[1], (committed(journal.head_at(4)), 4));
    assert!(matches!(answers[2].0, Outcome::Damaged { .. }));
    assert_eq!(answers[3], (committed(journal.head()), 5));
}

#[test]
fn a_batch_that_was_damaged_on_its_way_is_asked_for_again_wherever_the_damage_is() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    let journal = store(20);
    ingest(&hq, vec![journal.batch(1, 4)]);
    let whole = journal.batch(5, 21);
    let mut damaged = vec![];
    for at in (0..whole.sealed.len()).step_by(7) {
        let mut changed = whole.clone();
        changed.sealed[at] ^= 0x10;
        damaged.push(changed);
    }
    let mut cut = whole.clone();
    cut.sealed.truncate(whole.sealed.len() / 2);
    damaged.push(cut);
    for (outcome, _) in ingest(&hq, damaged) {
        match outcome {
            // Where the damage hides whose it is nothing is asked, and the node's own timer brings it again.
            Outcome::Damaged { acked, .. } => assert!(acked.is_none_or(|acked| acked == journal.head_at(4))),
            Outcome::Gap { acked } => assert_ne!(acked.incarnation, journal.incarnation, "of an unknown one"),
            outcome => assert!(matches!(outcome, Outcome::Unwelcome { .. }), "{outcome:?}"),
        }
    }
    let trouble = hq.nodes().unwrap().remove(0).trouble.unwrap();
    assert!(trouble.damaged.unwrap().count > 10);
    assert_eq!(ingest_one(&hq, whole), (committed(journal.head()), 17));
    assert_eq!(hq.nodes().unwrap().remove(0).trouble, None);
}

#[test]
fn what_its_node_signed_and_nobody_can_unpack_is_asked_for_in_smaller_parts() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    let journal = store(8);
    ingest(&hq, vec![journal.batch(1, 4)]);
    let mut unpacked = journal.batch(5, 9);
    let header = Batch::open(&unpacked.sealed).unwrap().header;
    let payload = b"no columns".to_vec();
    let mut signed = postcard::to_extend(&header, b"finalmarket batch 1\0".to_vec()).unwrap();
    signed.extend_from_slice(&payload);
    let signature = journal.key.sign(&signed).to_bytes();
    let (left, right): ([u8; 32], [u8; 32]) =
        (signature[..32].try_into().unwrap(), signature[32..].try_into().unwrap());
    unpacked.sealed = postcard::to_allocvec(&(header, payload, left, right)).unwrap();
    let (outcome, _) = ingest_one(&hq, unpacked);
    assert!(
        matches!(outcome, Outcome::Unreadable { incarnation, first: 5, count: 5, .. } if incarnation == journal.incarnation)
    );
}

#[test]
fn a_node_whose_key_is_disputed_is_named_and_holds_nobody_up() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    let journal = store(8);
    hq.introduce(&journal.node, journal.hello(1), NOW_MS).unwrap();
    let mut stranger = journal.clone();
    stranger.key = SigningKey::from_bytes(&[9; 32]);
    for _ in 0..20 {
        assert!(hq.introduce(&journal.node, stranger.hello(1), NOW_MS).is_err());
        let answers = ingest(&hq, vec![stranger.batch(1, 4), Journal::open("store-2").batch(1, 1)]);
        assert!(matches!(answers[0].0, Outcome::Damaged { .. }));
        assert!(matches!(answers[1].0, Outcome::Committed { .. }));
    }
    let nodes = hq.nodes().unwrap();
    let trouble = nodes[0].trouble.as_ref().unwrap();
    assert!(trouble.disputed.as_ref().unwrap().contains("key"));
    assert_eq!(nodes[1].trouble, None);
    hq.introduce(&journal.node, journal.hello(1), NOW_MS).unwrap();
    assert_eq!(ingest_one(&hq, journal.batch(1, 9)), (committed(journal.head()), 9));
    assert_eq!(hq.nodes().unwrap()[0].trouble, None);
}

#[test]
fn only_a_node_itself_opens_its_journal_here() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    let journal = store(2);
    let from_another = Incoming {
        sender: "store-2".parse().unwrap(),
        relayed: false,
        ..journal.batch(1, 3)
    };
    assert!(matches!(
        ingest_one(&hq, from_another.clone()).0,
        Outcome::Unwelcome { .. }
    ));
    // Once it is known, a parent may pass its batches on.
    hq.introduce(&journal.node, journal.hello(1), NOW_MS).unwrap();
    assert_eq!(ingest_one(&hq, from_another), (committed(journal.head()), 3));
    let named_like_headquarters = Journal::open("hq");
    let (outcome, _) = ingest_one(&hq, named_like_headquarters.batch(1, 1));
    assert!(matches!(outcome, Outcome::Unwelcome { .. }));
}

#[test]
fn where_nodes_must_be_enrolled_others_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open_for(folder.path(), Admission::Enrolled);
    let journal = store(2);
    let stranger = IntroduceError::NotEnrolled(journal.node.clone());
    assert_eq!(hq.introduce(&journal.node, journal.hello(1), NOW_MS), Err(stranger));
    assert!(matches!(
        ingest_one(&hq, journal.batch(1, 3)).0,
        Outcome::Unwelcome { .. }
    ));
    hq.enrol(&journal.node, &"store-1".parse().unwrap(), NOW_MS).unwrap();
    assert_eq!(ingest_one(&hq, journal.batch(1, 3)), (committed(journal.head()), 3));
}

#[test]
fn an_introduction_tells_what_is_here() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    let journal = store(8);
    let known = |hq: &Headquarters, earliest| match hq.introduce(&journal.node, journal.hello(earliest), NOW_MS) {
        Ok(Introduction::Known(statuses)) => (statuses[0].acked.seq, statuses[0].state),
        other => panic!("{other:?}"),
    };
    assert_eq!(known(&hq, 1), (0, StreamState::Counted));
    ingest(&hq, vec![journal.batch(1, 5)]);
    assert_eq!(known(&hq, 3), (5, StreamState::Counted));
    let status = hq.nodes().unwrap().remove(0);
    assert_eq!((status.incarnations[0].lag(), status.software.as_str()), (4, "test"));
    let mut forged = journal.hello(1);
    forged.streams[0].public_key = SigningKey::from_bytes(&[9; 32]).verifying_key().to_bytes();
    let refused = hq.introduce(&journal.node, forged, NOW_MS);
    assert!(matches!(refused, Err(IntroduceError::Key { .. })), "{refused:?}");
}

#[test]
fn a_disk_that_was_set_back_or_copied_is_found_by_its_head() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    let journal = store(8);
    ingest(&hq, journal.batches(3));
    let acked = journal.head();
    let mut set_back = store(4);
    // Its introduction may simply be older than its batches.
    let introduced = hq.introduce(&journal.node, set_back.hello(1), NOW_MS).unwrap();
    assert!(matches!(introduced, Introduction::Known(_)), "{introduced:?}");
    set_back.session += 1;
    let introduced = hq.introduce(&journal.node, set_back.hello(1), NOW_MS).unwrap();
    let branched = |common, set_back| Introduction::Branched {
        acked,
        common,
        set_back,
    };
    assert_eq!(introduced, branched(5, true), "all that is left is common");
    set_back.sell(100);
    let introduced = hq.introduce(&journal.node, set_back.hello(1), NOW_MS).unwrap();
    assert_eq!(introduced, branched(0, false));
    // Once a further incarnation is there the old one is closed, however short it is.
    let next = Journal::reopen("store-1", 2, OpenedReason::SetBack, Some(set_back.head()));
    let introduced = hq.introduce(&journal.node, hello(&[(&set_back, 1), (&next, 1)]), NOW_MS);
    match introduced.unwrap() {
        Introduction::Known(statuses) => assert_eq!(statuses[1].state, StreamState::SetApart),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_another_branch_told_is_taken_back_also_where_it_tells_it_twice() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    let journal = store(8);
    let mut copy = store(3);
    copy.session += 1;
    for counter in 100..110 {
        copy.sell(counter);
    }
    ingest(&hq, vec![journal.batch(1, 4)]);
    let tells = || hq.introduce(&copy.node, copy.hello(1), NOW_MS).unwrap();
    let lag = || hq.nodes().unwrap()[0].incarnations[0].lag();
    tells();
    assert_eq!(lag(), copy.head().seq - 4);
    ingest(&hq, vec![journal.batch(5, 9)]);
    let branched = Outcome::Branched { acked: journal.head() };
    assert_eq!(ingest_one(&hq, copy.batch(5, 12)), (branched, 0));
    assert_eq!(lag(), 0);
    tells();
    assert_eq!(lag(), 0);
}

#[test]
fn a_headquarters_that_was_set_back_notes_the_hole_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    let mut journal = store(8);
    ingest(&hq, vec![journal.batch(1, 4)]);
    drop(hq);
    let backup = folder.path().join("backup");
    std::fs::create_dir(&backup).unwrap();
    std::fs::copy(folder.path().join("hq.sqlite"), backup.join("hq.sqlite")).unwrap();
    let hq = open(&backup);
    hq.project().unwrap();
    // The node has pruned records 1 to 6, which had been acknowledged before.
    let introduced = hq.introduce(&journal.node, journal.hello(7), NOW_MS).unwrap();
    match introduced {
        Introduction::Known(statuses) => assert_eq!(statuses[0].acked, journal.head_at(6)),
        other => panic!("{other:?}"),
    }
    journal.sell(50);
    assert_eq!(ingest_one(&hq, journal.batch(7, 10)), (committed(journal.head()), 4));
    // A copy of that disk still has what was pruned. It cannot be taken here any more: the copy is to record it anew.
    let inside = ingest_one(&hq, journal.batch(5, 5)).0;
    assert_eq!(inside, Outcome::Branched { acked: journal.head() });
    hq.project().unwrap();
    assert_eq!(total(&hq).sales, 7);
    let status = hq.nodes().unwrap().remove(0);
    assert_eq!(status.incarnations[0].holes, vec![(5, 6)]);
    // What a hole ends with is still compared.
    assert_eq!(ingest_one(&hq, journal.batch(7, 8)), (committed(journal.head()), 0));
}

#[test]
fn one_process_at_a_time_has_the_database() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    let settings = |name: &str| Settings {
        name: name.parse().unwrap(),
        site: "hq".parse().unwrap(),
        admission: Admission::Anyone,
        vfs: None,
    };
    let path = folder.path().join("hq.sqlite");
    let second = Headquarters::open(&path, settings("hq"), NOW_MS).unwrap_err();
    assert!(matches!(second, OpenError::InUse { .. }), "{second}");
    drop(hq);
    let other = Headquarters::open(&path, settings("main"), NOW_MS).unwrap_err();
    assert!(other.to_string().contains("\"hq\""), "{other}");
    std::fs::write(
        folder.path().join("text.sqlite"),
        "this is no database at all, but a text of some length",
    )
    .unwrap();
    let text = Headquarters::open(&folder.path().join("text.sqlite"), settings("hq"), NOW_MS).unwrap_err();
    assert!(matches!(text, OpenError::Unreadable { .. }), "{text}");
}

#[test]
fn a_newer_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    let path = folder.path().join("hq.sqlite");
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 900).unwrap();
    drop(connection);
    let settings = Settings {
        name: "hq".parse().unwrap(),
        site: "hq".parse().unwrap(),
        admission: Admission::Anyone,
        vfs: None,
    };
    let error = Headquarters::open(&path, settings, NOW_MS).unwrap_err();
    assert!(matches!(error, OpenError::Newer { .. }), "{error}");
}

#[test]
fn a_sale_of_any_shape_goes_through_the_ledger_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let hq = open(folder.path());
    let mut journal = store(0);
    let odd = sale("store-1", u64::MAX, "2017-02-28", 3);
    journal.record(Fact::Sale(odd.clone()));
    ingest(&hq, journal.batches(9));
    hq.project().unwrap();
    let (summary, entry) = hq.sale(&odd.id).unwrap().unwrap();
    assert_eq!(summary.total, odd.totals.total);
    assert_eq!(entry.fact, Fact::Sale(odd));
}
