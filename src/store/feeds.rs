//! How far the node has each of headquarters' feeds.

use super::keys::{count, row_count, signed, unsigned};
use super::{Snapshot, StorageError, WriteTransaction};
use crate::domain::stock::site_feed;
use crate::sync::wire::FeedCursor;

/// The feed of items.
pub const CATALOG_FEED: &str = "catalog";
/// The feed of prices that override the catalog's.
pub const PRICES_FEED: &str = "prices";

impl Snapshot<'_> {
    /// Every feed that the node takes, and how far it has it: the last is its own site's.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn feed_cursors(&self) -> Result<Vec<FeedCursor>, StorageError> {
        let own = site_feed(&self.known_identity()?.site);
        [CATALOG_FEED, PRICES_FEED, &own]
            .into_iter()
            .map(|feed| self.feed_cursor(feed))
            .collect()
    }

    /// How far a feed is on this disk.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn feed_cursor(&self, feed: &str) -> Result<FeedCursor, StorageError> {
        let sql = "SELECT version, epoch FROM feed_cursor WHERE feed = ?1";
        let found = self.one(sql, (feed,), |row| Ok((count(row.get(0)?), unsigned(row.get(1)?))))?;
        let (version, epoch) = found.unwrap_or_default();
        let feed = feed.into();
        Ok(FeedCursor { feed, version, epoch })
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
    pub(crate) fn set_feed_cursor(&mut self, cursor: &FeedCursor) -> Result<(), StorageError> {
        self.write(
            "INSERT INTO feed_cursor (feed, version, epoch) VALUES (?1, ?2, ?3) \
             ON CONFLICT (feed) DO UPDATE SET version = excluded.version, epoch = excluded.epoch",
            (&cursor.feed, row_count(cursor.version), signed(cursor.epoch)),
        )?;
        self.state.prices_version = None;
        Ok(())
    }

    /// Begins to take a whole feed afresh: what came before and does not come again is to go at the end.
    pub(crate) fn begin_feed_afresh(&mut self, feed: &str) -> Result<(), StorageError> {
        self.write(
            "INSERT INTO feed_cursor (feed, version, round, afresh) VALUES (?1, 0, 1, 1) \
             ON CONFLICT (feed) DO UPDATE SET round = round + 1, afresh = 1",
            (feed,),
        )?;
        Ok(())
    }

    /// Notes that a key is about to come with a feed, or that the feed says it is gone. An item that was brought to
    /// this node itself stays its own, also where the feed speaks of it.
    pub(crate) fn feed_key_came(&mut self, feed: &str, key: &str, is_there: bool) -> Result<(), StorageError> {
        let sql = if is_there {
            "INSERT INTO feed_key (feed, key, round) \
             SELECT ?1, ?2, coalesce((SELECT round FROM feed_cursor WHERE feed = ?1), 0) \
             WHERE ?1 <> 'catalog' OR NOT EXISTS (SELECT 1 FROM item WHERE sku = ?2) \
                 OR EXISTS (SELECT 1 FROM feed_key WHERE feed = ?1 AND key = ?2) \
             ON CONFLICT (feed, key) DO UPDATE SET round = excluded.round"
        } else {
            "DELETE FROM feed_key WHERE feed = ?1 AND key = ?2"
        };
        self.write(sql, (feed, key))?;
        Ok(())
    }

    /// Ends taking a whole feed afresh, where that was begun: forgets the keys that did not come again, and gives them.
    pub(crate) fn end_feed_afresh(&mut self, feed: &str) -> Result<Vec<String>, StorageError> {
        let sql = "UPDATE feed_cursor SET afresh = 0 WHERE feed = ?1 AND afresh = 1";
        if self.write(sql, (feed,))? == 0 {
            return Ok(Vec::new());
        }
        let old = "feed = ?1 AND round < (SELECT round FROM feed_cursor WHERE feed = ?1)";
        let sql = format!("SELECT key FROM feed_key WHERE {old} ORDER BY key");
        let gone = self.all(&sql, (feed,), |row| row.get(0))?;
        self.write(&format!("DELETE FROM feed_key WHERE {old}"), (feed,))?;
        Ok(gone)
    }
}
