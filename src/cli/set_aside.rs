//! `set-aside`: records that headquarters could not read or take in: list them, export one, repair one.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Failure;
use super::client::{Client, Server};
use super::import::key_of_run;
use crate::domain::ids::{Incarnation, NodeId};

/// List, export and repair records that headquarters could not read or take in.
///
/// Everything else went on without them. A repair is a correction in headquarters' own journal: the original stays, and
/// what takes its place takes effect once.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Headquarters' data folder on this machine, or http://HOST:PORT,TOKEN.
    #[arg(long, value_name = "FOLDER|URL,TOKEN")]
    at: Server,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List them with their reasons.
    List,
    /// Write one as JSON: why it was set aside, and its bytes as hexadecimal digits. Where its node keeps them, `bytes`
    /// is null.
    Export {
        #[command(flatten)]
        record: Record,
    },
    /// Put a fact in the place of one.
    Repair {
        #[command(flatten)]
        record: Record,
        /// A file with the fact as JSON: {"sale": …}, {"refund": …} or {"movement": …}.
        #[arg(long, value_name = "FILE")]
        fact: PathBuf,
        /// Why, in words.
        #[arg(long)]
        reason: String,
    },
}

/// Names a record.
#[derive(Debug, Args)]
struct Record {
    /// The node that wrote it.
    node: NodeId,
    /// The incarnation in which it did.
    incarnation: Incarnation,
    /// Its number there.
    seq: u64,
}

impl Record {
    fn path(&self) -> String {
        format!("/v1/set-aside/{}/{}/{}", self.node, self.incarnation, self.seq)
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let client = arguments.at.client()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(act(&client, &arguments.what))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn act(client: &Client, what: &What) -> Result<ExitCode, Failure> {
    match what {
        What::List => {
            let found: Value = client.get("/v1/set-aside").await?;
            for record in found["records"].as_array().into_iter().flatten() {
                let of = |name: &str| record["record"][name].to_string().trim_matches('"').to_owned();
                let reasons = record["by"].as_array().into_iter().flatten();
                let reasons: Vec<String> = reasons
                    .map(|by| {
                        format!(
                            "{} ({})",
                            by["reason"].as_str().unwrap_or("-"),
                            by["state"].as_str().unwrap_or("-")
                        )
                    })
                    .collect();
                println!(
                    "{} {} {}  {}",
                    of("node"),
                    of("incarnation"),
                    of("seq"),
                    reasons.join("; ")
                );
            }
        }
        What::Export { record } => {
            let mut found: Value = client.get(&record.path()).await?;
            let bytes = client.get_bytes(&format!("{}/record", record.path())).await?;
            found["bytes"] = json!(bytes.map(|bytes| hexadecimal(&bytes)));
            println!("{}", serde_json::to_string_pretty(&found)?);
        }
        What::Repair { record, fact, reason } => {
            let text =
                std::fs::read_to_string(fact).map_err(|error| format!("cannot read {}: {error}", fact.display()))?;
            let fact: Value = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", fact.display()))?;
            let wish = json!({"reason": reason, "fact": fact});
            let _: Value = client
                .post(&format!("{}/repair", record.path()), &key_of_run()?, &wish)
                .await?
                .read()?;
            println!("repaired {} {} {}", record.node, record.incarnation, record.seq);
        }
    }
    Ok(ExitCode::SUCCESS)
}
