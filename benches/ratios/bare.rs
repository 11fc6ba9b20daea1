//! Bare SQLite: rows that the product wrote are read back and written once more by nothing but prepared statements,
//! to the same tables with the same indexes, as durably, into a copy of the same database.
//!
//! What was written is compared with what the product wrote, row by row, so that a baseline that forgets a table is
//! found and does not flatter anybody.

use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use crate::Outcome;

/// Rows to write, in units that belong together.
#[derive(Debug, Default)]
pub struct Script {
    statements: Vec<String>,
    units: Vec<Vec<Write>>,
}

/// One row.
#[derive(Debug)]
pub struct Write {
    statement: usize,
    values: Vec<Value>,
}

impl Script {
    /// A statement that rows are written with.
    pub fn statement(&mut self, sql: String) -> usize {
        self.statements.push(sql);
        self.statements.len() - 1
    }

    /// The statement that inserts whole rows into a table, with this verb.
    pub fn insert(&mut self, verb: &str, connection: &Connection, table: &str) -> Outcome<usize> {
        let columns = connection.prepare(&format!("SELECT * FROM {table}"))?.column_count();
        let places: Vec<String> = (1..=columns).map(|place| format!("?{place}")).collect();
        Ok(self.statement(format!("{verb} INTO {table} VALUES ({})", places.join(", "))))
    }

    /// Adds a unit.
    pub fn push(&mut self, unit: Vec<Write>) {
        self.units.push(unit);
    }

    /// How many units there are.
    pub fn len(&self) -> usize {
        self.units.len()
    }

    /// Writes units, so many to a transaction, until all are written or `time` is over, and gives how long each
    /// transaction took.
    pub fn play(
        &self,
        connection: &Connection,
        units: Range<usize>,
        per_transaction: usize,
        time: Duration,
    ) -> Outcome<Vec<Duration>> {
        let mut statements = Vec::with_capacity(self.statements.len());
        for sql in &self.statements {
            statements.push(connection.prepare(sql)?);
        }
        let (mut begin, mut commit) = (connection.prepare("BEGIN IMMEDIATE")?, connection.prepare("COMMIT")?);
        let units = self.units.get(units).ok_or("the script is not that long")?;
        let mut took = Vec::with_capacity(units.len() / per_transaction + 1);
        let mut left = time;
        for group in units.chunks(per_transaction) {
            let started = Instant::now();
            begin.execute(())?;
            for row in group.iter().flatten() {
                let statement = statements.get_mut(row.statement).ok_or("no such statement")?;
                statement.execute(params_from_iter(&row.values))?;
            }
            commit.execute(())?;
            took.push(started.elapsed());
            left = left.saturating_sub(started.elapsed());
            if left.is_zero() {
                break;
            }
        }
        Ok(took)
    }
}

impl Write {
    pub const fn new(statement: usize, values: Vec<Value>) -> Self {
        Self { statement, values }
    }
}

/// Opens a database as the product's writers do.
pub fn open(path: &Path) -> Outcome<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "cache_size", -32 * 1024)?;
    connection.pragma_update(None, "wal_autocheckpoint", 16_000)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(connection)
}

/// All rows of a query.
pub fn rows(connection: &Connection, sql: &str) -> Outcome<Vec<Vec<Value>>> {
    let mut statement = connection.prepare(sql)?;
    let columns = statement.column_count();
    let rows = statement.query_map((), |row| (0..columns).map(|column| row.get(column)).collect())?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Fails where `tables`, or all tables where none is named, do not hold the same rows in both databases.
pub fn check_same(product: &Path, bare: &Path, tables: &[&str]) -> Outcome<()> {
    let connection = Connection::open(product)?;
    connection.execute("ATTACH ?1 AS bare", [bare.to_str().ok_or("a path in UTF-8")?])?;
    let all = rows(
        &connection,
        "SELECT name FROM main.sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'",
    )?;
    for name in all.into_iter().flatten() {
        let Value::Text(table) = name else { continue };
        if !tables.is_empty() && !tables.contains(&table.as_str()) {
            continue;
        }
        for (one, other) in [("main", "bare"), ("bare", "main")] {
            let sql =
                format!("SELECT count(*) FROM (SELECT * FROM {one}.{table} EXCEPT SELECT * FROM {other}.{table})");
            let differ: i64 = connection.query_row(&sql, (), |row| row.get(0))?;
            if differ > 0 {
                return Err(format!("the baseline is not the same: {differ} rows of {table} are in {one} only").into());
            }
        }
    }
    Ok(())
}
