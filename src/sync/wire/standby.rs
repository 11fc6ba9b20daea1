//! What a node and its standby say to each other on the store's LAN, beside the messages of the engines.
//!
//! The journal goes over in batches, as to any parent; what no record gives (devices, series, the catalog) goes beside
//! it as rows. A page of rows always comes before the batch that needs them.

use serde::{Deserialize, Serialize};

use super::message::MessageError;
use crate::domain::journal::Head;

/// The first byte of every message: the version of this conversation.
const VERSION: u8 = 1;

/// From the node that is followed to its standby.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ToStandby {
    /// An encoded [`Up`](super::Up) of the node's engine.
    Engine(Vec<u8>),
    /// Rows that no record gives.
    Rows(RowsPage),
    /// The node is there and has nothing to say.
    Alive,
    /// The standby has no copy that this node could go on with: it is to take a new one.
    TakeBase {
        /// Why, for people.
        reason: String,
    },
    /// The standby cannot follow, and only a person can help.
    Refused {
        /// Why, for people.
        reason: String,
    },
}

/// From a standby to the node that it follows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum FromStandby {
    /// Its first word.
    Here(StandbyHere),
    /// An encoded [`Down`](super::Down) of its engine.
    Engine(Vec<u8>),
}

/// What a standby says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StandbyHere {
    /// The version of its database: rows mean the same only where both have one.
    pub schema: u32,
    /// The key that its successor incarnation would sign with.
    pub public_key: [u8; 32],
    /// Where it answers, `http://HOST:PORT`.
    pub address: String,
    /// Its copy; none where it has none yet.
    pub copy: Option<CopyHead>,
}

/// How far a standby's copy is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CopyHead {
    /// Its journal's head.
    pub head: Head,
    /// The last change of other rows that it has.
    pub change: u64,
}

/// Rows that no record gives, in the order of their last changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RowsPage {
    /// The change behind which it begins.
    pub after: u64,
    /// The last change in it.
    pub through: u64,
    /// The rows.
    pub rows: Vec<FollowedRow>,
}

/// One row as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FollowedRow {
    /// The table's name.
    pub source: String,
    /// Its key's values, in the table's order.
    pub key: Vec<Cell>,
    /// All of its values, in the table's order; none where it is gone.
    pub row: Option<Vec<Cell>>,
}

/// A value of a row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Cell {
    /// Nothing.
    Null,
    /// A number.
    Integer(i64),
    /// Text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

impl ToStandby {
    /// The message's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads a message.
    ///
    /// # Errors
    /// Where it is of another version, or no message.
    pub fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        decode(bytes)
    }
}

impl FromStandby {
    /// The message's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads a message.
    ///
    /// # Errors
    /// Where it is of another version, or no message.
    pub fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        decode(bytes)
    }
}

fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    // Writing to a growing vector fails only where a type refuses to be written, and these types do not.
    postcard::to_allocvec(&(VERSION, message)).unwrap_or_default()
}

fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, MessageError> {
    let (version, body) = bytes.split_first().ok_or(MessageError::Empty)?;
    if *version != VERSION {
        return Err(MessageError::Version(*version));
    }
    let (message, _newer) =
        postcard::take_from_bytes(body).map_err(|error| MessageError::Malformed(error.to_string()))?;
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_read_back() {
        let row = FollowedRow {
            source: "price".into(),
            key: vec![Cell::Text("a-1".into())],
            row: Some(vec![
                Cell::Text("a-1".into()),
                Cell::Integer(-7),
                Cell::Null,
                Cell::Blob(vec![1]),
            ]),
        };
        let page = ToStandby::Rows(RowsPage {
            after: 1,
            through: 9,
            rows: vec![row],
        });
        assert_eq!(ToStandby::decode(&page.encode()).unwrap(), page);
        let word = FromStandby::Engine(vec![9]);
        assert_eq!(FromStandby::decode(&word.encode()).unwrap(), word);
        assert!(FromStandby::decode(&[]).is_err());
        assert!(FromStandby::decode(&[9, 0]).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(0u8..20, 0..200)) {
            let _ = ToStandby::decode(&bytes);
            let _ = FromStandby::decode(&bytes);
        }
    }
}
