//! How a command on the same machine finds the running process and is let in: a file in its data folder that only its
//! owner can read.

use std::fs;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
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
    /// For a process that listens on `address`. Commands on the same machine reach one that listens everywhere by the
    /// loopback address.
    #[must_use]
    pub fn at(address: SocketAddr, token: String) -> Self {
        let ip = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            ip => ip,
        };
        Self {
            url: format!("http://{}", SocketAddr::new(ip, address.port())),
            token,
        }
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
