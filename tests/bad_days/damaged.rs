//! A database that this program cannot or must not use: damaged, newer, or somebody else's. It is never deleted, and
//! nothing new takes its place.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tempfile::TempDir;

use crate::node_process::{NodeProcess, node};
use crate::starting::complaint;
use crate::till::Till;

/// A node that has sold three times and stopped; its till.
fn sold_and_stopped(folder: &Path) -> Till {
    let process = NodeProcess::spawn(&mut node(folder));
    let reached = process.serves(folder);
    let mut till = Till::pair(reached.address, &reached.token, "1");
    (1..=3).for_each(|counter| assert_eq!(till.sold(counter), counter));
    let ended = process.stop();
    assert!(ended.status.success(), "{}", ended.log);
    till
}

fn files(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = entries
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(prefix))
        .collect();
    found.sort();
    found
}

fn is_set_aside(damage: impl Fn(&mut Vec<u8>)) {
    let folder = TempDir::new().unwrap();
    let till = sold_and_stopped(folder.path());
    let path = folder.path().join("node.db");
    let sound = fs::read(&path).unwrap();
    let mut damaged = sound.clone();
    damage(&mut damaged);
    fs::write(&path, &damaged).unwrap();

    let ended = NodeProcess::spawn(&mut node(folder.path())).ends();
    let aside = files(folder.path(), "node.db.corrupt-");
    let [aside] = &aside[..] else {
        panic!("not one file set aside: {aside:?}\n{}", ended.log)
    };
    let said = complaint(&ended);
    assert!(said.starts_with("the database was damaged ("), "{said}");
    let told = format!("was set aside as {}; restore a backup to go on", aside.display());
    assert!(said.ends_with(&told), "{said}");
    assert!(
        fs::read(aside).unwrap() == damaged,
        "what is set aside is as it was found"
    );

    // Started again it does not begin anew over the shop's head.
    let ended = NodeProcess::spawn(&mut node(folder.path())).ends();
    let said = format!(
        "the database was set aside as {}; restore a backup to go on",
        aside.display()
    );
    assert_eq!(complaint(&ended), said);
    assert!(!path.exists());

    // Put back by hand it goes on.
    fs::write(&path, &sound).unwrap();
    let process = NodeProcess::spawn(&mut node(folder.path()));
    let mut till = till.at(process.serves(folder.path()).address);
    assert_eq!(till.sold(4), 4);
}

#[test]
fn a_file_with_a_damaged_beginning_is_set_aside() {
    is_set_aside(|file| file[..100].fill(0xa5));
}

#[test]
fn a_file_that_is_no_database_at_all_is_set_aside() {
    is_set_aside(|file| file.fill(0xa5));
}

#[test]
fn a_file_with_a_damaged_schema_is_set_aside() {
    // All of the first page but its header.
    is_set_aside(|file| file[100..4096].fill(0xa5));
}

#[test]
fn a_file_that_was_cut_short_is_set_aside() {
    is_set_aside(|file| file.truncate(file.len() / 8192 * 4096));
}

fn refused_untouched(change: &str, undo: &str, said: &str) {
    let folder = TempDir::new().unwrap();
    let mut till = sold_and_stopped(folder.path());
    let path = folder.path().join("node.db");
    Connection::open(&path).unwrap().execute_batch(change).unwrap();
    let before = fs::read(&path).unwrap();

    let ended = NodeProcess::spawn(&mut node(folder.path())).ends();
    assert_eq!(complaint(&ended), said.replace("PATH", path.to_str().unwrap()));
    assert!(fs::read(&path).unwrap() == before, "the file is as it was");
    // Looking into it leaves the two files beside it that SQLite keeps, the log empty; nothing is set aside.
    let log = path.with_extension("db-wal");
    assert_eq!(
        files(folder.path(), "node.db"),
        [path.clone(), path.with_extension("db-shm"), log.clone()]
    );
    assert_eq!(fs::metadata(&log).unwrap().len(), 0);

    Connection::open(&path).unwrap().execute_batch(undo).unwrap();
    let process = NodeProcess::spawn(&mut node(folder.path()));
    till = till.at(process.serves(folder.path()).address);
    assert!(till.sell(3).replayed());
    assert_eq!(till.sold(4), 4);
}

#[test]
fn an_older_program_refuses_a_newer_database() {
    let folder = TempDir::new().unwrap();
    sold_and_stopped(folder.path());
    let db = Connection::open(folder.path().join("node.db")).unwrap();
    let known: i64 = db.query_row("PRAGMA user_version", (), |row| row.get(0)).unwrap();
    let newer = known + 1;
    refused_untouched(
        &format!("PRAGMA user_version = {newer}"),
        &format!("PRAGMA user_version = {known}"),
        &format!(
            "the database has version {newer} and this program knows versions up to {known}: use the newer program"
        ),
    );
}

#[test]
fn a_database_of_another_program_is_refused() {
    refused_untouched(
        "PRAGMA application_id = 7",
        &format!("PRAGMA application_id = {}", 0x464d_6e64),
        "PATH is not a node's database",
    );
}
