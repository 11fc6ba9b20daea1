//! What the carriage needs of a disk: questions about one consistent state of it, and writes of one transaction.

use super::routes::{Link, Neighbour};
use crate::domain::escrow::{ReplicaId, Row};
use crate::domain::ids::{SiteId, Sku};
use crate::sync::shelves::{Document, DocumentId, Heads};

/// One consistent state of a disk. A node, headquarters and the tests each have one.
pub trait Archive {
    /// How a read fails.
    type Error;

    /// The replica that writes here.
    ///
    /// # Errors
    /// Where the disk cannot be read, as of all questions.
    fn own_replica(&self) -> Result<ReplicaId, Self::Error>;
    /// A document with its content.
    ///
    /// # Errors
    /// Where the disk cannot be read.
    fn document(&self, id: &DocumentId) -> Result<Option<Loaded>, Self::Error>;
    /// All documents, or those of one site.
    ///
    /// # Errors
    /// Where the disk cannot be read.
    fn documents(&self, site: Option<&SiteId>) -> Result<Vec<Kept>, Self::Error>;
    /// The generations that are here of one document, whatever generation `id` names; oldest first.
    ///
    /// # Errors
    /// Where the disk cannot be read.
    fn generations(&self, id: &DocumentId) -> Result<Vec<u32>, Self::Error>;
    /// Documents whose rows wait for their writers' journals.
    ///
    /// # Errors
    /// Where the disk cannot be read.
    fn waiting(&self) -> Result<Vec<DocumentId>, Self::Error>;
    /// What a neighbour has acknowledged.
    ///
    /// # Errors
    /// Where the disk cannot be read.
    fn acked(&self, neighbour: &Neighbour) -> Result<Vec<(DocumentId, Heads)>, Self::Error>;
    /// The last record of a replica's journal that is here. Rows that came over `source` wait for it; none where rows
    /// from there need not wait.
    ///
    /// # Errors
    /// Where the disk cannot be read.
    fn journal_of(&self, source: &Neighbour, writer: &ReplicaId) -> Result<Option<u64>, Self::Error>;
    /// Whether a neighbour has any business bringing this document; why not, for people.
    ///
    /// # Errors
    /// Where the disk cannot be read.
    fn unwelcome(&self, link: &Link, id: &DocumentId) -> Result<Option<String>, Self::Error>;
    /// This replica's own rows that were touched since they were last put into documents.
    ///
    /// # Errors
    /// Where the disk cannot be read.
    fn touched(&self) -> Result<Touched, Self::Error>;
    /// The bucket of a replica's documents, as they are written here, that an item is in.
    ///
    /// # Errors
    /// Where the disk cannot be read.
    fn bucket(&self, writer: &ReplicaId, site: &SiteId, sku: &Sku) -> Result<Option<u32>, Self::Error>;
    /// Whether a replica is known to be retired: what it writes itself is not merged any more.
    ///
    /// # Errors
    /// Where the disk cannot be read.
    fn is_retired(&self, writer: &ReplicaId) -> Result<bool, Self::Error>;
}

/// A document, and how it lies on disk.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The document.
    pub document: Document,
    /// Where it came from; none for one that was written here.
    pub source: Option<Neighbour>,
    /// Whether its rows wait for the writer's journal.
    pub waits: bool,
    /// The bytes of its whole form.
    pub whole_bytes: usize,
    /// The bytes of what was added since.
    pub added_bytes: usize,
    /// In how many pieces.
    pub pieces: usize,
}

/// A document by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its name.
    pub id: DocumentId,
    /// Where it came from; none for one that was written here.
    pub source: Option<Neighbour>,
    /// Its heads.
    pub heads: Heads,
}

/// Rows that were touched.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Touched {
    /// Everything that was touched up to this mark is in `rows`.
    pub mark: i64,
    /// The last record of this replica's journal; the rows contain it and all before.
    pub through: u64,
    /// The rows.
    pub rows: Vec<(SiteId, Sku, Row)>,
    /// Rows of replicas that this one has retired and writes since.
    pub kept: Vec<KeptRows>,
}

/// Rows that were touched of a replica that was retired here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRows {
    /// The retired replica.
    pub writer: ReplicaId,
    /// The last of its records that counts in them.
    pub through: u64,
    /// The rows.
    pub rows: Vec<(SiteId, Sku, Row)>,
}

/// What is to be written. All of one [`Performed`](super::Performed) goes into one transaction.
#[derive(Debug, Clone, PartialEq)]
pub enum Keep {
    /// A document, new or changed.
    Document {
        /// Its name.
        id: DocumentId,
        /// Where it came from; none for one that was written here.
        source: Option<Neighbour>,
        /// Its heads.
        heads: Heads,
        /// The last record of the writer's journal that its rows contain.
        through: u64,
        /// Whether its rows wait for the writer's journal.
        waits: bool,
        /// Its content.
        saved: Saved,
    },
    /// A document that is needed no more, with what neighbours have of it.
    Forget(DocumentId),
    /// The rows of a document wait no more.
    Waited(DocumentId),
    /// Rows of another replica, to be merged with what is known of them.
    Rows {
        /// The site.
        site: SiteId,
        /// Whose rows.
        writer: ReplicaId,
        /// The last record of the writer's journal that they contain.
        through: u64,
        /// Whether the writer is retired and its parent wrote them: they take the place of what the writer said.
        kept: bool,
        /// The rows.
        rows: Vec<(Sku, Row)>,
    },
    /// What a neighbour has.
    Acked {
        /// The neighbour.
        neighbour: Neighbour,
        /// By document, its heads.
        acked: Vec<(DocumentId, Heads)>,
    },
    /// Items have a place from now on in the documents that are written here for a replica.
    Buckets {
        /// The replica: this one itself, or one that it has retired.
        writer: ReplicaId,
        /// The site.
        site: SiteId,
        /// The bucket.
        bucket: u32,
        /// The items.
        skus: Vec<Sku>,
    },
    /// What was touched up to this mark is in documents.
    Untouched(i64),
}

/// A document's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Saved {
    /// All of it, in the place of what is there.
    Whole(Vec<u8>),
    /// To be kept behind what is there.
    Added(Vec<u8>),
}
