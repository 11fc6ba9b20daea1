//! The real program on a real file system that has no room left.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::books;
use crate::http::Request;
use crate::node_process::{NodeProcess, PROGRAM, arguments};
use crate::till::{Till, number};

/// Its own file system, which no other process sees and which is gone with it.
const OWN_DISK: &str = "mount -t tmpfs -o size=6m tmpfs \"$1\" && shift && exec \"$@\"";

/// The arguments of `unshare` that let this user mount, if any do.
fn may_mount() -> Option<&'static [&'static str]> {
    let ways: [&[&str]; 2] = [&["--mount"], &["--user", "--map-root-user", "--mount"]];
    let works = |way: &&[&str]| {
        let mut mount = Command::new("unshare");
        mount.args(*way).args(["mount", "-t", "tmpfs", "tmpfs", "/mnt"]);
        let mounted = mount.stderr(Stdio::null()).status();
        mounted.is_ok_and(|status| status.success())
    };
    ways.into_iter().find(works)
}

/// Writes until nothing more fits.
fn fill(folder: &Path) -> PathBuf {
    let path = folder.join("ballast");
    let mut ballast = File::create(&path).unwrap();
    for size in [1 << 16, 1 << 10, 1] {
        let piece = vec![0; size];
        while ballast.write_all(&piece).is_ok() {}
    }
    path
}

#[test]
fn a_full_disk_is_told_and_selling_goes_on_once_there_is_room() {
    let Some(unshare) = may_mount() else {
        println!("this user may not mount: shown by the modelled disk only");
        return;
    };
    let folder = TempDir::new().unwrap();
    let inside = folder.path();
    let mut command = Command::new("unshare");
    command
        .args(unshare)
        .args(["sh", "-c", OWN_DISK, "sh"])
        .arg(inside)
        .arg(PROGRAM)
        .args(arguments(inside, 0));
    let process = NodeProcess::spawn(&mut command);
    process.wait_for("the node serves its tills", 1);
    // The same folder as the process sees it.
    let seen = PathBuf::from(format!("/proc/{}/root{}", process.id(), inside.display()));
    let reached = process.serves(&seen);
    let mut till = Till::pair(reached.address, &reached.token, "1");
    assert_eq!(till.sold(1), 1);

    let ballast = fill(&seen);
    // What is left of the last page may still hold a sale or two.
    let mut counter = 2;
    let refused = loop {
        let reply = till.sell(counter);
        if reply.status != 201 {
            break reply;
        }
        counter += 1;
    };
    refused.problem(503, "disk-full");
    assert_ne!(refused.header("retry-after"), "");
    let before = till.stock();
    till.sell(counter).problem(503, "disk-full");
    till.ask(Request::get("/readyz")).problem(503, "disk-full");
    assert_eq!(till.stock(), before);
    assert!(till.sell(1).replayed());
    assert!(!process.said("disk is full").is_empty(), "the log says so too");

    fs::remove_file(&ballast).unwrap();
    till.reply_when("/readyz", |reply| reply.status == 200);
    let sold = till.sell(counter);
    assert!(!sold.replayed());
    assert_eq!(number(&sold.ok(201)), counter);
    // SQLite does not open a file through another process's root: the audit gets a copy, made while nothing moves.
    let copy = TempDir::new().unwrap();
    process.signal("-STOP");
    for name in ["node.db", "node.db-wal"] {
        fs::copy(seen.join(name), copy.path().join(name)).unwrap();
    }
    process.signal("-CONT");
    let books = books::audit_folder(copy.path(), None).unwrap();
    assert_eq!(books.sales.len() as u64, counter);
    assert!(process.stop().status.success());
}
