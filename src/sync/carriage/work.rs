//! What an engine wants done with documents, and what it is told when that is done.

use super::routes::{Link, Neighbour};
use crate::domain::ids::Sku;
use crate::sync::shelves::{DocumentId, Heads, RepairState};
use crate::sync::wire::{Holds, Offer, StandingGroup};

/// What is to be done with documents. `session` is the link's, so that an answer that comes late is known as such.
#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    /// Puts the rows that were touched into this replica's own documents; answered with [`Done::Written`].
    SyncPoint,
    /// Lists what goes over a link; answered with [`Done::Surveyed`].
    Survey {
        /// The link.
        link: Link,
        /// Its session.
        session: u64,
    },
    /// Compares a neighbour's offer with what is here; answered with [`Done::Compared`].
    Compare {
        /// Who offers.
        neighbour: Neighbour,
        /// The link's session.
        session: u64,
        /// What it offers.
        offer: Offer,
    },
    /// Packs changes; answered with [`Done::Packed`].
    Pack {
        /// For whom.
        neighbour: Neighbour,
        /// The link's session.
        session: u64,
        /// The documents, and what the neighbour has of each.
        wanted: Vec<(DocumentId, Heads)>,
        /// The most bytes of a sealed parcel.
        bytes_max: usize,
        /// The most parcels.
        parcels_max: usize,
    },
    /// Takes a neighbour's parcel in; answered with [`Done::Taken`].
    Take {
        /// Over which link it came.
        link: Link,
        /// The link's session.
        session: u64,
        /// The sender's count of it.
        number: u64,
        /// Its bytes.
        sealed: Vec<u8>,
    },
    /// A step of Automerge's sync protocol; answered with [`Done::Repaired`].
    Repair {
        /// With whom.
        link: Link,
        /// The link's session.
        session: u64,
        /// The document.
        id: DocumentId,
        /// How far both have come.
        state: RepairState,
        /// What the neighbour said; nothing where this side begins.
        message: Option<Vec<u8>>,
    },
    /// Notes what a neighbour has; answered with [`Done::Noted`].
    SaveAcked {
        /// The neighbour.
        neighbour: Neighbour,
        /// By document, the heads that it has on disk.
        acked: Vec<(DocumentId, Heads)>,
    },
    /// Merges what waited for journals that have come since; answered with [`Done::Merged`].
    MergeWaiting,
}

/// What was done. Told to the engine once what was to be kept is committed.
#[derive(Debug, Clone, PartialEq)]
pub enum Done {
    /// Rows were put into documents.
    Written {
        /// The documents that changed, or are new.
        changed: Vec<Changed>,
        /// Generations that newer ones replace.
        gone: Vec<DocumentId>,
        /// Rows that no document takes, and why, for people.
        refused: Vec<(Sku, String)>,
    },
    /// What goes over a link.
    Surveyed {
        /// To whom.
        neighbour: Neighbour,
        /// The session.
        session: u64,
        /// By document what is here, and what the neighbour is believed to have.
        documents: Vec<(DocumentId, Heads, Heads)>,
    },
    /// An offer was compared.
    Compared {
        /// Whose.
        neighbour: Neighbour,
        /// The session.
        session: u64,
        /// The answer.
        holds: Holds,
    },
    /// Parcels.
    Packed {
        /// For whom.
        neighbour: Neighbour,
        /// The session.
        session: u64,
        /// The parcels.
        parcels: Vec<PackedParcel>,
        /// Documents that are in none of them for good.
        passed: Vec<(DocumentId, Passed)>,
    },
    /// A parcel was taken in, as far as it can be.
    Taken {
        /// Whose.
        neighbour: Neighbour,
        /// The session.
        session: u64,
        /// The sender's count of it.
        number: u64,
        /// Where its documents stand now; none where it cannot be read.
        group: Option<StandingGroup>,
        /// The documents that changed.
        changed: Vec<Changed>,
        /// Generations that newer ones replace.
        gone: Vec<DocumentId>,
        /// What was refused, and why, for people. A parcel that cannot be read names no document.
        refused: Vec<(Option<DocumentId>, String)>,
    },
    /// A step of the sync protocol was made.
    Repaired {
        /// With whom.
        neighbour: Neighbour,
        /// The session.
        session: u64,
        /// The document.
        id: DocumentId,
        /// How far both have come.
        state: RepairState,
        /// What is to be said; nothing where there is no more to say.
        reply: Option<Vec<u8>>,
        /// What is here now.
        heads: Heads,
        /// Whether that is new.
        changed: Option<Changed>,
        /// Generations that newer ones replace.
        gone: Vec<DocumentId>,
        /// Why the message was not taken, for people.
        refused: Option<String>,
    },
    /// What waited is merged.
    Merged,
    /// It is on disk.
    Noted,
}

/// A document that is now other than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The document.
    pub id: DocumentId,
    /// Its heads now.
    pub heads: Heads,
    /// Where it came from; none for one that was written here.
    pub source: Option<Neighbour>,
}

/// A parcel to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedParcel {
    /// Its bytes.
    pub sealed: Vec<u8>,
    /// Its documents: the heads of a reader who takes it, and whether that is all that is here.
    pub documents: Vec<(DocumentId, Heads, bool)>,
}

/// Why a document is in no parcel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Passed {
    /// It is not here any more.
    Gone,
    /// The neighbour has changes that are not here.
    Unknown,
    /// The neighbour has everything that is here, up to these heads.
    Complete(Heads),
    /// One of its changes alone is larger than a parcel; its bytes.
    TooLarge(usize),
}
