//! `import`: brings a catalog or opening stock to a running node or headquarters.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::{Client, Server};
use super::{Failure, progress};
use crate::domain::ids::SiteId;
use crate::domain::journal::Hash;
use crate::import::{Catalog, HeaderError, RowError, StockFile};

/// Bring a catalog or opening stock from a CSV file.
///
/// A bad row is told with its line and column, and the rest is brought all the same; with --strict nothing is brought
/// where one row is bad.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Items: sku,gtin,name,department,brand,size,price and, if any, tax_class. Brought to headquarters, they reach
    /// every node; brought to a node, they stay there.
    Catalog {
        #[command(flatten)]
        common: Common,
        /// The tax class of items whose row names none.
        #[arg(long, default_value = "standard")]
        tax_class: crate::domain::tax::TaxClass,
    },
    /// Opening stock of one site: site,sku,quantity. Rows of other sites are passed over. What the same file has
    /// brought before is not brought again.
    Stock {
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Debug, Args)]
struct Common {
    /// The CSV file.
    file: PathBuf,
    /// The data folder of a node or headquarters that is running on this machine, or http://HOST:PORT,TOKEN.
    #[arg(long, value_name = "FOLDER|URL,TOKEN")]
    to: Server,
    /// Bring nothing where one row is bad.
    #[arg(long)]
    strict: bool,
}

/// How many rows go into one request: well under the largest body that a server takes.
const ROWS_IN_REQUEST: usize = 200;
/// How many bad rows are shown one by one.
const SHOWN_MAX: usize = 20;

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match &arguments.what {
        What::Catalog { common, tax_class } => {
            let rows = Catalog::open(open(&common.file)?, tax_class.clone()).map_err(|error| named(common, error))?;
            let (items, bad) = split(&common.file, rows);
            let run = key_of_run()?;
            let key = |part: usize, _: &[u8]| format!("{run}-{part}");
            let body = |items: &[_]| json!({"items": items});
            runtime.block_on(bring(common, &items, bad, "/v1/products/import", "items", key, body))
        }
        What::Stock { common } => {
            let client = common.to.client()?;
            let status: Value = runtime.block_on(client.get("/v1/status"))?;
            let site: SiteId = match status.get("site").and_then(Value::as_str) {
                Some(site) => site.parse()?,
                None => return Err("stock is brought to a node, and this is none".into()),
            };
            let rows = StockFile::open(open(&common.file)?).map_err(|error| named(common, error))?;
            let (rows, bad) = split(&common.file, rows);
            let lines: Vec<Value> = rows
                .iter()
                .filter(|row| row.site == site)
                .map(|row| json!({"sku": row.sku, "change": row.quantity}))
                .collect();
            let reference = common.file.file_name().map(|name| name.to_string_lossy().into_owned());
            let body = |lines: &[_]| json!({"kind": "opening", "reference": reference, "lines": lines});
            let path = "/v1/stock/movements";
            runtime.block_on(bring(common, &lines, bad, path, "stock rows", key_of_content, body))
        }
    }
}

fn open(file: &Path) -> Result<File, Failure> {
    Ok(File::open(file).map_err(|error| format!("cannot open {}: {error}", file.display()))?)
}

fn named(common: &Common, error: HeaderError) -> Failure {
    format!("{}: {error}", common.file.display()).into()
}

/// Good rows and the number of bad ones, which are told.
fn split<T>(file: &Path, rows: impl Iterator<Item = Result<T, RowError>>) -> (Vec<T>, usize) {
    let (mut good, mut bad) = (Vec::new(), 0);
    for row in rows {
        match row {
            Ok(row) => good.push(row),
            Err(error) => {
                bad += 1;
                if bad <= SHOWN_MAX {
                    eprintln!("{}: {error}", file.display());
                }
            }
        }
    }
    if bad > SHOWN_MAX {
        eprintln!("{}: and {} more bad rows", file.display(), bad - SHOWN_MAX);
    }
    (good, bad)
}

async fn bring<T: serde::Serialize>(
    common: &Common,
    rows: &[T],
    bad: usize,
    path: &str,
    what: &'static str,
    key: impl Fn(usize, &[u8]) -> String,
    body: impl Fn(&[T]) -> Value,
) -> Result<ExitCode, Failure> {
    if common.strict && bad > 0 {
        return Err(format!("{bad} rows are bad and --strict was asked for: nothing was brought").into());
    }
    let client: Client = common.to.client()?;
    let mut known = 0;
    let bar = progress::bar(rows.len() as u64, what);
    for (part, rows) in rows.chunks(ROWS_IN_REQUEST).enumerate() {
        let body = body(rows);
        let key = key(part, &serde_json::to_vec(&body)?);
        let answer = client.post(path, &key, &body).await?;
        if !answer.status.is_success() {
            bar.abandon();
            let done = part * ROWS_IN_REQUEST;
            return Err(format!("{} (the first {done} {what} were brought)", answer.problem()).into());
        }
        known += if answer.replayed { rows.len() } else { 0 };
        bar.inc(rows.len() as u64);
    }
    bar.finish_and_clear();
    println!(
        "{} {what} brought to {}, {bad} bad rows passed over",
        rows.len() - known,
        client.url()
    );
    if known > 0 {
        println!("{known} {what} had been brought before and were left as they are");
    }
    Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A key that the same rows at the same place of a file always have: brought twice they count once, also where the
/// node was restored in between.
fn key_of_content(part: usize, body: &[u8]) -> String {
    let hash = Hash::default().after(body).to_string();
    format!("opening-{part}-{}", hash.get(..32).unwrap_or(&hash))
}

/// A key that no other run of this command has.
pub(super) fn key_of_run() -> Result<String, Failure> {
    Ok(format!("{:016x}", getrandom::u64()?))
}
