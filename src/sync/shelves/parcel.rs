//! Changes to many documents in one message: neighbours in a compressed run share what they have in common.

use serde::{Deserialize, Serialize};

use super::document::DocumentId;
use crate::domain::escrow::ReplicaId;
use crate::domain::ids::SiteId;

/// The most bytes that a parcel unpacks to. One that says more is refused before it is unpacked.
const UNPACKED_MAX: usize = 4 << 20;
/// zstd's level: the next ones cost more time than they save bytes on changes.
const LEVEL: i32 = 3;

/// Changes to documents of one site and one writer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parcel {
    /// The site.
    pub site: SiteId,
    /// The writer of them all.
    pub writer: ReplicaId,
    /// By document (bucket and generation) its changes, oldest first, each as Automerge writes it.
    pub documents: Vec<(u32, u32, Vec<Vec<u8>>)>,
}

/// Why bytes are not a parcel.
#[derive(Debug, thiserror::Error)]
pub enum ParcelError {
    /// They do not unpack, or to more than a parcel may hold.
    #[error("not a compressed parcel of at most {UNPACKED_MAX} bytes: {0}")]
    Compression(std::io::Error),
    /// What they unpack to is not a parcel.
    #[error("not a parcel: {0}")]
    Malformed(postcard::Error),
}

impl Parcel {
    /// The name of one of its documents.
    #[must_use]
    pub fn id(&self, bucket: u32, generation: u32) -> DocumentId {
        DocumentId {
            site: self.site.clone(),
            writer: self.writer.clone(),
            bucket,
            generation,
        }
    }

    /// Its bytes.
    ///
    /// # Errors
    /// Where it is larger than a parcel may be.
    pub fn seal(&self) -> Result<Vec<u8>, ParcelError> {
        let plain = postcard::to_allocvec(self).map_err(ParcelError::Malformed)?;
        if plain.len() > UNPACKED_MAX {
            let error = std::io::Error::other(format!("{} bytes", plain.len()));
            return Err(ParcelError::Compression(error));
        }
        zstd::bulk::compress(&plain, LEVEL).map_err(ParcelError::Compression)
    }

    /// Reads one.
    ///
    /// # Errors
    /// Where the bytes are not one.
    pub fn open(sealed: &[u8]) -> Result<Self, ParcelError> {
        let plain = zstd::bulk::decompress(sealed, UNPACKED_MAX).map_err(ParcelError::Compression)?;
        postcard::from_bytes(&plain).map_err(ParcelError::Malformed)
    }
}
