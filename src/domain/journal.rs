//! The journal's chain: every record of an incarnation is bound to all before it by a hash.
//!
//! A record is a string of bytes here; what it means is [`fact`](super::fact)'s business. Source of the idea:
//! Schneier and Kelsey, "Secure Audit Logs to Support Computer Forensics", 1999.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::ids::{Incarnation, NodeId};

/// A SHA-256 hash. JSON writes it as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// What an incarnation's chain starts from, before its first record.
    #[must_use]
    pub fn genesis(node: &NodeId, incarnation: Incarnation) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(b"finalmarket journal 1\0");
        hasher.update(node.as_str());
        hasher.update(b"\0");
        hasher.update(incarnation.counter.to_le_bytes());
        hasher.update(incarnation.random.to_le_bytes());
        Self(hasher.finalize().into())
    }

    /// The chain's hash after `record`, where `self` is its hash before it.
    #[must_use]
    pub fn after(self, record: &[u8]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(self.0);
        hasher.update(record);
        Self(hasher.finalize().into())
    }

    /// From 32 bytes, where there are 32.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Enough to tell two apart in a log.
        self.0[..6].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Serialize for Hash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        if !deserializer.is_human_readable() {
            return <[u8; 32]>::deserialize(deserializer).map(Self);
        }
        let text = String::deserialize(deserializer)?;
        let byte = |at: usize| {
            text.get(2 * at..2 * at + 2)
                .and_then(|digits| u8::from_str_radix(digits, 16).ok())
        };
        let bytes: Option<Vec<u8>> = (0..32).map(byte).collect();
        bytes
            .filter(|_| text.len() == 64)
            .and_then(|bytes| Self::from_slice(&bytes))
            .ok_or_else(|| D::Error::custom("a hash has 64 hexadecimal digits"))
    }
}

/// Where an incarnation's journal stands: its last record and the chain's hash after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Head {
    /// The incarnation.
    pub incarnation: Incarnation,
    /// The last record's number, from 1; 0 where there is none.
    pub seq: u64,
    /// The chain's hash after that record.
    pub hash: Hash,
}

/// Names one record of one node for ever.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RecordId {
    /// The node that wrote it.
    pub node: NodeId,
    /// The incarnation in which it did.
    pub incarnation: Incarnation,
    /// Its number there, from 1.
    pub seq: u64,
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.node, self.incarnation, self.seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_depends_on_every_record_and_its_place() {
        let node: NodeId = "store-1".parse().unwrap();
        let genesis = Hash::genesis(&node, Incarnation { counter: 1, random: 7 });
        assert_ne!(genesis.after(b"a").after(b"b"), genesis.after(b"b").after(b"a"));
        assert_ne!(genesis, Hash::genesis(&node, Incarnation { counter: 1, random: 8 }));
        let json = serde_json::to_string(&genesis).unwrap();
        assert_eq!(serde_json::from_str::<Hash>(&json).unwrap(), genesis);
    }
}
