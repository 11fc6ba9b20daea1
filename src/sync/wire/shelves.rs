//! What two neighbours say to each other about the documents of shelves. Both ends of a link speak alike, inside
//! [`Up::Shelves`](super::Up::Shelves) and [`Down::Shelves`](super::Down::Shelves).

use serde::{Deserialize, Serialize};

use crate::domain::escrow::ReplicaId;
use crate::domain::ids::SiteId;

/// A message about documents of shelves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ShelfMessage {
    /// What I carry to you, and what I believe you have of it. Said when a link opens.
    Offer(Offer),
    /// The answer to an offer: the documents of which I have something else than you believe.
    Holds(Holds),
    /// Changes to documents.
    Parcel {
        /// The sender's count of its parcels on this link, echoed in the answer.
        number: u64,
        /// A sealed [`Parcel`](crate::sync::shelves::Parcel).
        sealed: Vec<u8>,
    },
    /// The answer to a parcel, after its commit: what I have of each document in it.
    Taken(Taken),
    /// A step of Automerge's own sync protocol for one document.
    Repair(Repair),
}

/// What a sender carries to a reader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// True where these are all; a sender that has very many offers some, and of the others believes what it believes.
    pub complete: bool,
    /// The documents, by site and writer.
    pub groups: Vec<OfferedGroup>,
}

/// Documents of one site and one writer that are offered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferedGroup {
    /// The site.
    pub site: SiteId,
    /// The writer.
    pub writer: ReplicaId,
    /// Bucket, generation, and the short form of the heads that the reader is believed to have.
    pub documents: Vec<(u32, u32, [u8; 8])>,
}

/// The answer to an offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holds {
    /// The documents that stand otherwise, and those that came from the sender and are not in a complete offer: it may
    /// have been set back and have lost them.
    pub groups: Vec<StandingGroup>,
}

/// The answer to a parcel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// The parcel.
    pub number: u64,
    /// Where each of its documents stands.
    pub group: StandingGroup,
}

/// Where documents of one site and one writer stand at a reader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandingGroup {
    /// The site.
    pub site: SiteId,
    /// The writer.
    pub writer: ReplicaId,
    /// Bucket and generation, and where the document stands.
    pub documents: Vec<(u32, u32, Standing)>,
}

/// Where a document stands at a reader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// On disk up to these heads; nothing of it where there are none.
    Holds(Vec<[u8; 32]>),
    /// The changes build on others that have not come: on disk up to these heads, and the rest is wanted.
    Lacks(Vec<[u8; 32]>),
    /// A later generation is here and says all that this one did.
    Newer(u32),
    /// The changes are not taken, and why, for people.
    Refused(String),
}

/// A step of Automerge's sync protocol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repair {
    /// The site.
    pub site: SiteId,
    /// The writer.
    pub writer: ReplicaId,
    /// The document's bucket.
    pub bucket: u32,
    /// Its generation.
    pub generation: u32,
    /// The message, as Automerge writes it in its first version.
    pub sync: Vec<u8>,
}
