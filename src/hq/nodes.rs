//! Nodes as headquarters sees them: what it has of each, what is missing, and up to when each is in the figures.

use std::collections::HashMap;

use super::headquarters::Headquarters;
use super::link_trouble::LinkTrouble;
use super::projection::Projection;
use super::storage::{Hole, Node, Origin, OriginId, Reading, StorageError};
use crate::domain::escrow::ReplicaId;
use crate::domain::fact::OpenedReason;
use crate::domain::ids::{Incarnation, NodeId, SiteId};
use crate::domain::journal::Head;
use crate::domain::time::Hlc;
use crate::sync::wire::StreamState;

/// A node and its incarnations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeStatus {
    /// Its name.
    pub node: NodeId,
    /// Its site.
    pub site: SiteId,
    /// The store's node that passes its records on; none where it comes by itself.
    pub parent: Option<NodeId>,
    /// Since when it is known, in milliseconds since 1970.
    pub enrolled_ms: u64,
    /// Its program's version; empty until it has introduced itself.
    pub software: String,
    /// When it was last heard of, in milliseconds since 1970; 0 for never.
    pub last_heard_ms: u64,
    /// Whether it is connected now, as far as the broker has said, or its parent.
    pub online: bool,
    /// What is wrong with what it sends, where anything is.
    pub trouble: Option<LinkTrouble>,
    /// Its incarnations, in the order in which they became known.
    pub incarnations: Vec<IncarnationStatus>,
    /// How far it is in the figures.
    pub complete: Complete,
}

/// One incarnation of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncarnationStatus {
    /// Which.
    pub incarnation: Incarnation,
    /// Whether its facts count.
    pub state: StreamState,
    /// Why it opened; none until its first record is here.
    pub reason: Option<OpenedReason>,
    /// Where the one before it stood on that disk, where there was one.
    pub predecessor: Option<Head>,
    /// The last record that is in the ledger.
    pub acked: Head,
    /// The highest number that its node has told of.
    pub told_seq: u64,
    /// The last record that is in the figures.
    pub projected_seq: u64,
    /// When its node recorded that, in milliseconds since 1970; 0 for none.
    pub projected_recorded_ms: u64,
    /// When it was last heard of, in milliseconds since 1970; 0 for never.
    pub last_heard_ms: u64,
    /// When another branch of it was last offered, in milliseconds since 1970; 0 for never.
    pub branched_ms: u64,
    /// At which record, by whom and why it was retired, where it was.
    pub retired: Option<(u64, String, String)>,
    /// Records that this headquarters has lost and its node no longer had: first and last of each run.
    pub holes: Vec<(u64, u64)>,
    /// Where a standby took the place of its predecessor: how many records of that one it has never seen, as far as they
    /// are known here by now. They count all the same, once they are here.
    pub unseen: Option<u64>,
}

impl IncarnationStatus {
    /// How many records its node has told of that are not in the ledger.
    #[must_use]
    pub const fn lag(&self) -> u64 {
        self.told_seq.saturating_sub(self.acked.seq)
    }
}

/// Up to when a node is in the figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complete {
    /// The node.
    pub node: NodeId,
    /// Its site.
    pub site: SiteId,
    /// Everything that it recorded before then is in them, as far as it has told; milliseconds since 1970, 0 for
    /// nothing. Where nothing is pending that is when it last told so, else when it recorded the last one counted before
    /// the oldest gap.
    pub through_ms: u64,
    /// How many records it has told of that are not in the figures yet.
    pub pending: u64,
    /// How many of its records are set apart until an operator decides.
    pub set_apart: u64,
    /// When it was last heard of, in milliseconds since 1970; 0 for never.
    pub last_heard_ms: u64,
}

impl NodeStatus {
    /// Whether it is missed when it is silent: nobody waits for one that was retired, unless it has gone on since.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        self.incarnations.last().is_none_or(|life| life.retired.is_none())
    }
}

impl Headquarters {
    /// All nodes, by name.
    ///
    /// # Errors
    /// Where storage fails.
    pub fn nodes(&self) -> Result<Vec<NodeStatus>, StorageError> {
        let mut nodes = self.database.read(statuses)?;
        for node in &mut nodes {
            node.online = match &node.parent {
                None => self.watch.is_online(&node.node),
                Some(parent) => self.watch.is_online_at(parent, &node.node),
            };
            node.trouble = self.watch.trouble(&node.node);
        }
        Ok(nodes)
    }
}

/// All nodes, by name, at one consistent moment.
pub(super) fn statuses(reading: &Reading<'_>) -> Result<Vec<NodeStatus>, StorageError> {
    let reaches = reading.reaches(Projection::Sales.name())?;
    let mut holes: HashMap<OriginId, Vec<Hole>> = HashMap::new();
    for hole in reading.holes()? {
        holes.entry(hole.origin).or_default().push(hole);
    }
    let mut by_node: HashMap<NodeId, Vec<(Origin, IncarnationStatus)>> = HashMap::new();
    for origin in reading.origins()? {
        let reach = reaches.get(&origin.id).copied().unwrap_or_default();
        let holes = holes.remove(&origin.id).unwrap_or_default();
        let mut status = incarnation(&origin, reach, &holes);
        let replica = ReplicaId {
            node: origin.node.clone(),
            incarnation: origin.acked.incarnation,
        };
        let retired = reading.retired(&replica)?;
        status.retired = retired.map(|retired| (retired.seq, retired.by, retired.reason));
        by_node.entry(origin.node.clone()).or_default().push((origin, status));
    }
    let nodes = reading.nodes()?.into_iter().map(|node| {
        let known = by_node.remove(&node.node).unwrap_or_default();
        status(node, known)
    });
    Ok(nodes.collect())
}

fn status(node: Node, mut known: Vec<(Origin, IncarnationStatus)>) -> NodeStatus {
    tell_unseen(&mut known);
    let mut complete = Complete {
        node: node.node.clone(),
        site: node.site.clone(),
        through_ms: 0,
        pending: 0,
        set_apart: 0,
        last_heard_ms: node.last_heard_ms,
    };
    let mut told_ms = 0;
    // An older incarnation may lack what it told of while a newer one is level: the oldest gap decides.
    let mut gap_ms = None;
    for (origin, status) in &known {
        match status.state {
            StreamState::Excluded => {}
            StreamState::SetApart => complete.set_apart += status.told_seq.max(status.acked.seq),
            StreamState::Counted => {
                let pending = status.told_seq.saturating_sub(status.projected_seq);
                let recorded_ms = status.projected_recorded_ms;
                if pending > 0 {
                    gap_ms = Some(gap_ms.map_or(recorded_ms, |gap_ms: u64| gap_ms.min(recorded_ms)));
                }
                complete.pending += pending;
                complete.through_ms = complete.through_ms.max(recorded_ms);
                told_ms = told_ms.max(origin.told_ms);
            }
        }
    }
    if let Some(gap_ms) = gap_ms {
        complete.through_ms = gap_ms;
    } else if complete.set_apart == 0 {
        complete.through_ms = complete.through_ms.max(told_ms);
    }
    NodeStatus {
        node: node.node,
        site: node.site,
        parent: node.parent,
        enrolled_ms: node.enrolled_ms,
        software: node.software,
        last_heard_ms: node.last_heard_ms,
        online: false,
        trouble: None,
        incarnations: known.into_iter().map(|(_, status)| status).collect(),
        complete,
    }
}

/// Says of each successor what it never saw of the one before it.
fn tell_unseen(known: &mut [(Origin, IncarnationStatus)]) {
    let heads: Vec<(Incarnation, u64)> = known
        .iter()
        .map(|(_, status)| (status.incarnation, status.told_seq.max(status.acked.seq)))
        .collect();
    for (_, status) in known {
        let (Some(OpenedReason::Promoted), Some(before)) = (status.reason, status.predecessor) else {
            continue;
        };
        let head = heads.iter().find(|(incarnation, _)| *incarnation == before.incarnation);
        status.unseen = Some(head.map_or(0, |(_, seq)| seq.saturating_sub(before.seq)));
    }
}

fn incarnation(origin: &Origin, (projected_seq, recorded): (u64, Hlc), holes: &[Hole]) -> IncarnationStatus {
    IncarnationStatus {
        incarnation: origin.acked.incarnation,
        state: origin.state,
        reason: origin.opened.map(|(reason, _)| reason),
        predecessor: origin.opened.and_then(|(_, predecessor)| predecessor),
        acked: origin.acked,
        told_seq: origin.told_seq,
        projected_seq,
        projected_recorded_ms: recorded.milliseconds(),
        last_heard_ms: origin.last_heard_ms,
        branched_ms: origin.branched_ms,
        retired: None,
        holes: holes.iter().map(|hole| (hole.first, hole.last)).collect(),
        unseen: None,
    }
}
