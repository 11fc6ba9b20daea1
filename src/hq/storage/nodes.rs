//! Nodes: which ones this headquarters knows.

use rusqlite::{OptionalExtension as _, Row};

use super::value::{number, parsed, parsed_if_any, unsigned};
use super::{Reading, StorageError, Writing};
use crate::domain::ids::{NodeId, SiteId};

/// A node that this headquarters knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hq) struct Node {
    /// Its name.
    pub node: NodeId,
    /// Its site.
    pub site: SiteId,
    /// The store's node that passes its records on; none where it comes by itself.
    pub parent: Option<NodeId>,
    /// Since when it is known, in milliseconds since 1970.
    pub enrolled_ms: u64,
    /// Its program's version, for people; empty until it has introduced itself.
    pub software: String,
    /// When it was last heard of, in milliseconds since 1970; 0 for never.
    pub last_heard_ms: u64,
}

const COLUMNS: &str = "node, site, enrolled_ms, software, last_heard_ms, parent";

impl Reading<'_> {
    /// A node by its name.
    pub(in crate::hq) fn node(&self, node: &NodeId) -> Result<Option<Node>, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM node WHERE node = ?1"))?;
        Ok(statement.query_row([node.as_str()], read).optional()?)
    }

    /// All nodes, by name.
    pub(in crate::hq) fn nodes(&self) -> Result<Vec<Node>, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM node ORDER BY node"))?;
        let nodes = statement.query_map([], read)?;
        Ok(nodes.collect::<Result<_, _>>()?)
    }
}

impl Writing<'_> {
    /// Adds a node or changes what is known of it.
    pub(in crate::hq) fn save_node(&self, node: &Node) -> Result<(), StorageError> {
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO node (node, site, enrolled_ms, software, last_heard_ms, parent)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (node) DO UPDATE SET site = excluded.site, software = excluded.software,
                 last_heard_ms = excluded.last_heard_ms, parent = excluded.parent",
        )?;
        statement.execute((
            node.node.as_str(),
            node.site.as_str(),
            number(node.enrolled_ms)?,
            &node.software,
            number(node.last_heard_ms)?,
            node.parent.as_ref().map(NodeId::as_str),
        ))?;
        Ok(())
    }

    /// A node has been heard of.
    pub(in crate::hq) fn node_heard(&self, node: &NodeId, now_ms: u64) -> Result<(), StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("UPDATE node SET last_heard_ms = ?2 WHERE node = ?1 AND last_heard_ms < ?2")?;
        statement.execute((node.as_str(), number(now_ms)?))?;
        Ok(())
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Node> {
    Ok(Node {
        node: parsed(row, 0)?,
        site: parsed(row, 1)?,
        enrolled_ms: unsigned(row, 2)?,
        software: row.get(3)?,
        last_heard_ms: unsigned(row, 4)?,
        parent: parsed_if_any(row, 5)?,
    })
}
