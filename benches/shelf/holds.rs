//! (c) Ten thousand customers want one of a hundred scarce items at once: a running node, over HTTP. Beside it, in
//! turns, bare SQLite does what a shop without rights, journal or repeats would do: one update with a condition, as
//! durably.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Barrier;
use std::time::Instant;

use rusqlite::Connection as Sqlite;
use serde_json::{Value as Json, json};

use crate::folder::Folder;
use crate::http::{Connection, Request};
use crate::node_process::{NodeProcess, PROGRAM, Reached};
use crate::report::{Report, Target, Value, median, number};
use crate::rng::Rng;
use crate::{Outcome, Plan};

const ITEMS: u64 = 100;
/// Of each; all of them together are fewer than the holds that the tills may have open.
const UNITS: u64 = 15;
const TILLS: usize = 10;

/// What a node answered.
#[derive(Debug, Default)]
struct Answers {
    held: BTreeMap<u64, u64>,
    refused: u64,
    latencies_us: Vec<f64>,
}

pub fn measure(plan: &Plan, report: &mut Report) -> Outcome<()> {
    let folder = Folder::new("shelf-holds")?;
    let (mut rates, mut bare_rates, mut all) = (Vec::new(), Vec::new(), Answers::default());
    let mut beyond = 0;
    for round in 0..plan.hold_rounds {
        let wishes = wishes(round, plan.holds);
        bare_rates.push(bare(&folder.path(&format!("bare-{round}.db")), &wishes)?);
        let disk = folder.path(&format!("node-{round}"));
        let (rate, answers) = node(&disk, plan.clients, &wishes)?;
        rates.push(rate);
        beyond += answers
            .held
            .values()
            .map(|held| held.saturating_sub(UNITS))
            .sum::<u64>();
        all = answers;
    }
    let held: u64 = all.held.values().sum();
    report.part(&format!(
        "(c) {} holds by {} clients at once, {ITEMS} items of {UNITS} units, at a running node",
        number(plan.holds as f64),
        plan.clients
    ));
    let ratios = rates.iter().zip(&bare_rates).map(|(rate, bare)| rate / bare);
    report.line(
        "bare SQLite, one conditional update each",
        format!("{} wishes/s", number(median(&bare_rates))),
        Value::Ratio(vec![1.0]),
        Target::None,
    );
    report.line(
        "the node: asked, answered, on disk",
        format!("{} wishes/s", number(median(&rates))),
        Value::Ratio(ratios.collect()),
        Target::None,
    );
    all.latencies_us.sort_by(f64::total_cmp);
    let at = |part: f64| {
        let last = all.latencies_us.len().saturating_sub(1) as f64;
        all.latencies_us
            .get((last * part) as usize)
            .copied()
            .unwrap_or_default()
            / 1e3
    };
    report.line(
        "wait",
        format!("p50 {:.1} ms", at(0.5)),
        Value::Of(at(0.99), "ms p99"),
        Target::None,
    );
    report.line(
        "held",
        format!("{} of {} units", number(held as f64), number((ITEMS * UNITS) as f64)),
        Value::Of(beyond as f64, "oversold"),
        Target::AtMost(0.0),
    );
    report.line(
        "refused",
        format!("{} wishes", number(all.refused as f64)),
        Value::Nothing,
        Target::None,
    );
    folder.remove()?;
    if beyond > 0 {
        return Err(format!("{beyond} units were held beyond what there is").into());
    }
    Ok(())
}

/// Who wants what: one unit each.
fn wishes(round: usize, holds: usize) -> Vec<u64> {
    let mut rng = Rng::new(round as u64, 7);
    (0..holds).map(|_| rng.below(ITEMS)).collect()
}

fn sku(item: u64) -> String {
    format!("{:05}", 10_000 + item)
}

/// A fresh node takes all wishes; how many a second, and its answers, which must be those of its own books.
fn node(disk: &Path, clients: usize, wishes: &[u64]) -> Outcome<(f64, Answers)> {
    let mut command = Command::new(PROGRAM);
    command.args([
        "node",
        "--node",
        "store-1",
        "--site",
        "store-1",
        "--listen",
        "127.0.0.1:0",
        "--data",
    ]);
    let process = NodeProcess::spawn(command.arg(disk));
    let reached = process.serves(disk);
    let tokens = furnish(&reached)?;
    let barrier = Barrier::new(clients + 1);
    let (mut answers, mut seconds) = (Answers::default(), 0.0);
    std::thread::scope(|scope| -> Outcome<()> {
        let client = |client: usize| {
            let (barrier, tokens, reached) = (&barrier, &tokens, &reached);
            move || ask(client, clients, wishes, &tokens[client % TILLS], reached, barrier)
        };
        let threads: Vec<_> = (0..clients).map(|number| scope.spawn(client(number))).collect();
        barrier.wait();
        let started = Instant::now();
        for thread in threads {
            let theirs = thread.join().map_err(|_| "a client broke")??;
            for (item, held) in theirs.held {
                *answers.held.entry(item).or_default() += held;
            }
            answers.refused += theirs.refused;
            answers.latencies_us.extend(theirs.latencies_us);
        }
        seconds = started.elapsed().as_secs_f64();
        Ok(())
    })?;
    let mut connection = Connection::open(reached.address)?;
    for item in 0..ITEMS {
        let path = format!("/v1/stock/{}", sku(item));
        let stock: Json = serde_json::from_str(&connection.ask(Request::get(&path).by(&reached.token))?.body)?;
        let held = answers.held.get(&item).copied().unwrap_or_default();
        if stock["reserved"].as_str() != Some(held.to_string().as_str()) {
            return Err(format!("clients hold {held} of {}, and the node says {stock}", sku(item)).into());
        }
    }
    process.stop();
    Ok((wishes.len() as f64 / seconds, answers))
}

/// One client's share of the wishes, one after the other over a connection of its own.
fn ask(
    client: usize,
    clients: usize,
    wishes: &[u64],
    token: &str,
    node: &Reached,
    barrier: &Barrier,
) -> Outcome<Answers> {
    let connected = Connection::open(node.address);
    barrier.wait();
    let (mut connection, mut answers) = (connected?, Answers::default());
    for (number, item) in wishes.iter().enumerate().skip(client).step_by(clients) {
        let body = json!({"lines": [{"sku": sku(*item), "quantity": "1"}]}).to_string();
        let asked = Instant::now();
        let reply = connection.ask(Request::post("/v1/holds", &format!("wish-{number}"), &body).by(token))?;
        answers.latencies_us.push(asked.elapsed().as_secs_f64() * 1e6);
        match reply.status {
            201 => *answers.held.entry(*item).or_default() += 1,
            409 if reply.body.contains("not-enough-to-promise") => answers.refused += 1,
            status => return Err(format!("a hold was answered {status} {}", reply.body).into()),
        }
    }
    Ok(answers)
}

/// Items, their stock, and tills; the tills' tokens.
fn furnish(node: &Reached) -> Outcome<Vec<String>> {
    let mut connection = Connection::open(node.address)?;
    let mut post = |path: &str, key: &str, body: Json| -> Outcome<Json> {
        let reply = connection.ask(Request::post(path, key, &body.to_string()).by(&node.token))?;
        match reply.status {
            200 | 201 => Ok(serde_json::from_str(&reply.body)?),
            status => Err(format!("{path}: {status} {}", reply.body).into()),
        }
    };
    let item = |item: u64| {
        json!({"sku": sku(item), "gtin": null, "name": "Goods", "department": "", "brand": "", "size": "",
            "price": "1.00", "tax_class": "standard"})
    };
    let items: Vec<Json> = (0..ITEMS).map(item).collect();
    post("/v1/products/import", "items", json!({"items": items}))?;
    let lines: Vec<Json> = (0..ITEMS)
        .map(|item| json!({"sku": sku(item), "change": UNITS.to_string()}))
        .collect();
    post(
        "/v1/stock/movements",
        "stock",
        json!({"kind": "receipt", "lines": lines}),
    )?;
    let mut tokens = Vec::new();
    for till in 1..=TILLS {
        let wish = json!({"role": "till", "name": format!("Till {till}"), "register": till.to_string()});
        let offered = post("/v1/pairing-codes", &format!("code-{till}"), wish)?;
        let paired = post("/v1/pair", &format!("pair-{till}"), json!({"code": offered["code"]}))?;
        tokens.push(paired["token"].as_str().ok_or("no token")?.to_owned());
    }
    Ok(tokens)
}

/// The same wishes, one transaction each; how many a second.
fn bare(file: &Path, wishes: &[u64]) -> Outcome<f64> {
    let database = Sqlite::open(file)?;
    database.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE shelf (item INTEGER PRIMARY KEY, quantity INTEGER NOT NULL, held INTEGER NOT NULL) STRICT;
         CREATE TABLE hold (number INTEGER PRIMARY KEY, item INTEGER NOT NULL) STRICT;",
    )?;
    for item in 0..ITEMS {
        database.execute("INSERT INTO shelf VALUES (?1, ?2, 0)", [item as i64, UNITS as i64])?;
    }
    let mut take = database.prepare("UPDATE shelf SET held = held + 1 WHERE item = ?1 AND quantity - held >= 1")?;
    let mut keep = database.prepare("INSERT INTO hold (item) VALUES (?1)")?;
    let started = Instant::now();
    for item in wishes {
        database.execute_batch("BEGIN IMMEDIATE")?;
        if take.execute([*item as i64])? == 1 {
            keep.execute([*item as i64])?;
        }
        database.execute_batch("COMMIT")?;
    }
    Ok(wishes.len() as f64 / started.elapsed().as_secs_f64())
}
