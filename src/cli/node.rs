//! `node`: runs a node.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{Failure, broker, serve};
use crate::domain::ids::{NodeId, OrgId, SiteId};
use crate::domain::money::Currency;
use crate::domain::tax::{TaxBasis, TaxClass, TaxRate};
use crate::lan::ParentAddress;
use crate::node::config::{self, NodeConfig, SaleConfig, StandbyConfig};

/// Run a store's or a kiosk's node.
///
/// In service it is described by a file (--config FILE, an example is firmware-config/node.toml). For a try it can be
/// described by arguments alone. The node sells whether or not the broker and headquarters are there; it stops at
/// Ctrl-C or SIGTERM, and nothing is lost where it is killed.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The configuration file; no other argument is needed then.
    #[arg(long, value_name = "FILE", exclusive = true)]
    config: Option<PathBuf>,
    /// The folder with the database. Made at the first start.
    #[arg(long, value_name = "FOLDER", required_unless_present = "config")]
    data: Option<PathBuf>,
    /// The node's name, unique within the organisation.
    #[arg(long, required_unless_present = "config")]
    node: Option<NodeId>,
    /// The site that it stands in.
    #[arg(long, required_unless_present = "config")]
    site: Option<SiteId>,
    /// The organisation.
    #[arg(long, default_value = "market")]
    org: OrgId,
    /// Where tills and kiosks reach it.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// The currency of prices and tenders.
    #[arg(long, default_value = "USD")]
    currency: Currency,
    /// A tax class and its rate in per cent. May be given several times.
    #[arg(long = "tax", value_name = "CLASS=RATE", default_value = "standard=0")]
    taxes: Vec<ClassRate>,
    /// Whether prices contain tax.
    #[arg(long, value_parser = tax_basis, default_value = "included", value_name = "included|added")]
    tax_basis: TaxBasis,
    #[command(flatten)]
    broker: broker::BrokerArguments,
    /// A kiosk's parent instead of a broker: its store's node, which `finalmarket join` has paired it with.
    #[arg(long, value_name = "http://HOST:PORT")]
    parent: Option<ParentAddress>,
    #[command(flatten)]
    standby: StandbyArguments,
}

#[derive(Debug, Args)]
struct StandbyArguments {
    /// Follow that node of this store instead of selling, until promoted; `finalmarket join` has paired this one with it.
    #[arg(long, value_name = "http://HOST:PORT")]
    standby_of: Option<ParentAddress>,
    /// Take the followed node's place after so many seconds of its silence; without it only `finalmarket promote` does.
    #[arg(long, value_name = "SECONDS")]
    promote_after_s: Option<NonZeroU32>,
    /// Say "ok" only once what it is said for is on a standby's disk too.
    #[arg(long)]
    standby_wait: bool,
}

#[derive(Debug, Clone)]
struct ClassRate {
    class: TaxClass,
    rate: TaxRate,
}

impl std::str::FromStr for ClassRate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (class, rate) = text
            .split_once('=')
            .ok_or("write it as CLASS=RATE, such as standard=7.7")?;
        Ok(Self {
            class: class.parse().map_err(|error| format!("{error}"))?,
            rate: rate.parse().map_err(|error| format!("{error}"))?,
        })
    }
}

fn tax_basis(text: &str) -> Result<TaxBasis, String> {
    match text {
        "included" => Ok(TaxBasis::Included),
        "added" => Ok(TaxBasis::Added),
        _ => Err("it is `included` or `added`".into()),
    }
}

pub(super) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let config = read(arguments)?;
    serve::until_told_to_stop(|stop| async { Ok(crate::node::run(config, stop).await?) })
}

fn read(arguments: Arguments) -> Result<NodeConfig, Failure> {
    if let Some(file) = &arguments.config {
        return Ok(config::read(file)?);
    }
    let missing = "clap asks for --data, --node and --site where there is no --config";
    let sale = SaleConfig::of(
        arguments.currency,
        arguments.tax_basis,
        arguments.taxes.into_iter().map(|tax| (tax.class, tax.rate)).collect(),
    );
    Ok(NodeConfig {
        broker: arguments.broker.broker()?,
        parent: arguments.parent,
        org: arguments.org,
        listen: arguments.listen,
        standby: StandbyConfig {
            of: arguments.standby.standby_of,
            promote_after_s: arguments.standby.promote_after_s,
            wait: arguments.standby.standby_wait,
            ..StandbyConfig::default()
        },
        ..NodeConfig::of(
            arguments.data.ok_or(missing)?,
            arguments.node.ok_or(missing)?,
            arguments.site.ok_or(missing)?,
            sale,
        )
    })
}
