//! The feeds that a store serves to its kiosks: the versions of its own in which each key changed last. What a key says
//! is read where it stands when a page is made.

use super::catalog::{LISTED, listed};
use super::feeds::{CATALOG_FEED, PRICES_FEED};
use super::keys::{count, row_count, signed, unsigned};
use super::{Snapshot, StorageError, WriteTransaction};
use crate::domain::catalog::Item;
use crate::domain::ids::Sku;
use crate::domain::money::Price;

/// What a key of a feed says now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Served {
    /// The catalog's item.
    Item(Item),
    /// The price feed's price.
    Price(Price),
    /// Nothing: it is gone.
    Gone,
}

/// A feed's newest version and its runs, each with its first version and its epoch, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedHistory {
    /// The newest version; 0 for none.
    pub version: u64,
    /// The runs.
    pub runs: Vec<(u64, u64)>,
}

impl Snapshot<'_> {
    /// Where a feed stands that this node serves.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn served_history(&self, feed: &str) -> Result<ServedHistory, StorageError> {
        let sql = "SELECT coalesce(max(version), 0) FROM served_entry WHERE feed = ?1";
        let version = self.one(sql, (feed,), |row| row.get(0).map(count))?.unwrap_or_default();
        let sql = "SELECT first_version, epoch FROM served_epoch WHERE feed = ?1 ORDER BY first_version";
        let runs = self.all(sql, (feed,), |row| Ok((count(row.get(0)?), unsigned(row.get(1)?))))?;
        Ok(ServedHistory { version, runs })
    }

    /// The next keys of a feed behind a version with their versions, in order, at most `limit`.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn served_keys(&self, feed: &str, after: u64, limit: u32) -> Result<Vec<(u64, String)>, StorageError> {
        let sql = "SELECT version, key FROM served_entry WHERE feed = ?1 AND version > ?2 ORDER BY version LIMIT ?3";
        self.all(sql, (feed, row_count(after), limit), |row| {
            Ok((count(row.get(0)?), row.get(1)?))
        })
    }

    /// What a key of a feed says now.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn served(&self, feed: &str, key: &str) -> Result<Served, StorageError> {
        let found = match feed {
            CATALOG_FEED => {
                let item = self.one(&format!("{LISTED} WHERE item.sku = ?1"), (key,), listed)?;
                item.map(|listed| Served::Item(listed.item))
            }
            PRICES_FEED => self.override_of(key)?.map(Served::Price),
            _ => None,
        };
        Ok(found.unwrap_or(Served::Gone))
    }

    fn override_of(&self, sku: &str) -> Result<Option<Price>, StorageError> {
        let sql = "SELECT override FROM price WHERE sku = ?1 AND override IS NOT NULL";
        let packed = self.one(sql, (sku,), |row| row.get(0).map(count))?;
        let read = |packed| Price::from_packed(packed).map_err(|error| StorageError::unreadable("a price", error));
        packed.map(read).transpose()
    }
}

impl WriteTransaction<'_> {
    /// What a key of a feed says is about to be another: it gets the feed's next version.
    pub(super) fn serve(&mut self, feed: &'static str, key: &Sku) -> Result<(), StorageError> {
        let sql = "SELECT coalesce(max(version), 0) + 1 FROM served_entry WHERE feed = ?1";
        let next: i64 = self.one(sql, (feed,), |row| row.get(0))?.unwrap_or(1);
        if !self.state.served.contains(&feed) {
            let epoch = signed(self.state.epoch);
            let sql = "INSERT OR REPLACE INTO served_epoch (feed, first_version, epoch) VALUES (?1, ?2, ?3)";
            self.write(sql, (feed, next, epoch))?;
            self.state.served.push(feed);
        }
        self.write(
            "INSERT INTO served_entry (feed, key, version) VALUES (?1, ?2, ?3) \
             ON CONFLICT (feed, key) DO UPDATE SET version = excluded.version",
            (feed, key.as_str(), next),
        )?;
        Ok(())
    }
}
