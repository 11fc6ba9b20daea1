//! Tell where every incarnation of this disk and every feed stands.

use crate::domain::journal::Head;
use crate::store::{Snapshot, StorageError};
use crate::sync::node::LocalStream;
use crate::sync::wire::{FeedCursor, StreamHead};

/// Every incarnation whose records go up under its own name, oldest first, and how far each feed is on disk.
///
/// # Errors
/// Where they cannot be read.
pub fn streams(snapshot: &Snapshot<'_>) -> Result<(Vec<LocalStream>, Vec<FeedCursor>), StorageError> {
    let rows = snapshot.incarnations()?;
    let streams = rows
        .into_iter()
        .filter(|row| row.rehomed_through.is_none())
        .map(|row| LocalStream {
            head: StreamHead {
                head: row.head,
                earliest: row.earliest_seq,
                before_earliest: row.before_earliest,
                public_key: row.key.verifying_key().to_bytes(),
            },
            acked: row.acked,
        });
    Ok((streams.collect(), snapshot.feed_cursors()?))
}

/// Where the journal stands.
///
/// # Errors
/// Where it cannot be read, or no incarnation is open.
pub fn head(snapshot: &Snapshot<'_>) -> Result<Head, StorageError> {
    let newest = snapshot.incarnations()?.pop();
    newest
        .map(|row| row.head)
        .ok_or_else(|| StorageError::Inconsistent("no incarnation is open".into()))
}
