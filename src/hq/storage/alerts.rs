//! Alerts with who has seen them, thresholds, and what the last counts found.

use rusqlite::types::Type;
use rusqlite::{OptionalExtension as _, Row as SqlRow};

use super::value::{damaged, number, parsed, unsigned};
use super::{Reading, StorageError, Writing};
use crate::domain::ids::{NodeId, SiteId, Sku};
use crate::domain::quantity::Quantity;
use crate::domain::stock::{AlertKind, CountFound, MovementId};

/// How many alerts that are over are kept.
const CLEARED_KEPT: i64 = 10_000;

/// What an alert is of: a kind is open once for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertSubject {
    /// What it is.
    pub kind: AlertKind,
    /// The site.
    pub site: SiteId,
    /// The item, where it is of one.
    pub sku: Option<Sku>,
    /// The node, where it is of one.
    pub node: Option<NodeId>,
}

/// Something that was told to people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// Its number.
    pub id: i64,
    /// What it is of.
    pub subject: AlertSubject,
    /// When it was raised, milliseconds since 1970.
    pub raised_ms: u64,
    /// In words.
    pub detail: String,
    /// When somebody saw it, and who.
    pub acknowledged: Option<(u64, String)>,
    /// When it was over; none while it is not.
    pub cleared_ms: Option<u64>,
}

/// A count of an item, as its record says.
#[derive(Debug, Clone, Copy)]
pub(in crate::hq) struct ToldCount {
    /// Its identity.
    pub work: MovementId,
    /// When it was recorded, milliseconds since 1970.
    pub at_ms: u64,
    /// What it found.
    pub found: CountFound,
}

const COLUMNS: &str = "SELECT id, kind, site, sku, node, raised_ms, detail, acknowledged_ms, acknowledged_by, cleared_ms \
    FROM alert";

/// A shelf that is to be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertDue {
    /// The site.
    pub site: SiteId,
    /// The item.
    pub sku: Sku,
    /// How often it has moved since it is due: whoever judges reads first and writes later.
    pub moved: i64,
}

impl Reading<'_> {
    /// The threshold that was set for an item at a site.
    pub(in crate::hq) fn site_threshold(&self, site: &SiteId, sku: &Sku) -> Result<Option<Quantity>, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT quantity FROM site_threshold WHERE site = ?1 AND sku = ?2")?;
        let found = statement.query_row((site.as_str(), sku.as_str()), |row| row.get(0));
        Ok(found.optional()?.map(Quantity::from_thousandths))
    }

    /// What the last count of an item at a site found.
    pub(in crate::hq) fn count_found(&self, site: &SiteId, sku: &Sku) -> Result<Option<CountFound>, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT counted, difference, provisional FROM count_found WHERE site = ?1 AND sku = ?2")?;
        let found = statement.query_row((site.as_str(), sku.as_str()), |row| {
            Ok(CountFound {
                counted: row.get(0).map(Quantity::from_thousandths)?,
                difference: row.get(1).map(Quantity::from_thousandths)?,
                provisional: row.get::<_, i64>(2)? != 0,
            })
        });
        Ok(found.optional()?)
    }

    /// Shelves that are to be judged; at most `limit`.
    pub(in crate::hq) fn alerts_due(&self, limit: u32) -> Result<Vec<AlertDue>, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT site, sku, moved FROM alert_due ORDER BY site, sku LIMIT ?1")?;
        let due = statement.query_map([limit], |row| {
            Ok(AlertDue {
                site: parsed(row, 0)?,
                sku: parsed(row, 1)?,
                moved: row.get(2)?,
            })
        })?;
        Ok(due.collect::<Result<_, _>>()?)
    }

    /// An alert by its number.
    pub(in crate::hq) fn alert(&self, id: i64) -> Result<Option<Alert>, StorageError> {
        let mut statement = self.connection.prepare_cached(&format!("{COLUMNS} WHERE id = ?1"))?;
        Ok(statement.query_row([id], alert).optional()?)
    }

    /// The open alert of a subject.
    pub(in crate::hq) fn open_alert(&self, of: &AlertSubject) -> Result<Option<Alert>, StorageError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "{COLUMNS} WHERE kind = ?1 AND site = ?2 AND sku = ?3 AND node = ?4 AND cleared_ms IS NULL"
        ))?;
        Ok(statement.query_row(key(of), alert).optional()?)
    }

    /// Alerts, the newest first, from before `before` on; of one site or of all; with those that are over or without.
    pub(in crate::hq) fn alerts(
        &self,
        site: Option<&SiteId>,
        cleared: bool,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Alert>, StorageError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "{COLUMNS} WHERE id < ?1 AND (?2 = '' OR site = ?2) AND (?3 = 1 OR cleared_ms IS NULL)
             ORDER BY id DESC LIMIT ?4"
        ))?;
        let before = before.unwrap_or(i64::MAX);
        let found = statement.query_map(
            (before, site.map_or("", SiteId::as_str), i64::from(cleared), limit),
            alert,
        )?;
        Ok(found.collect::<Result<_, _>>()?)
    }
}

impl Writing<'_> {
    /// Keeps an item's threshold at a site; none for the default.
    pub(in crate::hq) fn save_site_threshold(
        &self,
        site: &SiteId,
        sku: &Sku,
        threshold: Option<Quantity>,
    ) -> Result<(), StorageError> {
        let key = (site.as_str(), sku.as_str());
        match threshold {
            Some(quantity) => self
                .connection
                .prepare_cached(
                    "INSERT INTO site_threshold (site, sku, quantity) VALUES (?1, ?2, ?3)
                     ON CONFLICT (site, sku) DO UPDATE SET quantity = excluded.quantity",
                )?
                .execute((key.0, key.1, quantity.thousandths()))?,
            None => self
                .connection
                .prepare_cached("DELETE FROM site_threshold WHERE site = ?1 AND sku = ?2")?
                .execute(key)?,
        };
        self.put_alert_due(site, sku)
    }

    /// Keeps what a count found of an item, unless a later one is known.
    pub(in crate::hq) fn save_count_found(
        &self,
        site: &SiteId,
        sku: &Sku,
        count: &ToldCount,
    ) -> Result<(), StorageError> {
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO count_found (site, sku, work, at_ms, counted, difference, provisional)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (site, sku) DO UPDATE SET work = excluded.work, at_ms = excluded.at_ms,
                 counted = excluded.counted, difference = excluded.difference, provisional = excluded.provisional
             WHERE excluded.at_ms >= count_found.at_ms",
        )?;
        statement.execute((
            site.as_str(),
            sku.as_str(),
            count.work.0,
            number(count.at_ms)?,
            count.found.counted.thousandths(),
            count.found.difference.thousandths(),
            i64::from(count.found.provisional),
        ))?;
        self.put_alert_due(site, sku)
    }

    /// Adds what came late for a count, where it is the last one of the item.
    pub(in crate::hq) fn add_to_count_found(
        &self,
        site: &SiteId,
        sku: &Sku,
        work: MovementId,
        late: Quantity,
    ) -> Result<(), StorageError> {
        let mut statement = self.connection.prepare_cached(
            "UPDATE count_found SET difference = difference + ?4 WHERE site = ?1 AND sku = ?2 AND work = ?3",
        )?;
        statement.execute((site.as_str(), sku.as_str(), work.0, late.thousandths()))?;
        self.put_alert_due(site, sku)
    }

    /// A count is provisional no more.
    pub(in crate::hq) fn settle_count(&self, site: &SiteId, work: MovementId) -> Result<(), StorageError> {
        for sql in [
            "UPDATE count_found SET provisional = 0 WHERE site = ?1 AND work = ?2",
            "INSERT INTO alert_due (site, sku) SELECT site, sku FROM count_found WHERE site = ?1 AND work = ?2
             ON CONFLICT (site, sku) DO UPDATE SET moved = alert_due.moved + 1",
        ] {
            self.connection.prepare_cached(sql)?.execute((site.as_str(), work.0))?;
        }
        Ok(())
    }

    /// Has a shelf judged.
    pub(in crate::hq) fn put_alert_due(&self, site: &SiteId, sku: &Sku) -> Result<(), StorageError> {
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO alert_due (site, sku) VALUES (?1, ?2)
             ON CONFLICT (site, sku) DO UPDATE SET moved = alert_due.moved + 1",
        )?;
        statement.execute((site.as_str(), sku.as_str()))?;
        Ok(())
    }

    /// A shelf was judged. Where it has moved since it was read it is due still.
    pub(in crate::hq) fn remove_alert_due(&self, judged: &AlertDue) -> Result<(), StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("DELETE FROM alert_due WHERE site = ?1 AND sku = ?2 AND moved = ?3")?;
        statement.execute((judged.site.as_str(), judged.sku.as_str(), judged.moved))?;
        Ok(())
    }

    /// Raises an alert.
    pub(in crate::hq) fn raise_alert(&self, of: &AlertSubject, detail: &str, now_ms: u64) -> Result<(), StorageError> {
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO alert (id, kind, site, sku, node, raised_ms, detail)
             VALUES ((SELECT coalesce(max(id), 0) + 1 FROM alert), ?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        let (kind, site, sku, node) = key(of);
        statement.execute((kind, site, sku, node, number(now_ms)?, detail))?;
        Ok(())
    }

    /// Says of an open alert what there is to say now.
    pub(in crate::hq) fn reword_alert(&self, id: i64, detail: &str) -> Result<(), StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("UPDATE alert SET detail = ?2 WHERE id = ?1")?;
        statement.execute((id, detail))?;
        Ok(())
    }

    /// Says that an alert is over. Those that were over long ago are forgotten.
    pub(in crate::hq) fn clear_alert(&self, id: i64, now_ms: u64) -> Result<(), StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("UPDATE alert SET cleared_ms = ?2 WHERE id = ?1")?;
        statement.execute((id, number(now_ms)?))?;
        let mut statement = self.connection.prepare_cached(
            "DELETE FROM alert WHERE cleared_ms IS NOT NULL AND id < (SELECT max(id) FROM alert) - ?1",
        )?;
        statement.execute([CLEARED_KEPT])?;
        Ok(())
    }

    /// Says that somebody has seen an alert.
    pub(in crate::hq) fn acknowledge_alert(&self, id: i64, by: &str, now_ms: u64) -> Result<(), StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("UPDATE alert SET acknowledged_ms = ?2, acknowledged_by = ?3 WHERE id = ?1")?;
        statement.execute((id, number(now_ms)?, by))?;
        Ok(())
    }

    /// Throws away what the ledger says of thresholds and counts.
    pub(in crate::hq) fn clear_thresholds_and_counts(&self) -> Result<(), StorageError> {
        self.connection.execute("DELETE FROM site_threshold", [])?;
        self.connection.execute("DELETE FROM count_found", [])?;
        Ok(())
    }
}

fn key(of: &AlertSubject) -> (u8, &str, &str, &str) {
    let sku = of.sku.as_ref().map_or("", Sku::as_str);
    let node = of.node.as_ref().map_or("", NodeId::as_str);
    (of.kind.number(), of.site.as_str(), sku, node)
}

fn alert(row: &SqlRow<'_>) -> rusqlite::Result<Alert> {
    let empty = |column: usize| Ok::<_, rusqlite::Error>(row.get_ref(column)?.as_str()?.is_empty());
    let kind = AlertKind::from_number(row.get(1)?);
    let time = |column: usize| match row.get_ref(column)? {
        rusqlite::types::ValueRef::Null => Ok(None),
        _ => unsigned(row, column).map(Some),
    };
    Ok(Alert {
        id: row.get(0)?,
        subject: AlertSubject {
            kind: kind.ok_or_else(|| damaged(1, Type::Integer, &"not a kind of alert"))?,
            site: parsed(row, 2)?,
            sku: if empty(3)? { None } else { Some(parsed(row, 3)?) },
            node: if empty(4)? { None } else { Some(parsed(row, 4)?) },
        },
        raised_ms: unsigned(row, 5)?,
        detail: row.get(6)?,
        acknowledged: match time(7)? {
            Some(at_ms) => Some((at_ms, row.get(8)?)),
            None => None,
        },
        cleared_ms: time(9)?,
    })
}
