//! Reincarnate: an incarnation of this disk has another branch, at headquarters or on a copied disk. The node goes on
//! under a new one, and what headquarters may not have of the old one is recorded anew in it, each with its old place.
//!
//! Nothing is counted twice: here the copies move neither stock nor documents, because the records themselves stand in
//! the journal; headquarters passes over those that it has under their old place.

use std::ops::ControlFlow;

use super::shelves::{Shelves, impossible, rebuild_rows};
use crate::domain::fact::{Entry, Fact, OpenedReason, Rehomed};
use crate::domain::ids::Incarnation;
use crate::domain::journal::Head;
use crate::domain::stock::effects_of_copy;
use crate::store::{Failure, IncarnationRow, IncarnationSeed, Left, Now, Position, StorageError, WriteTransaction};

/// How many records are held in memory at once.
const STEP: u64 = 500;

/// Why nothing was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReincarnateRefusal {
    /// This disk has no such incarnation.
    #[error("this disk has no incarnation {0}")]
    UnknownIncarnation(Incarnation),
}

/// Keeps every record of `incarnation` behind `common`, up to which both branches are the same for certain, under
/// another incarnation: a new one where it is the one being written, else the present one. A second time with a lower
/// `common` keeps what lies between in the same way; otherwise it changes nothing. Gives where the journal stands.
///
/// # Errors
/// A [`ReincarnateRefusal`], or why the store could not keep it.
pub fn reincarnate(
    tx: &mut WriteTransaction<'_>,
    now: Now,
    incarnation: Incarnation,
    common: u64,
    reason: OpenedReason,
    seed: &IncarnationSeed,
) -> Result<Head, Failure<ReincarnateRefusal>> {
    let Some(row) = tx.incarnation(incarnation)? else {
        return Err(Failure::Refused(ReincarnateRefusal::UnknownIncarnation(incarnation)));
    };
    if row.left.is_none_or(|left| common < left.common) {
        if tx.head()?.incarnation == incarnation {
            tx.open_incarnation(now, seed, reason)?;
        }
        let copies = rehome(tx, now, &row, common)?;
        let left = Left {
            common: common.min(row.offered()),
            copies: copies.max(row.left.map_or(Position::NONE, |left| left.copies)),
        };
        tx.set_left(row.ix, left)?;
        if let Some(left) = tx.incarnation(incarnation)? {
            rebuild_rows(tx, &left)?;
            tx.restart_history()?;
        }
    }
    Ok(tx.head()?)
}

/// Records what is behind `common` anew, as far as it went up under its own name until now; where the last copy
/// stands.
fn rehome(
    tx: &mut WriteTransaction<'_>,
    now: Now,
    row: &IncarnationRow,
    common: u64,
) -> Result<Position, StorageError> {
    let mut through = Position::NONE;
    let mut next = common.saturating_add(1).max(row.earliest_seq);
    while next <= row.offered() {
        let last = row.offered().min(next + STEP - 1);
        let mut copies = Vec::new();
        tx.walk_journal(row.position(next), row.position(last), |found| {
            let entry = Entry::decode(&found.record).map(|entry| entry.fact);
            copies.extend(match entry {
                // It says where that chain begins; this chain has its own.
                Ok(Fact::Opened(_)) => None,
                // What it holds is known by its first place, however often it moves.
                Ok(Fact::Rehomed(earlier)) => Some(earlier),
                _ => Some(Rehomed {
                    incarnation: row.incarnation,
                    seq: row.seq(found.position),
                    hash: found.hash,
                    record: found.record,
                }),
            });
            Ok::<_, StorageError>(ControlFlow::Continue(()))
        })?;
        for copy in copies {
            let recorded = tx.stamp(now);
            let copied = Entry::decode(&copy.record);
            let fact = Fact::Rehomed(copy);
            through = tx.append(&Entry { recorded, fact })?.position;
            let mut shelves = Shelves::default();
            for effect in copied.iter().flat_map(|entry| effects_of_copy(&entry.fact)) {
                shelves
                    .apply(tx, &effect)
                    .map_err(|failure| impossible(&effect, failure))?;
            }
            shelves.save(tx, through)?;
        }
        next = last + 1;
    }
    Ok(through)
}
