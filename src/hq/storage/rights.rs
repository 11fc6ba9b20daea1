//! Headquarters' own rows, what it has handed on, and its open holds.

use rusqlite::types::Type;
use rusqlite::{OptionalExtension as _, Row as SqlRow};

use super::value::{damaged, number, parsed, unsigned};
use super::{Reading, StorageError, Writing};
use crate::domain::escrow::{Amount, Registers, ReplicaId, Row};
use crate::domain::ids::{SiteId, Sku};
use crate::domain::stock::{Granted, Hold, HoldId};

/// How many bytes of grants go into one message.
const GRANTS_BYTES_MAX: usize = 32 << 10;

/// A shelf, what was handed on of it in all, and the request of the last step.
pub(in crate::hq) type GrantedInAll = (SiteId, Sku, Amount, Option<u64>);

impl Reading<'_> {
    /// Headquarters' own row of a shelf.
    pub(in crate::hq) fn own_row(&self, site: &SiteId, sku: &Sku) -> Result<Row, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT registers FROM own_shelf WHERE site = ?1 AND sku = ?2")?;
        let row = statement.query_row((site.as_str(), sku.as_str()), |row| registers(row, 0));
        Ok(row.optional()?.unwrap_or_default())
    }

    /// Every shelf on which headquarters has a row.
    pub(in crate::hq) fn own_rows(&self) -> Result<Vec<(SiteId, Sku, Row)>, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT site, sku, registers FROM own_shelf ORDER BY site, sku")?;
        let rows = statement.query_map([], |row| Ok((parsed(row, 0)?, parsed(row, 1)?, registers(row, 2)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Headquarters' own rows that a record of its journal behind `mark` moved.
    pub(super) fn own_rows_behind(&self, mark: i64) -> Result<Vec<(SiteId, Sku, Row)>, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT site, sku, registers FROM own_shelf WHERE touched > ?1 ORDER BY site, sku")?;
        let rows = statement.query_map([mark], |row| Ok((parsed(row, 0)?, parsed(row, 1)?, registers(row, 2)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Whether a replica's request on a shelf was answered by a grant.
    pub(in crate::hq) fn is_granted(
        &self,
        to: &ReplicaId,
        (site, sku): (&SiteId, &Sku),
        request: u64,
    ) -> Result<bool, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT 1 FROM granted WHERE node = ?1 AND counter = ?2 AND random = ?3 AND site = ?4 AND sku = ?5
                 AND request = ?6",
        )?;
        Ok(statement.exists((
            to.node.as_str(),
            to.incarnation.counter,
            to.incarnation.random.cast_signed(),
            site.as_str(),
            sku.as_str(),
            request.cast_signed(),
        ))?)
    }

    /// What was handed on to a replica of a shelf behind a total and it has not taken over, oldest first; no more than fits
    /// a message.
    pub(in crate::hq) fn grants_behind(
        &self,
        to: &ReplicaId,
        (site, sku): (&SiteId, &Sku),
        total: Amount,
        limit: u32,
    ) -> Result<Vec<Granted>, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT fact FROM granted WHERE node = ?1 AND counter = ?2 AND random = ?3 AND site = ?4 AND sku = ?5
                 AND after > ?6 AND taken = 0 ORDER BY after LIMIT ?7",
        )?;
        let grants = statement.query_map(
            (
                to.node.as_str(),
                to.incarnation.counter,
                to.incarnation.random.cast_signed(),
                site.as_str(),
                sku.as_str(),
                number(total.parts())?,
                limit,
            ),
            |row| Ok((row.get_ref(0)?.as_blob()?.len(), unpacked(row, 0)?)),
        )?;
        let (mut steps, mut bytes) = (Vec::new(), 0);
        for grant in grants {
            let (size, granted) = grant?;
            bytes += size;
            // What comes with a hold is as large as that.
            if bytes > GRANTS_BYTES_MAX && !steps.is_empty() {
                break;
            }
            steps.push(granted);
        }
        Ok(steps)
    }

    /// The shelves on which a replica has not taken over all that was handed on to it, with the total and the request of
    /// the last step.
    pub(in crate::hq) fn grants_outstanding(&self, to: &ReplicaId) -> Result<Vec<GrantedInAll>, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT site, sku, after, request FROM granted AS step
             WHERE node = ?1 AND counter = ?2 AND random = ?3 AND taken = 0
                 AND after = (SELECT max(after) FROM granted WHERE node = step.node AND counter = step.counter
                                  AND random = step.random AND site = step.site AND sku = step.sku)
             ORDER BY site, sku",
        )?;
        let steps = statement.query_map(
            (
                to.node.as_str(),
                to.incarnation.counter,
                to.incarnation.random.cast_signed(),
            ),
            |row| {
                let total = Amount::try_from(unsigned(row, 2)?).map_err(|error| damaged(2, Type::Integer, &error))?;
                let request: Option<i64> = row.get(3)?;
                Ok((parsed(row, 0)?, parsed(row, 1)?, total, request.map(i64::cast_unsigned)))
            },
        )?;
        Ok(steps.collect::<Result<_, _>>()?)
    }

    /// An open hold.
    pub(in crate::hq) fn own_hold(&self, id: HoldId) -> Result<Option<Hold>, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT opened, expires_ms FROM own_hold WHERE id = ?1")?;
        Ok(statement.query_row([id.0], hold).optional()?)
    }

    /// Open holds in the order of their identities, behind `after`.
    pub(in crate::hq) fn own_holds(&self, after: Option<HoldId>, limit: u32) -> Result<Vec<Hold>, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT opened, expires_ms FROM own_hold WHERE id > ?1 ORDER BY id LIMIT ?2")?;
        let after = after.map(|id| id.0.to_vec()).unwrap_or_default();
        let holds = statement.query_map((after, limit), hold)?;
        Ok(holds.collect::<Result<_, _>>()?)
    }

    /// Open holds that have run out.
    pub(in crate::hq) fn own_holds_run_out(&self, running_ms: u64, limit: u32) -> Result<Vec<Hold>, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT opened, expires_ms FROM own_hold WHERE expires_ms <= ?1 ORDER BY expires_ms LIMIT ?2",
        )?;
        let holds = statement.query_map((number(running_ms)?, limit), hold)?;
        Ok(holds.collect::<Result<_, _>>()?)
    }

    /// How long headquarters has run, as far as it was noted.
    pub(in crate::hq) fn noted_running_ms(&self) -> Result<u64, StorageError> {
        let mut statement = self.connection.prepare_cached("SELECT elapsed_ms FROM running")?;
        let noted = statement.query_row([], |row| unsigned(row, 0)).optional()?;
        Ok(noted.unwrap_or_default())
    }
}

impl Writing<'_> {
    /// Writes headquarters' own row of a shelf, moved by record `touched` of its journal.
    pub(in crate::hq) fn save_own_row(
        &self,
        (site, sku): (&SiteId, &Sku),
        row: &Row,
        touched: u64,
    ) -> Result<(), StorageError> {
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO own_shelf (site, sku, registers, touched) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (site, sku) DO UPDATE SET registers = excluded.registers, touched = excluded.touched",
        )?;
        let packed = packed(row.registers())?;
        statement.execute((site.as_str(), sku.as_str(), packed, number(touched)?))?;
        Ok(())
    }

    /// Throws headquarters' own rows away, for a new incarnation: what the old one had is not its.
    pub(in crate::hq) fn clear_own_rows(&self) -> Result<(), StorageError> {
        self.connection.execute("DELETE FROM own_shelf", [])?;
        self.connection.execute("DELETE FROM own_hold", [])?;
        self.connection.execute("DELETE FROM granted", [])?;
        self.connection.execute("DELETE FROM unpromised", [])?;
        Ok(())
    }

    /// Notes each step of a grant.
    pub(in crate::hq) fn add_granted(&self, granted: &Granted) -> Result<(), StorageError> {
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO granted (node, counter, random, site, sku, after, request, taken, fact)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8)",
        )?;
        let fact = packed(granted)?;
        for line in &granted.lines {
            statement.execute((
                granted.to.node.as_str(),
                granted.to.incarnation.counter,
                granted.to.incarnation.random.cast_signed(),
                granted.site.as_str(),
                line.sku.as_str(),
                number(line.grant.after.parts())?,
                granted.request.map(u64::cast_signed),
                &fact,
            ))?;
        }
        Ok(())
    }

    /// Notes that the replica has taken over the steps up to a total. Those below are forgotten; the last one stays.
    pub(in crate::hq) fn forget_granted(
        &self,
        to: &ReplicaId,
        (site, sku): (&SiteId, &Sku),
        total: Amount,
    ) -> Result<(), StorageError> {
        for sql in [
            "DELETE FROM granted WHERE node = ?1 AND counter = ?2 AND random = ?3 AND site = ?4 AND sku = ?5
                 AND after < ?6",
            "UPDATE granted SET taken = 1 WHERE node = ?1 AND counter = ?2 AND random = ?3 AND site = ?4 AND sku = ?5
                 AND after <= ?6",
        ] {
            self.connection.prepare_cached(sql)?.execute((
                to.node.as_str(),
                to.incarnation.counter,
                to.incarnation.random.cast_signed(),
                site.as_str(),
                sku.as_str(),
                number(total.parts())?,
            ))?;
        }
        Ok(())
    }

    /// Keeps an open hold.
    pub(in crate::hq) fn save_own_hold(&self, hold: &Hold) -> Result<(), StorageError> {
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO own_hold (id, site, opened, expires_ms) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (id) DO UPDATE SET opened = excluded.opened, expires_ms = excluded.expires_ms",
        )?;
        let opened = &hold.opened;
        let bytes = packed(opened)?;
        statement.execute((opened.id.0, opened.site.as_str(), bytes, number(hold.expires_at_ms)?))?;
        Ok(())
    }

    /// Lets a hold go that has ended.
    pub(in crate::hq) fn remove_own_hold(&self, id: HoldId) -> Result<(), StorageError> {
        let mut statement = self.connection.prepare_cached("DELETE FROM own_hold WHERE id = ?1")?;
        statement.execute([id.0])?;
        Ok(())
    }

    /// Notes how long headquarters has run.
    pub(in crate::hq) fn note_running_ms(&self, elapsed_ms: u64) -> Result<(), StorageError> {
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO running (singleton, elapsed_ms) VALUES (1, ?1)
             ON CONFLICT (singleton) DO UPDATE SET elapsed_ms = excluded.elapsed_ms
             WHERE excluded.elapsed_ms > running.elapsed_ms",
        )?;
        statement.execute([number(elapsed_ms)?])?;
        Ok(())
    }
}

fn packed(value: &impl serde::Serialize) -> Result<Vec<u8>, StorageError> {
    postcard::to_allocvec(value).map_err(|error| StorageError::Failed(error.to_string()))
}

fn unpacked<T: serde::de::DeserializeOwned>(row: &SqlRow<'_>, column: usize) -> rusqlite::Result<T> {
    let bytes = row.get_ref(column)?.as_blob()?;
    postcard::from_bytes(bytes).map_err(|error| damaged(column, Type::Blob, &error))
}

fn registers(row: &SqlRow<'_>, column: usize) -> rusqlite::Result<Row> {
    Ok(Row::from(unpacked::<Registers>(row, column)?))
}

fn hold(row: &SqlRow<'_>) -> rusqlite::Result<Hold> {
    Ok(Hold {
        opened: unpacked(row, 0)?,
        expires_at_ms: unsigned(row, 1)?,
    })
}
