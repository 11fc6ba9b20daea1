//! Leave a branch: headquarters knows other records under numbers of this disk's incarnation.
//!
//! What headquarters has not acknowledged is recorded anew, each record with its old number and hash, in an incarnation
//! that nobody else has. So nothing that this branch sold is lost, and whoever has the same record under the old number
//! knows it for the same.

use crate::domain::fact::{Entry, Fact, OpenedReason, Rehomed};
use crate::domain::ids::Incarnation;
use crate::store::{IncarnationSeed, Now, StorageError, WriteTransaction};

/// Leaves `incarnation` behind `common`, the last record that both branches share for certain. Doing it again changes
/// nothing.
///
/// # Errors
/// Where it cannot be kept; nothing has changed then.
pub fn rehome(
    tx: &mut WriteTransaction<'_>,
    now: Now,
    seed: &IncarnationSeed,
    incarnation: Incarnation,
    common: u64,
    reason: OpenedReason,
) -> Result<(), StorageError> {
    let rows = tx.incarnations()?;
    let newest = rows.last().map(|row| row.incarnation);
    let Some(row) = rows.into_iter().find(|row| row.incarnation == incarnation) else {
        return Ok(());
    };
    if row.rehomed_through.is_some() {
        return Ok(());
    }
    let stranded = tx.stranded(&row, common)?;
    // An older incarnation is closed already, and what it lacks goes to the one that is open.
    let opened = if newest == Some(incarnation) {
        Some(tx.open_incarnation(now, seed, reason)?)
    } else {
        None
    };
    let mut through = None;
    for record in stranded {
        let rehomed = match Entry::decode(&record.record) {
            // It comes from yet another branch: it keeps its first name.
            Ok(Entry {
                fact: Fact::Rehomed(rehomed),
                ..
            }) => rehomed,
            _ => Rehomed {
                incarnation,
                seq: record.seq,
                hash: record.hash,
                record: record.record,
            },
        };
        let recorded = tx.stamp(now);
        through = Some(
            tx.append(&Entry {
                recorded,
                fact: Fact::Rehomed(rehomed),
            })?
            .position,
        );
    }
    tracing::warn!(%incarnation, common, opened = opened.is_some(), "left a branch of this disk");
    tx.leave_branch(row.ix, through)
}
