//! `retire` and `release`: an operator's decision about a node that will not come back, and about what it left.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::Failure;
use super::client::Server;
use super::import::key_of_run;
use crate::domain::ids::{Incarnation, NodeId, Sku};

/// Retire a node that will not come back, or must not count on what it had.
///
/// Its open holds end. What it left is its parent's, and nobody may promise it until it is counted or released. What it
/// still sells is taken in when it comes, and counts.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Its parent: the store's data folder for a kiosk, headquarters' for a store; or http://HOST:PORT,TOKEN.
    #[arg(long, value_name = "FOLDER|URL,TOKEN")]
    at: Server,
    /// The node.
    node: NodeId,
    /// In which of its incarnations; in its newest where none is named.
    #[arg(long)]
    incarnation: Option<Incarnation>,
    /// Only show what it would do.
    #[arg(long, conflicts_with = "reason")]
    dry_run: bool,
    /// Why, in words. The node's staff reads it where the node comes back.
    #[arg(long, required_unless_present = "dry_run")]
    reason: Option<String>,
}

/// Say that what a retired node left is there: it may be promised again.
#[derive(Debug, Args)]
pub(super) struct ReleaseArguments {
    /// Its parent: the store's data folder for a kiosk, headquarters' for a store; or http://HOST:PORT,TOKEN.
    #[arg(long, value_name = "FOLDER|URL,TOKEN")]
    at: Server,
    /// The node.
    node: NodeId,
    /// In which of its incarnations it was retired; the one retired last where none is named.
    #[arg(long)]
    incarnation: Option<Incarnation>,
    /// Which items; all of them where none is named.
    #[arg(long = "sku", value_name = "SKU")]
    skus: Vec<Sku>,
    /// Why, in words.
    #[arg(long)]
    reason: String,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let client = arguments.at.client()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let path = format!("/v1/nodes/{}/retire", arguments.node);
    let answer: Value = runtime.block_on(async {
        match &arguments.reason {
            Some(reason) if !arguments.dry_run => {
                let mut wish = json!({ "reason": reason });
                if let Some(incarnation) = arguments.incarnation {
                    wish["incarnation"] = incarnation.to_string().into();
                }
                client.post(&path, &key_of_run()?, &wish).await?.read()
            }
            _ => {
                let query = arguments
                    .incarnation
                    .map(|incarnation| format!("?incarnation={incarnation}"));
                client.get(&format!("{path}{}", query.unwrap_or_default())).await
            }
        }
    })?;
    print(&answer, arguments.dry_run);
    Ok(ExitCode::SUCCESS)
}

pub(super) fn release(arguments: &ReleaseArguments) -> Result<ExitCode, Failure> {
    let client = arguments.at.client()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let skus: Vec<&str> = arguments.skus.iter().map(Sku::as_str).collect();
    let mut wish = json!({ "reason": arguments.reason, "skus": skus });
    if let Some(incarnation) = arguments.incarnation {
        wish["incarnation"] = incarnation.to_string().into();
    }
    let path = format!("/v1/nodes/{}/release", arguments.node);
    let answer: Value = runtime.block_on(async { client.post(&path, &key_of_run()?, &wish).await?.read() })?;
    let released = items(&answer);
    if released.is_empty() {
        println!("{} left nothing that waits", arguments.node);
    }
    for item in released {
        println!(
            "{}: {} units may be promised again",
            text(item, "sku"),
            text(item, "released")
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Says what was done, or would be.
fn print(answer: &Value, dry: bool) {
    let (node, incarnation) = (text(answer, "node"), text(answer, "incarnation"));
    let retired = answer.get("retired").and_then(Value::as_bool).unwrap_or_default();
    let head = match (retired, dry) {
        (true, true) => "is retired already",
        (true, false) => "is retired",
        (false, _) => "would be retired",
    };
    println!("{node} ({incarnation}) {head} at record {}", text(answer, "record"));
    let heard = answer.get("last_heard").and_then(Value::as_str).unwrap_or("never");
    println!("  last heard from: {heard}");
    let number = |name| answer.get(name).and_then(Value::as_u64).unwrap_or_default();
    let late = number("told_record").saturating_sub(number("record"));
    if late > 0 {
        println!("  {late} records that it has told of are not here: they come late, if ever");
    }
    let lines = items(answer);
    if lines.is_empty() {
        println!("  it leaves nothing behind");
    }
    for item in lines {
        println!(
            "  {}: {} units nobody may promise until they are counted or released; {} of them were held for somebody, \
             {} units of debt go to its parent",
            text(item, "sku"),
            text(item, "unpromised"),
            text(item, "held"),
            text(item, "debt")
        );
    }
}

fn items(answer: &Value) -> &[Value] {
    answer.get("items").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text(value: &Value, name: &str) -> String {
    match value.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}
