//! What headquarters tells whoever watches: sales as they are counted, figures and nodes as they change. In memory only:
//! whoever misses something reads the figures, which are on disk.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::broadcast;

use super::headquarters::Headquarters;
use super::link_trouble::LinkTroubles;
use super::sales::SaleSummary;
use crate::domain::escrow::ReplicaId;
use crate::domain::ids::{NodeId, SiteId, Sku};
use crate::domain::stock::{GrantLine, site_feed};

/// How many happenings wait for a slow watcher; it is told where it has missed some.
const WAITING_MAX: usize = 1_024;
/// How many kiosks of one store are kept in mind: more than a store's node lets in.
const CHILDREN_MAX: usize = 1_000;

/// Something that a watcher may want to show.
#[derive(Debug, Clone)]
pub enum Happening {
    /// A sale or a refund has been counted. When many come at once only some of them are told one by one.
    Counted(Arc<SaleSummary>),
    /// Figures have moved.
    Figures,
    /// A node has come, gone or introduced itself, or an incarnation was settled.
    Nodes,
    /// Rights have changed hands with a node.
    Rights(RightsMoved),
    /// A pickup or a transfer of a site went further, and the site's feed says so.
    Site(SiteId),
}

/// Rights that changed hands between headquarters and a node.
#[derive(Debug, Clone)]
pub enum RightsMoved {
    /// Headquarters has taken over what a node had handed on to it.
    Accepted {
        /// The node.
        from: ReplicaId,
        /// The site.
        site: SiteId,
        /// The request that it answers.
        request: Option<u64>,
        /// The items.
        skus: Vec<Sku>,
    },
    /// A node has taken over what headquarters had handed on to it.
    TakenOver {
        /// The node.
        by: ReplicaId,
        /// The site.
        site: SiteId,
        /// What it took over.
        lines: Vec<GrantLine>,
    },
    /// Headquarters has handed a hold over to a node.
    HandedOver {
        /// The node.
        to: ReplicaId,
        /// The site.
        site: SiteId,
        /// The items.
        skus: Vec<Sku>,
    },
    /// A hold of headquarters has ended because of what a node decided.
    Freed {
        /// The site.
        site: SiteId,
        /// The items.
        skus: Vec<Sku>,
    },
    /// A node was retired here.
    Retired {
        /// The node.
        replica: ReplicaId,
    },
    /// What a retired node left was released, or what it still did posted: headquarters' own rows have moved.
    Posted {
        /// The site.
        site: SiteId,
        /// The items.
        skus: Vec<Sku>,
    },
}

/// Who watches, and which nodes are there.
#[derive(Debug)]
pub(super) struct Watch {
    happenings: broadcast::Sender<Happening>,
    /// The names of sites' feeds that have a new version.
    site_feeds: broadcast::Sender<String>,
    online: Mutex<HashMap<NodeId, bool>>,
    /// By store's node the kiosks' nodes that are connected to it, as it says.
    children: Mutex<HashMap<NodeId, HashSet<NodeId>>>,
    pub(super) troubles: LinkTroubles,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            happenings: broadcast::Sender::new(WAITING_MAX),
            site_feeds: broadcast::Sender::new(WAITING_MAX),
            online: Mutex::default(),
            children: Mutex::default(),
            troubles: LinkTroubles::default(),
        }
    }
}

impl Watch {
    /// Tells all watchers; nobody need be there.
    pub(super) fn tell(&self, happening: Happening) {
        if let Happening::Site(site) = &happening {
            let _ = self.site_feeds.send(site_feed(site));
        }
        let _ = self.happenings.send(happening);
    }

    /// Whether a node is there, as far as the broker has said.
    pub(super) fn is_online(&self, node: &NodeId) -> bool {
        let online = self.online.lock().unwrap_or_else(PoisonError::into_inner);
        online.get(node).copied().unwrap_or_default()
    }

    /// Whether a kiosk's node is there, as far as its parent has said, which must be there itself.
    pub(super) fn is_online_at(&self, parent: &NodeId, node: &NodeId) -> bool {
        let children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        let connected = children.get(parent).is_some_and(|children| children.contains(node));
        drop(children);
        connected && self.is_online(parent)
    }
}

impl Headquarters {
    /// What happens from now on.
    #[must_use]
    pub fn watch(&self) -> broadcast::Receiver<Happening> {
        self.watch.happenings.subscribe()
    }

    /// The names of sites' feeds that have a new version from now on.
    pub(super) fn site_feeds(&self) -> broadcast::Receiver<String> {
        self.watch.site_feeds.subscribe()
    }

    /// A node has come or gone, as the broker says.
    pub fn present(&self, node: &NodeId, online: bool) {
        let mut nodes = self.watch.online.lock().unwrap_or_else(PoisonError::into_inner);
        let before = nodes.insert(node.clone(), online);
        drop(nodes);
        if before != Some(online) {
            self.watch.tell(Happening::Nodes);
        }
    }

    /// Which kiosks' nodes are connected to a store's node, as that says.
    pub fn children_present(&self, parent: &NodeId, online: impl IntoIterator<Item = NodeId>) {
        let online: HashSet<NodeId> = online.into_iter().take(CHILDREN_MAX).collect();
        let mut children = self.watch.children.lock().unwrap_or_else(PoisonError::into_inner);
        let before = children.insert(parent.clone(), online.clone());
        drop(children);
        if before.as_ref() != Some(&online) {
            self.watch.tell(Happening::Nodes);
        }
    }
}
