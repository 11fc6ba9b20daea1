//! Introduce a kiosk's node: its incarnations become known, and each is compared with what is here.

use super::hash_at;
use crate::domain::ids::{Incarnation, NodeId, SiteId};
use crate::domain::journal::Head;
use crate::store::{Failure, Now, RelayOrigin, StorageError, WriteTransaction};
use crate::sync::hub::Introduction;
use crate::sync::hub_judge::{self, HeadVerdict};
use crate::sync::wire::{Hello, StreamHead, StreamState, StreamStatus, VerifyingKey};

/// The most incarnations that a node tells of; no disk has so many that still keep records.
const STREAMS_MAX: usize = 1_000;

/// Why an introduction is not taken; its node hears nothing then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IntroduceRefusal {
    /// It is of another site.
    #[error("{node} is of the site {theirs}, and this node of {ours}")]
    OtherSite {
        /// The node.
        node: NodeId,
        /// The site that it tells.
        theirs: SiteId,
        /// This node's.
        ours: SiteId,
    },
    /// It calls itself what this node is called.
    #[error("{0} is this node's own name")]
    OwnName(NodeId),
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
}

/// Takes the introduction of a kiosk's node. Where this disk has lost records that the kiosk has let go since,
/// headquarters has them, and what follows is taken.
///
/// # Errors
/// An [`IntroduceRefusal`], or why the store could not keep it.
pub fn introduce_child(
    tx: &mut WriteTransaction<'_>,
    now: Now,
    node: &NodeId,
    hello: &Hello,
) -> Result<Introduction, Failure<IntroduceRefusal>> {
    check(tx, node, hello)?;
    let mut statuses = Vec::with_capacity(hello.streams.len());
    let mut branched = None;
    for (at, told) in hello.streams.iter().enumerate() {
        let newest = at + 1 == hello.streams.len();
        let told_acked = hello.acked.get(at);
        let mut origin = known_or_new(tx, node, told)?;
        let committed = hash_at(tx, &origin, told.head.seq)?;
        let same_session = origin.session == hello.session;
        match hub_judge::judge_head(&origin.acked, told, committed, same_session) {
            HeadVerdict::Agrees => {}
            HeadVerdict::Hole { last, after, .. } => pass_hole(tx, &mut origin, last, after)?,
            // An older incarnation of that disk is closed: whatever it lacks has been dealt with since.
            _ if !newest => {}
            verdict => {
                tracing::warn!(%node, incarnation = %told.head.incarnation, told = told.head.seq,
                    here = origin.acked.seq, session = hello.session, taken_in = origin.session, ?verdict,
                    "a kiosk tells of another branch than the one that is here");
                branched = Some(Introduction::Branched {
                    acked: origin.acked,
                    common: common(tx, &origin, told, told_acked)?,
                    set_back: verdict == HeadVerdict::SetBack,
                });
            }
        }
        if let (None, true, Some(fence)) = (&branched, newest, origin.fence)
            && told.head.seq > fence.common
        {
            // Headquarters knows another branch: its word is passed on.
            branched = Some(Introduction::Branched {
                acked: origin.acked,
                common: fence.common,
                set_back: fence.set_back,
            });
        }
        if branched.is_none() {
            origin.told_seq = told.head.seq;
            origin.told_ms = now.unix_ms;
            if told.head.seq <= origin.acked.seq {
                origin.complete_ms = now.unix_ms;
            }
        }
        statuses.push(StreamStatus {
            acked: origin.acked,
            common: common(tx, &origin, told, told_acked)?,
            state: StreamState::Counted,
        });
        tx.save_relay_origin(&origin)?;
    }
    Ok(branched.unwrap_or(Introduction::Known(statuses)))
}

fn check(tx: &WriteTransaction<'_>, node: &NodeId, hello: &Hello) -> Result<(), Failure<IntroduceRefusal>> {
    let us = tx
        .identity()?
        .ok_or_else(|| StorageError::Inconsistent("the node has no name".into()))?;
    let refused = |refusal| Err(Failure::Refused(refusal));
    if *node == us.node {
        return refused(IntroduceRefusal::OwnName(node.clone()));
    }
    if hello.site != us.site {
        return refused(IntroduceRefusal::OtherSite {
            node: node.clone(),
            theirs: hello.site.clone(),
            ours: us.site,
        });
    }
    if hello.streams.len() > STREAMS_MAX {
        let reason = format!("{} incarnations", hello.streams.len());
        return refused(IntroduceRefusal::Nonsense(node.clone(), reason));
    }
    let highest = hello.streams.iter().map(|told| told.head.seq.max(told.earliest)).max();
    if let Some(highest) = highest.filter(|seq| i64::try_from(*seq).is_err()) {
        let reason = format!("record {highest}");
        return refused(IntroduceRefusal::Nonsense(node.clone(), reason));
    }
    Ok(())
}

fn known_or_new(
    tx: &mut WriteTransaction<'_>,
    node: &NodeId,
    told: &StreamHead,
) -> Result<RelayOrigin, Failure<IntroduceRefusal>> {
    let incarnation = told.head.incarnation;
    let wrong_key = || {
        Failure::Refused(IntroduceRefusal::Key {
            node: node.clone(),
            incarnation,
        })
    };
    match tx.relay_origin(node, incarnation)? {
        Some(origin) if origin.public_key == told.public_key => Ok(origin),
        Some(_) => Err(wrong_key()),
        None => {
            VerifyingKey::from_bytes(&told.public_key).map_err(|_| wrong_key())?;
            Ok(tx.add_relay_origin(node, incarnation, told.public_key)?)
        }
    }
}

/// The kiosk has let go what is missing here, so that headquarters has it: goes on behind it.
fn pass_hole(
    tx: &mut WriteTransaction<'_>,
    origin: &mut RelayOrigin,
    last: u64,
    after: crate::domain::journal::Hash,
) -> Result<(), StorageError> {
    tracing::warn!(node = %origin.node, incarnation = %origin.acked.incarnation, first = origin.acked.seq + 1, last,
        "records of a kiosk are not here and the kiosk has let them go: headquarters has them");
    origin.acked.seq = last;
    origin.acked.hash = after;
    origin.earliest_seq = last.saturating_add(1);
    origin.before_earliest = after;
    tx.let_relay_batches_go(origin.ix, last)?;
    Ok(())
}

/// Up to where the kiosk's chain is the one that is here for certain.
fn common(
    tx: &WriteTransaction<'_>,
    origin: &RelayOrigin,
    told: &StreamHead,
    told_acked: Option<&Head>,
) -> Result<u64, StorageError> {
    for (seq, hash) in hub_judge::comparable(told, told_acked) {
        if seq <= origin.acked.seq && hash_at(tx, origin, seq)? == Some(hash) {
            return Ok(seq);
        }
    }
    Ok(0)
}
