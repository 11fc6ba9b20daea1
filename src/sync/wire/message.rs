//! Messages between a node and its parent. One byte of version, then the message in postcard's format.
//!
//! A newer sender may append fields to a message and may send messages that an older reader does not know: the first
//! are ignored, the second are reported and passed.

use serde::{Deserialize, Serialize};

use super::shelves::ShelfMessage;
use crate::domain::escrow::ReplicaId;
use crate::domain::ids::{Incarnation, NodeId, SiteId};
use crate::domain::journal::{Hash, Head};
use crate::domain::stock::Granted;
use crate::sync::rights::RightsMessage;

/// The version that this program writes.
pub const WIRE_VERSION: u8 = 1;

/// From a node to its parent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Up {
    /// Who I am and where my journal stands. Sent on every connection and whenever the parent seems to have forgotten.
    Hello(Hello),
    /// A sealed batch, as its origin made it, and the session in which it is sent.
    Batch {
        /// The sender's session, echoed in every answer.
        session: u64,
        /// The sealed batch.
        sealed: Vec<u8>,
    },
    /// A page of a feed is on this node's disk.
    FeedApplied {
        /// The sender's session.
        session: u64,
        /// Which feed, and up to which version.
        cursor: FeedCursor,
    },
    /// What a node says to the parent of its parent, passed on by its parent.
    Relayed {
        /// The node.
        node: NodeId,
        /// How long ago the sender had all of that node's records that the node had told of by then, in milliseconds;
        /// `u64::MAX` for never.
        complete_age_ms: u64,
        /// An encoded `Up` of that node. Kept as bytes, so that nobody can nest one in the other without end; one that
        /// is itself relayed is not taken.
        message: Vec<u8>,
    },
    /// Which of the sender's own nodes are connected to it now.
    Children {
        /// The sender's session.
        session: u64,
        /// Their names.
        online: Vec<NodeId>,
    },
    /// Rights are asked for, or there are none to give.
    Rights {
        /// The sender's session.
        session: u64,
        /// What is said.
        message: RightsMessage,
    },
    /// About the documents of shelves.
    Shelves {
        /// The node's session.
        session: u64,
        /// What is said.
        message: ShelfMessage,
    },
}

/// From a parent to its node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Down {
    /// The answer to [`Up::Hello`].
    Welcome(Welcome),
    /// Everything up to here is committed at the parent.
    Ack(Ack),
    /// Send again from here: something is missing.
    Resend(Resend),
    /// A batch could not be read: send it again in smaller parts.
    Refused(Refused),
    /// This incarnation has two branches and the sender is the other one.
    Fenced(Fenced),
    /// A page of a feed.
    FeedPage(FeedPage),
    /// For a node of the receiver's, to whom it is passed on or for whom it is dealt with.
    Relayed {
        /// The node.
        node: NodeId,
        /// An encoded `Down` for it; one that is itself relayed is not taken.
        message: Vec<u8>,
    },
    /// Headquarters has committed everything up to here. From a parent that is not headquarters itself, whose own
    /// acknowledgement says only that it has the records and passes them on.
    AckedAtTop(Ack),
    /// Which replica the parent is: who grants rights to the node, and takes over what it grants. Behind every welcome.
    Here {
        /// The node's session.
        session: u64,
        /// The parent.
        replica: ReplicaId,
    },
    /// Rights are asked for, or there are none to give.
    Rights {
        /// The node's session.
        session: u64,
        /// What is said.
        message: RightsMessage,
    },
    /// Rights that the parent has handed on, as its journal says. Sent again until the node's journal shows that it has
    /// taken them over.
    Granted {
        /// The node's session.
        session: u64,
        /// The parent.
        from: ReplicaId,
        /// What was handed on, oldest first.
        granted: Vec<Granted>,
    },
    /// About the documents of shelves.
    Shelves {
        /// The node's session.
        session: u64,
        /// What is said.
        message: ShelfMessage,
    },
    /// An operator of the parent has retired this incarnation of the node. Behind every welcome, until the node writes
    /// another one.
    Retired(RetiredWord),
    /// A standby has taken the place of the incarnation that the node writes. Behind the welcome.
    Succeeded {
        /// The node's session.
        session: u64,
        /// The first batch of the successor's incarnation, as it sealed it: the proof.
        sealed: Vec<u8>,
    },
}

impl Up {
    /// The session that it speaks in; none for what is passed on for another node.
    #[must_use]
    pub const fn session(&self) -> Option<u64> {
        match self {
            Self::Hello(hello) => Some(hello.session),
            Self::Batch { session, .. }
            | Self::FeedApplied { session, .. }
            | Self::Children { session, .. }
            | Self::Rights { session, .. }
            | Self::Shelves { session, .. } => Some(*session),
            Self::Relayed { .. } => None,
        }
    }
}

impl Down {
    /// The session that it answers; none for what is meant for another node.
    #[must_use]
    pub const fn session(&self) -> Option<u64> {
        match self {
            Self::Welcome(welcome) => Some(welcome.session),
            Self::Ack(ack) | Self::AckedAtTop(ack) => Some(ack.session),
            Self::Resend(resend) => Some(resend.session),
            Self::Refused(refused) => Some(refused.session),
            Self::Fenced(fenced) => Some(fenced.session),
            Self::FeedPage(page) => Some(page.session),
            Self::Retired(word) => Some(word.session),
            Self::Here { session, .. }
            | Self::Rights { session, .. }
            | Self::Granted { session, .. }
            | Self::Shelves { session, .. }
            | Self::Succeeded { session, .. } => Some(*session),
            Self::Relayed { .. } => None,
        }
    }
}

/// A node's introduction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// A random number for this run and connection; answers carry it, so that two copies of a disk that share a name
    /// do not take each other's answers.
    pub session: u64,
    /// The highest wire version that the node reads.
    pub wire: u8,
    /// The program's version, for people.
    pub software: String,
    /// The node's site.
    pub site: SiteId,
    /// Every incarnation with records that this disk holds, oldest first.
    pub streams: Vec<StreamHead>,
    /// The last acknowledgement that is saved of each of them, in the same order.
    pub acked: Vec<Head>,
    /// How far it has each feed.
    pub feeds: Vec<FeedCursor>,
}

/// Where one incarnation stands at the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamHead {
    /// Its head.
    pub head: Head,
    /// The first record that is still kept; those before it were acknowledged and pruned.
    pub earliest: u64,
    /// The chain's hash before the first record that is still kept.
    pub before_earliest: Hash,
    /// The key that signs its batches.
    pub public_key: [u8; 32],
}

/// A feed and how far a node has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedCursor {
    /// The feed's name: `catalog`, `prices`.
    pub feed: String,
    /// The version of the newest entry that is on disk; 0 for none.
    pub version: u64,
    /// The epoch of that version: a parent that was set back gives versions out again, in another epoch. 0 for none.
    pub epoch: u64,
}

/// A parent's answer to a node's introduction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The node's session.
    pub session: u64,
    /// The highest wire version that the parent reads.
    pub wire: u8,
    /// The most bytes that a batch may have.
    pub batch_bytes_max: u32,
    /// What the parent has of each incarnation that the node named.
    pub streams: Vec<StreamStatus>,
}

/// What a parent has of one incarnation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamStatus {
    /// The last record committed at the parent and the chain's hash after it.
    pub acked: Head,
    /// Up to here the parent has found its chain to be the node's, by what the node told; 0 for nothing.
    pub common: u64,
    /// How the parent sees the incarnation.
    pub state: StreamState,
}

/// How a parent sees an incarnation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamState {
    /// Its facts count.
    Counted,
    /// Its facts are kept and set apart until an operator decides.
    SetApart,
    /// Its facts are kept and do not count: an operator decided so.
    Excluded,
}

/// A cumulative acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// The node's session.
    pub session: u64,
    /// The last record committed and the chain's hash after it.
    pub acked: Head,
}

/// A request to send again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resend {
    /// The node's session.
    pub session: u64,
    /// What is committed; the node goes on behind it.
    pub acked: Head,
}

/// A batch that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The node's session.
    pub session: u64,
    /// The incarnation.
    pub incarnation: Incarnation,
    /// The batch's first record.
    pub first: u64,
    /// How many records it said it had.
    pub count: u32,
    /// Why, for people.
    pub reason: String,
}

/// Two branches of one incarnation have met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fenced {
    /// The node's session.
    pub session: u64,
    /// What the parent has of the branch that came first.
    pub acked: Head,
    /// Up to here the parent has found its chain to be the node's; 0 where that was not compared.
    pub common: u64,
    /// True where the node's own head is simply behind the parent's: its disk was set back.
    pub set_back: bool,
}

/// That an incarnation of the node is retired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetiredWord {
    /// The node's session.
    pub session: u64,
    /// The incarnation.
    pub incarnation: Incarnation,
    /// The last of its records that the parent had when it was retired. What is behind it is still taken.
    pub seq: u64,
    /// Who decided it.
    pub by: String,
    /// Why, for the node's staff.
    pub reason: String,
}

/// A page of a feed: entries compacted by key, in the order of their versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedPage {
    /// The node's session.
    pub session: u64,
    /// The feed's name.
    pub feed: String,
    /// The node's version when the page was made: the page starts behind it, unless it begins afresh.
    pub after: u64,
    /// The epoch of that version.
    pub after_epoch: u64,
    /// The version up to which the node has the feed once the page is on its disk.
    pub through: u64,
    /// The epoch of that version.
    pub epoch: u64,
    /// True where the node's version is of a history that the parent does not have: the page begins with the feed's
    /// first entry, and what does not come again by the last page is gone.
    pub afresh: bool,
    /// True where the node has the whole feed with this page.
    pub last: bool,
    /// How many entries the page has.
    pub count: u32,
    /// The entries (`Vec<FeedEntry>` in postcard's format), compressed with zstd.
    pub entries: Vec<u8>,
}

/// One entry of a feed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedEntry {
    /// What it is about; a later entry with the same key replaces it.
    pub key: String,
    /// JSON, or nothing where the key is gone.
    pub body: Option<String>,
}

/// A node's retained state: set when it connects, replaced by its will when it goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Birth {
    /// The node.
    pub node: NodeId,
    /// The session that it speaks of.
    pub session: u64,
    /// Whether the node is there; its will says that it is not.
    pub online: bool,
    /// The program's version, for people.
    pub software: String,
    /// The newest incarnation's head, where there is one.
    pub head: Option<Head>,
}

/// Headquarters' retained state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HubState {
    /// Whether it takes batches now.
    pub online: bool,
    /// Changes at each start, so that nodes introduce themselves again.
    pub run: u64,
    /// The highest wire version that it reads.
    pub wire: u8,
}

/// Why bytes are not a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// No bytes.
    #[error("the message is empty")]
    Empty,
    /// A version that this program does not read.
    #[error("the message has version {0}; this program reads version {WIRE_VERSION}")]
    Version(u8),
    /// Not a message of that version that this program knows.
    #[error("the message cannot be read: {0}")]
    Malformed(String),
}

macro_rules! message {
    ($($name:ident),*) => {$(
        impl $name {
            /// The message's bytes.
            #[must_use]
            pub fn encode(&self) -> Vec<u8> {
                // Writing to a growing vector does not fail for these types.
                postcard::to_extend(self, vec![WIRE_VERSION]).unwrap_or_default()
            }

            /// Reads a message; bytes behind its last field are a newer sender's and are passed over.
            ///
            /// # Errors
            /// Where the bytes are not a message that this version knows.
            pub fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
                match bytes {
                    [] => Err(MessageError::Empty),
                    [WIRE_VERSION, body @ ..] => postcard::take_from_bytes(body)
                        .map(|(message, _newer)| message)
                        .map_err(|error| MessageError::Malformed(error.to_string())),
                    [version, ..] => Err(MessageError::Version(*version)),
                }
            }
        }
    )*};
}

message!(Up, Down, Birth, HubState);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_a_newer_sender_appends_are_passed_over() {
        let state = HubState {
            online: true,
            run: 5,
            wire: 2,
        };
        let mut bytes = state.encode();
        bytes.extend_from_slice(b"a field of version 2");
        assert_eq!(HubState::decode(&bytes), Ok(state));
    }

    #[test]
    fn what_is_not_known_is_said() {
        assert_eq!(Up::decode(&[]), Err(MessageError::Empty));
        assert_eq!(Up::decode(&[9, 0]), Err(MessageError::Version(9)));
        assert!(matches!(Down::decode(&[1, 200]), Err(MessageError::Malformed(_))));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let mut framed = vec![WIRE_VERSION];
            framed.extend(bytes);
            let _ = Up::decode(&framed);
            let _ = Down::decode(&framed);
        }
    }
}
