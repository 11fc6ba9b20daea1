//! (d) Libraries of others, each in a process of its own, on the same trace. They are installed from npm into the
//! target folder the first time, in the versions that `rivals/package.json` names.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::folder::Folder;
use crate::market::Result;
use crate::{Outcome, note};

/// What headquarters has at the end, loaded by a new process.
#[derive(Debug, Serialize, Deserialize)]
pub struct Loaded {
    pub load_ms: f64,
    /// What the process grew by.
    pub memory_bytes: u64,
    /// What was loaded.
    pub bytes: u64,
}

/// What a library made of the trace.
pub struct Rival {
    pub name: String,
    pub result: Result,
    /// Over all links.
    pub bytes: u64,
    pub loaded: Loaded,
}

#[derive(Deserialize)]
struct Played {
    asked: u64,
    refused: u64,
    refused_beside_goods: u64,
    oversold: u64,
    sold: u64,
    bytes: u64,
}

/// Plays the trace in a file through all of them.
pub fn play(trace: &Path, folder: &Folder) -> Outcome<Vec<Rival>> {
    let packages = installed()?;
    let mut rivals = Vec::new();
    for (name, script) in [("Loro", "loro.mjs"), ("Yjs", "yjs.mjs"), ("PouchDB", "pouchdb.mjs")] {
        let started = Instant::now();
        let saved = folder.path(script);
        let played: Played = serde_json::from_slice(&run(&packages, "play.mjs", &[script.as_ref(), trace, &saved])?)?;
        note(&format!("(d) {name}: {:.1} s", started.elapsed().as_secs_f64()));
        let loaded = serde_json::from_slice(&run(&packages, "load.mjs", &[script.as_ref(), &saved])?)?;
        let result = Result {
            asked: played.asked,
            refused: played.refused,
            refused_beside_goods: played.refused_beside_goods,
            oversold: played.oversold,
            sold: played.sold,
            ..Result::default()
        };
        rivals.push(Rival {
            name: name.to_owned(),
            result,
            bytes: played.bytes,
            loaded,
        });
    }
    Ok(rivals)
}

/// The folder with the scripts and the packages beside them.
fn installed() -> Outcome<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rivals");
    fs::create_dir_all(&folder)?;
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/shelf/rivals");
    let wanted = fs::read(ours.join("package.json"))?;
    let have = fs::read(folder.join("installed.json")).unwrap_or_default();
    for entry in fs::read_dir(&ours)? {
        let file = entry?;
        fs::copy(file.path(), folder.join(file.file_name()))?;
    }
    if wanted != have {
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"]);
        succeeds(npm.arg(&folder))?;
        fs::write(folder.join("installed.json"), wanted)?;
    }
    Ok(folder)
}

fn run(packages: &Path, script: &str, arguments: &[&Path]) -> Outcome<Vec<u8>> {
    succeeds(
        Command::new("node")
            .arg("--expose-gc")
            .arg(packages.join(script))
            .args(arguments),
    )
}

fn succeeds(command: &mut Command) -> Outcome<Vec<u8>> {
    let done = command
        .output()
        .map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    if !done.status.success() {
        return Err(format!("{command:?}: {}", String::from_utf8_lossy(&done.stderr)).into());
    }
    Ok(done.stdout)
}
