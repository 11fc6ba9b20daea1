//! What headquarters is told by its configuration file.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use super::headquarters::Admission;
use crate::domain::ids::OrgId;
use crate::domain::quantity::Quantity;
use crate::domain::stock::LOW_STOCK;
use crate::mqtt::BrokerConfig;
use crate::sync::rights::RightsSettings;

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
    /// From when on stock is told of.
    #[serde(default)]
    pub stock: StockConfig,
    /// How rights to promise goods move between headquarters, for its online channels, and the sites.
    #[serde(default)]
    pub rights: RightsSettings,
}

/// From when on stock is told of.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StockConfig {
    /// From how many units left on an item counts as low, where a site has set no threshold for it.
    pub low_stock: Quantity,
    /// After how many minutes a store or a kiosk that is not connected counts as silent.
    pub stale_minutes: u32,
}

impl Default for StockConfig {
    fn default() -> Self {
        Self {
            low_stock: LOW_STOCK,
            stale_minutes: 60,
        }
    }
}

const fn default_admission() -> Admission {
    Admission::Anyone
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_that_ships_is_right() {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("firmware-config/hq.toml");
        let config: HqConfig = toml::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        assert_eq!(config.admission, Admission::Anyone);
        assert!(config.broker.tls.is_some());
    }
}
