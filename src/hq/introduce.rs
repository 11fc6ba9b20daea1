//! A node introduces itself: what it has is compared with what is committed of it.

use super::happenings::Happening;
use super::headquarters::{Admission, Headquarters};
use super::ingest::committed_hash;
use super::storage::{Hole, NewOrigin, Node, Origin, StorageError, Writing};
use crate::domain::ids::{Incarnation, NodeId, SiteId};
use crate::domain::journal::{Hash, Head};
use crate::sync::hub::Introduction;
use crate::sync::hub_judge::{self, HeadVerdict};
use crate::sync::wire::{Hello, StreamHead, StreamState, StreamStatus, VerifyingKey};

/// How many incarnations a node may introduce at once.
const STREAMS_MAX: usize = 1_000;

/// Why a node's introduction is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IntroduceError {
    /// Only enrolled nodes are admitted, and this one is not.
    #[error("{0} is not enrolled here")]
    NotEnrolled(NodeId),
    /// A node that calls itself what headquarters is called.
    #[error("{0} is headquarters' own name")]
    OwnName(NodeId),
    /// A node's records are passed on by a store of another site, or by a node that is no store's.
    #[error("{via} cannot pass on the records of {node}: {reason}")]
    NotItsParent {
        /// The node.
        node: NodeId,
        /// Who passes its records on.
        via: NodeId,
        /// Why that cannot be.
        reason: String,
    },
    /// The incarnation is known with another key, or the key is none.
    #[error("the key that {node} tells for incarnation {incarnation} is not the one that signs it")]
    Key {
        /// The node.
        node: NodeId,
        /// The incarnation.
        incarnation: Incarnation,
    },
    /// More incarnations, or higher numbers, than any node has.
    #[error("the introduction of {0} makes no sense: {1}")]
    Nonsense(NodeId, String),
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Headquarters {
    /// Takes a node's introduction: its incarnations become known, and each is compared with the ledger. Where this
    /// headquarters itself was set back and the node no longer keeps what is missing, the hole is noted and passed.
    ///
    /// # Errors
    /// Where the node is not admitted or what it tells cannot be; it is to hear nothing then.
    pub fn introduce(&self, sender: &NodeId, hello: Hello, now_ms: u64) -> Result<Introduction, IntroduceError> {
        self.take_introduction(sender, hello, now_ms, now_ms, move |writing, admission, node, hello| {
            let known = admit(writing, admission, node, &hello.site, now_ms)?;
            let known = known.ok_or_else(|| IntroduceError::NotEnrolled(node.clone()))?;
            Ok(Node {
                software: hello.software.clone(),
                site: hello.site.clone(),
                parent: None,
                last_heard_ms: now_ms,
                ..known
            })
        })
    }

    /// Takes the introduction of a kiosk's node that its store's node passes on: what the store has of it. The store
    /// had everything that the kiosk had told of at `complete_ms` (milliseconds since 1970, 0 for never).
    ///
    /// A store introduces kiosks of its own site only; where the kiosk is known already, that is its site as the
    /// operator enrolled it. That the store has less than headquarters says that the store has lost some, and nothing
    /// about the kiosk.
    ///
    /// # Errors
    /// As [`introduce`](Self::introduce).
    pub fn introduce_relayed(
        &self,
        via: &NodeId,
        node: &NodeId,
        hello: Hello,
        complete_ms: u64,
        now_ms: u64,
    ) -> Result<Introduction, IntroduceError> {
        let via = via.clone();
        self.take_introduction(node, hello, complete_ms, now_ms, move |writing, _, node, hello| {
            admit_relayed(writing, &via, node, hello, complete_ms, now_ms)
        })
    }

    /// `told_ms` is when the node told what it is said to have.
    fn take_introduction(
        &self,
        sender: &NodeId,
        hello: Hello,
        told_ms: u64,
        now_ms: u64,
        admit: impl FnOnce(&Writing<'_>, Admission, &NodeId, &Hello) -> Result<Node, IntroduceError> + Send + 'static,
    ) -> Result<Introduction, IntroduceError> {
        if *sender == self.name {
            return Err(IntroduceError::OwnName(sender.clone()));
        }
        let nonsense = |reason: String| IntroduceError::Nonsense(sender.clone(), reason);
        if hello.streams.len() > STREAMS_MAX {
            return Err(nonsense(format!("{} incarnations", hello.streams.len())));
        }
        if let Some(stream) = hello.streams.iter().find(|stream| {
            let highest = stream.head.seq.max(stream.earliest);
            i64::try_from(highest).is_err()
        }) {
            return Err(nonsense(format!("record {}", stream.head.seq)));
        }
        let (node, admission) = (sender.clone(), self.admission);
        let introduced = self.database.write(move |writing| {
            let known = admit(writing, admission, &node, &hello)?;
            writing.save_node(&known)?;
            let told = Told {
                relayed: known.parent.is_some(),
                told_ms,
                now_ms,
            };
            compare_all(writing, &node, &hello, told)
        });
        match &introduced {
            Ok(_) => self.watch.key_disputed(sender, None),
            Err(error @ IntroduceError::Key { .. }) => self.watch.key_disputed(sender, Some(error.to_string())),
            Err(_) => {}
        }
        self.watch.tell(Happening::Nodes);
        introduced
    }

    /// Makes a node known, or changes its site.
    ///
    /// # Errors
    /// Where storage fails.
    pub fn enrol(&self, node: &NodeId, site: &SiteId, now_ms: u64) -> Result<(), StorageError> {
        let (node, site) = (node.clone(), site.clone());
        self.database.write(move |writing| enrol(writing, node, site, now_ms))
    }

    /// A node has shown that it is there, by its retained state or otherwise.
    ///
    /// # Errors
    /// Where storage fails.
    pub fn heard(&self, node: &NodeId, now_ms: u64) -> Result<(), StorageError> {
        let node = node.clone();
        self.database.write(move |writing| writing.node_heard(&node, now_ms))
    }
}

/// Makes a node known, or changes its site, in a transaction.
pub(super) fn enrol(writing: &Writing<'_>, node: NodeId, site: SiteId, now_ms: u64) -> Result<(), StorageError> {
    let known = writing.node(&node)?;
    let known = known.unwrap_or(Node {
        node,
        site: site.clone(),
        parent: None,
        enrolled_ms: now_ms,
        software: String::new(),
        last_heard_ms: 0,
    });
    writing.save_node(&Node { site, ..known })
}

/// Whether an incarnation's facts count.
pub(super) const fn counts(state: StreamState) -> bool {
    matches!(state, StreamState::Counted)
}

/// The node, where it may send: known, or made known where anyone may.
pub(super) fn admit(
    writing: &Writing<'_>,
    admission: Admission,
    node: &NodeId,
    site: &SiteId,
    now_ms: u64,
) -> Result<Option<Node>, StorageError> {
    if let Some(known) = writing.node(node)? {
        return Ok(Some(known));
    }
    if admission == Admission::Enrolled {
        return Ok(None);
    }
    let new = Node {
        node: node.clone(),
        site: site.clone(),
        parent: None,
        enrolled_ms: now_ms,
        software: String::new(),
        last_heard_ms: now_ms,
    };
    writing.save_node(&new)?;
    Ok(Some(new))
}

/// The kiosk's node, where its store's node may speak for it.
fn admit_relayed(
    writing: &Writing<'_>,
    via: &NodeId,
    node: &NodeId,
    hello: &Hello,
    complete_ms: u64,
    now_ms: u64,
) -> Result<Node, IntroduceError> {
    let no = |reason: String| {
        let (node, via) = (node.clone(), via.clone());
        Err(IntroduceError::NotItsParent { node, via, reason })
    };
    let Some(store) = writing.node(via)? else {
        return Err(IntroduceError::NotEnrolled(via.clone()));
    };
    if store.parent.is_some() || node == via {
        return no("it is no store's node".into());
    }
    if hello.site != store.site {
        return no(format!("it is of the site {}, and not of {}", store.site, hello.site));
    }
    let known = match writing.node(node)? {
        Some(known) if known.site != store.site => {
            return no(format!("that node was enrolled for the site {}", known.site));
        }
        Some(known) => known,
        None => Node {
            node: node.clone(),
            site: store.site.clone(),
            parent: None,
            enrolled_ms: now_ms,
            software: String::new(),
            last_heard_ms: 0,
        },
    };
    Ok(Node {
        parent: Some(via.clone()),
        last_heard_ms: known.last_heard_ms.max(complete_ms),
        ..known
    })
}

/// How an introduction came.
#[derive(Debug, Clone, Copy)]
struct Told {
    /// The node's parent tells what it has of it.
    relayed: bool,
    /// When the node itself told it.
    told_ms: u64,
    now_ms: u64,
}

fn compare_all(writing: &Writing<'_>, node: &NodeId, hello: &Hello, how: Told) -> Result<Introduction, IntroduceError> {
    let now_ms = how.now_ms;
    let mut statuses = Vec::with_capacity(hello.streams.len());
    let mut branched = None;
    for (index, told) in hello.streams.iter().enumerate() {
        let newest = index + 1 == hello.streams.len();
        let mut origin = known_or_new(writing, node, &hello.site, told)?;
        origin.last_heard_ms = origin.last_heard_ms.max(how.told_ms);
        let committed = committed_hash(writing, &origin, told.head.seq)?;
        let same_session = origin.session == hello.session;
        let told_acked = hello.acked.get(index);
        let verdict = match hub_judge::judge_head(&origin.acked, told, committed, same_session) {
            // A parent that has less has lost some itself: it passes on what it has, and learns what is here.
            HeadVerdict::SetBack if how.relayed => HeadVerdict::Agrees,
            verdict => verdict,
        };
        let continues = matches!(verdict, HeadVerdict::Agrees | HeadVerdict::Hole { .. });
        if continues {
            origin.told(told.head.seq, hello.session, how.told_ms.max(origin.told_ms));
        }
        match verdict {
            HeadVerdict::Agrees => {}
            HeadVerdict::Hole { first, last, after } => accept_hole(writing, &mut origin, first, last, after, now_ms)?,
            // An older incarnation of this disk is closed: whatever it lacks has been dealt with since.
            verdict if newest => {
                let set_back = verdict == HeadVerdict::SetBack;
                tracing::warn!(%node, incarnation = %told.head.incarnation, set_back, "a disk was set back or copied");
                origin.branched(hello.session, now_ms);
                branched = Some(Introduction::Branched {
                    acked: origin.acked,
                    common: common(writing, &origin, told, told_acked)?,
                    set_back,
                });
            }
            _ => {}
        }
        statuses.push(StreamStatus {
            acked: origin.acked,
            common: common(writing, &origin, told, told_acked)?,
            state: origin.state,
        });
        writing.save_origin(&origin)?;
    }
    Ok(branched.unwrap_or(Introduction::Known(statuses)))
}

/// Up to where the node's chain is the committed one for certain.
fn common(
    writing: &Writing<'_>,
    origin: &Origin,
    told: &StreamHead,
    told_acked: Option<&Head>,
) -> Result<u64, StorageError> {
    for (seq, hash) in hub_judge::comparable(told, told_acked) {
        if seq <= origin.acked.seq && committed_hash(writing, origin, seq)? == Some(hash) {
            return Ok(seq);
        }
    }
    Ok(0)
}

fn known_or_new(
    writing: &Writing<'_>,
    node: &NodeId,
    site: &SiteId,
    told: &StreamHead,
) -> Result<Origin, IntroduceError> {
    let incarnation = told.head.incarnation;
    let wrong_key = || IntroduceError::Key {
        node: node.clone(),
        incarnation,
    };
    match writing.origin(node, incarnation)? {
        Some(origin) if origin.public_key == told.public_key => Ok(origin),
        Some(_) => Err(wrong_key()),
        None => {
            VerifyingKey::from_bytes(&told.public_key).map_err(|_| wrong_key())?;
            let others = writing.incarnations_of(node)?;
            Ok(writing.add_origin(&NewOrigin {
                node,
                public_key: told.public_key,
                site,
                state: hub_judge::initial_state(others),
                genesis: Head {
                    incarnation,
                    seq: 0,
                    hash: Hash::genesis(node, incarnation),
                },
            })?)
        }
    }
}

/// Notes that records are lost here for good and goes on behind them.
fn accept_hole(
    writing: &Writing<'_>,
    origin: &mut Origin,
    first: u64,
    last: u64,
    after: Hash,
    now_ms: u64,
) -> Result<(), StorageError> {
    tracing::error!(node = %origin.node, incarnation = %origin.acked.incarnation, first, last,
        "headquarters has lost records that their node has pruned since");
    writing.add_hole(&Hole {
        origin: origin.id,
        first,
        last,
        after,
        found_ms: now_ms,
    })?;
    origin.acked.seq = last;
    origin.acked.hash = after;
    Ok(())
}
