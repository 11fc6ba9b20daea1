//! Feeds: what headquarters tells its nodes. A later entry replaces an earlier one with its key, so that a node that
//! was away for a month gets each item once.
//!
//! Versions count within epochs, and pages are made, as [`feed_pages`] says.

use super::headquarters::Headquarters;
use super::storage::{Reading, StorageError, Writing};
use crate::domain::catalog::Item;
use crate::sync::feed_pages::{self, History};
use crate::sync::wire::{FeedCursor, FeedEntry, FeedPage};

/// The feed of items: keys are SKUs, bodies are items as JSON.
pub const CATALOG_FEED: &str = "catalog";
/// The most bytes that an entry may have, key and body together, so that a page always holds at least one.
pub const ENTRY_BYTES_MAX: usize = 16 << 10;

const NAME_CHARACTERS_MAX: usize = 40;
/// What a publication did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Published {
    /// How many entries are new or changed.
    pub changed: u64,
    /// How many said what was there already; they are not sent again.
    pub unchanged: u64,
    /// The version of the feed's newest entry.
    pub version: u64,
}

/// Why nothing is published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// Not a feed's name.
    #[error("a feed's name has 1 to {NAME_CHARACTERS_MAX} letters a to z, digits, '-' or '_'; this is {0:?}")]
    Name(String),
    /// An entry is larger than a page may be.
    #[error("the entry {key:?} has {bytes} bytes; {ENTRY_BYTES_MAX} are allowed")]
    TooLarge {
        /// The entry's key.
        key: String,
        /// How many bytes key and body have together.
        bytes: usize,
    },
    /// An entry without a key, or one whose body is not JSON.
    #[error("the entry {key:?} is not one: {reason}")]
    Entry {
        /// The entry's key.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

fn history(reading: &Reading<'_>, feed: &str) -> Result<History, StorageError> {
    Ok(History::new(reading.feed_version(feed)?, reading.feed_epochs(feed)?))
}

impl Headquarters {
    /// Publishes entries, all or none. What a feed says already is left out.
    ///
    /// # Errors
    /// Where a name or an entry is not one; nothing is published then.
    pub fn publish(&self, feed: &str, entries: Vec<FeedEntry>) -> Result<Published, PublishError> {
        let feed = feed.to_owned();
        self.database.write(move |writing| publish(writing, &feed, &entries))
    }

    /// Publishes items to the catalog.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    pub fn publish_items(&self, items: &[Item]) -> Result<Published, PublishError> {
        let entries = entries_of(items)?;
        self.publish(CATALOG_FEED, entries)
    }

    /// All feeds and the versions of their newest entries.
    ///
    /// # Errors
    /// Where storage fails.
    pub fn feeds(&self) -> Result<Vec<(String, u64)>, StorageError> {
        self.database.read(|reading| reading.feeds())
    }

    /// The next page of a feed behind what a node has, at most `bytes_max` bytes as a message; none where the node has
    /// everything. Where its version is of another history the page begins the feed afresh. A feed that has nothing at
    /// all says nothing: an empty headquarters must not empty its nodes. The page's `session` is left 0 for whoever
    /// sends it.
    ///
    /// # Errors
    /// Where storage fails.
    pub fn feed_page(&self, cursor: &FeedCursor, bytes_max: u32) -> Result<Option<FeedPage>, StorageError> {
        let feed = cursor.feed.as_str();
        let gathered_max = feed_pages::gathered_max(bytes_max);
        let (history, entries) = self.database.read(|reading| {
            let history = history(reading, feed)?;
            let entries = reading.feed_entries(feed, history.page_begins_behind(cursor), gathered_max)?;
            Ok::<_, StorageError>((history, entries))
        })?;
        Ok(history.page(cursor, entries, bytes_max))
    }
}

/// Publishes entries, in a transaction.
pub(super) fn publish(writing: &Writing<'_>, feed: &str, entries: &[FeedEntry]) -> Result<Published, PublishError> {
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if feed.is_empty() || feed.len() > NAME_CHARACTERS_MAX || !feed.chars().all(is_name) {
        return Err(PublishError::Name(feed.chars().take(NAME_CHARACTERS_MAX).collect()));
    }
    entries.iter().try_for_each(check)?;
    Ok(put(writing, feed, entries)?)
}

/// Puts entries that are known to be good into a feed, in a transaction.
pub(super) fn put(writing: &Writing<'_>, feed: &str, entries: &[FeedEntry]) -> Result<Published, StorageError> {
    let before = writing.feed_version(feed)?;
    let mut version = before;
    for entry in entries {
        // A key that was never told needs no word that it is gone.
        let known = writing.feed_body(feed, &entry.key)?.flatten();
        if known != entry.body {
            version += 1;
            writing.save_feed_entry(feed, version, entry)?;
        }
    }
    if version > before {
        if writing.feed_begins_epoch(feed)? {
            let epoch = getrandom::u64().map_err(|error| StorageError::Failed(error.to_string()))?;
            writing.add_feed_epoch(feed, before + 1, epoch)?;
        }
        writing.save_feed_version(feed, version)?;
    }
    Ok(Published {
        changed: version - before,
        unchanged: entries.len() as u64 - (version - before),
        version,
    })
}

/// Items as entries of the catalog.
pub(super) fn entries_of(items: &[Item]) -> Result<Vec<FeedEntry>, PublishError> {
    let entry = |item: &Item| {
        let body = serde_json::to_string(item).map_err(|error| PublishError::Entry {
            key: item.sku.to_string(),
            reason: error.to_string(),
        })?;
        Ok(FeedEntry {
            key: item.sku.to_string(),
            body: Some(body),
        })
    };
    items.iter().map(entry).collect()
}

fn check(entry: &FeedEntry) -> Result<(), PublishError> {
    let wrong = |reason: String| PublishError::Entry {
        key: entry.key.chars().take(80).collect(),
        reason,
    };
    let bytes = entry.key.len() + entry.body.as_ref().map_or(0, String::len);
    if bytes > ENTRY_BYTES_MAX {
        let key = entry.key.chars().take(80).collect();
        return Err(PublishError::TooLarge { key, bytes });
    }
    if entry.key.is_empty() {
        return Err(wrong("it has no key".into()));
    }
    match &entry.body {
        Some(body) => serde_json::from_str::<serde::de::IgnoredAny>(body)
            .map(|_| ())
            .map_err(|error| wrong(error.to_string())),
        None => Ok(()),
    }
}
