//! Why a node does not start.

use std::net::SocketAddr;

use super::operator::OperatorError;
use crate::store::OpenError;

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its data folder cannot be made.
    #[error("cannot make the folder {folder}: {source}")]
    Folder {
        /// The folder.
        folder: String,
        /// Why.
        source: std::io::Error,
    },
    /// Its database does not open.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// Its address cannot be listened to.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why: another process has the port, or the address is not this machine's.
        source: std::io::Error,
    },
    /// The operator's file cannot be written.
    #[error(transparent)]
    Operator(#[from] OperatorError),
    /// It has a broker and a parent: only one of them can be.
    #[error("a node has a broker or a parent, not both: a kiosk's facts reach headquarters through its store")]
    TwoParents,
    /// It has a parent and was not paired with it.
    #[error("there is no token for the parent {parent} in {file}: {source}; pair this node with `finalmarket join`")]
    NotPaired {
        /// The parent.
        parent: String,
        /// Where the token should be.
        file: String,
        /// Why it cannot be read.
        source: std::io::Error,
    },
    /// Its disk is a standby's copy.
    #[error("this disk follows the node at {0} and sells nothing until it is promoted")]
    Follows(String),
    /// A part of the process broke while it started.
    #[error("the node could not start: {0}")]
    Broken(String),
}
