//! Where a kiosk's parent is, and who the kiosk is there.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::Deserialize;

use crate::domain::ids::{NodeId, OrgId, SiteId};

/// Where a store's node answers: `http://HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ParentAddress {
    host: String,
    port: u16,
}

/// Why a text is not a parent's address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a parent's address is http://HOST:PORT; this is {0:?}")]
pub struct ParentAddressError(String);

impl FromStr for ParentAddress {
    type Err = ParentAddressError;

    fn from_str(text: &str) -> Result<Self, ParentAddressError> {
        let wrong = || ParentAddressError(text.chars().take(120).collect());
        let rest = text.strip_prefix("http://").ok_or_else(wrong)?;
        let (host, port) = rest.trim_end_matches('/').rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().map_err(|_| wrong())?;
        let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
        if host.is_empty() || !host.chars().all(is_host) {
            return Err(wrong());
        }
        let host = host.to_owned();
        Ok(Self { host, port })
    }
}

impl TryFrom<String> for ParentAddress {
    type Error = ParentAddressError;

    fn try_from(text: String) -> Result<Self, ParentAddressError> {
        text.parse()
    }
}

impl fmt::Display for ParentAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}:{}", self.host, self.port)
    }
}

impl ParentAddress {
    /// Host and port, as the system's resolver takes them.
    #[must_use]
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

/// As what a node connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// As a kiosk's node, whose parent the other one is.
    Kiosk,
    /// As a standby, which follows the other one.
    Standby,
}

/// How a kiosk's node reaches its parent, or a standby the node that it follows.
#[derive(Clone)]
pub struct ParentConfig {
    /// As what this node connects.
    pub door: Door,
    /// Where it is.
    pub address: ParentAddress,
    /// This node's data folder, which remembers who may take the parent's place.
    pub folder: PathBuf,
    /// The token by which it knows this node.
    pub token: String,
    /// The organisation.
    pub org: OrgId,
    /// This node.
    pub node: NodeId,
    /// Its site.
    pub site: SiteId,
}

impl fmt::Debug for ParentConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Whoever reads a log must not get in.
        f.debug_struct("ParentConfig")
            .field("address", &self.address)
            .field("node", &self.node)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_back_as_it_is_written() {
        for right in ["http://192.0.2.7:8080", "http://store-1.local:80", "http://[::1]:8080"] {
            assert_eq!(right.parse::<ParentAddress>().unwrap().to_string(), right);
        }
        for wrong in [
            "",
            "store:80",
            "https://s:1",
            "http://s",
            "http://:80",
            "http://s:x",
            "http://a/b:80",
        ] {
            assert!(wrong.parse::<ParentAddress>().is_err(), "{wrong}");
        }
    }
}
