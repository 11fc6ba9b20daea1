//! Take a kiosk's batch: kept as it came, and acknowledged once that is on disk.

use super::hash_at;
use super::kiosk_goods::follow_kiosk;
use super::kiosk_rows::KioskRows;
use crate::domain::escrow::ReplicaId;
use crate::domain::fact::{Entry, Fact};
use crate::domain::ids::{NodeId, Sku};
use crate::domain::journal::Head;
use crate::domain::stock::{GrantLine, Place};
use crate::operations::retire::post_late;
use crate::operations::rights::{accept, own_replica};
use crate::store::{Failure, NewRelayBatch, Now, Snapshot, StorageError, WriteTransaction};
use crate::sync::hub::Outcome;
use crate::sync::hub_judge::{self, Verdict};
use crate::sync::hub_read::{self, Known, Readable};
use crate::sync::wire::Slot;

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
    /// Rights that changed hands between the kiosk and this node with it.
    pub rights: Vec<ChildRights>,
}

/// Rights that changed hands between a kiosk and this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChildRights {
    /// The kiosk has taken over what this node had handed on to it.
    TookOver {
        /// The kiosk.
        by: ReplicaId,
        /// What it took over.
        lines: Vec<GrantLine>,
    },
    /// The kiosk has handed rights on, and this node has taken them over in the same transaction.
    Accepted {
        /// The kiosk.
        from: ReplicaId,
        /// The request that it answers.
        request: Option<u64>,
        /// The items.
        skus: Vec<Sku>,
    },
    /// What a retired kiosk did behind the head that it was retired at is posted on this node's rows.
    Posted {
        /// The items.
        skus: Vec<Sku>,
    },
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
    let heard = |outcome| {
        Ok(Received {
            outcome,
            grown: None,
            rights: Vec::new(),
        })
    };
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
        Verdict::Take { from } => {
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
            let new = usize::try_from(from.saturating_sub(header.first)).unwrap_or(usize::MAX);
            let kiosk = ReplicaId {
                node: header.node.clone(),
                incarnation: header.incarnation,
            };
            follow_kiosk(tx, now, &kiosk, from, read.slots.get(new..).unwrap_or_default())?;
            Ok(Received {
                outcome: Outcome::Committed { acked: origin.acked },
                grown: Some(origin.acked),
                rights: rights_of(tx, now, read, (from, new))?,
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

/// Takes over what the new records of a batch hand on to this node, and says what they take over from it.
fn rights_of(
    tx: &mut WriteTransaction<'_>,
    now: Now,
    read: &Readable,
    (from, new): (u64, usize),
) -> Result<Vec<ChildRights>, StorageError> {
    let own = own_replica(tx)?;
    let child = ReplicaId {
        node: read.batch.header.node.clone(),
        incarnation: read.batch.header.incarnation,
    };
    let mut rights = Vec::new();
    let retired = tx.retired(&child)?;
    let mut rows = KioskRows::new(tx.known_replica(&child)?);
    for (slot, seq) in read.slots.iter().skip(new).zip(from..) {
        let Slot::Record(record) = slot else { continue };
        // What this version cannot read hands nothing on to it.
        let Ok(entry) = Entry::decode(record) else { continue };
        if let Some(retired) = retired.as_ref().filter(|retired| seq > retired.seq) {
            let skus = post_late(tx, now, retired, seq, &entry.fact)?;
            rights.extend((!skus.is_empty()).then_some(ChildRights::Posted { skus }));
            // Where nothing carries rights nothing was taken from it.
            rows.add(tx, (seq, &entry.fact), |effect| effect.place != Place::Sellable)?;
            continue;
        }
        rows.add(tx, (seq, &entry.fact), |_| true)?;
        match entry.fact {
            Fact::Granted(granted) if granted.to == own => {
                let skus: Vec<Sku> = accept(tx, now, &child, &granted)?
                    .into_iter()
                    .map(|(sku, _)| sku)
                    .collect();
                let (from, request) = (child.clone(), granted.request);
                rights.push(ChildRights::Accepted { from, request, skus });
            }
            Fact::Accepted(accepted) if accepted.from == own => {
                let (by, lines) = (child.clone(), accepted.lines);
                rights.push(ChildRights::TookOver { by, lines });
            }
            _ => {}
        }
    }
    rows.save(tx)?;
    Ok(rights)
}
