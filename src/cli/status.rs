//! `status`: a running node or headquarters at a glance.

use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use super::Failure;
use super::client::Server;

/// Show a running node or headquarters at a glance.
///
/// Ends with 1 where something needs a person: records set aside, a disk set apart, a clock that jumped.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The data folder of a process that runs on this machine, or http://HOST:PORT,TOKEN.
    #[arg(long, value_name = "FOLDER|URL,TOKEN")]
    of: Server,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let client = arguments.of.client()?;
    let status: Value = runtime.block_on(client.get("/v1/status"))?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&status)?);
    } else if status.get("node").is_some() {
        print_node(&status);
    } else {
        print_headquarters(&status);
    }
    let alerts = status
        .pointer("/sync/alerts")
        .or_else(|| status.get("alerts"))
        .and_then(Value::as_array);
    Ok(if alerts.is_some_and(|alerts| !alerts.is_empty()) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn print_node(status: &Value) {
    let text = |pointer: &str| show(status.pointer(pointer));
    println!(
        "node {} at site {} of {}, version {}",
        text("/node"),
        text("/site"),
        text("/org"),
        text("/software")
    );
    println!(
        "  clock    {}, up {} s, {} items",
        text("/now"),
        text("/uptime_seconds"),
        text("/items")
    );
    println!("  link     {} since {}", text("/sync/link"), text("/sync/link_since"));
    println!(
        "  pending  {} of {} records{}",
        text("/sync/pending"),
        text("/sync/journal_seq"),
        status
            .pointer("/sync/oldest_pending_at")
            .filter(|oldest| !oldest.is_null())
            .map(|oldest| format!(", the oldest of {}", show(Some(oldest))))
            .unwrap_or_default()
    );
    for day in list(status, "/days") {
        let of = |name: &str| show(day.get(name));
        println!(
            "  {}  {} sales {} {}, {} refunds {}",
            of("business_day"),
            of("sales"),
            of("sold"),
            text("/currency"),
            of("refunds"),
            of("refunded")
        );
    }
    print_alerts(list(status, "/sync/alerts"));
}

fn print_headquarters(status: &Value) {
    println!("headquarters, version {}", show(status.get("software")));
    for node in list(status, "/nodes") {
        let of = |name: &str| show(node.get(name));
        println!(
            "  {}  pending {}, last heard {}",
            of("node"),
            of("pending"),
            of("last_heard")
        );
        for life in list(node, "/incarnations") {
            let of = |name: &str| show(life.get(name));
            if let Some(unseen) = life.get("unseen").and_then(Value::as_u64) {
                println!(
                    "    incarnation {} took the place of {} and never saw {unseen} of its records",
                    of("incarnation"),
                    show(life.pointer("/predecessor/incarnation")),
                );
            }
            if of("state") != "counted" {
                println!(
                    "    incarnation {} is {}: {}, {} records kept",
                    of("incarnation"),
                    of("state").replace('_', " "),
                    of("reason"),
                    of("acknowledged_seq")
                );
            }
        }
    }
    print_alerts(list(status, "/alerts"));
}

fn print_alerts(alerts: &[Value]) {
    for alert in alerts {
        println!("  ALERT    {}", show(alert.get("detail")));
    }
}

fn list<'a>(status: &'a Value, pointer: &str) -> &'a [Value] {
    status
        .pointer(pointer)
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
}

/// A value as people read it.
fn show(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".into(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}
