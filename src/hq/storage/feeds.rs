//! Feeds: entries compacted by key, each with the version that it was last changed in.

use rusqlite::OptionalExtension as _;

use super::value::{number, unsigned};
use super::{Reading, StorageError, Writing};
use crate::sync::wire::FeedEntry;

impl Reading<'_> {
    /// The version of a feed's newest entry; 0 where there is none.
    pub(in crate::hq) fn feed_version(&self, feed: &str) -> Result<u64, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT version FROM feed WHERE name = ?1")?;
        let version = statement.query_row([feed], |row| unsigned(row, 0));
        Ok(version.optional()?.unwrap_or_default())
    }

    /// The runs of a feed's versions, in their order: the first version of each, and its epoch.
    pub(in crate::hq) fn feed_epochs(&self, feed: &str) -> Result<Vec<(u64, u64)>, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT first_version, epoch FROM feed_epoch WHERE feed = ?1 ORDER BY first_version")?;
        let epochs = statement.query_map([feed], |row| {
            let epoch: i64 = row.get(1)?;
            Ok((unsigned(row, 0)?, epoch.cast_unsigned()))
        })?;
        Ok(epochs.collect::<Result<_, _>>()?)
    }

    /// Whether a feed's next version begins a run.
    pub(in crate::hq) fn feed_begins_epoch(&self, feed: &str) -> Result<bool, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT begins_epoch FROM feed WHERE name = ?1")?;
        let begins: Option<i64> = statement.query_row([feed], |row| row.get(0)).optional()?;
        Ok(begins != Some(0))
    }

    /// All feeds and the versions of their newest entries.
    pub(in crate::hq) fn feeds(&self) -> Result<Vec<(String, u64)>, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT name, version FROM feed ORDER BY name")?;
        let feeds = statement.query_map([], |row| Ok((row.get(0)?, unsigned(row, 1)?)))?;
        Ok(feeds.collect::<Result<_, _>>()?)
    }

    /// What a feed says under a key: nothing where it was never told, and nothing inside where it is gone.
    pub(in crate::hq) fn feed_body(&self, feed: &str, key: &str) -> Result<Option<Option<String>>, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT body FROM feed_entry WHERE feed = ?1 AND key = ?2")?;
        Ok(statement.query_row((feed, key), |row| row.get(0)).optional()?)
    }

    /// A feed's entries behind a version, in the order of their versions, with them: no more once they have
    /// `bytes_max` bytes.
    pub(in crate::hq) fn feed_entries(
        &self,
        feed: &str,
        after: u64,
        bytes_max: usize,
    ) -> Result<Vec<(u64, FeedEntry)>, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT version, key, body FROM feed_entry WHERE feed = ?1 AND version > ?2 ORDER BY version",
        )?;
        let (mut entries, mut bytes) = (Vec::new(), 0);
        let rows = statement.query_map((feed, number(after)?), |row| {
            let entry = FeedEntry {
                key: row.get(1)?,
                body: row.get(2)?,
            };
            Ok((unsigned(row, 0)?, entry))
        })?;
        for row in rows {
            let (version, entry) = row?;
            bytes += entry.key.len() + entry.body.as_ref().map_or(0, String::len);
            entries.push((version, entry));
            if bytes >= bytes_max {
                break;
            }
        }
        Ok(entries)
    }
}

impl Writing<'_> {
    /// Writes an entry in the place of what its key said before.
    pub(in crate::hq) fn save_feed_entry(
        &self,
        feed: &str,
        version: u64,
        entry: &FeedEntry,
    ) -> Result<(), StorageError> {
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO feed_entry (feed, key, version, body) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (feed, key) DO UPDATE SET version = excluded.version, body = excluded.body",
        )?;
        statement.execute((feed, &entry.key, number(version)?, &entry.body))?;
        Ok(())
    }

    /// Begins a run of a feed's versions.
    pub(in crate::hq) fn add_feed_epoch(&self, feed: &str, first_version: u64, epoch: u64) -> Result<(), StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("INSERT INTO feed_epoch (feed, first_version, epoch) VALUES (?1, ?2, ?3)")?;
        statement.execute((feed, number(first_version)?, epoch.cast_signed()))?;
        Ok(())
    }

    /// Lets the next version of every feed begin a run.
    pub(in crate::hq) fn begin_feed_epochs(&self) -> Result<(), StorageError> {
        self.connection.execute("UPDATE feed SET begins_epoch = 1", [])?;
        Ok(())
    }

    /// Writes the version of a feed's newest entry, which belongs to the run that has begun.
    pub(in crate::hq) fn save_feed_version(&self, feed: &str, version: u64) -> Result<(), StorageError> {
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO feed (name, version, begins_epoch) VALUES (?1, ?2, 0)
             ON CONFLICT (name) DO UPDATE SET version = excluded.version, begins_epoch = 0",
        )?;
        statement.execute((feed, number(version)?))?;
        Ok(())
    }
}
