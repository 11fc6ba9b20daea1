//! Rows that no record gives and that a standby needs to sell: which of them changed, and how they stand.
//!
//! Triggers note the last change of each row, and only while a standby is admitted; nothing that every sale writes is among
//! them: a sale is known by its own number, so that the answers to all other requests are noted by hand. What a standby is told of one table with one key are all of its values, so that both must have one schema.

use rusqlite::params_from_iter;
use rusqlite::types::{Value, ValueRef};

use super::changes::Change;
use super::idempotency::IdempotencyKey;
use super::keys::{DeviceIx, count, row_count};
use super::{Snapshot, StorageError, WriteTransaction};
use crate::sync::wire::{Cell, FollowedRow, RowsPage};

/// A table whose rows are followed.
struct Source {
    table: &'static str,
    key: &'static [&'static str],
    noted: Noted,
}

/// When a row is noted.
enum Noted {
    /// Whenever it changes.
    Changes,
    /// When it comes. What is changed by pruning is each disk's own.
    Comes,
    /// By whoever writes it.
    ByHand,
}

const fn source(table: &'static str, key: &'static [&'static str]) -> Source {
    Source {
        table,
        key,
        noted: Noted::Changes,
    }
}

/// A column of keys that holds bytes: in a key, which is JSON, it stands as hexadecimal digits.
const BYTES: &str = "work";

/// The table of answers to requests, and where in its rows the record stands that an answer follows from.
const ANSWERS: &str = "idempotency";
const ANSWER_POSITION: usize = 3;

const SOURCES: &[Source] = &[
    source("series", &["ix"]),
    Source {
        noted: Noted::Comes,
        ..source("receipt_series", &["ix"])
    },
    Source {
        noted: Noted::ByHand,
        ..source(ANSWERS, &["device", "key"])
    },
    source("device", &["ix"]),
    source("pairing_code", &["ix"]),
    source("standby", &["device"]),
    source("item", &["ix"]),
    source("price", &["sku"]),
    source("feed_cursor", &["feed"]),
    source("feed_key", &["feed", "key"]),
    // Counts that have begun, and those that wait for what kiosks had done before.
    source("count_mark", &["ix"]),
    source("count_mark_node", &["mark", "node", "counter", "random"]),
    source("count_open", &["work", "node", "counter", "random"]),
    source("count_line", &["sku", "position"]),
    source("count_found", &["sku"]),
    source("served_entry", &["feed", "key"]),
    source("served_epoch", &["feed", "first_version"]),
    source("cart", &["id"]),
    source("cart_request", &["cart", "device", "key"]),
    // What headquarters told of them; what was decided here is in the journal too.
    source("pickup", &["ix"]),
    source("transfer", &["ix"]),
];

/// The most rows and about the most bytes of a page.
const PAGE_ROWS_MAX: usize = 500;
const PAGE_BYTES_MAX: usize = 256 << 10;
/// What a row takes beside its texts.
const ROW_BYTES: usize = 64;

impl Snapshot<'_> {
    /// The last change that was noted; 0 for none.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn last_followed_change(&self) -> Result<u64, StorageError> {
        let sql = "SELECT seq FROM sqlite_sequence WHERE name = 'followed_change'";
        let last: Option<i64> = self.one(sql, (), |row| row.get(0))?;
        Ok(last.map(count).unwrap_or_default())
    }

    /// The rows that changed behind a change, in the order of their last changes, as they stand; none where there are
    /// none.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn followed_rows(&self, after: u64) -> Result<Option<RowsPage>, StorageError> {
        let sql = "SELECT change, source, key FROM followed_change WHERE change > ?1 ORDER BY change LIMIT ?2";
        let changed: Vec<(i64, String, String)> =
            self.all(sql, (row_count(after), row_count(PAGE_ROWS_MAX as u64)), |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?;
        let mut page = RowsPage {
            after,
            through: after,
            rows: Vec::new(),
        };
        let mut bytes = 0;
        for (change, name, key) in changed {
            let row = self.followed_row(&name, &key)?;
            bytes += ROW_BYTES + row.row.iter().flatten().map(size).sum::<usize>();
            if bytes > PAGE_BYTES_MAX && !page.rows.is_empty() {
                break;
            }
            page.rows.push(row);
            page.through = count(change);
        }
        Ok((!page.rows.is_empty()).then_some(page))
    }

    fn followed_row(&self, name: &str, key: &str) -> Result<FollowedRow, StorageError> {
        let unknown = || StorageError::Inconsistent(format!("the change of {key} in {name} names no row"));
        let source = known(name).ok_or_else(unknown)?;
        let values: Vec<serde_json::Value> = serde_json::from_str(key).map_err(|_| unknown())?;
        let key: Option<Vec<Cell>> = values.into_iter().map(cell_of_json).collect();
        let key = key.filter(|key| key.len() == source.key.len()).ok_or_else(unknown)?;
        let sql = format!("SELECT * FROM {} WHERE {}", source.table, places(source.key));
        let mut statement = self.connection.prepare_cached(&sql)?;
        let columns = statement.column_count();
        let mut rows = statement.query(params_from_iter(key.iter().map(value)))?;
        let row = match rows.next()? {
            None => None,
            Some(row) => {
                let cells = (0..columns).map(|column| row.get_ref(column).map(cell));
                Some(cells.collect::<rusqlite::Result<Vec<Cell>>>()?)
            }
        };
        Ok(FollowedRow {
            source: source.table.to_owned(),
            key,
            row,
        })
    }
}

impl WriteTransaction<'_> {
    /// Begins to note changes of rows that no record gives, where it has not begun.
    pub(crate) fn note_changes(&mut self) -> Result<(), StorageError> {
        for source in SOURCES {
            let key = |which: &str| {
                let of = |column: &&str| match *column {
                    BYTES => format!("hex({which}.{column})"),
                    column => format!("{which}.{column}"),
                };
                source.key.iter().map(of).collect::<Vec<String>>().join(", ")
            };
            let events: &[(&str, &str)] = match source.noted {
                Noted::Changes => &[("INSERT", "new"), ("UPDATE", "new"), ("DELETE", "old")],
                Noted::Comes => &[("INSERT", "new")],
                Noted::ByHand => &[],
            };
            for (event, which) in events {
                let sql = format!(
                    "CREATE TRIGGER IF NOT EXISTS follow_{table}_{event} AFTER {event} ON {table} BEGIN \
                     DELETE FROM followed_change WHERE source = '{table}' AND key = json_array({key}); \
                     INSERT INTO followed_change (source, key) VALUES ('{table}', json_array({key})); END",
                    table = source.table,
                    key = key(which),
                );
                self.write(&sql, ())?;
            }
        }
        Ok(())
    }

    /// Notes an answer for standbys, where one is admitted.
    pub(super) fn note_answer(&mut self, device: DeviceIx, key: &IdempotencyKey) -> Result<(), StorageError> {
        let sql = "INSERT OR REPLACE INTO followed_change (source, key) SELECT ?1, json_array(?2, ?3) \
            WHERE EXISTS (SELECT 1 FROM standby)";
        self.write(sql, (ANSWERS, device.0, key.as_str()))?;
        self.changed(Change::Recorded);
        Ok(())
    }

    /// Makes the answers that came before their records this disk's own, as far as the records are here.
    pub(crate) fn take_early_answers(&mut self) -> Result<(), StorageError> {
        let position = self.tip()?.position;
        let sql = "INSERT OR REPLACE INTO idempotency SELECT device, key, fingerprint, position, status, body, day \
            FROM early_answer WHERE position <= ?1";
        self.write(sql, (position.0,))?;
        self.write("DELETE FROM early_answer WHERE position <= ?1", (position.0,))?;
        Ok(())
    }

    /// Forgets the answers whose records never came.
    pub(crate) fn forget_early_answers(&mut self) -> Result<(), StorageError> {
        self.write("DELETE FROM early_answer", ())?;
        Ok(())
    }

    /// No longer notes changes: on a standby's copy they are the followed node's.
    pub(crate) fn stop_noting_changes(&mut self) -> Result<(), StorageError> {
        for source in SOURCES {
            for event in ["INSERT", "UPDATE", "DELETE"] {
                self.write(&format!("DROP TRIGGER IF EXISTS follow_{}_{event}", source.table), ())?;
            }
        }
        Ok(())
    }

    /// Keeps rows of the node that is followed, as they stand there. A row of a table that is not followed, or that
    /// does not fit it, is an error and nothing is kept.
    pub(crate) fn keep_followed_rows(&mut self, page: &RowsPage) -> Result<(), StorageError> {
        // Within a page a row may come before the one that it refers to.
        self.write("PRAGMA defer_foreign_keys = ON", ())?;
        let (mut devices, mut catalog, mut counted) = (false, false, false);
        for followed in &page.rows {
            let wrong = || StorageError::Inconsistent(format!("a row of {:?} cannot be followed", followed.source));
            let source = known(&followed.source).ok_or_else(wrong)?;
            if followed.key.len() != source.key.len() {
                return Err(wrong());
            }
            devices |= source.table == "device";
            catalog |= matches!(source.table, "item" | "price");
            counted |= source.table == "count_found";
            let table = match &followed.row {
                Some(row) if source.table == ANSWERS && self.is_early(row)? => "early_answer",
                _ => source.table,
            };
            let sql = format!("DELETE FROM {table} WHERE {}", places(source.key));
            self.write(&sql, params_from_iter(followed.key.iter().map(value)))?;
            if let Some(row) = &followed.row {
                let marks = vec!["?"; row.len()].join(", ");
                let sql = format!("INSERT OR REPLACE INTO {table} VALUES ({marks})");
                self.write(&sql, params_from_iter(row.iter().map(value)))?;
            }
            if let ("item", [Cell::Integer(ix)]) = (source.table, followed.key.as_slice()) {
                self.write("DELETE FROM item_words WHERE rowid = ?1", (ix,))?;
                self.write(
                    "INSERT INTO item_words (rowid, name, brand, department, size) \
                     SELECT ix, name, brand, department, size FROM item WHERE ix = ?1",
                    (ix,),
                )?;
            }
        }
        if devices {
            for device in self.devices()? {
                self.changed(Change::Device(device));
            }
        }
        if catalog {
            self.state.prices.clear();
            self.changed(Change::Catalog);
        }
        if counted {
            // Its alerts are its own.
            self.write("INSERT OR IGNORE INTO alert_due (sku) SELECT sku FROM count_found", ())?;
        }
        self.set_followed(page.through)
    }

    /// Whether an answer follows from a record that is not here yet.
    fn is_early(&self, answer: &[Cell]) -> Result<bool, StorageError> {
        let here = self.tip()?.position;
        Ok(matches!(answer.get(ANSWER_POSITION), Some(Cell::Integer(position)) if *position > here.0))
    }
}

fn known(name: &str) -> Option<&'static Source> {
    SOURCES.iter().find(|source| source.table == name)
}

fn places(key: &[&str]) -> String {
    let place = |column: &&str| match *column {
        BYTES => format!("{column} = unhex(?)"),
        column => format!("{column} = ?"),
    };
    key.iter().map(place).collect::<Vec<String>>().join(" AND ")
}

fn size(cell: &Cell) -> usize {
    match cell {
        Cell::Null => 1,
        Cell::Integer(_) => 9,
        Cell::Text(text) => text.len(),
        Cell::Blob(bytes) => bytes.len(),
    }
}

fn value(cell: &Cell) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Integer(number) => Value::Integer(*number),
        Cell::Text(text) => Value::Text(text.clone()),
        Cell::Blob(bytes) => Value::Blob(bytes.clone()),
    }
}

fn cell(value: ValueRef<'_>) -> Cell {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(number) => Cell::Integer(number),
        // No followed table has such a column.
        ValueRef::Real(_) => Cell::Null,
        ValueRef::Text(text) => Cell::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Cell::Blob(bytes.to_vec()),
    }
}

fn cell_of_json(value: serde_json::Value) -> Option<Cell> {
    match value {
        serde_json::Value::String(text) => Some(Cell::Text(text)),
        serde_json::Value::Number(number) => number.as_i64().map(Cell::Integer),
        _ => None,
    }
}
