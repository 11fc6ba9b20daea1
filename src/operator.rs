//! How a command on the same machine finds the running process and is let in: a file in its data folder that only its
//! owner can read.

use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The file's name.
pub const OPERATOR_FILE: &str = "operator.json";

/// What the file holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Operator {
    /// Where the process answers, such as `http://127.0.0.1:8080`.
    pub url: String,
    /// A token with every right, good until the process ends.
    pub token: String,
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// It cannot be read.
    #[error("cannot read {}: {source}. Is the process running, and is this its data folder?", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It cannot be written.
    #[error("cannot write {}: {source}", file.display())]
    Unwritable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It does not hold what it should.
    #[error("{} is damaged: {reason}", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl Operator {
    /// Where commands on this machine reach a process that listens at `address`: one that listens everywhere, by the
    /// loopback address.
    #[must_use]
    pub fn url_of(address: SocketAddr) -> String {
        let reached = match address {
            SocketAddr::V4(address) if address.ip().is_unspecified() => (Ipv4Addr::LOCALHOST, address.port()).into(),
            // A socket on all of IPv6 takes IPv4 too.
            SocketAddr::V6(address) if address.ip().is_unspecified() => (Ipv4Addr::LOCALHOST, address.port()).into(),
            address => address,
        };
        format!("http://{reached}")
    }

    /// Reads a data folder's file.
    ///
    /// # Errors
    /// Where it is not there or damaged.
    pub fn read(folder: &Path) -> Result<Self, OperatorError> {
        let file = folder.join(OPERATOR_FILE);
        let text = fs::read_to_string(&file).map_err(|source| OperatorError::Unreadable {
            file: file.clone(),
            source,
        })?;
        serde_json::from_str(&text).map_err(|error| OperatorError::Damaged {
            file,
            reason: error.to_string(),
        })
    }

    /// Writes a data folder's file, whole or not at all.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), OperatorError> {
        let file = folder.join(OPERATOR_FILE);
        let new = folder.join(format!("{OPERATOR_FILE}.new"));
        let write = || {
            // An older one may belong to others; the new one is made with the owner's rights only.
            if new.exists() {
                fs::remove_file(&new)?;
            }
            let mut out = fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&new)?;
            out.write_all(&serde_json::to_vec(self)?)?;
            fs::rename(&new, &file)
        };
        write().map_err(|source| OperatorError::Unwritable {
            file: file.clone(),
            source,
        })
    }
}
