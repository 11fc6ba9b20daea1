//! What a data folder belongs to: a node or a headquarters.

use std::path::Path;

use super::Failure;

/// Whose data folder it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// A node's.
    Node,
    /// A headquarters'.
    Headquarters,
}

/// Tells by the database in a folder whose it is.
pub(super) fn owner(folder: &Path) -> Result<Owner, Failure> {
    let node = crate::store::database_path(folder).exists();
    let headquarters = crate::hq::database_path(folder).exists();
    match (node, headquarters) {
        (true, false) => Ok(Owner::Node),
        (false, true) => Ok(Owner::Headquarters),
        (true, true) => Err(format!("{} has both a node's and a headquarters' database", folder.display()).into()),
        (false, false) => Err(format!(
            "{} has neither a node's database (node.db) nor a headquarters' (hq.db)",
            folder.display()
        )
        .into()),
    }
}
