//! What headquarters is told by its configuration file.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use super::headquarters::Admission;
use crate::domain::ids::OrgId;
use crate::mqtt::BrokerConfig;

/// Headquarters' configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HqConfig {
    /// The folder with the database. Made at the first start.
    pub data: PathBuf,
    /// The organisation.
    pub org: OrgId,
    /// Where its API and page are reached.
    pub listen: SocketAddr,
    /// The broker that the nodes use.
    pub broker: BrokerConfig,
    /// Which nodes it takes facts from.
    #[serde(default = "default_admission")]
    pub admission: Admission,
}

const fn default_admission() -> Admission {
    Admission::Anyone
}
