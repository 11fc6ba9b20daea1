//! Everything that runs in the demo: a broker, headquarters and two stores, in this process, on loopback.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::goods;
use super::store::{Headquarters, Store};
use crate::cli::Failure;
use crate::cli::client::Client;
use crate::domain::ids::{OrgId, SiteId};
use crate::domain::tax::TaxBasis;
use crate::hq::config::HqConfig;
use crate::hq::{Admission, RunningHq};
use crate::mqtt::{BrokerConfig, EmbeddedBroker, Host, KeepAlive};
use crate::node::Node;
use crate::node::config::{NodeConfig, SaleConfig};

/// The stores, in the order in which they are told of. The second one's link is cut in a run without a person.
const SITES: [&str; 2] = ["harbour", "hillside"];
/// The organisation that they belong to.
const ORG: &str = "larkspur";
/// What the stores sell in.
pub(super) const CURRENCY: &str = "EUR";
/// How long it may take until the catalog has reached the stores.
const CATALOG_PATIENCE: Duration = Duration::from_secs(60);
/// How often something is asked that only time brings.
pub(super) const ASK_EVERY: Duration = Duration::from_millis(50);
/// How many rows go into one request.
const ROWS_IN_REQUEST: usize = 200;

/// The running company.
pub(super) struct Company {
    pub(super) headquarters: Headquarters,
    pub(super) stores: Vec<Store>,
    nodes: Vec<Node>,
    hq: RunningHq,
    // Outlives everybody who talks over it.
    broker: EmbeddedBroker,
}

/// The ports of a run: a row of four that begins at `base`, or any that are free.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ports {
    pub(super) base: Option<u16>,
}

impl Ports {
    fn address(self, place: u16) -> SocketAddr {
        let port = self.base.map_or(0, |base| base.saturating_add(place));
        SocketAddr::from((Ipv4Addr::LOCALHOST, port))
    }
}

impl Company {
    /// Starts everything, brings the catalog to headquarters and opening stock to the stores, and returns when the
    /// stores can sell.
    pub(super) async fn start(folder: &Path, ports: Ports, run: &str) -> Result<Self, Failure> {
        let broker = EmbeddedBroker::start(ports.address(3).port())
            .map_err(|error| format!("the broker does not start on {}: {error}", ports.address(3)))?;
        let config = BrokerConfig {
            host: Host::try_from(broker.address().ip().to_string())?,
            port: broker.port(),
            login: None,
            tls: None,
            keep_alive: KeepAlive::default(),
        };
        let org: OrgId = ORG.parse()?;
        let hq = RunningHq::start(HqConfig {
            stock: crate::hq::config::StockConfig::default(),
            rights: crate::sync::rights::RightsSettings::default(),
            data: folder.join("hq"),
            org: org.clone(),
            listen: ports.address(0),
            broker: config.clone(),
            admission: Admission::Anyone,
        })
        .await?;
        let headquarters = Headquarters {
            client: Client::new(hq.operator.clone())?,
        };
        let mut company = Self {
            headquarters,
            hq,
            stores: Vec::new(),
            nodes: Vec::new(),
            broker,
        };
        for (place, site) in (1..).zip(SITES) {
            let site: SiteId = site.parse()?;
            let node = NodeConfig {
                org: org.clone(),
                broker: Some(config.clone()),
                listen: ports.address(place),
                receipt_header: vec!["Larkspur Grocers".into(), site.to_string()],
                link_switch: true,
                ..NodeConfig::of(
                    folder.join(site.as_str()),
                    site.as_str().parse()?,
                    site.clone(),
                    sale_rules()?,
                )
            };
            let node = Node::start(node).await?;
            company.stores.push(Store {
                site,
                client: Client::new(node.operator.clone())?,
            });
            company.nodes.push(node);
        }
        company.bring_goods(run).await?;
        Ok(company)
    }

    /// The page of headquarters, then that of each store. A token stands behind the `#`, which no browser sends.
    pub(super) fn pages(&self) -> Vec<(String, String)> {
        let of = |client: &Client| format!("{}/#token={}", client.url(), client.token());
        let headquarters = ("headquarters".to_owned(), of(&self.headquarters.client));
        let stores = self
            .stores
            .iter()
            .map(|store| (store.site.to_string(), of(&store.client)));
        std::iter::once(headquarters).chain(stores).collect()
    }

    /// Stops everything in order: what is under way is finished and told.
    pub(super) async fn stop(self) {
        for node in self.nodes {
            node.stop().await;
        }
        self.hq.stop().await;
        self.broker.stop();
    }

    async fn bring_goods(&self, run: &str) -> Result<(), Failure> {
        let items = goods::catalog()?;
        for (part, items) in items.chunks(ROWS_IN_REQUEST).enumerate() {
            let key = format!("demo-{run}-catalog-{part}");
            let body = json!({"items": items});
            let _: Value = self
                .headquarters
                .client
                .post("/v1/products/import", &key, &body)
                .await?
                .read()?;
        }
        let count = u64::try_from(items.len()).unwrap_or(u64::MAX);
        let began = Instant::now();
        for store in &self.stores {
            loop {
                let status = store.status().await?;
                if status.items >= count {
                    break;
                }
                if began.elapsed() > CATALOG_PATIENCE {
                    return Err(format!(
                        "{} has {} of {count} items: the link is {}",
                        store.site, status.items, status.sync.link
                    )
                    .into());
                }
                tokio::time::sleep(ASK_EVERY).await;
            }
            bring_stock(store, run).await?;
        }
        Ok(())
    }
}

/// What the store opens with, unless another run in this folder has brought it.
async fn bring_stock(store: &Store, run: &str) -> Result<(), Failure> {
    let there: Value = store.client.get("/v1/stock?limit=1").await?;
    if there["stock"].as_array().is_some_and(|stock| !stock.is_empty()) {
        return Ok(());
    }
    let rows = goods::opening_stock()?;
    let lines = rows.iter().filter(|row| row.site == store.site);
    let lines: Vec<Value> = lines
        .map(|row| json!({"sku": row.sku, "change": row.quantity}))
        .collect();
    for (part, lines) in lines.chunks(ROWS_IN_REQUEST).enumerate() {
        let body = json!({"kind": "opening", "reference": "the demo's opening stock", "lines": lines});
        let key = format!("demo-{run}-stock-{part}");
        let _: Value = store.client.post("/v1/stock/movements", &key, &body).await?.read()?;
    }
    Ok(())
}

/// Prices contain tax, in euros.
fn sale_rules() -> Result<SaleConfig, Failure> {
    let rates = [("standard", "19"), ("reduced", "7")];
    let rates = rates
        .into_iter()
        .map(|(class, rate)| Ok((class.parse()?, rate.parse()?)));
    let rates = rates.collect::<Result<_, Failure>>()?;
    Ok(SaleConfig::of(CURRENCY.parse()?, TaxBasis::Included, rates))
}
