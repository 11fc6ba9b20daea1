//! `promote`: a standby takes the place of the node that it follows.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::Failure;
use super::client::Server;
use super::import::key_of_run;

/// Let a standby take the place of the node that it follows.
///
/// It goes on under a new incarnation, which says up to which record it has seen what the other one did, and sells
/// within seconds. The other one, where it comes back, sells no more; what only it knows still reaches headquarters.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The standby's data folder on this machine, or http://HOST:PORT,TOKEN of a manager.
    #[arg(long, value_name = "FOLDER|URL,TOKEN")]
    at: Server,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let client = arguments.at.client()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let role: Value = client.get("/v1/role").await?;
        if role["role"] == "primary" {
            eprintln!("{} is the primary already", client.url());
            return Ok(ExitCode::SUCCESS);
        }
        let promoted: Value = client.post("/v1/promote", &key_of_run()?, &json!({})).await?.read()?;
        println!(
            "{} succeeds {} up to its record {}; headquarters tells what it recorded behind that",
            text(&promoted, "/incarnation"),
            text(&promoted, "/succeeds/incarnation"),
            promoted
                .pointer("/succeeds/seq")
                .and_then(Value::as_u64)
                .unwrap_or_default(),
        );
        Ok(ExitCode::SUCCESS)
    })
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
