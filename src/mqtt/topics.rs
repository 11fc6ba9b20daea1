//! The topics, as the broker's access rules know them.
//!
//! `fm/ORG/NODE/up`, `fm/ORG/NODE/down`, `fm/ORG/NODE/on` and `fm/ORG/hq`: short, under organisation and node, so that
//! a broker can pin each client to its own.

use std::fmt;

use super::config::Role;
use crate::domain::ids::{NodeId, OrgId};

/// What a topic is for, within one organisation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Topic {
    /// A node's messages to headquarters.
    Up(NodeId),
    /// Headquarters' messages to a node.
    Down(NodeId),
    /// A node's presence, retained; its will when it goes.
    On(NodeId),
    /// Headquarters' state, retained; its will when it goes.
    Hub,
}

/// Why a topic is none of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{topic:?} is not a topic of organisation {org}")]
pub struct TopicError {
    /// The topic, cut where it is long.
    pub topic: String,
    /// The organisation.
    pub org: OrgId,
}

impl Topic {
    /// The topic as the broker sees it.
    #[must_use]
    pub fn path(&self, org: &OrgId) -> String {
        match self {
            Self::Up(node) => format!("fm/{org}/{node}/up"),
            Self::Down(node) => format!("fm/{org}/{node}/down"),
            Self::On(node) => format!("fm/{org}/{node}/on"),
            Self::Hub => format!("fm/{org}/hq"),
        }
    }

    /// Reads a topic of `org`.
    ///
    /// # Errors
    /// Where it is another organisation's, or none of ours.
    pub fn parse(org: &OrgId, text: &str) -> Result<Self, TopicError> {
        let levels: Vec<&str> = text.splitn(5, '/').collect();
        let node = |name: &str| name.parse::<NodeId>().ok();
        let topic = match levels.as_slice() {
            ["fm", of, _, ..] if *of != org.as_str() => None,
            ["fm", _, "hq"] => Some(Self::Hub),
            ["fm", _, name, "up"] => node(name).map(Self::Up),
            ["fm", _, name, "down"] => node(name).map(Self::Down),
            ["fm", _, name, "on"] => node(name).map(Self::On),
            _ => None,
        };
        topic.ok_or_else(|| TopicError {
            topic: text.chars().take(120).collect(),
            org: org.clone(),
        })
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up(node) => write!(f, "{node}/up"),
            Self::Down(node) => write!(f, "{node}/down"),
            Self::On(node) => write!(f, "{node}/on"),
            Self::Hub => f.write_str("hq"),
        }
    }
}

/// Where a role keeps its presence.
pub(super) fn presence(role: &Role) -> Topic {
    match role {
        Role::Node(node) => Topic::On(node.clone()),
        Role::Hub => Topic::Hub,
    }
}

/// What a role listens to.
pub(super) fn filters(org: &OrgId, role: &Role) -> Vec<String> {
    match role {
        Role::Node(node) => vec![Topic::Down(node.clone()).path(org), Topic::Hub.path(org)],
        Role::Hub => vec![format!("fm/{org}/+/up"), format!("fm/{org}/+/on")],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_reads_back_as_it_is_written() {
        let org: OrgId = "market".parse().unwrap();
        let node: NodeId = "store-1".parse().unwrap();
        for topic in [
            Topic::Up(node.clone()),
            Topic::Down(node.clone()),
            Topic::On(node),
            Topic::Hub,
        ] {
            assert_eq!(Topic::parse(&org, &topic.path(&org)), Ok(topic));
        }
    }

    #[test]
    fn other_topics_are_refused() {
        let org: OrgId = "market".parse().unwrap();
        for wrong in [
            "",
            "fm",
            "fm/market",
            "fm/other/hq",
            "fm/other/store-1/up",
            "fm/market/store-1",
            "fm/market/store-1/up/more",
            "fm/market/Store 1/up",
            "fm/market//up",
            "xx/market/hq",
        ] {
            assert!(Topic::parse(&org, wrong).is_err(), "{wrong}");
        }
    }
}
