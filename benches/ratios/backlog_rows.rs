//! The rows that headquarters writes of a backlog, read back for bare SQLite; and the same facts as JSON lines.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use finalmarket::domain::fact::{Entry, Fact};
use finalmarket::domain::ids::Sku;
use finalmarket::hq::{Admission, Headquarters, Settings};
use finalmarket::store::database_path;
use rusqlite::Connection;
use rusqlite::types::Value as Sql;
use serde_json::json;

use crate::Outcome;
use crate::bare::{Script, Write, rows};

/// The tables that grow with what nodes send, or are written with each batch of it.
pub const TABLES: [&str; 4] = ["ledger_batch", "sale", "daily_total", "stock"];

/// What headquarters wrote.
pub struct Rows {
    /// One unit a batch.
    pub script: Script,
    /// The batches as they came.
    pub sealed: Vec<Vec<u8>>,
}

/// Where a headquarters has its database in its folder.
pub fn hq_database(folder: &Path) -> PathBuf {
    folder.join("hq.db")
}

/// Opens a headquarters in a folder, as the command does.
pub fn open(folder: &Path) -> Outcome<Headquarters> {
    let settings = Settings {
        name: "hq".parse()?,
        site: "hq".parse()?,
        admission: Admission::Anyone,
        vfs: None,
    };
    Ok(Headquarters::open(&hq_database(folder), settings, 1_800_000_000_000)?)
}

/// A new headquarters' database that knows the origins of another, and nothing from them.
pub fn empty(folder: &Path, like: &Path) -> Outcome<PathBuf> {
    fs::create_dir_all(folder)?;
    drop(open(folder)?);
    let database = hq_database(folder);
    let connection = Connection::open(&database)?;
    connection.execute("ATTACH ?1 AS like_this", [like.to_str().ok_or("a path in UTF-8")?])?;
    connection.execute_batch(
        "DELETE FROM main.ledger_batch; DELETE FROM main.origin;
         INSERT INTO main.origin SELECT * FROM like_this.origin",
    )?;
    Ok(database)
}

/// Reads what headquarters wrote of a node's backlog.
pub fn read(hq: &Path, node: &Path) -> Outcome<Rows> {
    let connection = Connection::open(hq)?;
    let mut script = Script::default();
    let batch_row = script.insert("INSERT", &connection, "ledger_batch")?;
    let sale_row = script.insert("INSERT", &connection, "sale")?;
    // A day goes on over several batches.
    let total_row = script.insert("INSERT OR REPLACE", &connection, "daily_total")?;
    let stock_row = script.statement(
        "INSERT INTO stock (site, sku, quantity) VALUES (?1, ?2, ?3) \
         ON CONFLICT (site, sku) DO UPDATE SET quantity = quantity + excluded.quantity"
            .into(),
    );
    let mut by_day = BTreeMap::new();
    for mut row in rows(&connection, "SELECT business_day, * FROM daily_total")? {
        let day = integer(&row.remove(0))?;
        by_day.insert(day, row);
    }
    let moved = moved(node)?;
    let mut sealed = Vec::new();
    let batches = rows(
        &connection,
        "SELECT origin, first_seq, last_seq, sealed, * FROM ledger_batch ORDER BY position",
    )?;
    for mut row in batches {
        let head: Vec<Sql> = row.drain(..4).collect();
        let (origin, first, last) = (integer(&head[0])?, integer(&head[1])?, integer(&head[2])?);
        let mut unit = vec![Write::new(batch_row, row)];
        let sales = rows(
            &connection,
            &format!(
                "SELECT business_day, * FROM sale WHERE origin = {origin} AND seq BETWEEN {first} AND {last} ORDER BY seq"
            ),
        )?;
        if sales.is_empty() {
            // Headquarters' own, which begins its journal.
            script.push(unit);
            continue;
        }
        let mut days = BTreeSet::new();
        for mut sale in sales {
            days.insert(integer(&sale.remove(0))?);
            unit.push(Write::new(sale_row, sale));
        }
        for day in days {
            let total = by_day.get(&day).cloned().ok_or("a day without a total")?;
            unit.push(Write::new(total_row, total));
        }
        let mut stock: BTreeMap<&Sku, i64> = BTreeMap::new();
        for (sku, thousandths) in moved.range(first..=last).flat_map(|(_, lines)| lines) {
            *stock.entry(sku).or_default() += thousandths;
        }
        for (sku, thousandths) in stock {
            let sku = Sql::Text(sku.as_str().to_owned());
            let site = Sql::Text(crate::shop::NODE.to_owned());
            unit.push(Write::new(stock_row, vec![site, sku, Sql::Integer(thousandths)]));
        }
        script.push(unit);
        if let Sql::Blob(bytes) = &head[3] {
            sealed.push(bytes.clone());
        }
    }
    Ok(Rows { script, sealed })
}

/// What each record of a node moved, by its number.
fn moved(node: &Path) -> Outcome<BTreeMap<i64, Vec<(Sku, i64)>>> {
    let mut moved = BTreeMap::new();
    for (seq, entry) in entries(node)? {
        if let Fact::Sale(sale) = entry.fact {
            let lines = sale.lines.into_iter();
            let lines = lines.map(|line| (line.sku, (-line.quantity).thousandths()));
            moved.insert(seq, lines.collect());
        }
    }
    Ok(moved)
}

/// The facts of a node as JSON, one a line.
pub fn json_lines(node: &Path) -> Outcome<Vec<u8>> {
    let mut lines = Vec::new();
    for (seq, entry) in entries(node)? {
        if let Fact::Sale(sale) = entry.fact {
            let line = json!({"seq": seq, "recorded": entry.recorded.milliseconds(), "sale": sale});
            serde_json::to_writer(&mut lines, &line)?;
            lines.push(b'\n');
        }
    }
    Ok(lines)
}

/// The journal of a node that has one incarnation, where a record's position is its number.
fn entries(node: &Path) -> Outcome<Vec<(i64, Entry)>> {
    let connection = Connection::open(database_path(node))?;
    let mut statement = connection.prepare("SELECT position, record FROM journal ORDER BY position")?;
    let found = statement.query_map((), |row| Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?)))?;
    found
        .map(|row| {
            let (position, record) = row?;
            Ok((position, Entry::decode(&record)?))
        })
        .collect()
}

fn integer(value: &Sql) -> Outcome<i64> {
    match value {
        Sql::Integer(number) => Ok(*number),
        other => Err(format!("a number was expected, not {other:?}").into()),
    }
}
