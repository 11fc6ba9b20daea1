//! Thresholds, and alerts with who has seen them.

use rusqlite::Row as SqlRow;

use super::changes::Change;
use super::clock::Now;
use super::keys::{count, row_count};
use super::snapshot::{parsed, unreadable};
use super::{Snapshot, StorageError, WriteTransaction};
use crate::domain::ids::Sku;
use crate::domain::quantity::Quantity;
use crate::domain::stock::AlertKind;

/// How many alerts that are over are kept.
const CLEARED_KEPT: i64 = 1_000;

/// Something that was told to people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertRow {
    /// Its number.
    pub ix: i64,
    /// What it is.
    pub kind: AlertKind,
    /// The item; none where it is of no item.
    pub sku: Option<Sku>,
    /// When it was raised, milliseconds since 1970.
    pub raised_ms: u64,
    /// In words.
    pub detail: String,
    /// When somebody saw it, and who.
    pub acknowledged: Option<(u64, String)>,
    /// When it was over; none while it is not.
    pub cleared_ms: Option<u64>,
    /// Higher with every change of any alert.
    pub revision: i64,
}

const COLUMNS: &str = "SELECT ix, kind, sku, raised_ms, detail, acknowledged_ms, acknowledged_by, cleared_ms, revision \
    FROM alert";

impl Snapshot<'_> {
    /// The threshold that was set for an item.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn threshold(&self, sku: &Sku) -> Result<Option<Quantity>, StorageError> {
        let sql = "SELECT quantity FROM threshold WHERE sku = ?1";
        self.one(sql, (sku.as_str(),), |row| row.get(0).map(Quantity::from_thousandths))
    }

    /// Alerts, the newest first, from before the number `before` on; at most `limit`. With those that are over where
    /// `cleared` says so.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn alerts(&self, cleared: bool, before: Option<i64>, limit: u32) -> Result<Vec<AlertRow>, StorageError> {
        let sql = format!("{COLUMNS} WHERE ix < ?1 AND (?2 OR cleared_ms IS NULL) ORDER BY ix DESC LIMIT ?3");
        self.all(&sql, (before.unwrap_or(i64::MAX), cleared, limit), alert)
    }

    /// Alerts that changed after a revision, in order; at most `limit`.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn alerts_since(&self, revision: i64, limit: u32) -> Result<Vec<AlertRow>, StorageError> {
        let sql = format!("{COLUMNS} WHERE revision > ?1 ORDER BY revision LIMIT ?2");
        self.all(&sql, (revision, limit), alert)
    }

    /// The newest revision of any alert.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn alerts_revision(&self) -> Result<i64, StorageError> {
        let found = self.one("SELECT max(revision) FROM alert", (), |row| {
            row.get::<_, Option<i64>>(0)
        })?;
        Ok(found.flatten().unwrap_or_default())
    }

    /// How many alerts of each kind are open.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn alerts_open(&self) -> Result<Vec<(AlertKind, u64)>, StorageError> {
        let sql = "SELECT kind, count(*) FROM alert WHERE cleared_ms IS NULL GROUP BY kind";
        self.all(sql, (), |row| Ok((kind(row, 0)?, count(row.get(1)?))))
    }

    /// One alert.
    pub(crate) fn alert(&self, ix: i64) -> Result<Option<AlertRow>, StorageError> {
        self.one(&format!("{COLUMNS} WHERE ix = ?1"), (ix,), alert)
    }

    /// The alert of a kind that is open for an item.
    pub(crate) fn open_alert(&self, kind: AlertKind, sku: Option<&Sku>) -> Result<Option<AlertRow>, StorageError> {
        let sql = format!("{COLUMNS} WHERE kind = ?1 AND sku = ?2 AND cleared_ms IS NULL");
        self.one(&sql, (kind.number(), sku.map_or("", Sku::as_str)), alert)
    }

    /// Items that are to be judged; at most `limit`.
    pub(crate) fn alerts_due(&self, limit: u32) -> Result<Vec<Sku>, StorageError> {
        self.all("SELECT sku FROM alert_due ORDER BY sku LIMIT ?1", (limit,), |row| {
            parsed(row, 0)
        })
    }

    /// The site's threshold by which all items were judged last.
    pub(crate) fn judged_by(&self) -> Result<Option<Quantity>, StorageError> {
        self.one("SELECT quantity FROM alert_default", (), |row| {
            row.get(0).map(Quantity::from_thousandths)
        })
    }
}

impl WriteTransaction<'_> {
    /// Keeps an item's threshold; none for the site's default.
    pub(crate) fn put_threshold(&mut self, sku: &Sku, threshold: Option<Quantity>) -> Result<(), StorageError> {
        match threshold {
            Some(quantity) => {
                let sql = "INSERT INTO threshold (sku, quantity) VALUES (?1, ?2) \
                    ON CONFLICT (sku) DO UPDATE SET quantity = excluded.quantity";
                self.write(sql, (sku.as_str(), quantity.thousandths()))?;
            }
            None => {
                self.write("DELETE FROM threshold WHERE sku = ?1", (sku.as_str(),))?;
            }
        }
        self.put_alert_due(sku)
    }

    /// Has an item judged.
    pub(crate) fn put_alert_due(&mut self, sku: &Sku) -> Result<(), StorageError> {
        self.write("INSERT OR IGNORE INTO alert_due (sku) VALUES (?1)", (sku.as_str(),))?;
        Ok(())
    }

    /// An item was judged.
    pub(crate) fn remove_alert_due(&mut self, sku: &Sku) -> Result<(), StorageError> {
        self.write("DELETE FROM alert_due WHERE sku = ?1", (sku.as_str(),))?;
        Ok(())
    }

    /// Has every item judged by another threshold of the site.
    pub(crate) fn judge_all_by(&mut self, threshold: Quantity) -> Result<(), StorageError> {
        self.write(
            "INSERT OR IGNORE INTO alert_due (sku) SELECT DISTINCT sku FROM shelf",
            (),
        )?;
        let sql = "INSERT INTO alert_default (one, quantity) VALUES (1, ?1) \
            ON CONFLICT (one) DO UPDATE SET quantity = excluded.quantity";
        self.write(sql, (threshold.thousandths(),))?;
        Ok(())
    }

    /// Raises an alert.
    pub(crate) fn raise_alert(
        &mut self,
        kind: AlertKind,
        sku: Option<&Sku>,
        detail: &str,
        now: Now,
    ) -> Result<(), StorageError> {
        let sql = "INSERT INTO alert (kind, sku, raised_ms, detail, revision) \
            VALUES (?1, ?2, ?3, ?4, (SELECT coalesce(max(revision), 0) + 1 FROM alert))";
        let sku = sku.map_or("", Sku::as_str);
        self.write(sql, (kind.number(), sku, row_count(now.unix_ms), detail))?;
        self.changed(Change::Alerts);
        Ok(())
    }

    /// Says of an open alert what there is to say now.
    pub(crate) fn detail_alert(&mut self, ix: i64, detail: &str) -> Result<(), StorageError> {
        self.touch_alert("UPDATE alert SET detail = ?2", ix, detail)
    }

    /// Says that an alert is over.
    pub(crate) fn clear_alert(&mut self, ix: i64, now: Now) -> Result<(), StorageError> {
        self.touch_alert("UPDATE alert SET cleared_ms = ?2", ix, row_count(now.unix_ms))?;
        let sql = "DELETE FROM alert WHERE cleared_ms IS NOT NULL AND ix < (SELECT max(ix) FROM alert) - ?1";
        self.write(sql, (CLEARED_KEPT,))?;
        Ok(())
    }

    /// Says that somebody has seen an alert.
    pub(crate) fn acknowledge_alert(&mut self, ix: i64, by: &str, now: Now) -> Result<(), StorageError> {
        let sql = "UPDATE alert SET acknowledged_ms = ?2, acknowledged_by = ?3, \
            revision = (SELECT max(revision) + 1 FROM alert) WHERE ix = ?1";
        self.write(sql, (ix, row_count(now.unix_ms), by))?;
        self.changed(Change::Alerts);
        Ok(())
    }

    fn touch_alert(&mut self, set: &str, ix: i64, value: impl rusqlite::ToSql) -> Result<(), StorageError> {
        let sql = format!("{set}, revision = (SELECT max(revision) + 1 FROM alert) WHERE ix = ?1");
        self.write(&sql, (ix, value))?;
        self.changed(Change::Alerts);
        Ok(())
    }
}

fn alert(row: &SqlRow<'_>) -> rusqlite::Result<AlertRow> {
    let sku = match row.get_ref(2)?.as_str()? {
        "" => None,
        _ => Some(parsed(row, 2)?),
    };
    let acknowledged = match row.get::<_, Option<i64>>(5)? {
        Some(at_ms) => Some((count(at_ms), row.get(6)?)),
        None => None,
    };
    Ok(AlertRow {
        ix: row.get(0)?,
        kind: kind(row, 1)?,
        sku,
        raised_ms: count(row.get(3)?),
        detail: row.get(4)?,
        acknowledged,
        cleared_ms: row.get::<_, Option<i64>>(7)?.map(count),
        revision: row.get(8)?,
    })
}

fn kind(row: &SqlRow<'_>, column: usize) -> rusqlite::Result<AlertKind> {
    AlertKind::from_number(row.get(column)?).ok_or_else(|| unreadable(column, "not a kind of alert"))
}
