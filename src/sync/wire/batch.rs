//! Sealed batches: consecutive records of one incarnation, compressed and signed by the node that wrote them.
//!
//! A parent relays the bytes unchanged. The header tells the chain's hash before and after, so that a reader knows
//! without asking whether the batch continues what it has.

use ed25519_dalek::{Signature, Signer as _};
pub use ed25519_dalek::{SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

use super::{DECOMPRESSED_BYTES_MAX, columns};
use crate::domain::ids::{Incarnation, NodeId};
use crate::domain::journal::Hash;

/// What is signed starts with this, so that a signature can never be taken for one of something else.
const SIGNATURE_CONTEXT: &[u8] = b"finalmarket batch 1\0";
/// The columns of `columns`, compressed with zstd.
const ENCODING_COLUMNS: u8 = 1;
/// zstd's level: above 6 the batches shrink by less than 2 % and the time doubles.
const ZSTD_LEVEL: i32 = 6;
/// The stream of facts about trade; behaviour will have one of its own, so that it never delays sales.
const STREAM_TRADE: u8 = 0;

/// What a batch says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchHeader {
    /// The node that wrote the records.
    pub node: NodeId,
    /// The incarnation in which it did.
    pub incarnation: Incarnation,
    /// The stream; 0 is trade.
    pub stream: u8,
    /// The first record's number.
    pub first: u64,
    /// How many records there are; at least 1.
    pub count: u32,
    /// The chain's hash before the first record.
    pub before: Hash,
    /// The chain's hash after the last record.
    pub after: Hash,
    /// How the payload is encoded.
    pub encoding: u8,
}

impl BatchHeader {
    /// What a batch says of itself, even where the rest of it is cut off or damaged. Nothing in it can be trusted.
    #[must_use]
    pub fn peek(sealed: &[u8]) -> Option<Self> {
        postcard::take_from_bytes(sealed).ok().map(|(header, _)| header)
    }

    /// The last record's number.
    #[must_use]
    pub const fn last(&self) -> u64 {
        self.first.saturating_add(self.count as u64).saturating_sub(1)
    }
}

/// A batch whose header and signature have been read; its records are still packed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// What it says of itself.
    pub header: BatchHeader,
    payload: Vec<u8>,
    #[serde(with = "signature_bytes")]
    signature: [u8; 64],
}

/// A record's place in a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Slot {
    /// The record.
    Record(Vec<u8>),
    /// The node set the record aside and keeps it; the chain goes on from `after`.
    Withheld {
        /// The chain's hash after the record.
        after: Hash,
        /// Why, for people.
        reason: String,
    },
}

/// Why a batch cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The envelope's bytes are not a batch.
    #[error("the batch cannot be read: {0}")]
    Malformed(String),
    /// The signature is not the incarnation's.
    #[error("the signature is not that of {node} in incarnation {incarnation}")]
    Signature {
        /// The node named in the header.
        node: NodeId,
        /// The incarnation named in the header.
        incarnation: Incarnation,
    },
    /// A stream that this version does not know.
    #[error("the stream {0} is not known to this version")]
    Stream(u8),
    /// An encoding that this version does not know.
    #[error("the payload's encoding {0} is not known to this version")]
    Encoding(u8),
    /// The records are not those that the header tells of.
    #[error("the records do not give the hash that the header tells")]
    Chain,
}

/// Packs and signs consecutive records.
///
/// `first` is the number of the first slot, `before` the chain's hash before it. Empty `slots` give a batch that
/// every reader refuses.
#[must_use]
pub fn seal(
    key: &SigningKey,
    node: &NodeId,
    incarnation: Incarnation,
    first: u64,
    before: Hash,
    slots: &[Slot],
) -> Vec<u8> {
    let header = BatchHeader {
        node: node.clone(),
        incarnation,
        stream: STREAM_TRADE,
        first,
        count: u32::try_from(slots.len()).unwrap_or(u32::MAX),
        before,
        after: chain(before, slots),
        encoding: ENCODING_COLUMNS,
    };
    let columns = columns::pack(slots);
    // Neither fails: the vector grows, and zstd gets all the room that it asks for.
    let payload = zstd::bulk::compress(&columns, ZSTD_LEVEL).unwrap_or_default();
    let signature = key.sign(&signed_bytes(&header, &payload)).to_bytes();
    postcard::to_allocvec(&Batch {
        header,
        payload,
        signature,
    })
    .unwrap_or_default()
}

impl Batch {
    /// Reads a batch's envelope. Nothing in it can be trusted before [`verify`](Self::verify).
    ///
    /// # Errors
    /// [`BatchError::Malformed`].
    pub fn open(sealed: &[u8]) -> Result<Self, BatchError> {
        let batch: Self = postcard::from_bytes(sealed).map_err(|error| BatchError::Malformed(error.to_string()))?;
        let header = &batch.header;
        if header.count == 0 || header.first == 0 || header.first.checked_add(header.count.into()).is_none() {
            return Err(BatchError::Malformed(format!(
                "{} records from {}",
                header.count, header.first
            )));
        }
        Ok(batch)
    }

    /// Checks the signature.
    ///
    /// # Errors
    /// [`BatchError::Signature`].
    pub fn verify(&self, key: &VerifyingKey) -> Result<(), BatchError> {
        let signature = Signature::from_bytes(&self.signature);
        key.verify_strict(&signed_bytes(&self.header, &self.payload), &signature)
            .map_err(|_| BatchError::Signature {
                node: self.header.node.clone(),
                incarnation: self.header.incarnation,
            })
    }

    /// Unpacks the records, byte for byte as they were written, and checks them against the chain.
    ///
    /// # Errors
    /// Where the payload cannot be read or its records are not those of the header.
    pub fn slots(&self) -> Result<Vec<Slot>, BatchError> {
        if self.header.stream != STREAM_TRADE {
            return Err(BatchError::Stream(self.header.stream));
        }
        if self.header.encoding != ENCODING_COLUMNS {
            return Err(BatchError::Encoding(self.header.encoding));
        }
        let malformed = |reason: String| BatchError::Malformed(reason);
        let columns = zstd::bulk::decompress(&self.payload, DECOMPRESSED_BYTES_MAX)
            .map_err(|error| malformed(error.to_string()))?;
        let slots = columns::unpack(&columns).map_err(malformed)?;
        if slots.len() != self.header.count as usize {
            return Err(malformed(format!(
                "{} records where {} were told",
                slots.len(),
                self.header.count
            )));
        }
        if chain(self.header.before, &slots) != self.header.after {
            return Err(BatchError::Chain);
        }
        Ok(slots)
    }
}

impl Slot {
    /// The chain's hash after this slot, where `before` is its hash before it.
    #[must_use]
    pub fn chain(&self, before: Hash) -> Hash {
        match self {
            Self::Record(record) => before.after(record),
            Self::Withheld { after, .. } => *after,
        }
    }
}

fn chain(before: Hash, slots: &[Slot]) -> Hash {
    slots.iter().fold(before, |hash, slot| slot.chain(hash))
}

fn signed_bytes(header: &BatchHeader, payload: &[u8]) -> Vec<u8> {
    let mut bytes = postcard::to_extend(header, SIGNATURE_CONTEXT.to_vec()).unwrap_or_default();
    bytes.extend_from_slice(payload);
    bytes
}

mod signature_bytes {
    //! serde has no arrays of 64.
    use serde::de::{Deserializer, Error as _};
    use serde::{Deserialize as _, Serialize as _, Serializer};

    pub fn serialize<S: Serializer>(bytes: &[u8; 64], serializer: S) -> Result<S::Ok, S::Error> {
        let (left, right) = bytes.split_at(32);
        let halves: ([u8; 32], [u8; 32]) = (left.try_into().unwrap_or([0; 32]), right.try_into().unwrap_or([0; 32]));
        halves.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 64], D::Error> {
        let halves = <([u8; 32], [u8; 32])>::deserialize(deserializer)?;
        [halves.0, halves.1]
            .concat()
            .try_into()
            .map_err(|_| D::Error::custom("a signature has 64 bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(records: &[&[u8]]) -> (SigningKey, Vec<u8>, Hash) {
        let key = SigningKey::from_bytes(&[7; 32]);
        let node: NodeId = "store-1".parse().unwrap();
        let incarnation = Incarnation { counter: 1, random: 9 };
        let before = Hash::genesis(&node, incarnation);
        let slots: Vec<Slot> = records.iter().map(|record| Slot::Record(record.to_vec())).collect();
        let bytes = seal(&key, &node, incarnation, 1, before, &slots);
        (key, bytes, before)
    }

    #[test]
    fn a_batch_carries_any_bytes_unchanged() {
        let (key, bytes, _) = sealed(&[b"", b"\xff\x00garbage", &[2, 1, 1]]);
        let batch = Batch::open(&bytes).unwrap();
        batch.verify(&key.verifying_key()).unwrap();
        let slots = batch.slots().unwrap();
        assert_eq!(slots[1], Slot::Record(b"\xff\x00garbage".to_vec()));
        assert_eq!(slots.len(), 3);
        assert_eq!(batch.header.last(), 3);
    }

    #[test]
    fn one_changed_byte_is_found() {
        let (key, bytes, _) = sealed(&[b"one", b"two"]);
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let accepted = Batch::open(&changed).is_ok_and(|batch| batch.verify(&key.verifying_key()).is_ok());
            assert!(!accepted, "byte {at}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            if let Ok(batch) = Batch::open(&bytes) {
                let _ = batch.slots();
            }
            let _ = columns::unpack(&bytes);
        }
    }
}
