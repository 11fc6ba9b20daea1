//! The real program on a real file system that has no room left.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use crate::books;
use crate::http::{Connection, Request};
use crate::mosquitto::{Mosquitto, STOCK};
use crate::node_process::{DEADLINE, NodeProcess, PROGRAM, arguments, node};
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

/// Starts the program with a disk of its own at that folder. Gives the folder as the process sees it.
fn on_own_disk(unshare: &[&str], folder: &Path, arguments: &[String]) -> (NodeProcess, PathBuf) {
    let mut command = Command::new("unshare");
    command.args(unshare).args(["sh", "-c", OWN_DISK, "sh"]).arg(folder);
    let process = NodeProcess::spawn(command.arg(PROGRAM).args(arguments));
    let seen = PathBuf::from(format!("/proc/{}/root{}", process.id(), folder.display()));
    (process, seen)
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
    let (process, seen) = on_own_disk(unshare, folder.path(), &arguments(folder.path(), 0));
    process.wait_for("the node serves its tills", 1);
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

#[test]
fn headquarters_on_a_full_disk_takes_nothing_and_goes_on_once_there_is_room() {
    let Some(unshare) = may_mount() else {
        println!("this user may not mount: nothing is shown here");
        return;
    };
    let broker = Mosquitto::start(STOCK);
    let address = format!("127.0.0.1:{}", broker.port());
    let folder = TempDir::new().unwrap();
    let data = folder.path().display().to_string();
    let arguments = ["hq", "--listen", "127.0.0.1:0", "--broker", &address, "--data", &data];
    let (hq, seen) = on_own_disk(unshare, folder.path(), &arguments.map(str::to_owned));
    hq.wait_for("headquarters answers", 1);
    let at_hq = hq.answers(&seen);
    let mut asking = Connection::open(at_hq.address).unwrap();

    let store = TempDir::new().unwrap();
    let process = NodeProcess::spawn(node(store.path()).args(["--broker", &address]));
    let reached = process.serves(store.path());
    let mut till = Till::pair(reached.address, &reached.token, "1");
    till.sync_when(|sync| sync["link"] == "online" && sync["pending"] == 0);

    let ballast = fill(&seen);
    (1..=200).for_each(|counter| assert_eq!(till.sold(counter), counter));
    hq.wait_for("the disk is full", 1);
    let enrol = json!({"node": "store-2", "site": "x".repeat(40)}).to_string();
    let enrol = Request::post("/v1/nodes", "enrol", &enrol).by(&at_hq.token);
    asking.ask(enrol).unwrap().problem(503, "disk-full");
    // What is not acknowledged is the node's to keep; it sells on.
    let kept = till.get("/v1/sync");
    assert!(kept["pending"].as_u64() > Some(0), "{kept}");
    assert_eq!(till.sold(201), 201);

    fs::remove_file(&ballast).unwrap();
    // The node would try again by itself before long: so the test need not wait.
    let mut manager = Connection::open(reached.address).unwrap();
    for cut in [true, false] {
        let (key, body) = (format!("cut-{cut}"), json!({"cut": cut}).to_string());
        let switch = Request::post("/v1/link", &key, &body).by(&reached.token);
        manager.ask(switch).unwrap().ok(200);
    }
    till.sync_when(|sync| sync["link"] == "online" && sync["pending"] == 0);
    asking.ask(enrol).unwrap().ok(200);
    let until = Instant::now() + DEADLINE;
    loop {
        let totals = asking.ask(Request::get("/v1/totals").by(&at_hq.token)).unwrap().ok(200);
        let days = totals["totals"].as_array().unwrap();
        if days.iter().filter_map(|day| day["sales"].as_u64()).sum::<u64>() == 201 {
            break;
        }
        assert!(Instant::now() < until, "{totals}");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(hq.stop().status.success());
}
