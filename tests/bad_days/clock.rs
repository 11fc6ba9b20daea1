//! The machine's clock is set back a day while the real program sells.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::books;
use crate::node_process::{NodeProcess, node};
use crate::till::{Till, number};

/// What Debian's package `faketime` puts under a program to change its clock.
fn fake_clock() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").expect("a Linux system").filter_map(Result::ok);
    let library = |folder: fs::DirEntry| folder.path().join("faketime/libfaketimeMT.so.1");
    let found = folders.map(library).find(|library| library.exists());
    found.expect("faketime is installed: tests/run install")
}

/// A node whose clock is as far from the machine's as the file `offset` says at every moment.
fn with_clock(command: &mut Command, offset: &Path) -> NodeProcess {
    NodeProcess::spawn(
        command
            .env("LD_PRELOAD", fake_clock())
            .env("FAKETIME_TIMESTAMP_FILE", offset)
            .env("FAKETIME_NO_CACHE", "1")
            // As a real clock that is set: time goes on as before, and only shows another date.
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    )
}

fn day(sale: &Value) -> chrono::NaiveDate {
    sale["business_day"]
        .as_str()
        .and_then(|day| day.parse().ok())
        .expect("a day")
}

#[test]
fn a_clock_set_back_a_day_changes_neither_numbers_nor_order() {
    let folder = TempDir::new().unwrap();
    let offset = TempDir::new().unwrap();
    let offset = offset.path().join("offset");
    fs::write(&offset, "+0").unwrap();
    let process = with_clock(&mut node(folder.path()), &offset);
    let reached = process.serves(folder.path());
    let mut till = Till::pair(reached.address, &reached.token, "1");
    let before = till.sell(1).ok(201);
    assert_eq!(till.get("/v1/sync")["alerts"], serde_json::json!([]));

    fs::write(&offset, "-1d").unwrap();
    let after = till.sell(2).ok(201);
    assert_eq!((number(&before), number(&after)), (1, 2));
    // Midnight may have passed between the two.
    assert!(
        (0..=1).contains(&(day(&before) - day(&after)).num_days()),
        "{before}\n{after}"
    );
    let alerts = till.get("/v1/sync")["alerts"].clone();
    assert_eq!(alerts[0]["code"], "clock_jumped", "{alerts}");
    let jump = alerts[0]["detail"].as_str().unwrap_or_default();
    assert!(jump.starts_with("the machine's clock jumped by -8"), "{jump}");
    // What was sold under the old date is still known.
    let again = till.sell(1);
    assert!(again.replayed());
    assert_eq!(again.json(), before);
    assert_eq!(
        books::audit_folder(folder.path(), None).map(|books| books.records),
        Ok(3)
    );

    // And after a restart, with the clock still a day behind the journal.
    process.kill();
    let process = with_clock(&mut node(folder.path()), &offset);
    let mut till = till.at(process.serves(folder.path()).address);
    assert_eq!(till.sold(3), 3);
    assert!(till.sell(2).replayed());
    assert_eq!(till.get("/v1/sync")["alerts"][0]["code"], "clock_jumped");
    fs::write(&offset, "+0").unwrap();
    assert_eq!(till.sold(4), 4);
    let books = books::audit_folder(folder.path(), None).unwrap();
    assert_eq!((books.records, books.incarnations), (5, 1));
}
