//! Rights on their way between replicas, as facts of both.
//!
//! A grant may be sent only once the record that made it is on disk, and it is the receiver's only once its own record is:
//! in between it is under way, and nobody can promise it. It names totals, not amounts, so that it may come twice or late.

use serde::{Deserialize, Serialize};

use super::hold::HoldOpened;
use crate::domain::escrow::{Grant, ReplicaId};
use crate::domain::ids::{SiteId, Sku};

/// One item's step of a grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantLine {
    /// The item.
    pub sku: Sku,
    /// From which total to which.
    pub grant: Grant,
}

/// A hold that changes hands with its rights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandedHold {
    /// The hold as it was opened; its lifetime is what was left of it when it was handed over.
    pub opened: HoldOpened,
}

/// The fact that rights were handed on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Granted {
    /// To whom.
    pub to: ReplicaId,
    /// The site whose shelves they are.
    pub site: SiteId,
    /// The request that it answers, where there was one.
    pub request: Option<u64>,
    /// What is handed on; at least one line, each item once.
    pub lines: Vec<GrantLine>,
    /// The hold that changes hands with them: it holds exactly what the lines hand on.
    pub hold: Option<HandedHold>,
}

/// The fact that rights were taken over. It repeats what was granted, so that it needs no other record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// From whom.
    pub from: ReplicaId,
    /// The site whose shelves they are.
    pub site: SiteId,
    /// What is taken over.
    pub lines: Vec<GrantLine>,
    /// The hold that came with them.
    pub hold: Option<HandedHold>,
}
