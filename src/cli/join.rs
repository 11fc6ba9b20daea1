//! `join`: pairs a kiosk's node with its store's node.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::Failure;
use super::client::Client;
use crate::lan::{ParentAddress, token_path, write_token};
use crate::node::operator::Operator;

/// Pair a kiosk's node, or a standby, with its store's node.
///
/// On the store's machine, `finalmarket pair --with FOLDER --name NODE node` shows a code; NODE is the kiosk's node's
/// name. The token that the code gives is kept in the kiosk's data folder, and the kiosk's node is then started with
/// that parent. A standby is paired in the same way, with `pair --name NAME standby`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The kiosk's or the standby's data folder.
    #[arg(long, value_name = "FOLDER")]
    data: PathBuf,
    /// The store's node.
    #[arg(long, value_name = "http://HOST:PORT")]
    parent: ParentAddress,
    /// The code that the store showed.
    #[arg(long)]
    code: String,
}

/// The same for every run: whoever repeats the command with its code gets the same token again.
const KEY: &str = "join";

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let stranger = Operator {
        url: arguments.parent.to_string(),
        token: String::new(),
    };
    let client = Client::new(stranger)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let wish = json!({"code": arguments.code});
    let paired: Value = runtime.block_on(async { client.post("/v1/pair", KEY, &wish).await?.read() })?;
    let text = |name: &str| paired.get(name).and_then(Value::as_str).unwrap_or_default();
    if !matches!(text("role"), "node" | "standby") {
        return Err(format!("the code was made for a {}, not for a node or a standby", text("role")).into());
    }
    write_token(&arguments.data, text("token"))
        .map_err(|error| format!("cannot write {}: {error}", token_path(&arguments.data).display()))?;
    if text("role") == "standby" {
        eprintln!(
            "paired as the standby {} of {}; start it with its node's configuration and `[standby] of = \"{}\"`",
            text("name"),
            text("site"),
            arguments.parent
        );
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!(
        "paired as {} of {}; start it with --node {} --site {} --parent {}",
        text("name"),
        text("site"),
        text("name"),
        text("site"),
        arguments.parent
    );
    Ok(ExitCode::SUCCESS)
}
