//! Which documents go over which link.

use serde::{Deserialize, Serialize};

use crate::domain::escrow::ReplicaId;
use crate::domain::ids::{NodeId, SiteId};
use crate::sync::shelves::DocumentId;

/// The other end of a link, as rows name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Neighbour {
    /// The one that facts go to.
    Parent,
    /// One whose facts come here.
    Child(NodeId),
}

/// A child, as it introduced itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// Its site.
    pub site: SiteId,
    /// The node in its present incarnation.
    pub replica: ReplicaId,
}

/// A link and what is known of its other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// To the parent.
    Parent,
    /// To a child.
    Child(Child),
}

impl Link {
    /// The other end.
    #[must_use]
    pub fn neighbour(&self) -> Neighbour {
        match self {
            Self::Parent => Neighbour::Parent,
            Self::Child(child) => Neighbour::Child(child.replica.node.clone()),
        }
    }

    /// Whether a document goes over the link. `source` is where it came from; none for one that was written here.
    ///
    /// Up goes everything that did not come from there. Down go the documents of the child's own site, except those that
    /// it writes or relays. What an earlier incarnation of the child wrote does go back to it: a disk that was restored
    /// has lost the end of it.
    #[must_use]
    pub fn carries(&self, id: &DocumentId, source: Option<&Neighbour>) -> bool {
        match self {
            Self::Parent => source != Some(&Neighbour::Parent),
            Self::Child(child) => {
                let own_node = id.writer.node == child.replica.node;
                let from_there = matches!(source, Some(Neighbour::Child(node)) if *node == child.replica.node);
                id.site == child.site
                    && if own_node {
                        id.writer.incarnation != child.replica.incarnation
                    } else {
                        !from_there
                    }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::Incarnation;

    fn replica(node: &str, counter: u32) -> ReplicaId {
        ReplicaId {
            node: node.parse().unwrap(),
            incarnation: Incarnation { counter, random: 7 },
        }
    }

    fn id(site: &str, writer: ReplicaId) -> DocumentId {
        DocumentId {
            site: site.parse().unwrap(),
            writer,
            bucket: 0,
            generation: 0,
        }
    }

    #[test]
    fn nothing_goes_back_to_where_it_came_from() {
        let store = Link::Child(Child {
            site: "s1".parse().unwrap(),
            replica: replica("store", 2),
        });
        let from_store = Some(store.neighbour());
        let from_store = from_store.as_ref();
        let headquarters = id("s1", replica("hq", 1));
        assert!(store.carries(&headquarters, None));
        assert!(!store.carries(&id("s2", replica("hq", 1)), None), "another site's");
        assert!(!store.carries(&id("s1", replica("store", 2)), from_store), "its own");
        assert!(
            !store.carries(&id("s1", replica("kiosk", 1)), from_store),
            "what it relays"
        );
        assert!(
            store.carries(&id("s1", replica("store", 1)), from_store),
            "what it lost"
        );
        let sibling = Neighbour::Child("other".parse().unwrap());
        assert!(store.carries(&id("s1", replica("other", 1)), Some(&sibling)));

        assert!(Link::Parent.carries(&id("s1", replica("store", 2)), None));
        assert!(Link::Parent.carries(
            &id("s1", replica("kiosk", 1)),
            Some(&Neighbour::Child("kiosk".parse().unwrap()))
        ));
        assert!(!Link::Parent.carries(&headquarters, Some(&Neighbour::Parent)));
    }
}
