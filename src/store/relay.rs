//! The lives of kiosks' journals that this node is the parent of, and how far each is here and at headquarters.

use rusqlite::Row;

use super::keys::{RelayOriginIx, count, row_count, signed, unsigned};
use super::snapshot::{parsed, unreadable};
use super::{Snapshot, StorageError, WriteTransaction};
use crate::domain::ids::{Incarnation, NodeId};
use crate::domain::journal::{Hash, Head};

/// One life of a kiosk's journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayOrigin {
    /// Its short number here.
    pub ix: RelayOriginIx,
    /// The kiosk's node.
    pub node: NodeId,
    /// The key that signs its batches.
    pub public_key: [u8; 32],
    /// What is committed here.
    pub acked: Head,
    /// The first record that is kept here: headquarters has what is before.
    pub earliest_seq: u64,
    /// The chain's hash before it.
    pub before_earliest: Hash,
    /// What headquarters has committed.
    pub top: Head,
    /// Some where headquarters knows another branch of it.
    pub fence: Option<Fence>,
    /// The session that sent the last batch; 0 for none.
    pub session: u64,
    /// The highest number that the kiosk has told of.
    pub told_seq: u64,
    /// When it told it, in milliseconds since 1970.
    pub told_ms: u64,
    /// When it last told of no more than is here, in milliseconds since 1970; 0 for never.
    pub complete_ms: u64,
}

/// Another branch of an incarnation is known at headquarters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence {
    /// Up to this record both branches are the same; no more of it goes up.
    pub common: u64,
    /// Whether the kiosk's disk was simply set back.
    pub set_back: bool,
}

impl RelayOrigin {
    /// The last record that goes up.
    #[must_use]
    pub fn offered(&self) -> u64 {
        self.fence
            .map_or(self.acked.seq, |fence| fence.common.min(self.acked.seq))
    }
}

const COLUMNS: &str = "SELECT ix, node, counter, random, public_key, acked_seq, acked_hash, earliest_seq, \
    before_earliest, top_seq, top_hash, common_seq, set_back, session, told_seq, told_ms, complete_ms FROM relay_origin";

impl Snapshot<'_> {
    /// One life of a kiosk's journal, where it is known.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn relay_origin(&self, node: &NodeId, incarnation: Incarnation) -> Result<Option<RelayOrigin>, StorageError> {
        let sql = format!("{COLUMNS} WHERE node = ?1 AND counter = ?2 AND random = ?3");
        let key = (node.as_str(), incarnation.counter, signed(incarnation.random));
        self.one(&sql, key, read)
    }

    /// All lives of a kiosk's journal, oldest first.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn relay_origins_of(&self, node: &NodeId) -> Result<Vec<RelayOrigin>, StorageError> {
        self.all(
            &format!("{COLUMNS} WHERE node = ?1 ORDER BY counter, ix"),
            (node.as_str(),),
            read,
        )
    }

    /// All lives of all kiosks' journals.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn relay_origins(&self) -> Result<Vec<RelayOrigin>, StorageError> {
        self.all(&format!("{COLUMNS} ORDER BY node, counter, ix"), (), read)
    }
}

impl WriteTransaction<'_> {
    /// Makes a life of a kiosk's journal known, with nothing committed of it.
    pub(crate) fn add_relay_origin(
        &mut self,
        node: &NodeId,
        incarnation: Incarnation,
        public_key: [u8; 32],
    ) -> Result<RelayOrigin, StorageError> {
        let genesis = Hash::genesis(node, incarnation);
        self.write(
            "INSERT INTO relay_origin (node, counter, random, public_key, acked_seq, acked_hash, earliest_seq, \
             before_earliest, top_seq, top_hash) VALUES (?1, ?2, ?3, ?4, 0, ?5, 1, ?5, 0, ?5)",
            (
                node.as_str(),
                incarnation.counter,
                signed(incarnation.random),
                public_key,
                genesis.0,
            ),
        )?;
        let made = self.relay_origin(node, incarnation)?;
        made.ok_or_else(|| StorageError::Inconsistent(format!("no row for {node} in incarnation {incarnation}")))
    }

    /// Writes what changes of a life: everything but its node, its name and its key.
    pub(crate) fn save_relay_origin(&mut self, origin: &RelayOrigin) -> Result<(), StorageError> {
        self.write(
            "UPDATE relay_origin SET acked_seq = ?2, acked_hash = ?3, earliest_seq = ?4, before_earliest = ?5, \
             top_seq = ?6, top_hash = ?7, common_seq = ?8, set_back = ?9, session = ?10, told_seq = ?11, \
             told_ms = ?12, complete_ms = ?13 WHERE ix = ?1",
            (
                origin.ix.0,
                row_count(origin.acked.seq),
                origin.acked.hash.0,
                row_count(origin.earliest_seq),
                origin.before_earliest.0,
                row_count(origin.top.seq),
                origin.top.hash.0,
                origin.fence.map(|fence| row_count(fence.common)),
                origin.fence.is_some_and(|fence| fence.set_back),
                signed(origin.session),
                row_count(origin.told_seq),
                row_count(origin.told_ms),
                row_count(origin.complete_ms),
            ),
        )?;
        Ok(())
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<RelayOrigin> {
    let incarnation = Incarnation {
        counter: row.get(2)?,
        random: unsigned(row.get(3)?),
    };
    let head = |seq: usize| {
        Ok::<_, rusqlite::Error>(Head {
            incarnation,
            seq: count(row.get(seq)?),
            hash: hash(row, seq + 1)?,
        })
    };
    let common: Option<i64> = row.get(11)?;
    let set_back = row.get(12)?;
    Ok(RelayOrigin {
        ix: RelayOriginIx(row.get(0)?),
        node: parsed(row, 1)?,
        public_key: row.get(4)?,
        acked: head(5)?,
        earliest_seq: count(row.get(7)?),
        before_earliest: hash(row, 8)?,
        top: head(9)?,
        fence: common.map(|common| Fence {
            common: count(common),
            set_back,
        }),
        session: unsigned(row.get(13)?),
        told_seq: count(row.get(14)?),
        told_ms: count(row.get(15)?),
        complete_ms: count(row.get(16)?),
    })
}

pub(super) fn hash(row: &Row<'_>, column: usize) -> rusqlite::Result<Hash> {
    let bytes = row.get_ref(column)?.as_blob()?;
    Hash::from_slice(bytes).ok_or_else(|| unreadable(column, "a hash has 32 bytes"))
}
