//! Pickups and transfers, as far as headquarters has heard of them.

use rusqlite::types::Type;
use rusqlite::{OptionalExtension as _, Row as SqlRow};

use super::value::{damaged, incarnation, number, unsigned};
use super::{Reading, StorageError, Writing};
use crate::domain::ids::{Incarnation, NodeId, SiteId};
use crate::domain::stock::{HoldId, Pickup, Transfer, TransferId};

/// A transfer with its times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownTransfer {
    /// What is known of it.
    pub transfer: Transfer,
    /// When headquarters first heard of it, milliseconds since 1970.
    pub first_ms: u64,
    /// When something about it was last new, milliseconds since 1970.
    pub changed_ms: u64,
}

impl Reading<'_> {
    /// A pickup.
    pub(in crate::hq) fn pickup(&self, id: HoldId) -> Result<Option<Pickup>, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT pickup FROM pickup WHERE id = ?1")?;
        Ok(statement.query_row([id.0], |row| unpacked(row, 0)).optional()?)
    }

    /// Pickups in the order of their identities, behind `after`: of one site, or of all; those that are over, or those
    /// that are not.
    pub(in crate::hq) fn pickups(
        &self,
        site: Option<&SiteId>,
        over: bool,
        after: Option<HoldId>,
        limit: u32,
    ) -> Result<Vec<Pickup>, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT pickup FROM pickup WHERE (?1 IS NULL OR site = ?1) AND over = ?2 AND id > ?3 ORDER BY id LIMIT ?4",
        )?;
        let after = after.map(|id| id.0.to_vec()).unwrap_or_default();
        let pickups = statement.query_map((site.map(SiteId::as_str), over, after, limit), |row| unpacked(row, 0))?;
        Ok(pickups.collect::<Result<_, _>>()?)
    }

    /// Pickups of a site that are over since before a time and that its feed still speaks of.
    pub(in crate::hq) fn pickups_to_forget(
        &self,
        site: &SiteId,
        before_ms: u64,
        limit: u32,
    ) -> Result<Vec<Pickup>, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT pickup FROM pickup WHERE site = ?1 AND over = 1 AND told = 1 AND changed_ms < ?2
             ORDER BY changed_ms LIMIT ?3",
        )?;
        let pickups = statement.query_map((site.as_str(), number(before_ms)?, limit), |row| unpacked(row, 0))?;
        Ok(pickups.collect::<Result<_, _>>()?)
    }

    /// A transfer.
    pub(in crate::hq) fn transfer(&self, id: TransferId) -> Result<Option<KnownTransfer>, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT transfer, first_ms, changed_ms FROM transfer WHERE id = ?1")?;
        Ok(statement.query_row([id.0], known_transfer).optional()?)
    }

    /// Transfers in the order of their identities, behind `after`: from or to one site, or all; those that are over, or
    /// those that are not.
    pub(in crate::hq) fn transfers(
        &self,
        site: Option<&SiteId>,
        over: bool,
        after: Option<TransferId>,
        limit: u32,
    ) -> Result<Vec<KnownTransfer>, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT transfer, first_ms, changed_ms FROM transfer
             WHERE (?1 IS NULL OR from_site = ?1 OR to_site = ?1) AND over = ?2 AND id > ?3 ORDER BY id LIMIT ?4",
        )?;
        let after = after.map(|id| id.0.to_vec()).unwrap_or_default();
        let transfers = statement.query_map((site.map(SiteId::as_str), over, after, limit), known_transfer)?;
        Ok(transfers.collect::<Result<_, _>>()?)
    }

    /// Transfers that are over since before a time and that feeds still speak of.
    pub(in crate::hq) fn transfers_to_forget(&self, before_ms: u64, limit: u32) -> Result<Vec<Transfer>, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT transfer FROM transfer WHERE over = 1 AND told = 1 AND changed_ms < ?1
             ORDER BY changed_ms LIMIT ?2",
        )?;
        let transfers = statement.query_map((number(before_ms)?, limit), |row| unpacked(row, 0))?;
        Ok(transfers.collect::<Result<_, _>>()?)
    }

    /// The newest incarnation of a node.
    pub(in crate::hq) fn newest_incarnation(&self, node: &NodeId) -> Result<Option<Incarnation>, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT counter, random FROM origin WHERE node = ?1 ORDER BY id DESC LIMIT 1")?;
        Ok(statement
            .query_row([node.as_str()], |row| incarnation(row, 0))
            .optional()?)
    }
}

impl Writing<'_> {
    /// Keeps a pickup, of which its site's feed speaks.
    pub(in crate::hq) fn save_pickup(&self, pickup: &Pickup, now_ms: u64) -> Result<(), StorageError> {
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO pickup (id, site, over, told, changed_ms, pickup) VALUES (?1, ?2, ?3, 1, ?4, ?5)
             ON CONFLICT (id) DO UPDATE SET over = excluded.over, told = 1, changed_ms = excluded.changed_ms,
                 pickup = excluded.pickup",
        )?;
        let (ordered, over) = (&pickup.ordered, pickup.state().is_over());
        statement.execute((
            ordered.id.0,
            ordered.site.as_str(),
            over,
            number(now_ms)?,
            packed(pickup)?,
        ))?;
        Ok(())
    }

    /// A site's feed no longer speaks of a pickup.
    pub(in crate::hq) fn pickup_untold(&self, id: HoldId) -> Result<(), StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("UPDATE pickup SET told = 0 WHERE id = ?1")?;
        statement.execute([id.0])?;
        Ok(())
    }

    /// Keeps a transfer, of which the feeds of its sites speak.
    pub(in crate::hq) fn save_transfer(&self, transfer: &Transfer, now_ms: u64) -> Result<(), StorageError> {
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO transfer (id, from_site, to_site, over, told, first_ms, changed_ms, transfer)
             VALUES (?1, ?2, ?3, ?4, 1, ?5, ?5, ?6)
             ON CONFLICT (id) DO UPDATE SET from_site = excluded.from_site, to_site = excluded.to_site,
                 over = excluded.over, told = 1, changed_ms = excluded.changed_ms, transfer = excluded.transfer",
        )?;
        let (from, to) = (transfer.from(), transfer.to());
        statement.execute((
            transfer.id.0,
            from.map(SiteId::as_str),
            to.map(SiteId::as_str),
            transfer.state().is_over(),
            number(now_ms)?,
            packed(transfer)?,
        ))?;
        Ok(())
    }

    /// The feeds no longer speak of a transfer.
    pub(in crate::hq) fn transfer_untold(&self, id: TransferId) -> Result<(), StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("UPDATE transfer SET told = 0 WHERE id = ?1")?;
        statement.execute([id.0])?;
        Ok(())
    }
}

fn known_transfer(row: &SqlRow<'_>) -> rusqlite::Result<KnownTransfer> {
    Ok(KnownTransfer {
        transfer: unpacked(row, 0)?,
        first_ms: unsigned(row, 1)?,
        changed_ms: unsigned(row, 2)?,
    })
}

fn packed(value: &impl serde::Serialize) -> Result<Vec<u8>, StorageError> {
    postcard::to_allocvec(value).map_err(|error| StorageError::Failed(error.to_string()))
}

fn unpacked<T: serde::de::DeserializeOwned>(row: &SqlRow<'_>, column: usize) -> rusqlite::Result<T> {
    let bytes = row.get_ref(column)?.as_blob()?;
    postcard::from_bytes(bytes).map_err(|error| damaged(column, Type::Blob, &error))
}
