//! The outbox: the journal beyond what headquarters has acknowledged. There is no other list of what is to be sent.

use std::collections::HashMap;
use std::ops::ControlFlow;

use super::clock::Now;
use super::incarnations::IncarnationRow;
use super::keys::Position;
use super::{Snapshot, StorageError, WriteTransaction};
use crate::domain::ids::Incarnation;
use crate::domain::journal::{Hash, Head};
use crate::sync::wire::Slot;

/// Under this name records of the journal are set aside; their reference is their position.
const SOURCE: &str = "journal";

/// Consecutive records of one incarnation, as they go into a batch.
pub struct Outgoing {
    /// The incarnation with its key.
    pub incarnation: IncarnationRow,
    /// The first record's number.
    pub first: u64,
    /// The chain's hash before it.
    pub before: Hash,
    /// The records; one that is withheld or does not match its hash stands for itself by that hash.
    pub slots: Vec<Slot>,
}

/// A record that was written under an incarnation with two branches.
pub(crate) struct Stranded {
    pub seq: u64,
    pub hash: Hash,
    pub record: Vec<u8>,
}

impl Snapshot<'_> {
    /// Records from `from` on: at most `records_max`, and of about `bytes_max` bytes together, but at least one. None
    /// where there is no such record.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn outgoing(
        &self,
        incarnation: Incarnation,
        from: u64,
        records_max: u32,
        bytes_max: usize,
    ) -> Result<Option<Outgoing>, StorageError> {
        let Some(row) = self.incarnation(incarnation)? else {
            return Ok(None);
        };
        let Some(before) = from
            .checked_sub(1)
            .map(|seq| self.hash_at(incarnation, seq))
            .transpose()?
            .flatten()
        else {
            return Ok(None);
        };
        if from > row.head.seq {
            return Ok(None);
        }
        let through = row.position(
            row.head
                .seq
                .min(from.saturating_add(records_max.into()).saturating_sub(1)),
        );
        let withheld = self.withheld()?;
        let (mut slots, mut hash, mut bytes) = (Vec::new(), before, 0);
        self.walk_journal::<StorageError>(row.position(from), through, |kept| {
            bytes += kept.record.len();
            if bytes > bytes_max && !slots.is_empty() {
                return Ok(ControlFlow::Break(()));
            }
            slots.push(match withheld.get(&kept.position) {
                Some(reason) => Slot::Withheld {
                    after: kept.hash,
                    reason: reason.clone(),
                },
                None if hash.after(&kept.record) == kept.hash => Slot::Record(kept.record),
                None => Slot::Withheld {
                    after: kept.hash,
                    reason: "the record on disk does not match its hash".into(),
                },
            });
            hash = kept.hash;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok((!slots.is_empty()).then_some(Outgoing {
            incarnation: row,
            first: from,
            before,
            slots,
        }))
    }

    /// The records that are withheld, with the reasons. There are hardly ever any.
    fn withheld(&self) -> Result<HashMap<Position, String>, StorageError> {
        let rows = self.all(
            "SELECT reference, reason FROM set_aside WHERE source = ?1",
            (SOURCE,),
            |row| Ok((row.get::<_, String>(0)?, row.get(1)?)),
        )?;
        Ok(rows
            .into_iter()
            .filter_map(|(at, reason)| Some((Position(at.parse().ok()?), reason)))
            .collect())
    }

    /// The records of an incarnation behind `common`, oldest first.
    pub(crate) fn stranded(&self, row: &IncarnationRow, common: u64) -> Result<Vec<Stranded>, StorageError> {
        let from = (common + 1).max(row.earliest_seq);
        let mut found = Vec::new();
        self.walk_journal::<StorageError>(row.position(from), row.position(row.head.seq), |kept| {
            let seq = from + found.len() as u64;
            found.push(Stranded {
                seq,
                hash: kept.hash,
                record: kept.record,
            });
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }
}

impl WriteTransaction<'_> {
    /// Keeps what headquarters has committed. It may be less than before: headquarters may have been set back.
    pub(crate) fn save_acked(&mut self, acked: Head) -> Result<(), StorageError> {
        match self.incarnation(acked.incarnation)? {
            Some(row) if row.acked != acked => self.set_acked(row.ix, acked),
            _ => Ok(()),
        }
    }

    /// Sets a record aside: it stays in the journal and is not sent.
    pub(crate) fn withhold(
        &mut self,
        now: Now,
        incarnation: Incarnation,
        seq: u64,
        reason: &str,
    ) -> Result<(), StorageError> {
        let Some(row) = self.incarnation(incarnation)? else {
            return Ok(());
        };
        let position = row.position(seq);
        let record = self.one("SELECT record FROM journal WHERE position = ?1", (position.0,), |row| {
            row.get::<_, Vec<u8>>(0)
        })?;
        let bytes = record.unwrap_or_default();
        self.set_aside(SOURCE, &position.0.to_string(), reason, &bytes, now)
    }
}
