//! Pages of a feed, as a parent makes them: what is behind a node's version, or the whole feed afresh where that
//! version is of a history that the parent does not have.
//!
//! Versions count within epochs. Whoever sets a parent back to an older copy of its database stops it meanwhile, and the
//! next process to publish gives its versions out under a random number of its own; so a node whose version is of a
//! history that is lost is found, whatever was published since.

use super::wire::{FeedCursor, FeedEntry, FeedPage};

/// How many bytes of entries are gathered for each byte of a page before they are packed; entries compress about so
/// well.
const PACKING_GUESS: usize = 8;
/// What the rest of a page's message takes at most.
const PAGE_HEAD_BYTES_MAX: usize = 256;
/// The same level as batches have.
const ZSTD_LEVEL: i32 = 6;

/// The runs in which a feed's versions were given out, each by one process with a random number of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    version: u64,
    /// The first version of each run, and its epoch.
    epochs: Vec<(u64, u64)>,
}

impl History {
    /// Of a feed whose newest entry has `version`, and whose runs began with these versions and epochs, in their
    /// order.
    #[must_use]
    pub fn new(version: u64, runs: impl IntoIterator<Item = (u64, u64)>) -> Self {
        // What was published by a version that knew no epochs has the epoch 0.
        let mut epochs = vec![(0, 0)];
        epochs.extend(runs);
        Self { version, epochs }
    }

    /// The epoch in which a version was given out.
    fn epoch_of(&self, version: u64) -> u64 {
        let run = self.epochs.iter().rfind(|(first, _)| *first <= version);
        run.map_or(0, |(_, epoch)| *epoch)
    }

    /// Whether a node's version is one of this history. One that is not was given out by a parent that has been set
    /// back since, or by another one.
    #[must_use]
    pub fn has(&self, cursor: &FeedCursor) -> bool {
        cursor.version <= self.version && self.epoch_of(cursor.version) == cursor.epoch
    }

    /// Behind which version the page for a node begins.
    #[must_use]
    pub fn page_begins_behind(&self, cursor: &FeedCursor) -> u64 {
        if self.has(cursor) { cursor.version } else { 0 }
    }

    /// The page for a node, of `entries` with their versions from where it [begins](Self::page_begins_behind): as many
    /// as fit into `bytes_max` bytes as a message; none where there are no entries. Its `session` is left 0 for whoever
    /// sends it.
    #[must_use]
    pub fn page(&self, cursor: &FeedCursor, mut entries: Vec<(u64, FeedEntry)>, bytes_max: u32) -> Option<FeedPage> {
        let packed_max = packed_max(bytes_max);
        let mut packed = pack(&entries);
        while packed.len() > packed_max && entries.len() > 1 {
            entries.truncate(entries.len() / 2);
            packed = pack(&entries);
        }
        // The newest version is always that of an entry, so the last entry's is how far the page reaches.
        entries.last().map(|(through, _)| FeedPage {
            session: 0,
            feed: cursor.feed.clone(),
            after: cursor.version,
            after_epoch: cursor.epoch,
            through: *through,
            epoch: self.epoch_of(*through),
            afresh: !self.has(cursor),
            last: *through == self.version,
            count: u32::try_from(entries.len()).unwrap_or(u32::MAX),
            entries: packed,
        })
    }
}

/// How many bytes of entries to gather for a page of `bytes_max` bytes; one entry more does no harm.
#[must_use]
pub fn gathered_max(bytes_max: u32) -> usize {
    packed_max(bytes_max).saturating_mul(PACKING_GUESS)
}

fn packed_max(bytes_max: u32) -> usize {
    (bytes_max as usize).saturating_sub(PAGE_HEAD_BYTES_MAX)
}

fn pack(entries: &[(u64, FeedEntry)]) -> Vec<u8> {
    let entries: Vec<&FeedEntry> = entries.iter().map(|(_, entry)| entry).collect();
    // Neither fails: the vector grows, and zstd gets all the room that it asks for.
    let bytes = postcard::to_allocvec(&entries).unwrap_or_default();
    zstd::bulk::compress(&bytes, ZSTD_LEVEL).unwrap_or_default()
}
