//! The demo as a person starts it: a process of its own, with everything in it real but the people.

#![cfg(feature = "embedded-broker")]

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

#[path = "fixtures/ports.rs"]
mod ports;

fn demo(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_finalmarket"))
        .arg("demo")
        .args(arguments)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What an output says apart from its figures: every number is `N`, every gap one space.
fn shape(output: &str) -> String {
    let words = |line: &str| {
        let word = |word: &str| {
            let is_number = word.chars().any(|c| c.is_ascii_digit()) && word.chars().all(|c| "0123456789.".contains(c));
            if is_number { "N".to_owned() } else { word.to_owned() }
        };
        line.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
    };
    output.lines().map(words).collect::<Vec<_>>().join("\n")
}

#[test]
fn without_a_person_it_cuts_and_mends_and_the_figures_meet() {
    let run = demo(&["--headless", "--seconds", "6", "--seed", "7"]);
    let (said, errors) = (text(&run.stdout), text(&run.stderr));
    assert!(run.status.success(), "{said}\n{errors}");
    let table: String = said
        .lines()
        .skip_while(|line| !line.starts_with("site "))
        .take(12)
        .map(|line| format!("{line}\n"))
        .collect();
    insta::assert_snapshot!(shape(&table), @r"
    site counted by sales refunds EUR
    harbour its tills N N N
    its node N N N
    headquarters N N N
    difference N N N
    THE FIGURES MEET
    hillside its tills N N N
    its node N N N
    of it with no link N N N
    headquarters N N N
    difference N N N
    THE FIGURES MEET
    ");
    let folder = said
        .split_whitespace()
        .find(|word| word.contains("finalmarket-demo-"))
        .unwrap();
    assert!(!Path::new(folder).exists(), "{folder} stays behind");
}

#[test]
fn a_folder_can_be_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().to_str().unwrap();
    for _ in 0..2 {
        let run = demo(&["--headless", "--seconds", "3", "--dir", folder]);
        assert!(run.status.success(), "{}\n{}", text(&run.stdout), text(&run.stderr));
    }
    assert!(Path::new(folder).join("harbour").join("node.db").exists());
}

#[test]
fn a_port_in_use_is_said_plainly() {
    // The demo takes four in a row, and the first one is taken here.
    let port = ports::free_row(4);
    let _taken = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let run = demo(&["--headless", "--seconds", "3", "--port", &port.to_string()]);
    assert!(!run.status.success());
    let errors = text(&run.stderr);
    assert!(
        errors.contains(&format!("127.0.0.1:{port}")) && errors.contains("in use"),
        "{errors}"
    );
}
