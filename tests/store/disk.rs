//! A disk that is full or fails: said before anything is half done, and over as soon as the disk is well again.

use finalmarket::store::{Failure, Faults, StorageError, WriterCore};
use tempfile::TempDir;

use crate::shop::{NOON_MS, Shop, at, command, item, options, settings};
use crate::sim::power_cut::PowerCut;
use finalmarket::operations::{import_catalog, verify};
use std::cell::Cell;

fn shop_on(disk: &PowerCut, faults: Faults) -> Shop {
    let directory = TempDir::new().unwrap();
    let mut options = options(directory.path(), 1);
    options.vfs = Some(disk.name().to_owned());
    options.faults = faults;
    let (core, _) = WriterCore::open(&options, at(NOON_MS)).unwrap();
    let mut shop = Shop {
        directory,
        core,
        settings: settings(),
        clock_ms: Cell::new(NOON_MS),
    };
    let items = [item("1001", "Chocolate", "3.99")];
    shop.write(|tx, _| import_catalog(tx, &items)).unwrap();
    shop
}

fn storage_error<T, R: std::fmt::Debug>(result: Result<T, Failure<R>>) -> StorageError {
    match result {
        Ok(_) => panic!("it was kept"),
        Err(Failure::Storage(error)) => error,
        Err(Failure::Refused(refusal)) => panic!("{refusal:?}"),
    }
}

#[test]
fn a_full_disk_refuses_whole_sales_and_recovers_without_a_restart() {
    let disk = PowerCut::install("store-disk-full");
    let mut shop = shop_on(&disk, Faults::default());
    let till = shop.till("1");
    assert_eq!(shop.sell(&till, &command(1)).unwrap().sale.receipt.number, 1);
    disk.disk_full(true);
    for _ in 0..3 {
        let error = storage_error(shop.sell(&till, &command(2)));
        assert!(matches!(error, StorageError::Full(_)), "{error}");
    }
    // Reading goes on.
    assert_eq!(shop.stock("1001"), -1000);
    disk.disk_full(false);
    let sold = shop.sell(&till, &command(2)).unwrap();
    assert_eq!((sold.sale.receipt.number, sold.repeated), (2, false));
    assert!(
        shop.core
            .read(|snapshot| verify(snapshot, |_, _| {}))
            .unwrap()
            .is_clean()
    );
}

#[test]
fn what_a_failed_sync_did_not_cover_is_not_answered_for() {
    let disk = PowerCut::install("store-failed-sync");
    let mut shop = shop_on(&disk, Faults::default());
    let till = shop.till("1");
    shop.sell(&till, &command(1)).unwrap();
    disk.fail_syncs(true);
    let error = storage_error(shop.sell(&till, &command(2)));
    assert!(matches!(error, StorageError::Disk(_)), "{error}");
    disk.fail_syncs(false);
    assert_eq!(shop.sell(&till, &command(3)).unwrap().sale.receipt.number, 2);
    assert_eq!(shop.stock("1001"), -2000);
    assert!(
        shop.core
            .read(|snapshot| verify(snapshot, |_, _| {}))
            .unwrap()
            .is_clean()
    );
}
