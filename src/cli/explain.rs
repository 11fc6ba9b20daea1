//! `explain`: where every unit of an item went, as an account statement.

use std::process::ExitCode;

use clap::Args;

use super::Failure;
use super::client::Server;
use crate::domain::ids::{SiteId, Sku};

/// Show where every unit of an item went, who holds what is left, and the sums that make its figures.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The item.
    #[arg(value_name = "SKU")]
    sku: Sku,
    /// The data folder of a node or a headquarters that runs on this machine, or http://HOST:PORT,TOKEN.
    #[arg(long, value_name = "FOLDER|URL,TOKEN")]
    at: Server,
    /// The site, where headquarters is asked: it knows the shelves of all sites.
    #[arg(long, value_name = "SITE")]
    site: Option<SiteId>,
    /// How many movements are listed one by one, from 1 to 500.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=500))]
    rows: u32,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let client = arguments.at.client()?;
    // A SKU may have characters that mean something in an address.
    let sku: String = arguments.sku.as_str().bytes().fold(String::new(), |mut path, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
        path
    });
    let of = match &arguments.site {
        Some(site) => format!("/v1/sites/{site}"),
        None => "/v1".into(),
    };
    let path = format!("{of}/stock/{sku}/explain?format=text&limit={}", arguments.rows);
    let Some(statement) = runtime.block_on(client.get_bytes(&path))? else {
        return Err(format!("no item has the SKU {} there", arguments.sku).into());
    };
    print!("{}", String::from_utf8_lossy(&statement));
    Ok(ExitCode::SUCCESS)
}
