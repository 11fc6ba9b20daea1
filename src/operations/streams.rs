//! What a node tells its parent of itself: every incarnation that it holds records of, and how far it has each feed.

use crate::store::{IncarnationRow, Snapshot, StorageError};
use crate::sync::node::LocalStream;
use crate::sync::wire::{FeedCursor, StreamHead};

/// Every incarnation on this disk that is not abandoned, oldest first, the last being the one that is written; and the
/// feeds. An abandoned one has two branches: its records go up as copies in a later one.
///
/// # Errors
/// Where they cannot be read.
pub fn streams(snapshot: &Snapshot<'_>) -> Result<(Vec<LocalStream>, Vec<FeedCursor>), StorageError> {
    let mut incarnations = snapshot.incarnations()?;
    let newest = incarnations.last().map(|row| row.ix);
    // What was acknowledged and pruned whole has nothing left to tell.
    incarnations
        .retain(|row| Some(row.ix) == newest || (row.rehomed_through.is_none() && row.earliest_seq <= row.head.seq));
    let streams = incarnations.iter().map(local_stream).collect();
    Ok((streams, snapshot.feed_cursors()?))
}

fn local_stream(row: &IncarnationRow) -> LocalStream {
    LocalStream {
        head: StreamHead {
            head: row.head,
            earliest: row.earliest_seq,
            before_earliest: row.before_earliest,
            public_key: row.key.verifying_key().to_bytes(),
        },
        acked: row.acked,
    }
}
