//! (b) Draining a backlog from the node's disk through mosquitto to headquarters' disk, against bare SQLite that writes
//! headquarters' rows, and against two compressors given the same facts as JSON lines.
//!
//! The node is the release binary; headquarters runs in this process, which does nothing else meanwhile. The time runs
//! from the moment at which the node reaches its broker.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use finalmarket::hq::config::HqConfig;
use finalmarket::hq::{Admission, Headquarters, Incoming, RunningHq};
use finalmarket::mqtt::BrokerConfig;
use finalmarket::store::database_path;
use rusqlite::{Connection, OpenFlags};
use serde_json::json;

use crate::backlog_rows::{self, hq_database};
use crate::bare;
use crate::folder::Folder;
use crate::gate::Gate;
use crate::mosquitto::{Mosquitto, STOCK};
use crate::process::NodeProcess;
use crate::report::{Report, Target, Value, median, number};
use crate::shop::{GROUP, NODE, NewShop, ORG, Shop};
use crate::{Outcome, Plan, note};

const ITEMS: u64 = 18_000;
/// How many batches headquarters is given at once where it is measured alone: as many as a node has under way.
const BATCHES_AT_ONCE: usize = 8;
/// A drain that takes longer has failed.
const DEADLINE: Duration = Duration::from_secs(300);

/// What one drain came to.
struct Drain {
    acknowledged_s: f64,
    in_figures_s: f64,
    bytes: (u64, u64),
    node_memory_bytes: u64,
}

pub fn measure(plan: &Plan, report: &mut Report) -> Outcome<()> {
    let mut peak_bytes = 0;
    for (sales, rounds) in plan.backlogs.iter().copied() {
        peak_bytes = peak_bytes.max(backlog(report, sales, rounds)?);
    }
    report.line(
        "most memory of a node that drains",
        megabytes(peak_bytes),
        Value::Nothing,
        Target::None,
    );
    Ok(())
}

/// Megabytes, for people.
pub fn megabytes(bytes: u64) -> String {
    format!("{} MB", number(bytes as f64 / 1e6))
}

fn backlog(report: &mut Report, sales: usize, rounds: usize) -> Outcome<u64> {
    let folder = Folder::new("backlog")?;
    note(&format!("(b) making a backlog of {sales} sales"));
    let start = folder.path("start");
    let mut shop = Shop::create(
        &start,
        NewShop {
            items: ITEMS,
            tills: 8,
            sales: sales as u64,
            stocked: false,
            seed: 7,
        },
    )?;
    shop.sell(sales, GROUP)?;
    shop.close();
    let facts = json_lines(&start)?;

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let (mut drains, mut alone, mut bare) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        note(&format!("(b) {sales} sales, round {} of {rounds}", round + 1));
        let node = folder.copy_of(&start, "node")?;
        let hq = folder.path(&format!("hq-{round}"));
        drains.push(runtime.block_on(drain(&node, &hq))?);
        let rows = backlog_rows::read(&hq_database(&hq), &start)?;
        alone.push(apply(&folder.path(&format!("alone-{round}")), &rows.sealed)?);
        let bare_folder = folder.path(&format!("bare-{round}"));
        let database = backlog_rows::empty(&bare_folder, &hq_database(&hq))?;
        let connection = bare::open(&database)?;
        let took: Duration = rows
            .script
            .play(&connection, 0..rows.script.len(), 1, Duration::MAX)?
            .iter()
            .sum();
        drop(connection);
        bare::check_same(&hq_database(&hq), &database, &backlog_rows::TABLES)?;
        bare.push(took.as_secs_f64());
    }
    tell(report, sales, &drains, &alone, &bare, &facts);
    folder.remove()?;
    Ok(drains
        .iter()
        .map(|drain| drain.node_memory_bytes)
        .max()
        .unwrap_or_default())
}

async fn drain(node: &Path, hq: &Path) -> Outcome<Drain> {
    let head = head(node)?;
    let broker = Mosquitto::start(STOCK);
    let running = RunningHq::start(HqConfig {
        stock: finalmarket::hq::config::StockConfig::default(),
        data: hq.to_owned(),
        org: ORG.parse()?,
        listen: "127.0.0.1:0".parse()?,
        broker: broker_at(broker.port())?,
        admission: Admission::Anyone,
        rights: finalmarket::sync::rights::RightsSettings::default(),
    })
    .await?;
    let gate = Gate::new(broker.port())?;
    let process = NodeProcess::start(node, Some(gate.port))?;
    gate.wait_for_node()?;
    // Headquarters is no part of the outage.
    tokio::task::block_in_place(|| broker.wait_for_log("as hq", 1));
    tokio::time::sleep(Duration::from_millis(500)).await;
    let started = Instant::now();
    gate.open();
    let mut acknowledged_s = None;
    let in_figures_s = loop {
        let (acked, projected) = tokio::task::block_in_place(|| reached(&running.headquarters))?;
        let passed = started.elapsed();
        if acked >= head {
            acknowledged_s.get_or_insert(passed.as_secs_f64());
        }
        if projected >= head {
            break passed.as_secs_f64();
        }
        if passed > DEADLINE {
            return Err(format!(
                "headquarters has {acked} of {head} records after {} s",
                passed.as_secs()
            )
            .into());
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    };
    let drain = Drain {
        acknowledged_s: acknowledged_s.unwrap_or(in_figures_s),
        in_figures_s,
        bytes: gate.bytes(),
        node_memory_bytes: process.memory_bytes("VmHWM")?,
    };
    process.stop()?;
    running.stop().await;
    Ok(drain)
}

/// How far headquarters has the node in its ledger and in its figures.
fn reached(headquarters: &Headquarters) -> Outcome<(u64, u64)> {
    let nodes = headquarters.nodes()?;
    let node = nodes.iter().find(|node| node.node.as_str() == NODE);
    let incarnation = node.and_then(|node| node.incarnations.first());
    Ok(incarnation.map_or((0, 0), |known| (known.acked.seq, known.projected_seq)))
}

/// Headquarters alone: from sealed batches in memory to ledger and figures on disk, in seconds.
fn apply(folder: &Path, sealed: &[Vec<u8>]) -> Outcome<f64> {
    fs::create_dir_all(folder)?;
    let headquarters = backlog_rows::open(folder)?;
    let started = Instant::now();
    for group in sealed.chunks(BATCHES_AT_ONCE) {
        let incoming = group.iter().map(|sealed| {
            Ok(Incoming {
                sender: NODE.parse()?,
                relayed: false,
                session: 1,
                sealed: sealed.clone(),
            })
        });
        headquarters.ingest(incoming.collect::<Outcome<_>>()?, 1_800_000_000_000)?;
    }
    headquarters.project()?;
    Ok(started.elapsed().as_secs_f64())
}

/// The newest record of a node's only incarnation.
fn head(node: &Path) -> Outcome<u64> {
    let connection = Connection::open_with_flags(database_path(node), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let records: i64 = connection.query_row("SELECT count(*) FROM journal", (), |row| row.get(0))?;
    Ok(records.unsigned_abs())
}

fn broker_at(port: u16) -> Outcome<BrokerConfig> {
    Ok(serde_json::from_value(json!({"host": "127.0.0.1", "port": port}))?)
}

/// The same facts as JSON lines: how many bytes a sale takes so, and after compression.
struct JsonLines {
    plain: usize,
    zstd_3: usize,
    brotli_5: usize,
}

fn json_lines(node: &Path) -> Outcome<JsonLines> {
    let lines = backlog_rows::json_lines(node)?;
    let mut brotli_5 = Vec::new();
    let parameters = brotli::enc::BrotliEncoderParams {
        quality: 5,
        size_hint: lines.len(),
        ..Default::default()
    };
    brotli::BrotliCompress(&mut lines.as_slice(), &mut brotli_5, &parameters)?;
    Ok(JsonLines {
        plain: lines.len(),
        zstd_3: zstd::bulk::compress(&lines, 3)?.len(),
        brotli_5: brotli_5.len(),
    })
}

fn tell(report: &mut Report, sales: usize, drains: &[Drain], alone: &[f64], bare: &[f64], facts: &JsonLines) {
    let count = number(sales as f64);
    report.part(&format!(
        "(b) a backlog of {count} sales, from the node's disk through mosquitto to headquarters' disk"
    ));
    let all = sales as f64;
    let rate = |seconds: &[f64]| format!("{} sales/s", number(all / median(seconds)));
    let against_bare =
        |seconds: &[f64]| Value::Ratio(bare.iter().zip(seconds).map(|(bare, took)| bare / took).collect());
    report.line(
        "bare SQLite, a transaction for each batch",
        rate(bare),
        Value::Ratio(vec![1.0]),
        Target::None,
    );
    let acknowledged: Vec<f64> = drains.iter().map(|drain| drain.acknowledged_s).collect();
    let in_figures: Vec<f64> = drains.iter().map(|drain| drain.in_figures_s).collect();
    for (what, took) in [("acknowledged", &acknowledged), ("in the figures", &in_figures)] {
        report.line(
            format!("drained until all are {what}"),
            rate(took),
            against_bare(took),
            Target::None,
        );
        let target = if sales == 10_000 {
            Target::AtMost(1.0)
        } else {
            Target::None
        };
        let value = Value::Of(median(took), "s");
        report.line(format!("  {count} across until {what}"), "", value, target);
    }
    report.line(
        "headquarters alone: ledger and figures",
        rate(alone),
        against_bare(alone),
        Target::None,
    );
    let value = Value::Of(all / median(alone), "sales/s");
    report.line("  the same", "", value, Target::AtLeast(20_000.0));
    let each = |bytes: f64| format!("{} bytes/sale", number(bytes / all));
    let wire: Vec<f64> = drains
        .iter()
        .map(|drain| (drain.bytes.0 + drain.bytes.1) as f64)
        .collect();
    let up: Vec<f64> = drains.iter().map(|drain| drain.bytes.0 as f64).collect();
    let value = Value::Of(median(&wire) / all, "bytes/sale");
    report.line(
        "on the wire, both ways, TCP payload",
        each(median(&wire)),
        value,
        Target::AtMost(60.0),
    );
    report.line(
        "  of it towards headquarters",
        each(median(&up)),
        Value::Nothing,
        Target::None,
    );
    let lines = [
        ("the same facts as JSON lines", facts.plain),
        ("  with zstd -3", facts.zstd_3),
        ("  with brotli -5", facts.brotli_5),
    ];
    for (what, bytes) in lines {
        let ratio = Value::Ratio(vec![median(&wire) / bytes as f64]);
        report.line(what, each(bytes as f64), ratio, Target::None);
    }
}
