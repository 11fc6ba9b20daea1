//! `settle`: an operator's decision about a restored, set-back or copied disk.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::Failure;
use super::client::Server;
use super::import::key_of_run;
use crate::domain::ids::{Incarnation, NodeId};

/// Decide at headquarters whether what a restored, set-back or copied disk did counts.
///
/// Headquarters keeps everything that such a disk sends and counts nothing of it until this is said. `status` lists
/// what waits for a decision.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Headquarters' data folder on this machine, or http://HOST:PORT,TOKEN.
    #[arg(long, value_name = "FOLDER|URL,TOKEN")]
    at: Server,
    /// The node.
    node: NodeId,
    /// The incarnation, as `status` shows it.
    incarnation: Incarnation,
    /// What is to be done.
    decision: Decision,
    /// Why, in words.
    #[arg(long)]
    reason: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Decision {
    /// It is a real branch: count what it sold, each sale once.
    Count,
    /// It is not (a test on a copied disk): keep its records, count none.
    Exclude,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let decision = match arguments.decision {
        Decision::Count => "count",
        Decision::Exclude => "exclude",
    };
    let wish = json!({
        "node": arguments.node, "incarnation": arguments.incarnation.to_string(),
        "decision": decision, "reason": arguments.reason,
    });
    let client = arguments.at.client()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let _: Value = runtime.block_on(async { client.post("/v1/settlements", &key_of_run()?, &wish).await?.read() })?;
    println!("{} of {}: {decision}", arguments.incarnation, arguments.node);
    Ok(ExitCode::SUCCESS)
}
