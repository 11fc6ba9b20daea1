//! The lives of the journal: their names, keys and what headquarters has of each.

use rusqlite::Row;

use super::changes::Change;
use super::clock::Now;
use super::keys::{IncarnationIx, Position, count, row_count, signed, unsigned};
use super::options::IncarnationSeed;
use super::writer::Tip;
use super::{Snapshot, StorageError, WriteTransaction};
use crate::domain::escrow::ReplicaId;
use crate::domain::fact::{Entry, Fact, Opened, OpenedReason};
use crate::domain::ids::Incarnation;
use crate::domain::journal::{Hash, Head};
use crate::sync::wire::SigningKey;

/// One incarnation of this disk.
#[derive(Clone)]
pub struct IncarnationRow {
    /// Its short number here; a higher one is newer.
    pub ix: IncarnationIx,
    /// Its name.
    pub incarnation: Incarnation,
    /// The key that signs its batches.
    pub key: SigningKey,
    /// Where its first record is, or was before it was pruned.
    pub first: Position,
    /// The first record that is still kept.
    pub earliest_seq: u64,
    /// The chain's hash before it.
    pub before_earliest: Hash,
    /// What headquarters has committed.
    pub acked: Head,
    /// Some where it turned out to have two branches and this disk left it.
    pub left: Option<Left>,
    /// Where it stands on this disk.
    pub head: Head,
}

/// How an incarnation with two branches was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// Up to this record both branches are the same: so far it goes on going up under its own name.
    pub common: u64,
    /// Copies of everything behind it stand in later incarnations, up to this position; 0 where there was nothing to
    /// copy.
    pub copies: Position,
}

impl IncarnationRow {
    /// The last record that goes up under this incarnation's own name; 0 for none.
    #[must_use]
    pub fn offered(&self) -> u64 {
        self.left.map_or(self.head.seq, |left| left.common.min(self.head.seq))
    }

    /// The position of a record of this incarnation.
    #[must_use]
    pub fn position(&self, seq: u64) -> Position {
        Position(self.first.0.saturating_add(row_count(seq)).saturating_sub(1))
    }

    /// The number in this incarnation of the record at a position.
    #[must_use]
    pub fn seq(&self, position: Position) -> u64 {
        count(position.0 - self.first.0 + 1)
    }
}

const COLUMNS: &str = "SELECT ix, counter, random, secret_key, first_position, earliest_seq, before_earliest, \
    acked_seq, acked_hash, rehomed_through, common_seq, \
    coalesce((SELECT later.first_position FROM incarnation later WHERE later.ix > incarnation.ix ORDER BY later.ix \
              LIMIT 1) - 1, \
             (SELECT max(position) FROM journal), first_position - 1) AS last \
    FROM incarnation";

impl Snapshot<'_> {
    /// Every incarnation of this disk, oldest first.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn incarnations(&self) -> Result<Vec<IncarnationRow>, StorageError> {
        let rows = self.all(&format!("{COLUMNS} ORDER BY ix"), (), partial)?;
        rows.into_iter().map(|row| self.with_hash(row)).collect()
    }

    /// One incarnation.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn incarnation(&self, incarnation: Incarnation) -> Result<Option<IncarnationRow>, StorageError> {
        let sql = format!("{COLUMNS} WHERE counter = ?1 AND random = ?2");
        let row = self.one(&sql, (incarnation.counter, signed(incarnation.random)), partial)?;
        row.map(|row| self.with_hash(row)).transpose()
    }

    /// The chain's hash after a record of an incarnation: stored, or known because it was acknowledged or pruned.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn hash_at(&self, incarnation: Incarnation, seq: u64) -> Result<Option<Hash>, StorageError> {
        match self.incarnation(incarnation)? {
            Some(row) => self.kept_hash(&row, seq),
            None => Ok(None),
        }
    }

    /// The same for an incarnation that was read already.
    pub(crate) fn kept_hash(&self, row: &IncarnationRow, seq: u64) -> Result<Option<Hash>, StorageError> {
        if seq.checked_add(1) == Some(row.earliest_seq) {
            return Ok(Some(row.before_earliest));
        }
        let kept = (row.earliest_seq..=row.head.seq).contains(&seq);
        let stored = if kept {
            self.hash_after(row.position(seq))?
        } else {
            None
        };
        Ok(stored.or((seq == row.acked.seq).then_some(row.acked.hash)))
    }

    /// The hash after its last record stands in the journal, or is known where all were pruned.
    fn with_hash(&self, (mut row, last): (IncarnationRow, Position)) -> Result<IncarnationRow, StorageError> {
        row.head.seq = count(last.0 - row.first.0 + 1);
        row.head.hash = match self.hash_after(last)? {
            Some(hash) if row.head.seq >= row.earliest_seq => hash,
            _ => row.before_earliest,
        };
        Ok(row)
    }

    pub(super) fn load_tip(&self) -> Result<Option<Tip>, StorageError> {
        Ok(self.incarnations()?.pop().map(|row| Tip {
            ix: row.ix,
            incarnation: row.incarnation,
            first: row.first,
            position: row.position(row.head.seq),
            hash: row.head.hash,
        }))
    }
}

impl WriteTransaction<'_> {
    /// Where the journal stands.
    ///
    /// # Errors
    /// Where no incarnation is open.
    pub fn head(&self) -> Result<Head, StorageError> {
        Ok(self.tip()?.head())
    }

    pub(super) fn tip(&self) -> Result<Tip, StorageError> {
        let none = || StorageError::Inconsistent("no incarnation is open".into());
        self.state.tip.ok_or_else(none)
    }

    /// Opens the next incarnation and records that it did. Its receipt series are new with it.
    ///
    /// # Errors
    /// Where the store failed.
    pub fn open_incarnation(
        &mut self,
        now: Now,
        seed: &IncarnationSeed,
        reason: OpenedReason,
    ) -> Result<Head, StorageError> {
        let identity = self.known_identity()?;
        let before = self.incarnations()?;
        let incarnation = next_name(&before, seed.random);
        let key = SigningKey::from_bytes(&seed.secret_key);
        let public_key = key.verifying_key().to_bytes();
        let genesis = Hash::genesis(&identity.node, incarnation);
        let end = self.state.tip.map_or(0, |tip| tip.position.0);
        let predecessor = self.state.tip.map(|tip| tip.head());
        self.write(
            "INSERT INTO incarnation (counter, random, secret_key, public_key, first_position, earliest_seq, \
             before_earliest, acked_seq, acked_hash) VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6, 0, ?6)",
            (
                incarnation.counter,
                signed(incarnation.random),
                seed.secret_key,
                public_key,
                end + 1,
                genesis.0,
            ),
        )?;
        self.state.tip = Some(Tip {
            ix: IncarnationIx(self.inserted()),
            incarnation,
            first: Position(end + 1),
            position: Position(end),
            hash: genesis,
        });
        self.state.receipt_series.clear();
        let replica = ReplicaId {
            node: identity.node.clone(),
            incarnation,
        };
        // Now, so that the first sale, which is sure, need not.
        self.state.replica = Some(self.known_replica(&replica)?);
        // What was promised was promised with rights that this incarnation does not have.
        self.remove_holds()?;
        // What was handed on was handed on by the incarnation before: sent again by this one it would be taken over twice.
        self.forget_all_granted()?;
        self.remove_unpromised()?;
        let opened = Opened {
            node: identity.node,
            site: identity.site,
            incarnation,
            reason,
            predecessor,
            public_key,
        };
        let recorded = self.stamp(now);
        let fact = Fact::Opened(opened);
        let head = self.append(&Entry { recorded, fact })?.head;
        self.changed(Change::Incarnation);
        Ok(head)
    }

    /// Keeps what headquarters has committed of an incarnation.
    pub(crate) fn set_acked(&mut self, ix: IncarnationIx, acked: Head) -> Result<(), StorageError> {
        let sql = "UPDATE incarnation SET acked_seq = ?2, acked_hash = ?3 WHERE ix = ?1";
        self.write(sql, (ix.0, row_count(acked.seq), acked.hash.0))?;
        self.changed(Change::Acknowledged);
        Ok(())
    }

    /// Marks an incarnation as one of two branches that this disk left.
    pub(crate) fn set_left(&mut self, ix: IncarnationIx, left: Left) -> Result<(), StorageError> {
        let sql = "UPDATE incarnation SET rehomed_through = ?2, common_seq = ?3 WHERE ix = ?1";
        self.write(sql, (ix.0, left.copies.0, row_count(left.common)))?;
        Ok(())
    }
}

/// The next incarnation's name. Its tag is unlike any before it on this disk, because receipt series carry it.
fn next_name(before: &[IncarnationRow], random: u64) -> Incarnation {
    const NEXT_TAG: u64 = 1 << 44;
    let counter = before
        .last()
        .map_or(1, |last| last.incarnation.counter.saturating_add(1));
    let mut name = Incarnation { counter, random };
    while before.iter().any(|row| row.incarnation.tag() == name.tag()) {
        name.random = name.random.wrapping_add(NEXT_TAG);
    }
    name
}

fn partial(row: &Row<'_>) -> rusqlite::Result<(IncarnationRow, Position)> {
    let incarnation = Incarnation {
        counter: row.get(1)?,
        random: unsigned(row.get(2)?),
    };
    let acked = Head {
        incarnation,
        seq: count(row.get(7)?),
        hash: Hash(row.get(8)?),
    };
    let common: Option<i64> = row.get(10)?;
    let read = IncarnationRow {
        ix: IncarnationIx(row.get(0)?),
        incarnation,
        key: SigningKey::from_bytes(&row.get(3)?),
        first: Position(row.get(4)?),
        earliest_seq: count(row.get(5)?),
        before_earliest: Hash(row.get(6)?),
        acked,
        left: row.get::<_, Option<i64>>(9)?.map(|copies| Left {
            common: common.map(count).unwrap_or_default(),
            copies: Position(copies),
        }),
        head: acked,
    };
    Ok((read, Position(row.get(11)?)))
}
