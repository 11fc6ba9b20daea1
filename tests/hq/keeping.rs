//! Backup, restore and verify of a headquarters.

use std::path::Path;

use finalmarket::domain::fact::{Fact, OpenedReason};
use finalmarket::domain::stock::{Movement, MovementKind, MovementLine};
use finalmarket::hq::{
    CopyError, HqDifference, OpenError, Replacement, VerifiedHq, back_up, database_path, restore, verify,
};
use finalmarket::sync::hub::{Introduction, Outcome};

use super::journal::{Journal, sale};
use super::{NOW_MS, ingest, open_file, stock, total};

fn store(sales: u64) -> Journal {
    let mut journal = Journal::open("store-1");
    journal.record(Fact::Movement(Movement {
        id: None,
        kind: MovementKind::Opening,
        reference: None,
        lines: vec![MovementLine {
            sku: "1007".parse().unwrap(),
            change: "10".parse().unwrap(),
        }],
    }));
    for counter in 1..=sales {
        journal.sell(counter);
    }
    journal
}

/// A headquarters with something of everything in it; its folder.
fn busy() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let hq = open_file(&database_path(folder.path()));
    let mut journal = store(30);
    let bad = journal.bytes(b"\x02 no sale");
    ingest(&hq, journal.batches(7));
    let mut copy = Journal::reopen("store-1", 2, OpenedReason::Copied, Some(journal.head()));
    copy.rehome(&journal, 5);
    ingest(&hq, copy.batches(10));
    hq.project().unwrap();
    let json = serde_json::json!({ "sale": sale("store-1", 99, "2017-01-02", 1) });
    let replacement = Replacement::Fact(serde_json::from_value(json).unwrap());
    hq.repair(journal.id(bad), replacement, "operator".into(), "paper".into(), NOW_MS)
        .unwrap();
    hq.project().unwrap();
    // Taken in, and not yet in the figures.
    ingest(&hq, vec![Journal::open("store-2").batch(1, 1)]);
    folder
}

fn change(folder: &Path, sql: &str) {
    let connection = rusqlite::Connection::open(database_path(folder)).unwrap();
    connection.execute_batch(sql).unwrap();
}

fn files(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.ends_with(".lock"))
        .collect();
    names.sort();
    names
}

#[test]
fn a_headquarters_that_nobody_touched_is_clean_also_while_it_runs() {
    let folder = busy();
    let found = verify(folder.path()).unwrap();
    let expected = VerifiedHq {
        incarnations: 4,
        records: 2 + 33 + 2 + 1,
        sales: 31,
        differences: Vec::new(),
    };
    assert_eq!(found, expected);
    let _running = open_file(&database_path(folder.path()));
    assert_eq!(verify(folder.path()).unwrap(), expected);
    assert!(files(folder.path()).iter().all(|name| !name.contains("verifying")));
}

#[test]
fn every_change_behind_headquarters_back_is_named() {
    for (sql, named) in [
        (
            "UPDATE daily_total SET total = total + 1 WHERE sales = 30",
            "the totals of store-1 on 2017-01-01 in USD",
        ),
        (
            "DELETE FROM daily_total WHERE sales = 1",
            "the totals of store-1 on 2017-01-02",
        ),
        (
            "DELETE FROM sale WHERE counter = 3",
            "the sales of store-1 on 2017-01-01",
        ),
        (
            "UPDATE stock SET quantity = 7 WHERE sku = '1007'",
            "the stock of 1007 at store-1 is 0.007",
        ),
        (
            "UPDATE ledger_batch SET sealed = zeroblob(300) WHERE last_seq = 14",
            "breaks at record 8",
        ),
        (
            "DELETE FROM ledger_batch WHERE last_seq = 14",
            "breaks at record 8: it is missing",
        ),
        (
            "UPDATE origin SET acked_hash = zeroblob(32) WHERE node = 'store-2'",
            "has another hash",
        ),
        (
            "UPDATE origin SET public_key = zeroblob(32) WHERE node = 'store-1'",
            "breaks at record 1",
        ),
    ] {
        let folder = busy();
        change(folder.path(), sql);
        let found = verify(folder.path()).unwrap().differences;
        let told: Vec<String> = found.iter().map(HqDifference::to_string).collect();
        assert!(told.iter().any(|told| told.contains(named)), "{sql}: {told:?}");
    }
}

#[test]
fn a_backup_is_made_while_headquarters_runs_and_restored_with_what_came_since_asked_for_again() {
    let folder = tempfile::tempdir().unwrap();
    let journal = store(20);
    let hq = open_file(&database_path(folder.path()));
    ingest(&hq, vec![journal.batch(1, 9)]);
    hq.project().unwrap();
    let file = folder.path().join("backup.db");
    back_up(folder.path(), &file).unwrap();
    let again = back_up(folder.path(), &file);
    assert!(matches!(again, Err(CopyError::Exists(_))), "{again:?}");
    ingest(&hq, vec![journal.batch(10, 22)]);
    hq.project().unwrap();
    let figures = (total(&hq).sales, stock(&hq));
    assert_eq!(figures.0, 20);
    let in_use = restore(&file, folder.path(), true, NOW_MS);
    assert!(
        matches!(in_use, Err(CopyError::Open(OpenError::InUse { .. }))),
        "{in_use:?}"
    );
    drop(hq);

    let occupied = restore(&file, folder.path(), false, NOW_MS);
    assert!(matches!(occupied, Err(CopyError::Occupied(_))), "{occupied:?}");
    let restored = restore(&file, folder.path(), true, NOW_MS).unwrap();
    assert_eq!(restored.incarnation.counter, 2);
    assert!(restored.replaced.unwrap().exists());
    assert!(
        files(folder.path())
            .iter()
            .all(|name| !name.contains("restoring") && !name.contains("unfinished"))
    );
    assert_eq!(verify(folder.path()).unwrap().differences, vec![]);

    let hq = open_file(&database_path(folder.path()));
    assert_eq!(total(&hq).sales, 7);
    match hq.introduce(&journal.node, journal.hello(1), NOW_MS).unwrap() {
        Introduction::Known(statuses) => assert_eq!(statuses[0].acked, journal.head_at(9)),
        other => panic!("{other:?}"),
    }
    let answers = ingest(&hq, vec![journal.batch(10, 22)]);
    assert!(matches!(answers[0].0, Outcome::Committed { .. }));
    hq.project().unwrap();
    assert_eq!((total(&hq).sales, stock(&hq)), figures);
}

#[test]
fn what_is_no_whole_backup_is_not_restored_and_leaves_everything_as_it_was() {
    let folder = busy();
    let before = files(folder.path());
    let text = folder.path().join("text");
    std::fs::write(&text, "this is no database at all, but a text of some length").unwrap();
    let other = folder.path().join("other.db");
    rusqlite::Connection::open(&other)
        .unwrap()
        .execute_batch("CREATE TABLE journal (position INTEGER)")
        .unwrap();
    let missing = folder.path().join("missing.db");
    for backup in [&text, &other, &missing] {
        let refused = restore(backup, folder.path(), true, NOW_MS);
        assert!(refused.is_err(), "{}", backup.display());
    }
    std::fs::remove_file(&text).unwrap();
    std::fs::remove_file(&other).unwrap();
    assert_eq!(files(folder.path()), before);
    let nothing = tempfile::tempdir().unwrap();
    let copied = back_up(nothing.path(), &nothing.path().join("backup.db"));
    assert!(matches!(copied, Err(CopyError::Io { .. })), "{copied:?}");
    assert_eq!(files(nothing.path()), Vec::<String>::new());
}
