//! What is wrong with what a node sends, as long as it lasts: in memory only, for whoever looks.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::happenings::Watch;
use crate::domain::ids::NodeId;

/// How many nodes' troubles are kept in mind; the broker's access rules bound who may send at all.
const NODES_MAX: usize = 10_000;

/// What is wrong with what a node sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkTrouble {
    /// Batches that came damaged since the last one that came through, where there are any.
    pub damaged: Option<DamagedBatches>,
    /// Why its introduction is not taken, where it is not: it tells another key than the one that is known.
    pub disputed: Option<String>,
}

/// Batches that came damaged in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedBatches {
    /// How many.
    pub count: u64,
    /// When the first of them came, in milliseconds since 1970.
    pub since_ms: u64,
    /// What was wrong with the last one.
    pub reason: String,
}

/// The troubles of all nodes that have any.
#[derive(Debug, Default)]
pub(super) struct LinkTroubles(Mutex<HashMap<NodeId, LinkTrouble>>);

impl LinkTroubles {
    fn change(&self, node: &NodeId, change: impl FnOnce(&mut LinkTrouble)) {
        let mut troubles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if troubles.len() >= NODES_MAX && !troubles.contains_key(node) {
            return;
        }
        let mut trouble = troubles.remove(node).unwrap_or(LinkTrouble {
            damaged: None,
            disputed: None,
        });
        change(&mut trouble);
        if trouble.damaged.is_some() || trouble.disputed.is_some() {
            troubles.insert(node.clone(), trouble);
        }
    }
}

impl Watch {
    /// A batch of a node is in the ledger.
    pub(super) fn batch_came_through(&self, node: &NodeId) {
        self.troubles.change(node, |trouble| trouble.damaged = None);
    }

    /// A batch of a node is not what it sealed.
    pub(super) fn batch_came_damaged(&self, node: &NodeId, reason: &str, now_ms: u64) {
        self.troubles.change(node, |trouble| {
            let damaged = trouble.damaged.take().unwrap_or(DamagedBatches {
                count: 0,
                since_ms: now_ms,
                reason: String::new(),
            });
            trouble.damaged = Some(DamagedBatches {
                count: damaged.count.saturating_add(1),
                since_ms: damaged.since_ms,
                reason: reason.to_owned(),
            });
        });
    }

    /// A node's introduction is taken, or its key is disputed.
    pub(super) fn key_disputed(&self, node: &NodeId, reason: Option<String>) {
        self.troubles.change(node, |trouble| trouble.disputed = reason);
    }

    /// What is wrong with what a node sends, where anything is.
    pub(super) fn trouble(&self, node: &NodeId) -> Option<LinkTrouble> {
        let troubles = self.troubles.0.lock().unwrap_or_else(PoisonError::into_inner);
        troubles.get(node).cloned()
    }
}
