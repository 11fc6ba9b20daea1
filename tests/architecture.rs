//! Who may use whom. The table is the design; the test reads the sources and holds them to it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A module of ours and the modules of ours that it may name.
const MAY_USE: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("sync", &["domain"]),
    ("import", &["domain"]),
    ("operator", &[]),
    ("store", &["domain", "sync"]),
    ("operations", &["domain", "sync", "store"]),
    ("http", &["domain", "operations", "store"]),
    ("web", &["domain", "operations", "store"]),
    ("backoff", &[]),
    ("mqtt", &["domain", "sync", "backoff"]),
    ("lan", &["domain", "backoff"]),
    ("hq", &["domain", "sync", "operator", "mqtt", "http", "web"]),
    (
        "node",
        &[
            "domain",
            "sync",
            "operator",
            "store",
            "operations",
            "http",
            "web",
            "mqtt",
            "lan",
        ],
    ),
    (
        "cli",
        &[
            "domain",
            "sync",
            "store",
            "operations",
            "import",
            "mqtt",
            "lan",
            "node",
            "hq",
        ],
    ),
];

/// Libraries that only the modules named may use: where a database or a broker is spoken to, and nowhere else.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("rusqlite", &["store", "hq/storage"]),
    ("automerge", &["sync/shelves"]),
    ("rumqttc", &["mqtt"]),
    ("rumqttd", &["mqtt"]),
    ("tokio_tungstenite", &["lan"]),
    ("mdns_sd", &["lan"]),
    ("axum", &["http", "web", "hq/http", "hq/web", "node", "hq", "cli"]),
    ("clap", &["cli"]),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn all_sources() -> Vec<(String, String)> {
    sources_of("src")
}

/// The Rust files below a folder of the project, by their paths in it.
fn sources_of(folder: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut found = Vec::new();
    sources(&root, &mut found);
    let inside = |path: &PathBuf| path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
    found
        .iter()
        .map(|path| (inside(path), fs::read_to_string(path).unwrap()))
        .collect()
}

/// The code of a file without its tests, which may use anything, and without comments.
fn code(text: &str) -> String {
    let tests = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    text[..tests]
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn modules_use_only_what_the_table_allows() {
    let mut wrong = BTreeSet::new();
    for (file, text) in all_sources() {
        let module = file.split(['/', '.']).next().unwrap().to_owned();
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == module) else {
            continue;
        };
        for (at, _) in code(&text).match_indices("crate::") {
            let rest = &code(&text)[at + "crate::".len()..];
            let used: String = rest
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                .collect();
            let ours = MAY_USE.iter().any(|(name, _)| *name == used);
            if ours && used != module && !allowed.contains(&used.as_str()) {
                wrong.insert(format!("{file} uses {used}"));
            }
        }
    }
    assert!(wrong.is_empty(), "against the table: {wrong:#?}");
}

#[test]
fn every_module_stands_in_the_table() {
    let tops: BTreeSet<String> = all_sources()
        .iter()
        .map(|(file, _)| file.split(['/', '.']).next().unwrap().to_owned())
        .collect();
    let known: BTreeSet<String> = MAY_USE
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .chain(["main".into(), "lib".into()])
        .collect();
    assert!(
        tops.is_subset(&known),
        "not in the table: {:?}",
        tops.difference(&known)
    );
}

#[test]
fn a_library_is_named_only_where_it_belongs() {
    let mut wrong = BTreeSet::new();
    for (file, text) in all_sources() {
        for (library, places) in ONLY_IN {
            let used = code(&text).contains(&format!("{library}::"));
            let belongs = places
                .iter()
                .any(|place| file.starts_with(&format!("{place}/")) || file == format!("{place}.rs"));
            if used && !belongs {
                wrong.insert(format!("{file} uses {library}"));
            }
        }
    }
    assert!(wrong.is_empty(), "out of place: {wrong:#?}");
}

#[test]
fn files_stay_short() {
    let long: Vec<String> = ["src", "tests", "benches"]
        .iter()
        .flat_map(|folder| sources_of(folder))
        .filter(|(_, text)| text.lines().count() > 500)
        .map(|(file, text)| format!("{file}: {} lines", text.lines().count()))
        .collect();
    assert!(long.is_empty(), "over 500 lines: {long:#?}");
}
