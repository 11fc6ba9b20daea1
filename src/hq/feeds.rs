//! Feeds: what headquarters tells its nodes. A later entry replaces an earlier one with its key, so that a node that
//! was away for a month gets each item once.
//!
//! Versions count within epochs. Whoever sets a headquarters back to an older copy of its database stops it meanwhile,
//! and the next process to publish gives its versions out under a random number of its own; so a node whose version is
//! of a history that is lost is found, whatever was published since, and takes the feed afresh.

use super::headquarters::Headquarters;
use super::storage::{Reading, StorageError, Writing};
use crate::domain::catalog::Item;
use crate::sync::wire::{FeedCursor, FeedEntry, FeedPage};

/// The feed of items: keys are SKUs, bodies are items as JSON.
pub const CATALOG_FEED: &str = "catalog";
/// The most bytes that an entry may have, key and body together, so that a page always holds at least one.
pub const ENTRY_BYTES_MAX: usize = 16 << 10;

/// How many bytes of entries are gathered for each byte of a page before they are packed; entries compress about so
/// well.
const PACKING_GUESS: usize = 8;
/// What the rest of a page's message takes at most.
const PAGE_HEAD_BYTES_MAX: usize = 256;
const NAME_CHARACTERS_MAX: usize = 40;
/// The same level as batches have.
const ZSTD_LEVEL: i32 = 6;

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

/// The runs in which a feed's versions were given out, each by one process with a random number of its own.
struct History {
    version: u64,
    /// The first version of each run, and its epoch.
    epochs: Vec<(u64, u64)>,
}

impl History {
    fn read(reading: &Reading<'_>, feed: &str) -> Result<Self, StorageError> {
        // What was published by a version that knew no epochs has the epoch 0.
        let mut epochs = vec![(0, 0)];
        epochs.extend(reading.feed_epochs(feed)?);
        let version = reading.feed_version(feed)?;
        Ok(Self { version, epochs })
    }

    /// The epoch in which a version was given out.
    fn epoch_of(&self, version: u64) -> u64 {
        let run = self.epochs.iter().rfind(|(first, _)| *first <= version);
        run.map_or(0, |(_, epoch)| *epoch)
    }

    /// Whether a node's version is one of this history. One that is not was given out by a headquarters that has been
    /// set back since.
    fn has(&self, version: u64, epoch: u64) -> bool {
        version <= self.version && self.epoch_of(version) == epoch
    }
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
        let bytes_max = (bytes_max as usize).saturating_sub(PAGE_HEAD_BYTES_MAX);
        let gathered_max = bytes_max.saturating_mul(PACKING_GUESS);
        let (history, afresh, mut entries) = self.database.read(|reading| {
            let history = History::read(reading, feed)?;
            let afresh = !history.has(cursor.version, cursor.epoch);
            let after = if afresh { 0 } else { cursor.version };
            let entries = reading.feed_entries(feed, after, gathered_max)?;
            Ok::<_, StorageError>((history, afresh, entries))
        })?;
        let mut packed = pack(&entries);
        while packed.len() > bytes_max && entries.len() > 1 {
            entries.truncate(entries.len() / 2);
            packed = pack(&entries);
        }
        // The newest version is always that of an entry, so the last entry's is how far the page reaches.
        Ok(entries.last().map(|(through, _)| FeedPage {
            session: 0,
            feed: feed.to_owned(),
            after: cursor.version,
            after_epoch: cursor.epoch,
            through: *through,
            epoch: history.epoch_of(*through),
            afresh,
            last: *through == history.version,
            count: u32::try_from(entries.len()).unwrap_or(u32::MAX),
            entries: packed,
        }))
    }
}

/// Publishes entries, in a transaction.
pub(super) fn publish(writing: &Writing<'_>, feed: &str, entries: &[FeedEntry]) -> Result<Published, PublishError> {
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if feed.is_empty() || feed.len() > NAME_CHARACTERS_MAX || !feed.chars().all(is_name) {
        return Err(PublishError::Name(feed.chars().take(NAME_CHARACTERS_MAX).collect()));
    }
    entries.iter().try_for_each(check)?;
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

fn pack(entries: &[(u64, FeedEntry)]) -> Vec<u8> {
    let entries: Vec<&FeedEntry> = entries.iter().map(|(_, entry)| entry).collect();
    // Neither fails: the vector grows, and zstd gets all the room that it asks for.
    let bytes = postcard::to_allocvec(&entries).unwrap_or_default();
    zstd::bulk::compress(&bytes, ZSTD_LEVEL).unwrap_or_default()
}
