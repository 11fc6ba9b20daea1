//! (b) The memory of headquarters with 10,000 items on 1, 10 and 100 sites. Real processes: each site's node brings
//! its stock, has its documents taken over and goes; then headquarters is started anew, every shelf of every site is
//! read, and its memory is looked at.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use crate::folder::Folder;
use crate::http::{Connection, Request};
use crate::mosquitto::{Mosquitto, STOCK};
use crate::node_process::{NodeProcess, PROGRAM, Reached};
use crate::report::{Report, Target, Value, number};
use crate::{Outcome, Plan, note};

/// Far more than a site takes; reaching it is a failure.
const DEADLINE: Duration = Duration::from_secs(300);
/// Rows in a request.
const ROWS: usize = 500;

pub fn measure(plan: &Plan, report: &mut Report) -> Outcome<()> {
    let folder = Folder::new("shelf-sites")?;
    let broker = Mosquitto::start(STOCK);
    let hq_disk = folder.path("hq");
    let mut sites = 0;
    report.part(&format!(
        "(b) headquarters with {} items on each site, every shelf read once",
        number(plan.site_items as f64)
    ));
    for wanted in &plan.sites {
        let (hq, reached) = headquarters(&hq_disk, &broker);
        while sites < *wanted {
            sites += 1;
            bring_site(&folder, &broker, &reached, sites, plan.site_items)?;
            if sites % 10 == 0 {
                note(&format!("(b) {sites} sites"));
            }
        }
        hq.stop();

        let (hq, reached) = headquarters(&hq_disk, &broker);
        let idle = memory_bytes(&hq, "VmRSS")?;
        let mut shelves = 0;
        for site in 1..=sites {
            shelves += count(&reached, site)?;
        }
        if shelves != sites * plan.site_items {
            return Err(format!("{shelves} shelves on {sites} sites of {} items", plan.site_items).into());
        }
        let disk = folder_bytes(&hq_disk)?;
        report.line(
            format!("{sites} sites, {} shelves", number(shelves as f64)),
            format!("{:.0} MB on disk", disk as f64 / 1e6),
            Value::Of(memory_bytes(&hq, "VmRSS")? as f64 / 1e6, "MB"),
            Target::None,
        );
        report.line(
            "  when it was started",
            format!("most: {:.1} MB", memory_bytes(&hq, "VmHWM")? as f64 / 1e6),
            Value::Of(idle as f64 / 1e6, "MB"),
            Target::None,
        );
        hq.stop();
    }
    folder.remove()
}

fn headquarters(disk: &Path, broker: &Mosquitto) -> (NodeProcess, Reached) {
    let mut command = Command::new(PROGRAM);
    command.args(["hq", "--listen", "127.0.0.1:0", "--data"]).arg(disk);
    command.arg("--broker").arg(format!("127.0.0.1:{}", broker.port()));
    let hq = NodeProcess::spawn(&mut command);
    let reached = hq.answers(disk);
    (hq, reached)
}

/// A site's node, until headquarters has what it says of every shelf.
fn bring_site(folder: &Folder, broker: &Mosquitto, hq: &Reached, site: usize, items: usize) -> Outcome<()> {
    let (name, disk) = (format!("site-{site}"), folder.path("site"));
    let mut command = Command::new(PROGRAM);
    command.args(["node", "--node", &name, "--site", &name, "--listen", "127.0.0.1:0"]);
    command.arg("--data").arg(&disk);
    command.arg("--broker").arg(format!("127.0.0.1:{}", broker.port()));
    let node = NodeProcess::spawn(&mut command);
    let reached = node.serves(&disk);
    let mut connection = Connection::open(reached.address)?;
    let numbers: Vec<usize> = (0..items).collect();
    for (part, numbers) in numbers.chunks(ROWS).enumerate() {
        let sku = |number: &usize| format!("{:07}", 1_000_000 + number * 37);
        let goods = numbers.iter().map(|number| {
            json!({"sku": sku(number), "gtin": null, "name": "Goods", "department": "", "brand": "", "size": "",
                "price": "1.00", "tax_class": "standard"})
        });
        let body = json!({"items": goods.collect::<Vec<_>>()});
        let key = format!("items-{part}");
        post(&mut connection, &reached, "/v1/products/import", &key, &body, 200)?;
        let lines = numbers
            .iter()
            .map(|number| json!({"sku": sku(number), "change": (10 + number % 90).to_string()}));
        let body = json!({"kind": "receipt", "lines": lines.collect::<Vec<_>>()});
        let key = format!("stock-{part}");
        post(&mut connection, &reached, "/v1/stock/movements", &key, &body, 201)?;
    }
    let until = Instant::now() + DEADLINE;
    loop {
        let sync = get(&reached, "/v1/sync")?;
        if sync["pending"] == 0 && count(hq, site)? == items {
            break;
        }
        if Instant::now() > until {
            return Err(format!("headquarters does not get the shelves of {name}: {sync}").into());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    node.stop();
    Ok(std::fs::remove_dir_all(&disk)?)
}

/// Reads all shelves of a site.
fn count(hq: &Reached, site: usize) -> Outcome<usize> {
    // One that a document has told of: its journal alone says only what was given to others.
    let is_told = |shelf: &&Json| {
        shelf["replicas"]
            .as_array()
            .is_some_and(|rows| rows.iter().any(|row| row["through"] != 0))
    };
    let (mut shelves, mut cursor) = (0, String::new());
    loop {
        let page = get(hq, &format!("/v1/shelves?site=site-{site}&limit=500{cursor}"))?;
        shelves += page["shelves"].as_array().into_iter().flatten().filter(is_told).count();
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(shelves),
        }
    }
}

fn get(at: &Reached, path: &str) -> Outcome<Json> {
    let reply = Connection::open(at.address)?.ask(Request::get(path).by(&at.token))?;
    match reply.status {
        200 => Ok(serde_json::from_str(&reply.body)?),
        status => Err(format!("{path}: {status} {}", reply.body).into()),
    }
}

fn post(connection: &mut Connection, at: &Reached, path: &str, key: &str, body: &Json, status: u16) -> Outcome<()> {
    let reply = connection.ask(Request::post(path, key, &body.to_string()).by(&at.token))?;
    if reply.status == status {
        Ok(())
    } else {
        Err(format!("{path}: {} {}", reply.status, reply.body).into())
    }
}

/// All files of a folder: a database has most of what is new beside it, in its log.
fn folder_bytes(folder: &Path) -> Outcome<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes)
}

/// A figure of a process's memory in bytes: `VmRSS` is what it has now, `VmHWM` the most that it had.
fn memory_bytes(process: &NodeProcess, name: &str) -> Outcome<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id()))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kibibytes: u64 = kibibytes.ok_or("the system does not tell")?.trim().parse()?;
    Ok(kibibytes * 1024)
}
