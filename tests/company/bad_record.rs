//! One record among ten thousand that headquarters cannot read: the others arrive, the one is listed with its reason,
//! handed out as it is, and takes effect once by a correction.

use std::fs;
use std::path::Path;

use finalmarket::domain::fact::{Entry, Fact};
use finalmarket::domain::journal::Hash;
use finalmarket::domain::sale::Sale;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::headquarters::{Company, Life, Store, command, done};
use crate::seller::{Seller, Sold, sold};

/// What was done to a record.
pub struct Spoilt {
    /// Its number in the journal.
    pub seq: u64,
    /// The sale that it held.
    pub sale: Sale,
    /// Its bytes as they are now.
    bytes: Vec<u8>,
}

/// Tills sell so many sales each at a node that has no link, which then stops.
pub fn sell_without_link(company: &Company, tills: usize, sales_each: u64) -> Sold {
    let store = company.start_alone("store");
    let mut sellers: Vec<Seller> = (1..=tills)
        .map(|register| Seller::pair(&store.reached, &register.to_string()))
        .collect();
    std::thread::scope(|scope| {
        for seller in &mut sellers {
            scope.spawn(move || seller.sells(sales_each));
        }
    });
    store.stop();
    sold(&sellers.iter().collect::<Vec<_>>())
}

/// Takes the last byte of a sale's record. Where `chained`, the chain goes over what is left, as if a defect of the
/// node's program had written it so; else the disk has spoilt what was written.
pub fn spoil(disk: &Path, seq: u64, chained: bool) -> Spoilt {
    let mut db = Connection::open(disk.join("node.db")).unwrap();
    let tx = db.transaction().unwrap();
    let at = i64::try_from(seq).unwrap();
    let row = |position: i64| {
        tx.query_row(
            "SELECT record, hash FROM journal WHERE position = ?1",
            [position],
            |row| Ok((row.get::<_, Vec<u8>>(0)?, Hash(row.get(1)?))),
        )
        .unwrap()
    };
    let (mut bytes, _) = row(at);
    let Fact::Sale(sale) = Entry::decode(&bytes).unwrap().fact else {
        panic!("record {seq} is no sale")
    };
    bytes.pop();
    assert!(Entry::decode(&bytes).is_err());
    tx.execute("UPDATE journal SET record = ?2 WHERE position = ?1", (at, &bytes))
        .unwrap();
    if chained {
        let last: i64 = tx
            .query_row("SELECT max(position) FROM journal", (), |row| row.get(0))
            .unwrap();
        let mut hash = row(at - 1).1;
        for position in at..=last {
            hash = hash.after(&row(position).0);
            tx.execute("UPDATE journal SET hash = ?2 WHERE position = ?1", (position, hash.0))
                .unwrap();
        }
    }
    tx.commit().unwrap();
    Spoilt { seq, sale, bytes }
}

/// Starts the store with its link: all but the spoilt record arrive.
fn all_but_one_arrive(company: &Company, sold: &Sold, spoilt: &Spoilt) -> Store {
    let store = company.start("store");
    company.has_everything_of(&[&store]);
    let mut others = sold.clone();
    let id = &spoilt.sale.id;
    let missing = others.remove(&(id.series.to_string(), id.counter));
    assert!(missing.is_some());
    company.counts(&others);
    assert!(company.alerts().contains_key("set_aside"), "{:?}", company.alerts());
    let glance = command(&["status", "--of", &company.hq_disk()]);
    assert_eq!(glance.status.code(), Some(1), "{glance:?}");
    store
}

/// The one record that headquarters lists, by its API and by its command, with this reason. Gives its journal.
fn is_listed(company: &Company, spoilt: &Spoilt, reason: &str) -> Life {
    let lives = company.lives();
    let [life] = &lives[..] else { panic!("{lives:?}") };
    let listed = company.get("/v1/set-aside?state=open");
    let records = listed["records"].as_array().unwrap();
    let [record] = &records[..] else { panic!("{listed}") };
    let name = json!({"node": "store-1", "incarnation": life.name, "seq": spoilt.seq});
    assert_eq!(record["record"], name);
    for projection in record["by"].as_array().unwrap() {
        assert!(projection["reason"].as_str().unwrap().contains(reason), "{record}");
    }
    let printed = done(&["set-aside", "--at", &company.hq_disk(), "list"]);
    let lines: Vec<&str> = printed.lines().collect();
    let [line] = lines[..] else { panic!("{printed}") };
    assert!(
        line.starts_with(&format!("store-1 {} {}  ", life.name, spoilt.seq)),
        "{line}"
    );
    assert!(line.contains(reason) && line.contains("(open)"), "{line}");
    life.clone()
}

fn exported(company: &Company, life: &Life, spoilt: &Spoilt) -> Value {
    let (at, seq) = (company.hq_disk(), spoilt.seq.to_string());
    let printed = done(&["set-aside", "--at", &at, "export", "store-1", &life.name, &seq]);
    serde_json::from_str(&printed).unwrap()
}

/// A correction with the sale takes effect once: then everything counts, and nothing twice.
fn repaired_once(company: &mut Company, store: &Store, life: &Life, sold: &Sold, spoilt: &Spoilt) {
    let file = company.disk("fact.json").display().to_string();
    fs::write(&file, json!({"sale": spoilt.sale}).to_string()).unwrap();
    let (at, seq) = (company.hq_disk(), spoilt.seq.to_string());
    let repair = ["set-aside", "--at", &at, "repair", "store-1", &life.name, &seq];
    let repair = [&repair[..], &["--fact", &file, "--reason", "read from the paper roll"]].concat();
    done(&repair);
    company.has_everything_of(&[store]);
    company.counts(sold);

    let again = command(&repair);
    let said = String::from_utf8_lossy(&again.stderr);
    assert!(
        !again.status.success() && said.contains("has been dealt with before"),
        "{said}"
    );
    company.restart_headquarters();
    company.has_everything_of(&[store]);
    company.counts(sold);
    assert_eq!(company.came_again(), (0, 0));
    assert_eq!(company.get("/v1/set-aside?state=open")["records"], json!([]));
    assert!(!company.alerts().contains_key("set_aside"), "{:?}", company.alerts());
}

#[test]
fn one_undecodable_record_among_ten_thousand() {
    let mut company = Company::open();
    let sold = sell_without_link(&company, 16, 625);
    assert_eq!(sold.len(), 10_000);
    let spoilt = spoil(&company.disk("store"), 5_001, true);
    let store = all_but_one_arrive(&company, &sold, &spoilt);
    let life = is_listed(&company, &spoilt, "not a readable record of kind 2");

    let exported = exported(&company, &life, &spoilt);
    let digits: String = spoilt.bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(exported["bytes"], digits);
    repaired_once(&mut company, &store, &life, &sold, &spoilt);
    store.stop();
    company.close();
}

#[test]
fn a_record_that_the_nodes_disk_has_spoilt_is_withheld_and_listed() {
    let mut company = Company::open();
    let sold = sell_without_link(&company, 2, 50);
    let spoilt = spoil(&company.disk("store"), 42, false);
    let store = all_but_one_arrive(&company, &sold, &spoilt);
    let life = is_listed(&company, &spoilt, "does not give the chain's hash");
    assert_eq!(exported(&company, &life, &spoilt)["bytes"], Value::Null);
    let told = store.get("/v1/status")["sync"]["alerts"].to_string();
    assert!(told.contains("set_aside"), "{told}");
    repaired_once(&mut company, &store, &life, &sold, &spoilt);
    store.stop();
    company.close();
}
