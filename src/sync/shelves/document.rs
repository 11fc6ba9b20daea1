//! One writer's rows of up to [`SKUS_MAX`] items, as an Automerge document.
//!
//! What another program finds in it: at the root `site`, `node`, `incarnation`, `bucket` and `generation` say whose it
//! is; `peers` is a list of replicas (`node/incarnation`), `skus` a list of items, `rows` a list of bytes, the row of each
//! item at its place, in the form of [`packed`](super::packed); `through` is the last record of the writer's journal
//! that the rows contain. Lists only grow. An item is named once and then only by its place: a row that changes costs 9
//! bytes on the wire so, where a map from item to row costs 14.

mod reading;
mod repair;

use std::collections::BTreeMap;

use automerge::transaction::{CommitOptions, Transactable};
use automerge::{
    ActorId, AutoCommit, AutomergeError, ChangeHash, LoadChangeError, ObjType, ROOT, ReadDoc, ScalarValue,
};

use self::reading::{list, read_change, unpanicked};
pub use self::repair::RepairState;
use super::packed::{self, PackedError};
use crate::domain::escrow::{Broken, ReplicaId, Row};
use crate::domain::ids::{SiteId, Sku};

/// The most items in a document.
pub const SKUS_MAX: usize = 256;
/// The most replicas that one document's rows may name.
const PEERS_MAX: usize = 4_096;
/// A writer starts a document anew once it has so many times more operations than its items take.
const HISTORY_FACTOR: u64 = 8;
/// Below so many operations history is cheap.
const HISTORY_MIN: u64 = 4_096;

/// Whose document, and which of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentId {
    /// The site whose shelves they are.
    pub site: SiteId,
    /// The only writer.
    pub writer: ReplicaId,
    /// The writer's own count of its documents of this site.
    pub bucket: u32,
    /// How often it was started anew. From `KEPT` on: the writer is retired, and its parent writes this document for it,
    /// under a number that the parent's incarnation gives.
    pub generation: u32,
}

/// From this generation on a document is written for a retired replica by its parent. Two parents, or two incarnations of
/// one, write two documents, so that no two write as one actor.
const KEPT: u32 = 1 << 31;

impl DocumentId {
    /// The generation of documents that `keeper` writes for replicas that it has retired.
    #[must_use]
    pub fn kept_by(keeper: &ReplicaId) -> u32 {
        let [a, b, c, d, ..] = keeper.incarnation.random.to_be_bytes();
        KEPT | u32::from_be_bytes([a, b, c, d])
    }

    /// Whether the writer is retired and its parent writes this document for it.
    #[must_use]
    pub const fn is_kept(&self) -> bool {
        self.generation >= KEPT
    }

    /// Automerge's name for the writer: the incarnation's random bits, its count and the generation. It is the same for
    /// as long as the document is written, and another for every incarnation, so that two branches of one disk can never
    /// write as one actor.
    fn actor(&self) -> ActorId {
        let incarnation = self.writer.incarnation;
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&incarnation.random.to_be_bytes());
        bytes[8..12].copy_from_slice(&incarnation.counter.to_be_bytes());
        bytes[12..].copy_from_slice(&self.generation.to_be_bytes());
        ActorId::from(&bytes[..])
    }
}

/// What a reader has of a document: the hashes of the changes that nothing follows. A document of one writer has at most
/// one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Heads(Vec<ChangeHash>);

impl Heads {
    /// As 32 bytes each.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<[u8; 32]> {
        self.0.iter().map(|hash| hash.0).collect()
    }

    /// True where nothing is known of the document.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first eight bytes of all of them, combined by exclusive or: enough to see whether two readers have the same.
    #[must_use]
    pub fn short(&self) -> [u8; 8] {
        let mut short = [0; 8];
        for hash in &self.0 {
            for (byte, other) in short.iter_mut().zip(hash.0) {
                *byte ^= other;
            }
        }
        short
    }
}

impl FromIterator<[u8; 32]> for Heads {
    fn from_iter<I: IntoIterator<Item = [u8; 32]>>(hashes: I) -> Self {
        Self(hashes.into_iter().map(ChangeHash).collect())
    }
}

/// Why a document, or changes to one, are not taken.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// Somebody else than the writer changed it.
    #[error("a change by {found}, and only {writer} may write this document")]
    Foreign {
        /// Automerge's name for whoever did.
        found: String,
        /// Who may.
        writer: ReplicaId,
    },
    /// It says that it is another document.
    #[error("the document says that its {0} is another than it was sent as")]
    OtherDocument(&'static str),
    /// Changes before these have not come; what is missing can be asked for by the heads.
    #[error("changes that these build on have not come")]
    Missing,
    /// A part is not there, or not of its kind.
    #[error("the document's {0} is missing or of another form")]
    Malformed(&'static str),
    /// A row cannot be read.
    #[error("the row of {sku}: {error}")]
    Packed {
        /// The item.
        sku: Sku,
        /// Why.
        error: PackedError,
    },
    /// A row that no sequence of verbs leads to.
    #[error("the row of {sku} breaks its own sums: {error}")]
    Broken {
        /// The item.
        sku: Sku,
        /// What is wrong.
        error: Broken,
    },
    /// The writer lowered a register.
    #[error("a register of {0} is lower than before")]
    Lowered(Sku),
    /// More items, or more replicas, than a document may hold.
    #[error("the document holds too many {0}")]
    TooMany(&'static str),
    /// Bytes that are not a change.
    #[error("not a change: {0}")]
    Unreadable(#[from] LoadChangeError),
    /// A change whose checksum does not fit it, or that Automerge stumbles over.
    #[error("a change is damaged")]
    Damaged,
    /// Automerge cannot do it.
    #[error(transparent)]
    Automerge(#[from] AutomergeError),
}

/// A document, with its rows as they are read.
#[derive(Debug, Clone)]
pub struct Document {
    id: DocumentId,
    inner: AutoCommit,
    peers: Vec<ReplicaId>,
    skus: Vec<Sku>,
    rows: Vec<Row>,
    through: u64,
}

impl Document {
    /// A new one, empty, to be written here.
    ///
    /// # Errors
    /// Where Automerge fails.
    pub fn create(id: DocumentId) -> Result<Self, DocumentError> {
        let mut document = Self::unheard(id);
        let DocumentId {
            site,
            writer,
            bucket,
            generation,
        } = &document.id;
        let inner = &mut document.inner;
        inner.put(ROOT, "site", site.as_str())?;
        inner.put(ROOT, "node", writer.node.as_str())?;
        inner.put(ROOT, "incarnation", writer.incarnation.to_string())?;
        inner.put(ROOT, "bucket", u64::from(*bucket))?;
        inner.put(ROOT, "generation", u64::from(*generation))?;
        inner.put(ROOT, "through", 0u64)?;
        for list in ["peers", "skus", "rows"] {
            inner.put_object(ROOT, list, ObjType::List)?;
        }
        inner.commit_with(CommitOptions::default().with_time(0));
        Ok(document)
    }

    /// One that nothing has been heard of yet, to be read here: changes are brought by [`apply`](Self::apply).
    #[must_use]
    pub fn unheard(id: DocumentId) -> Self {
        Self {
            inner: AutoCommit::new().with_actor(id.actor()),
            id,
            peers: Vec::new(),
            skus: Vec::new(),
            rows: Vec::new(),
            through: 0,
        }
    }

    /// One that was saved.
    ///
    /// # Errors
    /// Where the bytes are not a document of this name.
    pub fn load(id: DocumentId, saved: &[u8]) -> Result<Self, DocumentError> {
        let mut document = Self::unheard(id);
        let mut inner = unpanicked(|| AutoCommit::load(saved))??;
        let changes = inner.get_changes(&[]);
        document.refuse_foreign(&changes)?;
        inner.set_actor(document.id.actor());
        document.inner = inner;
        document.read()?;
        Ok(document)
    }

    /// Which it is.
    #[must_use]
    pub const fn id(&self) -> &DocumentId {
        &self.id
    }

    /// Its items with their rows, in the order in which the writer first touched them.
    pub fn rows(&self) -> impl Iterator<Item = (&Sku, &Row)> {
        self.skus.iter().zip(&self.rows)
    }

    /// The last record of the writer's journal that the rows contain; 0 for none.
    #[must_use]
    pub const fn through(&self) -> u64 {
        self.through
    }

    /// How many more items it has room for.
    #[must_use]
    pub const fn room(&self) -> usize {
        SKUS_MAX.saturating_sub(self.skus.len())
    }

    /// Puts the net state of items in, as one change; nothing where nothing differs. The writer calls it at a sync point,
    /// not at every sale: a thousand sales of an item cost what one costs.
    ///
    /// # Errors
    /// [`DocumentError::TooMany`], [`DocumentError::Lowered`], or where Automerge fails. What was not committed is not in
    /// the document then.
    pub fn write<'a>(
        &mut self,
        rows: impl IntoIterator<Item = (&'a Sku, &'a Row)>,
        through: u64,
    ) -> Result<bool, DocumentError> {
        let done = self.put_all(rows, through);
        match done {
            Ok(true) => {
                self.inner.commit_with(CommitOptions::default().with_time(0));
            }
            Ok(false) => {}
            Err(_) => {
                self.inner.rollback();
                self.read()?;
            }
        }
        done
    }

    fn put_all<'a>(
        &mut self,
        rows: impl IntoIterator<Item = (&'a Sku, &'a Row)>,
        through: u64,
    ) -> Result<bool, DocumentError> {
        let (sku_list, row_list) = (list(&self.inner, "skus")?, list(&self.inner, "rows")?);
        let mut places: BTreeMap<Sku, usize> = self.skus.iter().cloned().zip(0..).collect();
        let mut changed = false;
        for (sku, row) in rows {
            let known = places.get(sku).copied();
            if known.is_some_and(|at| self.rows[at] == *row) {
                continue;
            }
            let bytes = ScalarValue::Bytes(self.pack(row)?);
            if let Some(at) = known {
                if !row.covers(&self.rows[at]) {
                    return Err(DocumentError::Lowered(sku.clone()));
                }
                self.inner.put(&row_list, at, bytes)?;
                self.rows[at] = row.clone();
            } else {
                let at = self.skus.len();
                if at >= SKUS_MAX {
                    return Err(DocumentError::TooMany("items"));
                }
                self.inner.insert(&sku_list, at, sku.as_str())?;
                self.inner.insert(&row_list, at, bytes)?;
                places.insert(sku.clone(), at);
                self.skus.push(sku.clone());
                self.rows.push(row.clone());
            }
            changed = true;
        }
        if changed && through != self.through {
            self.inner.put(ROOT, "through", through)?;
            self.through = through;
        }
        Ok(changed)
    }

    /// A row's bytes, with the replicas that it names in the document's list.
    fn pack(&mut self, row: &Row) -> Result<Vec<u8>, DocumentError> {
        let registers = row.registers();
        for replica in registers.given.keys().chain(registers.accepted.keys()) {
            if !self.peers.contains(replica) {
                let at = self.peers.len();
                if at >= PEERS_MAX {
                    return Err(DocumentError::TooMany("replicas"));
                }
                let peer_list = list(&self.inner, "peers")?;
                self.inner.insert(&peer_list, at, replica.to_string())?;
                self.peers.push(replica.clone());
            }
        }
        let peers = &self.peers;
        let place = |replica: &ReplicaId| peers.iter().position(|peer| peer == replica).unwrap_or(peers.len());
        Ok(packed::pack(row, |replica| place(replica) as u64))
    }

    /// What a reader has who has this document.
    pub fn heads(&mut self) -> Heads {
        Heads(self.inner.get_heads())
    }

    /// The changes that a reader lacks who has `heads`, oldest first, each as Automerge writes it.
    pub fn changes_since(&mut self, heads: &Heads) -> Vec<Vec<u8>> {
        let changes = self.inner.get_changes(&heads.0);
        changes.iter().map(|change| change.raw_bytes().to_vec()).collect()
    }

    /// The same, each with the heads of a reader who has it and all before it.
    pub fn history_since(&mut self, heads: &Heads) -> Vec<(Heads, Vec<u8>)> {
        let changes = self.inner.get_changes(&heads.0);
        let change = |change: &automerge::Change| (Heads(vec![change.hash()]), change.raw_bytes().to_vec());
        changes.iter().map(change).collect()
    }

    /// True where every change that these heads name is in the document.
    pub fn knows(&mut self, heads: &Heads) -> bool {
        heads
            .0
            .iter()
            .all(|head| self.inner.get_change_meta_by_hash(head).is_some())
    }

    /// True where this document says all that `other` did, so that a reader who has it needs the other no more.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let rows: BTreeMap<&Sku, &Row> = self.rows().collect();
        let covered = |(sku, row): (&Sku, &Row)| rows.get(sku).is_some_and(|newer| newer.covers(row));
        self.through >= other.through && other.rows().all(covered)
    }

    /// Takes changes in. Those that are known already do nothing. Gives the items whose rows are new or changed.
    ///
    /// # Errors
    /// Where a change is not the writer's, or makes of the document what no writer does. Nothing is taken in then.
    pub fn apply(&mut self, changes: &[Vec<u8>]) -> Result<Vec<Sku>, DocumentError> {
        let changes = changes
            .iter()
            .map(|bytes| read_change(bytes))
            .collect::<Result<Vec<_>, _>>()?;
        self.refuse_foreign(&changes)?;
        let mut after = self.clone();
        let inner = &mut after.inner;
        unpanicked(|| inner.apply_changes(changes))??;
        if !after.inner.get_missing_deps(&[]).is_empty() {
            return Err(DocumentError::Missing);
        }
        after.read()?;
        let mut touched = Vec::new();
        for (at, (sku, row)) in after.rows().enumerate() {
            match (self.skus.get(at), self.rows.get(at)) {
                (Some(known), _) if known != sku => return Err(DocumentError::Malformed("skus")),
                (_, Some(before)) if before == row => {}
                (_, Some(before)) if !row.covers(before) => return Err(DocumentError::Lowered(sku.clone())),
                _ => touched.push(sku.clone()),
            }
        }
        if after.skus.len() < self.skus.len() {
            return Err(DocumentError::Malformed("skus"));
        }
        *self = after;
        Ok(touched)
    }

    /// The whole document with its history.
    pub fn save(&mut self) -> Vec<u8> {
        self.inner.save()
    }

    /// The same rows in a new generation, without the past, where the past has become dearer than the rows; else
    /// nothing. Readers join over generations, so it does not matter when each of them hears of it.
    ///
    /// # Errors
    /// Where Automerge fails.
    pub fn rolled(&self) -> Result<Option<Self>, DocumentError> {
        let operations = self.inner.stats().num_ops;
        let needed = 2 * self.skus.len() as u64 + self.peers.len() as u64;
        if operations < HISTORY_MIN || operations < HISTORY_FACTOR * needed {
            return Ok(None);
        }
        let generation = self.id.generation.saturating_add(1);
        let mut fresh = Self::create(DocumentId {
            generation,
            ..self.id.clone()
        })?;
        fresh.write(self.rows(), self.through)?;
        Ok(Some(fresh))
    }
}
