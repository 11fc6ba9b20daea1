//! Backups and restores: a consistent copy, and a new incarnation each time it is brought back.

use std::cell::Cell;
use std::path::Path;

use finalmarket::operations::verify;
use finalmarket::store::{
    BackupError, OpenError, RestoreError, RestoreOptions, Restored, WriterCore, back_up, restore,
};
use tempfile::TempDir;

use crate::shop::{NOON_MS, Shop, at, command, incarnation_seed, options, settings};

fn restored(backup: &Path, into: &Path, seed: u64) -> Result<Restored, RestoreError> {
    let options = RestoreOptions {
        backup: backup.to_owned(),
        directory: into.to_owned(),
        replace: false,
        machine_id: "machine-1".into(),
        seed: incarnation_seed(seed),
    };
    restore(&options, at(NOON_MS + 5_000))
}

fn open(directory: TempDir) -> Shop {
    let mut options = options(directory.path(), 99);
    options.create = None;
    let (core, opening) = WriterCore::open(&options, at(NOON_MS + 6_000)).unwrap();
    assert_eq!(opening.opened, None, "the restore opened its incarnation itself");
    Shop {
        directory,
        core,
        settings: settings(),
        clock_ms: Cell::new(NOON_MS + 7_000),
    }
}

#[test]
fn one_backup_restored_twice_gives_two_incarnations() {
    let mut shop = Shop::new();
    let till = shop.till("1");
    let last = shop.sell(&till, &command(1)).unwrap().sale;
    let place = TempDir::new().unwrap();
    let backup = place.path().join("yesterday.db");
    let mut heard = (0, 0);
    back_up(shop.directory.path(), &backup, |done, all| heard = (done, all)).unwrap();
    assert!(heard.0 == heard.1 && heard.1 > 10, "{heard:?}");
    assert!(matches!(
        back_up(shop.directory.path(), &backup, |_, _| {}),
        Err(BackupError::Exists(_))
    ));
    let lost = shop.sell(&till, &command(2)).unwrap().sale;

    let folders = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let heads = [1, 2].map(|number| {
        restored(&backup, folders[number - 1].path(), number as u64 + 40)
            .unwrap()
            .head
    });
    assert_ne!(heads[0].incarnation, heads[1].incarnation);
    assert_eq!(heads.map(|head| (head.incarnation.counter, head.seq)), [(2, 1), (2, 1)]);
    for folder in folders {
        let mut shop = open(folder);
        // Whoever repeats its last sale is told the first answer where the backup knows it.
        assert_eq!(shop.sell(&till, &command(1)).unwrap().sale, last);
        let again = shop.sell(&till, &command(2)).unwrap().sale;
        assert_eq!(again.id, lost.id, "headquarters knows it by this");
        assert_ne!(again.receipt.series, lost.receipt.series);
        assert_eq!(again.receipt.number, 1);
        assert!(
            shop.core
                .read(|snapshot| verify(snapshot, |_, _| {}))
                .unwrap()
                .is_clean()
        );
    }
}

#[test]
fn nothing_is_replaced_unless_that_is_asked_for() {
    let shop = Shop::new();
    let place = TempDir::new().unwrap();
    let backup = place.path().join("b.db");
    back_up(shop.directory.path(), &backup, |_, _| {}).unwrap();
    let folder = shop.directory.path().to_owned();
    let running = restored(&backup, &folder, 50).unwrap_err();
    assert!(
        matches!(running, RestoreError::Open(OpenError::AlreadyRunning { .. })),
        "{running}"
    );
    let directory = shop.directory;
    drop(shop.core);
    let occupied = restored(&backup, &folder, 50).unwrap_err();
    assert!(matches!(occupied, RestoreError::Occupied(_)), "{occupied}");
    let options = RestoreOptions {
        backup,
        directory: folder,
        replace: true,
        machine_id: "machine-1".into(),
        seed: incarnation_seed(51),
    };
    let replaced = restore(&options, at(NOON_MS)).unwrap().replaced.unwrap();
    assert!(replaced.exists());
    drop(open(directory));
}

#[test]
fn a_damaged_backup_is_not_restored() {
    let shop = Shop::new();
    let place = TempDir::new().unwrap();
    let backup = place.path().join("b.db");
    back_up(shop.directory.path(), &backup, |_, _| {}).unwrap();
    let mut bytes = std::fs::read(&backup).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..].fill(0x5a);
    std::fs::write(&backup, bytes).unwrap();
    let into = TempDir::new().unwrap();
    let error = restored(&backup, into.path(), 60).unwrap_err();
    assert!(matches!(error, RestoreError::Damaged { .. }), "{error}");
    assert!(!into.path().join("node.db").exists());
    std::fs::write(&backup, "no database at all").unwrap();
    assert!(restored(&backup, into.path(), 61).is_err());
}

#[test]
fn a_damaged_node_goes_on_after_a_restore() {
    let shop = Shop::new();
    let place = TempDir::new().unwrap();
    let backup = place.path().join("b.db");
    back_up(shop.directory.path(), &backup, |_, _| {}).unwrap();
    let directory = shop.directory;
    drop(shop.core);
    let path = directory.path().join("node.db");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100..].fill(0xff);
    std::fs::write(&path, bytes).unwrap();
    assert!(WriterCore::open(&options(directory.path(), 3), at(NOON_MS)).is_err());
    restored(&backup, directory.path(), 70).unwrap();
    drop(open(directory));
}
