//! `hq`: runs headquarters.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{Failure, broker, serve};
use crate::domain::ids::OrgId;
use crate::hq::Admission;
use crate::hq::config::HqConfig;
use crate::node::config;

/// Run headquarters.
///
/// In service it is described by a file (--config FILE, an example is firmware-config/hq.toml). For a try it can be
/// described by arguments alone. It takes in what nodes send through the broker, keeps every record, and answers for
/// all sites. It stops at Ctrl-C or SIGTERM, and nothing is lost where it is killed.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The configuration file; no other argument is needed then.
    #[arg(long, value_name = "FILE", exclusive = true)]
    config: Option<PathBuf>,
    /// The folder with the database. Made at the first start.
    #[arg(long, value_name = "FOLDER", required_unless_present = "config")]
    data: Option<PathBuf>,
    /// The organisation.
    #[arg(long, default_value = "market")]
    org: OrgId,
    /// Where its API and page are reached.
    #[arg(long, default_value = "127.0.0.1:8000", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    #[command(flatten)]
    broker: broker::BrokerArguments,
}

pub(super) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let config = read(arguments)?;
    serve::until_told_to_stop(|stop| async { Ok(crate::hq::run(config, stop).await?) })
}

fn read(arguments: Arguments) -> Result<HqConfig, Failure> {
    if let Some(file) = &arguments.config {
        return Ok(config::read(file)?);
    }
    let missing = "where there is no --config, --data and --broker are needed";
    Ok(HqConfig {
        stock: crate::hq::config::StockConfig::default(),
        rights: crate::sync::rights::RightsSettings::default(),
        data: arguments.data.ok_or(missing)?,
        org: arguments.org,
        listen: arguments.listen,
        broker: arguments.broker.broker()?.ok_or(missing)?,
        admission: Admission::Anyone,
    })
}
