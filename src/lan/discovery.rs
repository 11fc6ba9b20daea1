//! Finding the store's node on the LAN: a store's node announces itself by mDNS, and a kiosk's node looks for it. The only
//! place that names the mDNS library.
//!
//! Promises: what is found is only where something claims to be a store's node; who is let in there is the business of
//! pairing. Must never: be needed. On a machine without multicast nothing is announced or found, and an address in the
//! configuration does the same.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use mdns_sd::{IfKind, ServiceDaemon, ServiceEvent, ServiceInfo};

use super::config::ParentAddress;
use crate::domain::ids::{NodeId, OrgId, SiteId};

/// What is announced (RFC 6763).
const SERVICE: &str = "_finalmarket._tcp.local.";
/// The port of mDNS (RFC 6762).
const MDNS_PORT: u16 = 5353;
/// How long a goodbye may take.
const GOODBYE_MAX: Duration = Duration::from_millis(500);

/// Where is announced and looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Multicast {
    /// The UDP port.
    pub port: u16,
    /// Whether only this machine is meant, over its loopback.
    pub loopback: bool,
}

impl Default for Multicast {
    /// The LAN, on the port of mDNS.
    fn default() -> Self {
        let (port, loopback) = (MDNS_PORT, false);
        Self { port, loopback }
    }
}

/// A store's node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreNode {
    /// Its organisation.
    pub org: OrgId,
    /// Its site.
    pub site: SiteId,
    /// Its name.
    pub node: NodeId,
}

/// A store's node that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundStore {
    /// Who it says that it is.
    pub store: StoreNode,
    /// Where it answers.
    pub address: ParentAddress,
}

/// Why nothing is announced or looked for: the system does not let it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("mDNS does not work on this machine: {0}")]
pub struct DiscoveryError(String);

impl From<mdns_sd::Error> for DiscoveryError {
    fn from(error: mdns_sd::Error) -> Self {
        Self(error.to_string())
    }
}

/// A node that is announced until this is dropped.
pub struct Announcement {
    daemon: ServiceDaemon,
    name: String,
}

/// Announces a store's node that answers at an address, on every interface where that is not one of them.
///
/// # Errors
/// Where the system does not let it.
pub fn announce(multicast: Multicast, store: &StoreNode, listens: SocketAddr) -> Result<Announcement, DiscoveryError> {
    let daemon = daemon(multicast)?;
    let texts = [
        ("role", "store"),
        ("org", store.org.as_str()),
        ("site", store.site.as_str()),
        ("node", store.node.as_str()),
    ];
    let instance = format!("{}-{}", store.org, store.node);
    let host = format!("finalmarket-{instance}.local.");
    let service = if listens.ip().is_unspecified() {
        ServiceInfo::new(SERVICE, &instance, &host, "", listens.port(), &texts[..])?.enable_addr_auto()
    } else {
        ServiceInfo::new(SERVICE, &instance, &host, listens.ip(), listens.port(), &texts[..])?
    };
    let name = service.get_fullname().to_owned();
    daemon.register(service)?;
    Ok(Announcement { daemon, name })
}

/// Looks for store's nodes for as long as `wait`, or until `enough` have been found. Blocks the calling thread.
///
/// # Errors
/// Where the system does not let it.
pub fn find(
    multicast: Multicast,
    wanted: impl Fn(&StoreNode) -> bool,
    enough: usize,
    wait: Duration,
) -> Result<Vec<FoundStore>, DiscoveryError> {
    let daemon = daemon(multicast)?;
    let events = daemon.browse(SERVICE)?;
    let until = Instant::now() + wait;
    let mut found: Vec<FoundStore> = Vec::new();
    while found.len() < enough {
        let left = until.saturating_duration_since(Instant::now());
        let Ok(event) = events.recv_timeout(left) else { break };
        let ServiceEvent::ServiceResolved(service) = event else {
            continue;
        };
        let text = |name: &str| service.get_property_val_str(name).unwrap_or_default();
        if text("role") != "store" {
            continue;
        }
        // What claims to be a node and is none is nobody's store.
        let (Ok(org), Ok(site), Ok(node)) = (text("org").parse(), text("site").parse(), text("node").parse()) else {
            continue;
        };
        let store = StoreNode { org, site, node };
        // In an order of their own, IPv4 first, so that it is the same address every time.
        let addresses: BTreeSet<IpAddr> = service.addresses.iter().map(|address| address.to_ip_addr()).collect();
        let Some(address) = addresses.first().filter(|_| wanted(&store)) else {
            continue;
        };
        let address = ParentAddress::of(SocketAddr::new(*address, service.port));
        found.retain(|known| known.store != store);
        found.push(FoundStore { store, address });
    }
    // A daemon that is already gone needs no end.
    let _ = daemon.shutdown();
    Ok(found)
}

impl Drop for Announcement {
    fn drop(&mut self) {
        // Whoever does not hear the goodbye finds out when nobody answers.
        if let Ok(done) = self.daemon.unregister(&self.name) {
            let _ = done.recv_timeout(GOODBYE_MAX);
        }
        let _ = self.daemon.shutdown();
    }
}

fn daemon(multicast: Multicast) -> Result<ServiceDaemon, DiscoveryError> {
    let daemon = ServiceDaemon::new_with_port(multicast.port)?;
    if multicast.loopback {
        daemon.disable_interface(IfKind::All)?;
        daemon.enable_interface(IfKind::LoopbackV4)?;
    }
    Ok(daemon)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Long enough for a machine that is busy; whoever is there is found at once.
    const WAIT: Duration = Duration::from_secs(20);

    fn store(site: &str) -> StoreNode {
        StoreNode {
            org: "market".parse().unwrap(),
            site: site.parse().unwrap(),
            node: site.parse().unwrap(),
        }
    }

    /// A port of the test's own, so that nothing else on this machine hears it.
    fn multicast() -> Multicast {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        Multicast { port, loopback: true }
    }

    #[test]
    fn a_store_is_found_by_its_site_and_not_once_it_has_said_goodbye() {
        let multicast = multicast();
        let (first, second) = (store("store-1"), store("store-2"));
        let one = announce(multicast, &first, "127.0.0.1:8081".parse().unwrap()).unwrap();
        let two = announce(multicast, &second, "127.0.0.1:8082".parse().unwrap()).unwrap();
        let found = find(multicast, |_| true, 2, WAIT).unwrap();
        let mut sites: Vec<_> = found.iter().map(|found| found.store.site.as_str()).collect();
        sites.sort_unstable();
        assert_eq!(sites, ["store-1", "store-2"]);
        let found = find(multicast, |store| store.site == second.site, 1, WAIT).unwrap();
        let address = "http://127.0.0.1:8082".parse().unwrap();
        assert_eq!(found, [FoundStore { store: second, address }]);
        drop((one, two));
        let found = find(multicast, |_| true, 1, Duration::from_millis(300)).unwrap();
        assert_eq!(found, []);
    }
}
