//! A broker that is not there, or does not let the node in: the node sells all the same, says once in its log why there
//! is no link, and says so at `/v1/sync` for as long as it lasts.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;

use crate::mosquitto::{Mosquitto, STOCK};
use crate::node_process::{NodeProcess, node};
use crate::ports::free_port;
use crate::till::Till;

/// Starts a node with that broker, sells, and waits until it says why there is no link.
fn sells_without_link(command: &mut Command, folder: &Path, reason: &str) -> (NodeProcess, Till) {
    let process = NodeProcess::spawn(command);
    let reached = process.serves(folder);
    let mut till = Till::pair(reached.address, &reached.token, "1");
    assert_eq!(till.sold(1), 1);
    let sync = till.sync_when(|sync| sync["link_reason"].is_string());
    let told = sync["link_reason"].as_str().unwrap_or_default();
    assert!(told.contains(reason), "{told}");
    assert_eq!(
        (&sync["link"], &sync["link_step"]),
        (&"offline".into(), &"offline".into()),
        "{sync}"
    );
    assert_eq!(sync["pending"], 2, "{sync}");
    assert_eq!(till.sold(2), 2);
    (process, till)
}

fn broker(command: &mut Command, port: u16) -> &mut Command {
    command.arg("--broker").arg(format!("127.0.0.1:{port}"))
}

#[test]
fn a_broker_that_is_not_there() {
    let folder = TempDir::new().unwrap();
    let (reason, port) = ("the broker cannot be reached", free_port());
    let (process, _) = sells_without_link(broker(&mut node(folder.path()), port), folder.path(), reason);
    assert_eq!(process.said(reason).len(), 1, "{:?}", process.said(reason));
    assert!(process.stop().status.success());
}

#[test]
fn a_broker_that_hangs_up_is_complained_of_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let attempts = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&attempts);
    // It ends with the process.
    std::thread::spawn(move || {
        for client in listener.incoming() {
            drop(client);
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    let folder = TempDir::new().unwrap();
    let reason = "the connection broke";
    let (process, mut till) = sells_without_link(broker(&mut node(folder.path()), port), folder.path(), reason);
    till.sync_when(|_| attempts.load(Ordering::Relaxed) >= 4);
    assert_eq!(process.said(reason).len(), 1, "{:?}", process.said(reason));
}

#[test]
fn a_broker_that_does_not_know_the_password() {
    let folder = TempDir::new().unwrap();
    let broker_folder = TempDir::new().unwrap();
    let made = Command::new("mosquitto_passwd")
        .args(["-b", "-c"])
        .arg(broker_folder.path().join("passwords"))
        .args(["store-1", "open sesame"])
        .status();
    assert!(made.expect("mosquitto is installed: tests/run install").success());
    let template = STOCK.replace(
        "allow_anonymous true",
        "allow_anonymous false\npassword_file @DIR@/passwords",
    );
    let mosquitto = Mosquitto::start_in(broker_folder, &template);
    let password = folder.path().join("password");
    fs::write(&password, "open barley\n").unwrap();
    let mut command = node(folder.path());
    broker(&mut command, mosquitto.port());
    command
        .args(["--broker-user", "store-1", "--broker-password-file"])
        .arg(&password);

    let reason = "the broker does not accept this client's user name, password or certificate";
    let (process, mut till) = sells_without_link(&mut command, folder.path(), reason);
    mosquitto.wait_for_log("not authorised", 4);
    assert_eq!(process.said(reason).len(), 1, "{:?}", process.said(reason));
    assert_eq!(till.sold(3), 3);
    let log = process.stop().log;
    assert!(!log.contains("barley"), "{log}");
}
