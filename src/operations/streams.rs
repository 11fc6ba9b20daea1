//! What a node tells its parent of itself: every incarnation that it holds records of, and how far it has each feed.

use crate::domain::journal::{Hash, Head};
use crate::store::{IncarnationRow, Snapshot, StorageError};
use crate::sync::node::LocalStream;
use crate::sync::wire::{FeedCursor, StreamHead};

/// Every incarnation on this disk that has something to offer under its own name, oldest first, the last being the one
/// that is written; and the feeds. One that was left is told up to where both of its branches are the same, as if it
/// ended there: what is behind goes up as copies in a later one, but a parent that was set back may have lost what is
/// before.
///
/// # Errors
/// Where they cannot be read.
pub fn streams(snapshot: &Snapshot<'_>) -> Result<(Vec<LocalStream>, Vec<FeedCursor>), StorageError> {
    let mut incarnations = snapshot.incarnations()?;
    let newest = incarnations.last().map(|row| row.ix);
    // What was acknowledged and pruned whole has nothing left to tell.
    incarnations.retain(|row| Some(row.ix) == newest || row.earliest_seq <= row.offered());
    let mut streams = Vec::with_capacity(incarnations.len());
    for row in &incarnations {
        // Where the disk no longer gives the hash at that place, nothing of that incarnation can be told.
        let hash = match row.left {
            None => Some(row.head.hash),
            Some(_) => snapshot.kept_hash(row, row.offered())?,
        };
        streams.extend(hash.map(|hash| local_stream(row, hash)));
    }
    Ok((streams, snapshot.feed_cursors()?))
}

fn local_stream(row: &IncarnationRow, hash: Hash) -> LocalStream {
    LocalStream {
        head: StreamHead {
            head: Head {
                incarnation: row.incarnation,
                seq: row.offered(),
                hash,
            },
            earliest: row.earliest_seq,
            before_earliest: row.before_earliest,
            public_key: row.key.verifying_key().to_bytes(),
        },
        acked: row.acked,
    }
}
