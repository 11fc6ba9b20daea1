//! What a node is told by its configuration file. Every value has a meaning of its own type, every mistake is told
//! with file, line and column, and nothing starts with half a configuration.

mod sale;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::domain::barcode::InStorePattern;
use crate::domain::ids::{NodeId, OrgId, SiteId};
use crate::domain::quantity::Quantity;
use crate::lan::ParentAddress;
use crate::mqtt::BrokerConfig;
use crate::operations::{HoldLimits, HoldSettings, Settings};
use crate::sync::carriage::CarrierLimits;
use crate::sync::rights::{RightsConfig, RightsSettings};

pub use sale::SaleConfig;

/// A node's configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// The folder with the database. Made at the first start.
    pub data: PathBuf,
    /// The organisation.
    #[serde(default = "default_org")]
    pub org: OrgId,
    /// The node's name, unique within the organisation.
    pub node: NodeId,
    /// The site that it stands in.
    pub site: SiteId,
    /// Where tills and kiosks reach it.
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    /// The broker; without one the node sells all the same and keeps everything for later.
    pub broker: Option<BrokerConfig>,
    /// A kiosk's parent instead of a broker: its store's node, `http://HOST:PORT`, or `lan` to look for it by mDNS.
    /// `finalmarket join` pairs with it.
    pub parent: Option<ParentAddress>,
    /// Whether a store's node announces itself by mDNS, so that its kiosks find it. One that listens on loopback only is
    /// never announced.
    #[serde(default = "default_announce")]
    pub announce: bool,
    /// A standby of this node, or whose standby this node is.
    #[serde(default)]
    pub standby: StandbyConfig,
    /// How sales are computed.
    pub sale: SaleConfig,
    /// What holds are bounded by.
    #[serde(default)]
    pub holds: HoldsConfig,
    /// How codes are read.
    #[serde(default)]
    pub codes: CodesConfig,
    /// From when on stock is told of.
    #[serde(default)]
    pub stock: StockConfig,
    /// How rights to promise goods move between this node, its parent and its kiosks.
    #[serde(default)]
    pub rights: RightsSettings,
    /// What stands above every receipt: name, address, tax number.
    #[serde(default)]
    pub receipt_header: Vec<String>,
    /// Whether the node's page offers to cut the link, as the demo's does.
    #[serde(default)]
    pub link_switch: bool,
    /// How many days acknowledged records stay on this disk. Headquarters may still ask for them after a restore of
    /// its own.
    #[serde(default = "default_keep_days")]
    pub keep_days: u32,
    /// How long, in milliseconds, the node waits between two times that it tells its neighbours of its shelves while it
    /// sells all the time. After a pause it tells them at once.
    #[serde(default = "default_shelves_pause_ms")]
    pub shelves_pause_ms: u64,
}

/// Standbys: a second disk on the store's LAN.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StandbyConfig {
    /// The node that this one follows, `http://HOST:PORT`, until it is promoted. `finalmarket join` pairs with it.
    pub of: Option<ParentAddress>,
    /// After how many seconds of the followed node's silence this one takes its place by itself. By default only a person
    /// promotes it: a standby cannot tell a node that is dead from a cable that is pulled, and two that sell beside each
    /// other sell in hand, as debt.
    pub promote_after_s: Option<NonZeroU32>,
    /// Whether "ok" is said only once what it is said for is on a standby's disk too.
    pub wait: bool,
    /// How long, in milliseconds, it is waited for at most. A standby that takes longer is not waited for until it has
    /// caught up.
    pub wait_ms_max: Option<NonZeroU32>,
    /// Where tills, kiosks and standbys reach this node, `http://HOST:PORT`, where that is not the address that it
    /// listens on.
    pub address: Option<ParentAddress>,
}

impl StandbyConfig {
    /// How long an answer waits for a standby at most, in milliseconds, where nothing is said.
    pub const WAIT_MS_MAX: u32 = 500;
}

/// How codes are read.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CodesConfig {
    /// The labels of the shop's own scales, such as `21IIIIIWWWWWC`; the first that fits counts.
    pub in_store: Vec<InStorePattern>,
}

/// From when on stock is told of.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StockConfig {
    /// From how many units left on an item counts as low, where a manager set no threshold for it.
    pub low_stock: Quantity,
    /// After how many minutes without the parent the site's picture of others counts as stale.
    pub stale_minutes: u32,
}

impl Default for StockConfig {
    fn default() -> Self {
        Self {
            low_stock: Settings::LOW_STOCK,
            stale_minutes: 60,
        }
    }
}

/// What holds are bounded by, by the role of the device that asks. What is not given stays as it is by default.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HoldsConfig {
    /// At a till.
    pub till: HoldBounds,
    /// At a kiosk.
    pub kiosk: HoldBounds,
    /// A manager's.
    pub manager: HoldBounds,
}

/// What the holds of one role are bounded by.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HoldBounds {
    /// The most holds that one device has open.
    pub open_max: Option<u64>,
    /// The most lines of a hold.
    pub lines_max: Option<usize>,
    /// The most that one line holds, in units.
    pub quantity_max: Option<Quantity>,
    /// The longest that a hold lasts unless it is extended, in minutes.
    pub minutes_max: Option<u32>,
}

impl HoldsConfig {
    /// The bounds as operations want them.
    #[must_use]
    pub fn settings(&self) -> HoldSettings {
        let shipped = HoldSettings::default();
        HoldSettings {
            till: self.till.over(shipped.till),
            kiosk: self.kiosk.over(shipped.kiosk),
            manager: self.manager.over(shipped.manager),
        }
    }
}

impl HoldBounds {
    fn over(&self, shipped: HoldLimits) -> HoldLimits {
        HoldLimits {
            open_max: self.open_max.unwrap_or(shipped.open_max),
            lines_max: self.lines_max.unwrap_or(shipped.lines_max),
            quantity_max: self.quantity_max.unwrap_or(shipped.quantity_max),
            lifetime_ms_max: self
                .minutes_max
                .map_or(shipped.lifetime_ms_max, |minutes| u64::from(minutes) * 60_000),
        }
    }
}

fn default_org() -> OrgId {
    // The literal is a valid name; a test holds it to that.
    "market".parse().unwrap_or_else(|_| unreachable!("a valid name"))
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8080))
}

fn default_shelves_pause_ms() -> u64 {
    CarrierLimits::default().sync_point_pause_ms
}

const fn default_keep_days() -> u32 {
    180
}

/// Why a configuration file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A value is missing, unknown or wrong.
    #[error("{}, line {line}, column {column}: {message}", file.display())]
    Wrong {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
}

/// Reads a configuration file.
///
/// # Errors
/// Tells the file, the line and the column of the first thing that is wrong.
pub fn read<T: serde::de::DeserializeOwned>(file: &Path) -> Result<T, ConfigError> {
    let text = std::fs::read_to_string(file).map_err(|source| ConfigError::Unreadable {
        file: file.to_owned(),
        source,
    })?;
    toml::from_str(&text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        ConfigError::Wrong {
            file: file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before.rsplit('\n').next().unwrap_or_default().chars().count() + 1,
            message: error.message().to_owned(),
        }
    })
}

const fn default_announce() -> bool {
    true
}

impl NodeConfig {
    /// What sales follow, as operations want it.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings {
            sale: self.sale.rules(),
            unlisted_tax_class: self.sale.unlisted_tax_class.clone(),
            day_starts_at: self.sale.day_starts_at,
            backdate_days: self.sale.backdate_days,
            holds: self.holds.settings(),
            low_stock: self.stock.low_stock,
            in_store_codes: self.codes.in_store.clone(),
        }
    }

    /// How rights move: what ships for a store or for a kiosk, with what is set here over it.
    #[must_use]
    pub fn rights(&self) -> RightsConfig {
        let shipped = match self.parent {
            None => RightsConfig::store(),
            Some(_) => RightsConfig::kiosk(),
        };
        self.rights.over(shipped, &self.site)
    }

    /// Where others reach this node, which listens on `listens`.
    #[must_use]
    pub fn own_address(&self, listens: SocketAddr) -> String {
        match &self.standby.address {
            Some(address) => address.to_string(),
            None => format!("http://{listens}"),
        }
    }

    /// A node that stands alone on this machine, with the default of everything else.
    #[must_use]
    pub fn of(data: PathBuf, node: NodeId, site: SiteId, sale: SaleConfig) -> Self {
        Self {
            data,
            org: default_org(),
            node,
            site,
            listen: default_listen(),
            broker: None,
            parent: None,
            announce: default_announce(),
            standby: StandbyConfig::default(),
            sale,
            holds: HoldsConfig::default(),
            stock: StockConfig::default(),
            codes: CodesConfig::default(),
            rights: RightsSettings::default(),
            receipt_header: Vec::new(),
            link_switch: false,
            keep_days: default_keep_days(),
            shelves_pause_ms: default_shelves_pause_ms(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Result<NodeConfig, ConfigError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        read(file.path())
    }

    #[test]
    fn the_file_that_ships_is_right() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("firmware-config/node.toml");
        let config: NodeConfig = read(&file).unwrap();
        assert_eq!(config.org, default_org());
        assert!(config.broker.is_some());
    }

    #[test]
    fn a_mistake_is_told_with_its_place() {
        let wrong =
            config("data = \"/d\"\nnode = \"n\"\nsite = \"Store 1\"\n[sale]\ncurrency = \"USD\"\ntax_rates = {}\n");
        let text = wrong.unwrap_err().to_string();
        assert!(
            text.contains("line 3, column 8: site has the character 'S' at position 1"),
            "{text}"
        );
        let unknown = config(
            "data = \"/d\"\nnode = \"n\"\nsite = \"s\"\ncolour = 1\n[sale]\ncurrency = \"USD\"\ntax_rates = {}\n",
        );
        let text = unknown.unwrap_err().to_string();
        assert!(text.contains("line 4, column 1: unknown field `colour`"), "{text}");
        let share = config(
            "data = \"/d\"\nnode = \"n\"\nsite = \"s\"\n[rights]\nshare_percent = 101\n[sale]\ncurrency = \"USD\"\ntax_rates = {}\n",
        );
        let text = share.unwrap_err().to_string();
        assert!(
            text.contains("line 5, column 17: 101 per cent: it is from 0 to 100"),
            "{text}"
        );
        let item = config(
            "data = \"/d\"\nnode = \"n\"\nsite = \"s\"\n[sale]\ncurrency = \"USD\"\ntax_rates = {}\n[[rights.item]]\nskus = [\"a\"]\nfloor = \"-2\"\n",
        );
        let text = item.unwrap_err().to_string();
        assert!(text.contains("line 9, column 9: -2 units: it is 0 or more"), "{text}");
    }
}
