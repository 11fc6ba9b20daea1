//! What keeps a node from starting is said in one line, with an exit code that is not 0, and harms nothing.

use std::net::TcpListener;
use std::process::Command;

use tempfile::TempDir;

use crate::node_process::{Ended, NodeProcess, PROGRAM, arguments, node};
use crate::ports::free_port;
use crate::till::Till;

/// What the program says for the person who started it.
pub fn complaint(ended: &Ended) -> &str {
    assert_eq!(ended.status.code(), Some(1), "{}", ended.log);
    let complaints = ended.log.lines().filter_map(|line| line.strip_prefix("finalmarket: "));
    let complaints: Vec<&str> = complaints.collect();
    let [complaint] = complaints[..] else {
        panic!("not one complaint:\n{}", ended.log)
    };
    complaint
}

#[test]
fn a_second_process_on_the_same_database_is_refused() {
    let folder = TempDir::new().unwrap();
    let first = NodeProcess::spawn(&mut node(folder.path()));
    let reached = first.serves(folder.path());
    let mut till = Till::pair(reached.address, &reached.token, "1");
    assert_eq!(till.sold(1), 1);

    let second = NodeProcess::spawn(&mut node(folder.path())).ends();
    let said = format!("{} is in use by process {}", folder.path().display(), first.id());
    assert_eq!(complaint(&second), said);

    // Nor is anything restored under its feet.
    let elsewhere = TempDir::new().unwrap();
    let backup = elsewhere.path().join("backup.db");
    let run = |arguments: &[&str]| Command::new(PROGRAM).args(arguments).output().unwrap();
    let (data, file) = (folder.path().to_str().unwrap(), backup.to_str().unwrap());
    assert!(run(&["backup", "--data", data, file]).status.success());
    let restored = run(&["restore", file, "--data", data, "--replace"]);
    assert_eq!(restored.status.code(), Some(1));
    let complaint = String::from_utf8(restored.stderr).unwrap();
    assert_eq!(complaint, format!("finalmarket: {said}\n"));

    // The first one's clients still find it, by the operator's file too.
    assert_eq!(till.sold(2), 2);
    assert_eq!(first.serves(folder.path()).token, reached.token);

    // A lock that a killed process left is no lock.
    first.kill();
    let third = NodeProcess::spawn(&mut node(folder.path()));
    let mut till = till.at(third.serves(folder.path()).address);
    assert_eq!(till.sold(3), 3);
}

#[test]
fn headquarters_says_so_too() {
    let folder = TempDir::new().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let start = |listen: &str| {
        let broker = format!("127.0.0.1:{}", free_port());
        let mut command = Command::new(PROGRAM);
        command.args(["hq", "--listen", listen, "--broker", &broker, "--data"]);
        NodeProcess::spawn(command.arg(folder.path()))
    };
    let ended = start(&address.to_string()).ends();
    let said = format!("cannot listen on {address}: Address already in use");
    assert!(complaint(&ended).starts_with(&said), "{}", ended.log);

    let first = start("127.0.0.1:0");
    let reached = first.answers(folder.path());
    let second = start("127.0.0.1:0").ends();
    let said = complaint(&second);
    assert!(said.ends_with("is in use by another process"), "{said}");
    assert_eq!(first.answers(folder.path()).token, reached.token);
    assert!(first.stop().status.success());
}

#[test]
fn a_port_in_use_is_said_plainly() {
    let folder = TempDir::new().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let ended = NodeProcess::spawn(Command::new(PROGRAM).args(arguments(folder.path(), address.port()))).ends();
    let said = format!("cannot listen on {address}: Address already in use");
    assert!(complaint(&ended).starts_with(&said), "{}", ended.log);

    let process = NodeProcess::spawn(&mut node(folder.path()));
    let reached = process.serves(folder.path());
    assert_eq!(Till::pair(reached.address, &reached.token, "1").sold(1), 1);
}
