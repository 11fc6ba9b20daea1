//! (d) Memory, and the time from the start of the process to its first sale, with a large catalog and a long history.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::backlog::megabytes;
use crate::history::{ITEMS, long_history};
use crate::process::NodeProcess;
use crate::report::{Report, Target, Value, median, number};
use crate::shop::{self, Till};
use crate::tills::Tills;
use crate::{Outcome, Plan, note};

/// How many tills sell while memory is watched.
const TILLS: usize = 8;
/// What people look for as they type.
const SEARCHES: [&str; 8] = ["c", "co", "cof", "coff", "org", "dark%20ch", "fresh", "76"];

pub fn measure(plan: &Plan, report: &mut Report) -> Outcome<()> {
    let folder = long_history(plan.history)?;
    note("(d) starting");
    let (mut starts, mut cold_starts) = (Vec::new(), Vec::new());
    let mut memory_first = 0;
    for round in 0..plan.starts {
        let cold = round % 2 == 1;
        if cold {
            forget_pages(&folder)?;
        }
        let mut tills = shop::tills(&folder)?;
        let (node, seconds) = first_sale(&folder, tills.remove(0))?;
        memory_first = memory_first.max(node.memory_bytes("VmRSS")?);
        node.stop()?;
        if cold { &mut cold_starts } else { &mut starts }.push(seconds);
    }
    note("(d) selling and searching");
    let (node, _) = first_sale(&folder, shop::tills(&folder)?.remove(0))?;
    let tills = shop::tills(&folder)?;
    let token = tills.first().ok_or("a shop without tills")?.token.clone();
    let mut selling = Tills::new(node.address, tills, ITEMS)?;
    selling.sell(TILLS, Duration::from_millis(plan.round_ms))?;
    let mut searches_ms = Vec::new();
    let mut stream = TcpStream::connect(node.address)?;
    for search in SEARCHES.into_iter().cycle().take(20 * SEARCHES.len()) {
        let started = Instant::now();
        get(&mut stream, &token, &format!("/v1/products?limit=20&search={search}"))?;
        searches_ms.push(started.elapsed().as_secs_f64() * 1_000.0);
    }
    let (now, most) = (node.memory_bytes("VmRSS")?, node.memory_bytes("VmHWM")?);
    node.stop()?;
    report.part(&format!(
        "(d) a node with {} items and {} sales",
        number(ITEMS as f64),
        number(plan.history as f64)
    ));
    let value = Value::Of(median(&starts), "s");
    report.line(
        "start of the process to its first sale",
        "file in memory",
        value,
        Target::AtMost(1.0),
    );
    if !cold_starts.is_empty() {
        let value = Value::Of(median(&cold_starts), "s");
        report.line("  the same", "file on disk only", value, Target::AtMost(1.0));
    }
    report.line(
        "memory after the first sale",
        megabytes(memory_first),
        Value::Nothing,
        Target::None,
    );
    let value = Value::Of(now as f64 / 1e6, "MB");
    let what = format!("memory after {TILLS} tills have sold and people searched");
    report.line(what, "", value, Target::AtMost(120.0));
    report.line(
        "  the most it had",
        "",
        Value::Of(most as f64 / 1e6, "MB"),
        Target::AtMost(120.0),
    );
    let figure = format!("p50 {} ms", number(median(&searches_ms)));
    report.line("search as one types, one reader", figure, Value::Nothing, Target::None);
    Ok(())
}

/// Starts a node and sells once; the seconds from the start of the process to the answer.
fn first_sale(folder: &Path, till: Till) -> Outcome<(NodeProcess, f64)> {
    let started = Instant::now();
    let mut node = NodeProcess::spawn(folder, None)?;
    drop(node.connect()?);
    let mut tills = Tills::new(node.address, vec![till], ITEMS)?;
    tills.sell_once()?;
    Ok((node, started.elapsed().as_secs_f64()))
}

/// Makes the system forget what it has of a database in memory, as after a boot.
fn forget_pages(folder: &Path) -> Outcome<()> {
    let database = finalmarket::store::database_path(folder);
    let input = format!("if={}", database.display());
    let told = Command::new("dd")
        .args([&input, "iflag=nocache", "count=0", "status=none"])
        .status()?;
    if told.success() {
        Ok(())
    } else {
        Err("dd could not be told to forget the file".into())
    }
}

/// One request whose answer is read to its end.
fn get(stream: &mut TcpStream, token: &str, path: &str) -> Outcome<()> {
    // In one piece: of several the second would wait until the first is acknowledged, which takes up to 40 ms.
    let request = format!("GET {path} HTTP/1.1\r\nhost: node\r\nauthorization: Bearer {token}\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut buffer = vec![0; 16 << 10];
    while crate::tills::answer_bytes(&answer).is_none_or(|whole| answer.len() < whole) {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Err("the node closed the connection".into());
        }
        answer.extend_from_slice(buffer.get(..count).unwrap_or_default());
    }
    if answer.starts_with(b"HTTP/1.1 200") {
        Ok(())
    } else {
        Err(format!("the node answers\n{}", String::from_utf8_lossy(&answer)).into())
    }
}
