//! How far the node has each of headquarters' feeds.

use super::keys::{count, row_count};
use super::{Snapshot, StorageError, WriteTransaction};
use crate::sync::wire::FeedCursor;

/// The feed of items.
pub const CATALOG_FEED: &str = "catalog";
/// The feed of prices that override the catalog's.
pub const PRICES_FEED: &str = "prices";

impl Snapshot<'_> {
    /// Every feed that the node takes, and how far it has it.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn feed_cursors(&self) -> Result<Vec<FeedCursor>, StorageError> {
        [CATALOG_FEED, PRICES_FEED]
            .into_iter()
            .map(|feed| {
                let version = self.feed_version(feed)?;
                let feed = feed.into();
                Ok(FeedCursor { feed, version })
            })
            .collect()
    }

    /// The version up to which a feed is on this disk; 0 for nothing.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn feed_version(&self, feed: &str) -> Result<u64, StorageError> {
        let sql = "SELECT version FROM feed_cursor WHERE feed = ?1";
        Ok(self.one(sql, (feed,), |row| row.get(0).map(count))?.unwrap_or_default())
    }
}

impl WriteTransaction<'_> {
    /// The version of the price feed that prices come from now.
    pub(crate) fn prices_version(&mut self) -> Result<u64, StorageError> {
        if let Some(version) = self.state.prices_version {
            return Ok(version);
        }
        let version = self.feed_version(PRICES_FEED)?;
        self.state.prices_version = Some(version);
        Ok(version)
    }

    /// Moves a feed's cursor, in the transaction that applied its entries.
    pub(crate) fn set_feed_version(&mut self, feed: &str, version: u64) -> Result<(), StorageError> {
        self.write(
            "INSERT INTO feed_cursor (feed, version) VALUES (?1, ?2) \
             ON CONFLICT (feed) DO UPDATE SET version = excluded.version",
            (feed, row_count(version)),
        )?;
        self.state.prices_version = None;
        Ok(())
    }
}
