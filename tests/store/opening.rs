//! Opening: one process, our file, this version, an undamaged disk, the same machine.

use std::fs;
use std::path::Path;

use finalmarket::domain::fact::OpenedReason;
use finalmarket::store::{OpenError, StoreOptions, WriterCore};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::shop::{NOON_MS, Shop, at, command, options};

fn open_error(options: &StoreOptions) -> OpenError {
    match WriterCore::open(options, at(NOON_MS)) {
        Ok(_) => panic!("it opened"),
        Err(error) => error,
    }
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_second_process_is_refused_and_told_who_has_it() {
    let shop = Shop::new();
    let options = options(shop.directory.path(), 2);
    let error = open_error(&options);
    let me = std::process::id();
    assert!(
        matches!(error, OpenError::AlreadyRunning { pid: Some(pid), .. } if pid == me),
        "{error}"
    );
    assert!(
        error.to_string().ends_with(&format!("is in use by process {me}")),
        "{error}"
    );
    drop(shop.core);
    assert!(WriterCore::open(&options, at(NOON_MS)).is_ok());
}

#[test]
fn a_newer_database_is_refused_and_left_alone() {
    let shop = Shop::new();
    let path = shop.directory.path().join("node.db");
    drop(shop.core);
    let raw = Connection::open(&path).unwrap();
    raw.pragma_update(None, "user_version", 900).unwrap();
    drop(raw);
    let before = fs::read(&path).unwrap();
    let error = open_error(&options(shop.directory.path(), 2));
    assert!(matches!(error, OpenError::Newer { found: 900, .. }), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
    let aside = names(shop.directory.path())
        .into_iter()
        .find(|name| name.contains("corrupt"));
    assert_eq!(aside, None);
}

#[test]
fn somebody_else_s_database_is_refused_and_left_alone() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("node.db");
    let raw = Connection::open(&path).unwrap();
    raw.execute_batch("CREATE TABLE recipes (name TEXT)").unwrap();
    drop(raw);
    let error = open_error(&options(directory.path(), 1));
    assert!(matches!(error, OpenError::Foreign(_)), "{error}");
}

#[test]
fn a_damaged_database_is_set_aside_and_nothing_starts_in_its_place() {
    let mut shop = Shop::new();
    let till = shop.till("1");
    shop.sell(&till, &command(1)).unwrap();
    let directory = shop.directory;
    drop(shop.core);
    let path = directory.path().join("node.db");
    let mut bytes = fs::read(&path).unwrap();
    // The file still says that it is ours; its schema and every page behind are gone.
    bytes[100..].fill(0xff);
    fs::write(&path, &bytes).unwrap();
    let options = options(directory.path(), 2);
    let error = open_error(&options);
    let OpenError::Corrupt { set_aside, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(fs::read(set_aside).unwrap(), bytes, "it is kept as it was");
    assert!(set_aside.ends_with("node.db.corrupt-20240229T120000"), "{error}");
    let again = open_error(&options);
    assert!(matches!(again, OpenError::NeedsRestore { .. }), "{again}");
    assert!(!path.exists());
}

#[test]
fn a_file_that_is_no_database_is_set_aside() {
    let directory = TempDir::new().unwrap();
    fs::write(
        directory.path().join("node.db"),
        "not a database, but long enough to have a header of 100 bytes. ".repeat(9),
    )
    .unwrap();
    let error = open_error(&options(directory.path(), 1));
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error}");
}

#[test]
fn a_missing_database_is_only_made_where_that_is_asked_for() {
    let directory = TempDir::new().unwrap();
    let folder = directory.path().join("data");
    let mut options = options(&folder, 1);
    options.create = None;
    assert!(matches!(open_error(&options), OpenError::Missing(_)));
    assert!(!folder.exists());
}

#[test]
fn another_node_s_database_is_refused() {
    let shop = Shop::new();
    drop(shop.core);
    let mut options = options(shop.directory.path(), 2);
    options.create.as_mut().unwrap().node = "store-2".parse().unwrap();
    let error = open_error(&options);
    assert_eq!(error.to_string(), "the database belongs to node store-1, not store-2");
}

#[test]
fn a_disk_in_another_machine_starts_a_new_incarnation() {
    let mut shop = Shop::new();
    let till = shop.till("1");
    let before = shop.sell(&till, &command(1)).unwrap().sale;
    let (shop, opening) = shop.reopen(2);
    assert_eq!(opening.opened, None);
    let directory = shop.directory;
    drop(shop.core);
    let mut moved = options(directory.path(), 3);
    moved.machine_id = "machine-2".into();
    let (core, opening) = WriterCore::open(&moved, at(NOON_MS)).unwrap();
    assert_eq!(opening.opened, Some(OpenedReason::Moved));
    assert_eq!((opening.head.incarnation.counter, opening.head.seq), (2, 1));
    let mut shop = Shop {
        directory,
        core,
        settings: shop.settings,
        clock_ms: shop.clock_ms,
    };
    let after = shop.sell(&till, &command(2)).unwrap().sale;
    assert_ne!(after.receipt.series, before.receipt.series);
    assert_eq!(after.receipt.number, 1);
    assert_eq!(after.id.series, before.id.series, "the till keeps its own series");
    drop(shop.core);
    let (_, opening) = WriterCore::open(&moved, at(NOON_MS)).unwrap();
    assert_eq!(opening.opened, None, "once is enough");
}

#[test]
fn a_node_whose_making_was_cut_short_is_made_again() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("node.db"), []).unwrap();
    let (_, opening) = WriterCore::open(&options(directory.path(), 1), at(NOON_MS)).unwrap();
    assert_eq!(opening.opened, Some(OpenedReason::First));
}
