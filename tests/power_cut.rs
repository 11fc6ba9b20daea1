//! What the shim promises, shown on real SQLite databases: what was synced survives every cut, what was not is lost
//! often enough to be caught.

mod sim {
    // By its place, so that its own modules are found beside it.
    pub mod power_cut;
}

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};
use sim::power_cut::{PowerCut, Settled};
use tempfile::TempDir;

/// One machine: its disk, and the folder that the disk's files live in.
struct Machine {
    power: PowerCut,
    folder: TempDir,
    pragmas: String,
}

impl Machine {
    fn new(journal: &str, synchronous: &str) -> Machine {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let power = PowerCut::install(&format!("power-cut-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
        let pragmas = format!(
            "PRAGMA journal_mode={journal}; PRAGMA synchronous={synchronous}; PRAGMA wal_autocheckpoint=24; \
             PRAGMA cache_size=8; PRAGMA mmap_size=1000000;"
        );
        Machine {
            power,
            folder: TempDir::new().unwrap(),
            pragmas,
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("store.db")
    }

    fn open(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let db = Connection::open_with_flags_and_vfs(self.path(), flags, self.power.name())?;
        db.busy_timeout(Duration::from_secs(5))?;
        db.execute_batch(&self.pragmas)?;
        Ok(db)
    }

    /// A machine with its table, all of it durable.
    fn ready(journal: &str, synchronous: &str) -> Machine {
        let machine = Machine::new(journal, synchronous);
        let db = machine.open().unwrap();
        db.execute_batch("CREATE TABLE sale(id INTEGER PRIMARY KEY, body BLOB); CREATE INDEX by_body ON sale(body);")
            .unwrap();
        drop(db);
        machine.power.sync_all();
        machine
    }
}

fn sell(db: &Connection, id: i64) -> rusqlite::Result<usize> {
    // From a few bytes to more than a page, and of the older ones some are changed and deleted.
    let body = vec![id as u8; (id * 911 % 5000) as usize];
    let tx = db.unchecked_transaction()?;
    tx.execute(
        "UPDATE sale SET body = randomblob(700) WHERE id = ?1 - 5 AND id % 3 = 0",
        [id],
    )?;
    tx.execute("INSERT INTO sale VALUES (?1, ?2)", (id, body))?;
    tx.commit()?;
    Ok(1)
}

/// The ids there, or None for a database that is not whole.
fn look(machine: &Machine) -> rusqlite::Result<Option<Vec<i64>>> {
    let db = machine.open()?;
    let check: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    if check != "ok" {
        return Ok(None);
    }
    let mut query = db.prepare("SELECT id FROM sale ORDER BY id")?;
    let ids = query
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Some(ids))
}

/// Small numbers for the tests' own choices.
fn mix(seed: u64, salt: u64) -> u64 {
    let z = (seed ^ salt << 32).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (z ^ z >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 20
}

/// What the seeds of one setting came to.
#[derive(Debug, Default)]
struct Tally {
    /// Runs after which the database was not whole, did not open, or had a hole or a row from nowhere.
    broken: u32,
    /// Runs after which acknowledged rows were missing, and how many at most.
    lossy: u32,
    most_lost: usize,
    /// Runs after which a row was there that nobody had acknowledged.
    extra: u32,
    settled: Settled,
}

/// Commits rows until the power goes, settles and looks; three times for each seed, the second and third on the
/// machine as it was left, so that recovery and clean closes are cut too.
fn run(journal: &str, synchronous: &str, seeds: u64) -> Tally {
    let mut tally = Tally::default();
    for seed in 0..seeds {
        let machine = Machine::ready(journal, synchronous);
        let mut known = Vec::new();
        for round in 0..3 {
            machine.power.cut_after(1 + mix(seed, round) % 160);
            let (mut next, mut closes) = (known.last().map_or(1, |id| id + 1), 0);
            let mut acknowledged = known.clone();
            // Each connection makes seven commits and closes, so that closing is cut too.
            while !machine.power.is_cut() {
                closes += 1;
                assert!(closes < 1000, "the cut never came");
                let Ok(db) = machine.open() else { continue };
                for _ in 0..7 {
                    if sell(&db, next).is_err() {
                        assert!(machine.power.is_cut(), "only the cut makes a commit fail");
                        break;
                    }
                    acknowledged.push(next);
                    next += 1;
                }
            }
            let settled = machine.power.settle(mix(seed, 99 + round));
            tally.settled.kept += settled.kept;
            tally.settled.dropped += settled.dropped;
            tally.settled.names_undone += settled.names_undone;
            let Ok(Some(there)) = look(&machine) else {
                tally.broken += 1;
                break;
            };
            let lost = acknowledged.iter().filter(|id| !there.contains(id)).count();
            let extra: Vec<_> = there.iter().filter(|id| !acknowledged.contains(id)).collect();
            // Only the latest may be lost, and only the commit under way may be there unacknowledged.
            if there != (1..=there.len() as i64).collect::<Vec<_>>() || extra.iter().any(|id| **id != next) {
                tally.broken += 1;
                break;
            }
            tally.extra += u32::from(!extra.is_empty());
            tally.lossy += u32::from(lost > 0);
            tally.most_lost = tally.most_lost.max(lost);
            known = there;
        }
    }
    println!("{journal} {synchronous}: {tally:?}");
    assert!(
        tally.settled.dropped > 0 && tally.settled.kept > 0,
        "the cut had nothing to choose from: {tally:?}"
    );
    tally
}

#[test]
fn wal_and_full_lose_nothing_acknowledged() {
    let tally = run("WAL", "FULL", 100);
    assert_eq!((tally.broken, tally.lossy), (0, 0), "{tally:?}");
    assert!(
        tally.extra > 0,
        "some commit under way should have reached the disk unacknowledged: {tally:?}"
    );
}

#[test]
fn wal_and_normal_lose_the_latest_commits_but_stay_whole() {
    let tally = run("WAL", "NORMAL", 40);
    assert_eq!(tally.broken, 0, "{tally:?}");
    assert!(tally.lossy > 0, "{tally:?}");
}

#[test]
fn without_syncs_the_fault_is_caught() {
    let tally = run("WAL", "OFF", 60);
    assert!(tally.lossy > 0 && tally.broken > 0, "{tally:?}");
    let tally = run("DELETE", "OFF", 30);
    assert!(tally.lossy > 0 && tally.broken > 0, "{tally:?}");
}

#[test]
fn a_rollback_journal_survives() {
    // SQLite's own word: FULL does not sync the folder after the deletion that commits, EXTRA does.
    let tally = run("DELETE", "FULL", 50);
    assert_eq!(tally.broken, 0, "{tally:?}");
    assert!(
        tally.lossy > 0 && tally.most_lost == 1,
        "an undone deletion rolls back one commit: {tally:?}"
    );
    for (journal, synchronous) in [("DELETE", "EXTRA"), ("TRUNCATE", "FULL"), ("PERSIST", "FULL")] {
        let tally = run(journal, synchronous, 25);
        assert_eq!((tally.broken, tally.lossy), (0, 0), "{tally:?}");
    }
}

#[test]
fn a_process_that_ends_loses_nothing_that_the_power_would() {
    let mut lossy = 0;
    for seed in 0..20 {
        let machine = Machine::ready("WAL", "OFF");
        let sell_ten = |first: i64| {
            let db = machine.open().unwrap();
            (first..first + 10).for_each(|id| {
                sell(&db, id).unwrap();
            });
            // The process dies here: its last close does nothing any more.
            machine.power.cut();
        };
        sell_ten(1);
        machine.power.back_on();
        assert_eq!(
            look(&machine).unwrap().unwrap().len(),
            10,
            "SIGKILL keeps what was written"
        );
        sell_ten(11);
        machine.power.settle(seed);
        lossy += u32::from(!matches!(look(&machine), Ok(Some(ids)) if ids.len() == 20));
    }
    assert!(lossy > 0, "what was never synced goes with the power");
}

#[test]
fn a_new_database_is_whole_or_not_there() {
    for seed in 0..40 {
        let machine = Machine::new(if seed % 2 == 0 { "WAL" } else { "DELETE" }, "EXTRA");
        machine.power.cut_after(1 + mix(seed, 1) % 30);
        let mut made = false;
        if let Ok(db) = machine.open() {
            made = db
                .execute_batch("CREATE TABLE sale(id INTEGER PRIMARY KEY, body BLOB)")
                .is_ok();
        }
        machine.power.cut();
        machine.power.settle(seed);
        let there = look(&machine);
        assert!(
            matches!(&there, Ok(Some(ids)) if ids.is_empty()) || (!made && there.is_err()),
            "{seed}: {there:?}"
        );
    }
}

#[test]
fn readers_beside_a_writer_and_a_cut_from_a_third_thread() {
    for seed in 0..8 {
        let machine = Machine::ready("WAL", "FULL");
        let (enough, stop) = mpsc::channel();
        let read = AtomicU64::new(0);
        let gone = AtomicBool::new(false);
        let acknowledged = std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let (db, enough) = (machine.open().unwrap(), enough);
                let (mut id, mut enough) = (1, Some(enough));
                while sell(&db, id).is_ok() {
                    // On a busy machine a reader may come late.
                    if id >= 30 && read.load(Ordering::Relaxed) > 0 {
                        enough.take().into_iter().for_each(|enough| enough.send(()).unwrap());
                    }
                    id += 1;
                }
                id - 1
            });
            for _ in 0..2 {
                scope.spawn(|| {
                    let db = loop {
                        match machine.open() {
                            Ok(db) => break db,
                            Err(error) => assert!(machine.power.is_cut(), "{error}"),
                        }
                        if machine.power.is_cut() {
                            return;
                        }
                    };
                    let mut last = 0;
                    while let Ok(count) = db.query_row("SELECT count(*) FROM sale", [], |row| row.get::<_, i64>(0)) {
                        assert!(count >= last, "a reader never goes back");
                        last = count;
                        read.fetch_add(u64::from(count > 0), Ordering::Relaxed);
                        if gone.load(Ordering::Relaxed) {
                            // What is cached may be read without I/O.
                            break;
                        }
                    }
                });
            }
            scope.spawn(|| {
                let stop = stop;
                stop.recv().unwrap();
                std::thread::sleep(Duration::from_micros(mix(seed, 2) % 3000));
                machine.power.cut();
                gone.store(true, Ordering::Relaxed);
            });
            writer.join().unwrap()
        });
        assert!(acknowledged >= 30 && read.into_inner() > 0);
        machine.power.settle(seed);
        let there = look(&machine).unwrap().expect("whole");
        assert!(
            [acknowledged, acknowledged + 1].contains(&(there.len() as i64)),
            "{acknowledged} {}",
            there.len()
        );
    }
}

#[test]
fn after_the_cut_nothing_reaches_the_files() {
    let machine = Machine::ready("WAL", "FULL");
    let (one, two) = (machine.open().unwrap(), machine.open().unwrap());
    (1..10).for_each(|id| _ = sell(&one, id).unwrap());
    one.execute_batch("BEGIN; INSERT INTO sale VALUES (100, randomblob(100000))")
        .unwrap(); // spilt: the cache is small
    machine.power.cut();
    let files = |machine: &Machine| {
        let read = |ext: &str| std::fs::read(machine.path().with_extension(ext)).unwrap();
        (read("db"), read("db-wal"))
    };
    let (before, counts) = (files(&machine), (machine.power.writes(), machine.power.syncs()));
    let code = one
        .execute_batch("COMMIT")
        .unwrap_err()
        .sqlite_error()
        .unwrap()
        .extended_code;
    assert_eq!(code & 0xff, ffi::SQLITE_IOERR, "{code}");
    assert!(two.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").is_err());
    assert!(machine.open().is_err(), "a new connection needs power too");
    one.close().unwrap();
    two.close().unwrap();
    assert_eq!(files(&machine), before);
    assert_eq!((machine.power.writes(), machine.power.syncs()), counts);
    assert!(shm(&machine).exists());
    machine.power.settle(7);
    assert!(!shm(&machine).exists());
    assert_eq!(look(&machine).unwrap().unwrap(), (1..10).collect::<Vec<_>>());
}

fn shm(machine: &Machine) -> PathBuf {
    machine.path().with_extension("db-shm")
}

#[test]
#[should_panic(expected = "files still open")]
fn settling_under_an_open_connection_is_refused() {
    let machine = Machine::ready("WAL", "FULL");
    let _db = machine.open().unwrap();
    machine.power.settle(1);
}

#[test]
fn a_failed_sync_fails_the_commit_and_leaves_it_unsynced() {
    for seed in 0..10 {
        let machine = Machine::ready("WAL", "FULL");
        let db = machine.open().unwrap();
        sell(&db, 1).unwrap();
        machine.power.fail_syncs(true);
        let error = sell(&db, 2).unwrap_err();
        assert_eq!(error.sqlite_error().unwrap().extended_code, ffi::SQLITE_IOERR_FSYNC);
        machine.power.fail_syncs(false);
        if seed % 2 == 0 {
            sell(&db, 2).unwrap();
            sell(&db, 3).unwrap();
        }
        machine.power.cut();
        drop(db);
        machine.power.settle(seed);
        let there = look(&machine).unwrap().expect("whole").len();
        assert!(
            if seed % 2 == 0 {
                there == 3
            } else {
                (1..=2).contains(&there)
            },
            "{seed}: {there}"
        );
    }
}

#[test]
fn a_full_disk_fails_the_commit_until_there_is_room() {
    for journal in ["WAL", "DELETE"] {
        let machine = Machine::ready(journal, "FULL");
        let db = machine.open().unwrap();
        sell(&db, 1).unwrap();
        machine.power.disk_full(true);
        let error = db
            .execute("INSERT INTO sale VALUES (2, randomblob(50000))", [])
            .unwrap_err();
        assert_eq!(
            error.sqlite_error_code(),
            Some(ErrorCode::DiskFull),
            "{journal}: {error}"
        );
        assert_eq!(
            db.query_row("SELECT count(*) FROM sale", [], |row| row.get::<_, i64>(0))
                .unwrap(),
            1
        );
        machine.power.disk_full(false);
        sell(&db, 2).unwrap();
        machine.power.cut();
        drop(db);
        machine.power.settle(3);
        let there = look(&machine).unwrap().expect("whole").len();
        assert!(there == 2 || journal == "DELETE" && there == 1, "{journal}: {there}");
    }
}

#[test]
fn the_same_seed_settles_the_same_way() {
    let settle = |seed| {
        let machine = Machine::ready("WAL", "OFF");
        let db = machine.open().unwrap();
        (1..60).for_each(|id| _ = db.execute("INSERT INTO sale VALUES (?1, zeroblob(900))", [id]).unwrap());
        machine.power.cut_after(0);
        drop(db);
        (
            machine.power.settle(seed),
            machine.power.ops(),
            std::fs::metadata(machine.path()).map_or(0, |file| file.len()),
        )
    };
    let runs: Vec<_> = (0..12).map(settle).collect();
    assert_eq!(runs, (0..12).map(settle).collect::<Vec<_>>());
    assert!(runs.iter().any(|run| run != &runs[0]), "{runs:?}");
}

#[test]
fn machines_are_apart_and_synced_files_stay() {
    let (one, two) = (Machine::ready("WAL", "FULL"), Machine::ready("WAL", "FULL"));
    assert_ne!(one.power.name(), two.power.name());
    assert!(
        std::panic::catch_unwind(|| PowerCut::install(one.power.name())).is_err(),
        "a name is given once"
    );
    one.power.cut();
    assert!(one.open().is_err() && one.power.is_cut() && !two.power.is_cut());
    sell(&two.open().unwrap(), 1).unwrap();
    two.power.sync_all();
    let before = std::fs::read(two.path()).unwrap();
    assert_eq!(two.power.settle(5), Settled::default(), "nothing was unsynced");
    assert_eq!(std::fs::read(two.path()).unwrap(), before);
    // A database put there from outside is durable as it is.
    one.power.settle(5);
    std::fs::remove_file(one.path()).unwrap();
    std::fs::copy(two.path(), one.path()).unwrap();
    assert_eq!(look(&one).unwrap().unwrap(), [1]);
    let other = Path::new(two.power.name()).to_owned();
    drop(two);
    let _ = PowerCut::install(other.to_str().unwrap());
}
