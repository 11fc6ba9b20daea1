//! Follow: records of the node that is followed are appended as they are, and what follows from them is made at once.

use crate::domain::fact::{Entry, Fact};
use crate::domain::ids::NodeId;
use crate::domain::journal::Hash;
use crate::domain::stock::{Effect, effects, effects_of_copy};
use crate::operations::repair::Rebuild;
use crate::operations::shelves::Shelves;
use crate::store::{Failure, IncarnationRow, Position, Snapshot, StorageError, WriteTransaction};
use crate::sync::hub::{Introduction, Outcome};
use crate::sync::hub_judge::{self, HeadVerdict, Verdict};
use crate::sync::hub_read::{self, Known, Readable};
use crate::sync::wire::{Hello, RowsPage, Slot, StreamState, StreamStatus};

/// Why nothing of what came is kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FollowError {
    /// This disk follows nobody.
    #[error("this disk follows nobody")]
    NotAStandby,
    /// What the followed node writes is not what this copy has.
    #[error("{0}")]
    Another(String),
}

/// Says what this copy has of the incarnation that the followed node writes.
///
/// # Errors
/// A [`FollowError`], or why the store could not be read.
pub fn introduce_followed(snapshot: &Snapshot<'_>, hello: &Hello) -> Result<Introduction, Failure<FollowError>> {
    let row = present(snapshot)?;
    let mut told = hello.streams.iter();
    let (Some(told), None) = (told.next(), told.next()) else {
        return Err(another("the followed node does not say which incarnation it writes"));
    };
    if told.head.incarnation != row.incarnation {
        return Err(another("the followed node writes another incarnation than this copy"));
    }
    let committed = snapshot.kept_hash(&row, told.head.seq)?;
    match hub_judge::judge_head(&row.head, told, committed, false) {
        HeadVerdict::Agrees => {}
        verdict => {
            return Err(another(&format!(
                "the followed node's journal is another one ({verdict:?})"
            )));
        }
    }
    Ok(Introduction::Known(vec![StreamStatus {
        acked: row.head,
        common: 0,
        state: StreamState::Counted,
    }]))
}

/// Reads a batch and checks what needs no writer: its signature and its chain. The inner error is what its sender is to
/// hear of one that cannot be read.
///
/// # Errors
/// Where the store cannot be read.
pub fn read_followed(snapshot: &Snapshot<'_>, sealed: &[u8]) -> Result<Result<Readable, Outcome>, StorageError> {
    let own = snapshot.known_identity()?.node;
    hub_read::read(sealed, |node: &NodeId, incarnation| {
        let row = match *node == own {
            true => snapshot.incarnation(incarnation)?,
            false => None,
        };
        Ok(row.map(|row| Known {
            acked: row.head,
            public_key: row.key.verifying_key().to_bytes(),
        }))
    })
}

/// Keeps the records of a batch that could be read, where it continues what is here, and makes what follows from them.
///
/// # Errors
/// Why the store could not keep it.
pub fn follow_batch(tx: &mut WriteTransaction<'_>, read: &Readable) -> Result<Outcome, Failure<FollowError>> {
    if tx.following()?.is_none() {
        return Err(Failure::Refused(FollowError::NotAStandby));
    }
    let row = present(tx)?;
    let header = &read.batch.header;
    if header.incarnation != row.incarnation || read.checked_with.is_none() {
        return Err(another("a batch of another incarnation than this copy's"));
    }
    let committed = match hub_judge::compared_at(&row.head, header) {
        Some(at) => tx.kept_hash(&row, at)?,
        None => None,
    };
    let from = match hub_judge::judge_batch(&row.head, header, &read.slots, committed) {
        Verdict::Take { from } => from,
        Verdict::Repeat => return Ok(Outcome::Committed { acked: row.head }),
        Verdict::Gap | Verdict::InHole => return Ok(Outcome::Gap { acked: row.head }),
        Verdict::Branch => return Err(another("the followed node's journal has another branch")),
    };
    let new = usize::try_from(from.saturating_sub(header.first)).unwrap_or(usize::MAX);
    let mut hash = row.head.hash;
    let mut rebuild = Rebuild::new(tx)?;
    for slot in read.slots.iter().skip(new) {
        hash = slot.chain(hash);
        match slot {
            Slot::Record(record) => take(tx, &mut rebuild, record, hash)?,
            // That node cannot read it either; its place in the chain is kept, and it stays withheld.
            Slot::Withheld { .. } => drop(tx.append_followed(&[], hash)?),
        }
    }
    tx.take_early_answers()?;
    Ok(Outcome::Committed { acked: tx.head()? })
}

/// Keeps rows that no record gives, where they continue those that are here. Gives the last change that is here then.
///
/// # Errors
/// A [`FollowError`], or why the store could not keep them.
pub fn keep_rows(tx: &mut WriteTransaction<'_>, page: &RowsPage) -> Result<u64, Failure<FollowError>> {
    let Some(following) = tx.following()? else {
        return Err(Failure::Refused(FollowError::NotAStandby));
    };
    if page.through <= following.change {
        return Ok(following.change);
    }
    if page.after > following.change {
        return Err(another("rows are missing before those that came"));
    }
    tx.keep_followed_rows(page)?;
    Ok(page.through)
}

fn take(tx: &mut WriteTransaction<'_>, rebuild: &mut Rebuild, record: &[u8], hash: Hash) -> Result<(), StorageError> {
    let position = tx.append_followed(record, hash)?;
    // A newer version's record moves nothing that this version knows.
    let Ok(entry) = Entry::decode(record) else {
        return Ok(());
    };
    rebuild.fact(tx, &entry.fact, position)?;
    if let Fact::Retired(retired) = &entry.fact {
        let replica = tx.known_replica(&retired.replica)?;
        tx.put_retired(replica, retired.seq, Some(position))?;
    }
    match &entry.fact {
        Fact::Rehomed(copy) => match Entry::decode(&copy.record) {
            Ok(copied) => move_rows(tx, effects_of_copy(&copied.fact), position),
            Err(_) => Ok(()),
        },
        fact => move_rows(tx, effects(fact), position),
    }
}

fn move_rows(tx: &mut WriteTransaction<'_>, effects: Vec<Effect<'_>>, position: Position) -> Result<(), StorageError> {
    let mut shelves = Shelves::default();
    for effect in effects {
        match shelves.apply(tx, &effect) {
            Ok(_) => {}
            Err(Failure::Storage(error)) => return Err(error),
            // It has happened. `verify` names what differs.
            Err(Failure::Refused(refusal)) => {
                tracing::error!(position = position.get(), sku = %effect.sku, %refusal, "a followed record moves no row");
            }
        }
    }
    shelves.save(tx, position)
}

fn present(snapshot: &Snapshot<'_>) -> Result<IncarnationRow, StorageError> {
    let newest = snapshot.incarnations()?.pop();
    newest.ok_or_else(|| StorageError::Inconsistent("no incarnation is open".into()))
}

fn another(reason: &str) -> Failure<FollowError> {
    Failure::Refused(FollowError::Another(reason.to_owned()))
}
