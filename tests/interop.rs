//! Shelves in another language: the official Automerge package for JavaScript reads the figures of our documents, and
//! takes part as a replica with a row of its own. The package is fetched into the target folder the first time.

use std::path::{Path, PathBuf};
use std::process::Command;

use finalmarket::domain::escrow::{Amount, ReplicaId, Row, Shelf};
use finalmarket::domain::ids::Sku;
use finalmarket::sync::shelves::{Document, DocumentId, Heads};

/// Another version could write another form, and a failure here would be no news of ours.
const PACKAGE: &str = "@automerge/automerge@3.5.0";

fn run(command: &mut Command) -> String {
    let done = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{command:?}: {said}");
    String::from_utf8(done.stdout).unwrap()
}

/// The folder that holds the package.
fn package() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("automerge-js");
    if !folder.join("node_modules/@automerge/automerge/package.json").exists() {
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("package.json"), "{}").unwrap();
        run(Command::new("npm")
            .args(["install", "--no-audit", "--no-fund", "--prefix"])
            .arg(&folder)
            .arg(PACKAGE));
    }
    folder
}

fn script(arguments: &[&Path], words: &[&str]) -> String {
    let (verb, paths) = arguments.split_first().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/shelf.mjs");
    run(Command::new("node")
        .arg(script)
        .arg(package())
        .arg(verb)
        .args(paths)
        .args(words))
}

fn replica(node: &str, incarnation: &str) -> ReplicaId {
    ReplicaId {
        node: node.parse().unwrap(),
        incarnation: incarnation.parse().unwrap(),
    }
}

fn amount(n: u64) -> Amount {
    Amount::new(n).unwrap()
}

fn sku(text: &str) -> Sku {
    text.parse().unwrap()
}

#[test]
fn javascript_reads_our_shelves_and_takes_part_in_them() {
    let folder = tempfile::tempdir().unwrap();
    let store = replica("store-1", "1-00c0ffee00c0ffee");
    let kiosk = replica("kiosk-js", "2-00000000000abcde");
    let id = |writer: &ReplicaId| DocumentId {
        site: "store-1".parse().unwrap(),
        writer: writer.clone(),
        bucket: 0,
        generation: 0,
    };

    // Ours: 12 came in, 3 went out, 1.5 are held, 4 are the kiosk's.
    let (mut milk, mut tea) = (Row::default(), Row::default());
    milk.add(amount(12_000)).unwrap();
    milk.take(amount(3_000)).unwrap();
    milk.hold(amount(1_500), &Shelf::default()).unwrap();
    milk.give(&kiosk, amount(4_000)).unwrap();
    tea.take(amount(250)).unwrap();
    let mut ours = Document::create(id(&store)).unwrap();
    ours.write([(&sku("milk"), &milk)], 5).unwrap();
    ours.write([(&sku("milk"), &milk), (&sku("loose-tea"), &tea)], 6)
        .unwrap();

    let saved = folder.path().join("ours");
    std::fs::write(&saved, ours.save()).unwrap();
    let read: serde_json::Value = serde_json::from_str(&script(&[Path::new("read"), &saved], &[])).unwrap();
    let heads: Vec<String> = ours.heads().to_bytes().iter().map(|head| hex(head)).collect();
    assert_eq!(
        read,
        serde_json::json!({
            "names": ["store-1", "store-1", "1-00c0ffee00c0ffee"],
            "bucket": 0, "generation": 0, "through": 6, "heads": heads,
            "rows": {
                "milk": {"added": "12000", "removed": "3000", "held": "1500", "given": {kiosk.to_string(): "4000"}},
                "loose-tea": {"removed": "250", "debt": "250"},
            },
        })
    );

    // Theirs: a document of its own, in two steps, the second of which may not come first.
    let giver = store.to_string();
    script(&[Path::new("write"), folder.path()], &[&giver, "4000"]);
    let change = |at: usize| std::fs::read(folder.path().join(format!("change-{at}"))).unwrap();
    let mut theirs = Document::unheard(id(&kiosk));
    assert!(theirs.apply(&[change(1)]).is_err(), "it builds on what has not come");
    assert_eq!(theirs.apply(&[change(0)]).unwrap(), [sku("milk")]);
    assert_eq!(
        theirs.apply(&[change(1), change(0)]).unwrap(),
        [sku("milk"), sku("loose-tea")]
    );
    assert_eq!(theirs.through(), 4);
    let mut whole = Document::load(id(&kiosk), &std::fs::read(folder.path().join("second")).unwrap()).unwrap();
    assert_eq!(whole.changes_since(&Heads::default()).len(), 2);
    assert!(whole.rows().eq(theirs.rows()));

    // Together they are one shelf: 12 in, 4 out, 1.5 and 1 promised, nothing under way, and every right somebody's.
    let mut shelf = Shelf::default();
    shelf.merge_row(&store, ours.rows().next().unwrap().1);
    shelf.merge_row(&kiosk, theirs.rows().next().unwrap().1);
    assert_eq!(
        (shelf.quantity(), shelf.reserved(), shelf.under_way()),
        (8_000, 2_500, 0)
    );
    let rights: i128 = shelf.rows().map(|(_, row)| row.rights()).sum();
    assert_eq!(rights + shelf.reserved(), shelf.quantity() + shelf.owed());
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
