//! Take a kiosk's batch: kept as it came, and acknowledged once that is on disk.

use super::hash_at;
use crate::domain::ids::NodeId;
use crate::domain::journal::Head;
use crate::store::{Failure, NewRelayBatch, Now, Snapshot, StorageError, WriteTransaction};
use crate::sync::hub::Outcome;
use crate::sync::hub_judge::{self, Verdict};
use crate::sync::hub_read::{self, Known, Readable};

/// A batch as it came.
#[derive(Debug)]
pub struct ChildBatch {
    /// The kiosk's node, named by its token.
    pub sender: NodeId,
    /// The session in which it was sent.
    pub session: u64,
    /// The sealed batch.
    pub sealed: Vec<u8>,
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// What its sender is to hear.
    pub outcome: Outcome,
    /// What is committed here, where the batch moved it.
    pub grown: Option<Head>,
}

/// Reads a batch and checks what needs no writer: its signature and its chain. The inner error is what its sender is to
/// hear of one that cannot be read.
///
/// # Errors
/// Where the store cannot be read.
pub fn read_child_batch(
    snapshot: &Snapshot<'_>,
    batch: &ChildBatch,
) -> Result<Result<Readable, Outcome>, StorageError> {
    hub_read::read(&batch.sealed, |node, incarnation| {
        let origin = snapshot.relay_origin(node, incarnation)?;
        Ok(origin.map(|origin| Known {
            acked: origin.acked,
            public_key: origin.public_key,
        }))
    })
}

/// Keeps a batch that could be read, where it continues what is here.
///
/// # Errors
/// Why the store could not keep it.
pub fn take_child_batch(
    tx: &mut WriteTransaction<'_>,
    now: Now,
    batch: &ChildBatch,
    read: &Readable,
) -> Result<Received, Failure<StorageError>> {
    let heard = |outcome| Ok(Received { outcome, grown: None });
    let header = &read.batch.header;
    if batch.sender != header.node {
        let reason = format!("{} sends what {} wrote", batch.sender, header.node);
        return heard(Outcome::Unwelcome { reason });
    }
    let Some(mut origin) = tx.relay_origin(&header.node, header.incarnation)? else {
        // It introduces itself before long, and its key with it.
        let reason = "the node has not introduced that incarnation".to_owned();
        return heard(hub_read::damaged(None, Some(header), reason));
    };
    if read.checked_with != Some(origin.public_key)
        && let Err(reason) = hub_read::verify(&read.batch, &origin.public_key)
    {
        return heard(hub_read::damaged(Some(origin.acked), Some(header), reason));
    }
    let committed = match hub_judge::compared_at(&origin.acked, header) {
        Some(at) => hash_at(tx, &origin, at)?,
        None => None,
    };
    match hub_judge::judge_batch(&origin.acked, header, &read.slots, committed) {
        Verdict::Take { .. } => {
            tx.add_relay_batch(
                origin.ix,
                &NewRelayBatch {
                    first: header.first,
                    last: header.last(),
                    before: header.before,
                    after: header.after,
                    received_ms: now.unix_ms,
                    sealed: &batch.sealed,
                },
            )?;
            origin.acked.seq = header.last();
            origin.acked.hash = header.after;
            origin.session = batch.session;
            if origin.acked.seq >= origin.told_seq {
                origin.complete_ms = origin.complete_ms.max(origin.told_ms);
            }
            tx.save_relay_origin(&origin)?;
            Ok(Received {
                outcome: Outcome::Committed { acked: origin.acked },
                grown: Some(origin.acked),
            })
        }
        Verdict::Repeat => heard(Outcome::Committed { acked: origin.acked }),
        // Headquarters has what is missing here: the kiosk goes on behind it, and nothing is wrong with its records.
        Verdict::Gap | Verdict::InHole => heard(Outcome::Gap { acked: origin.acked }),
        Verdict::Branch => {
            tracing::warn!(node = %origin.node, incarnation = %header.incarnation, first = header.first,
                "another branch of a kiosk's incarnation was offered");
            heard(Outcome::Branched { acked: origin.acked })
        }
    }
}
