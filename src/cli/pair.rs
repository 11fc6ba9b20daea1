//! `pair`: asks a running node for a pairing code.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::Failure;
use super::client::Server;
use super::import::key_of_run;
use crate::domain::ids::RegisterId;

/// Ask a running node for a code that pairs a till, a kiosk, a manager's device, a kiosk's own node or a standby.
///
/// The device sends the code to POST /v1/pair within ten minutes and gets a token of its own.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The node's data folder on this machine, or http://HOST:PORT,TOKEN of a manager.
    #[arg(long, value_name = "FOLDER|URL,TOKEN")]
    with: Server,
    /// What the device is.
    role: Role,
    /// What people call it.
    #[arg(long)]
    name: String,
    /// Its register, where it is to sell.
    #[arg(long)]
    register: Option<RegisterId>,
    /// Let it report sales of any day.
    #[arg(long)]
    backdate: bool,
    /// Let it state prices of its own.
    #[arg(long)]
    state_prices: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Role {
    /// A till with a person.
    Till,
    /// A kiosk that customers use themselves.
    Kiosk,
    /// A manager's tool.
    Manager,
    /// A kiosk's own node; its name is the node's.
    Node,
    /// A standby of this node, which takes its place when it is gone.
    Standby,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let role = match arguments.role {
        Role::Till => "till",
        Role::Kiosk => "kiosk",
        Role::Manager => "manager",
        Role::Node => "node",
        Role::Standby => "standby",
    };
    let mut wish = json!({"role": role, "name": arguments.name, "permissions": []});
    if let Some(register) = &arguments.register {
        wish["register"] = json!(register);
    }
    let rights = [
        (arguments.backdate, "backdate"),
        (arguments.state_prices, "state_prices"),
    ];
    wish["permissions"] = rights
        .iter()
        .filter(|(given, _)| *given)
        .map(|(_, name)| *name)
        .collect();
    let client = arguments.with.client()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let code: Value =
        runtime.block_on(async { client.post("/v1/pairing-codes", &key_of_run()?, &wish).await?.read() })?;
    println!("{}", code["code"].as_str().unwrap_or_default());
    eprintln!("good until {}", code["expires_at"].as_str().unwrap_or_default());
    Ok(ExitCode::SUCCESS)
}
