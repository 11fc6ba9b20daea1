//! (a) Sales of three lines over HTTP against bare SQLite that writes the same rows, as durably.
//!
//! Both take turns, so that a neighbour who keeps the disk or the processors busy hits both, and each round gives a
//! ratio of its own.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::Duration;

use finalmarket::domain::fact::{Entry, Fact};
use finalmarket::store::database_path;
use rusqlite::Connection;
use rusqlite::types::Value as Sql;

use crate::bare::{self, Script, Write};
use crate::folder::Folder;
use crate::process::NodeProcess;
use crate::report::{Report, Target, Value, number};
use crate::shop::{self, GROUP, NewShop, Shop};
use crate::tills::{Round, Tills, percentile_ms};
use crate::{Outcome, Plan, note};

const ITEMS: u64 = 20_000;
/// The most tills that the shop has.
const TILLS_MAX: usize = 64;
/// Beside which of the numbers of tills bare SQLite writes many sales to a transaction.
const GROUPED_BESIDE: usize = 1;
/// What the shop has sold before, so that no round is the first to touch its pages.
const SOLD_BEFORE: usize = 5_000;

/// What a round of one kind came to in all rounds.
#[derive(Default)]
struct Kind {
    sales: f64,
    seconds: f64,
    latencies_us: Vec<u32>,
    cpu_ms: f64,
    rates: Vec<f64>,
}

pub fn measure(plan: &Plan, report: &mut Report) -> Outcome<()> {
    if plan.tills.iter().any(|count| !(1..=TILLS_MAX).contains(count)) {
        return Err(format!("there are 1 to {TILLS_MAX} tills").into());
    }
    let folder = Folder::new("sales")?;
    note("(a) making the shop and the rows of its sales");
    let start = folder.path("start");
    let new = NewShop {
        items: ITEMS,
        tills: TILLS_MAX,
        sales: 200_000,
        stocked: true,
        seed: 7,
    };
    let mut shop = Shop::create(&start, new)?;
    shop.sell(SOLD_BEFORE, GROUP)?;
    shop.close();
    let [product, each, grouped, node] =
        ["product", "each", "grouped", "node"].map(|name| folder.copy_of(&start, name));
    let (product, each, grouped, node) = (product?, each?, grouped?, node?);
    // A round more than is counted: the first only warms up.
    let (rounds, groups) = (plan.rounds + 1, plan.groups);
    let mut shop = Shop::open(&product, new)?;
    shop.sell(rounds * groups * GROUP, GROUP)?;
    shop.close();
    let script = script(&product, SOLD_BEFORE)?;

    let running = NodeProcess::start(&node, None)?;
    let mut tills = Tills::new(running.address, shop::tills(&node)?, ITEMS)?;
    let (bare_each, bare_grouped) = (
        bare::open(&database_path(&each))?,
        bare::open(&database_path(&grouped))?,
    );
    let mut kinds: BTreeMap<String, Kind> = BTreeMap::new();
    let (mut each_at, mut grouped_at) = (0, 0);
    for round in 0..rounds {
        note(&format!("(a) round {round} of {}", plan.rounds));
        for (at, count) in plan.tills.iter().copied().enumerate() {
            // The baseline that the ratio is of stands beside each of its rounds.
            // A disk that is slow today must not make the run endless.
            let units = each_at..each_at + plan.bare_sales;
            let took = script.play(&bare_each, units, 1, Duration::from_millis(plan.round_ms))?;
            each_at += took.len();
            add(&mut kinds, "bare each", round, &bare_round(&took, 1), 0.0);
            if at == GROUPED_BESIDE.min(plan.tills.len() - 1) {
                let units = grouped_at..grouped_at + groups * GROUP;
                grouped_at = units.end;
                let took = script.play(&bare_grouped, units, GROUP, Duration::MAX)?;
                add(&mut kinds, "bare grouped", round, &bare_round(&took, GROUP), 0.0);
            }
            let cpu_ms = running.cpu_ms()?;
            let sold = tills.sell(count, Duration::from_millis(plan.round_ms))?;
            add(
                &mut kinds,
                &format!("tills {count}"),
                round,
                &sold,
                running.cpu_ms()? - cpu_ms,
            );
        }
    }
    running.stop()?;
    drop((bare_each, bare_grouped));
    bare::check_same(&database_path(&product), &database_path(&grouped), &[])?;
    tell(report, &plan.tills, kinds);
    folder.remove()
}

/// The rows of the sales that a database has made behind its first ones, one unit a sale.
fn script(folder: &Path, behind_sales: usize) -> Outcome<Script> {
    let connection = Connection::open(database_path(folder))?;
    let mut script = Script::default();
    let tables = ["journal", "document", "idempotency"];
    let mut inserts = Vec::with_capacity(tables.len());
    // By position: the tables other than the journal have no index for it.
    let mut found: HashMap<i64, Vec<Write>> = HashMap::new();
    let first: i64 = connection.query_row(
        "SELECT position FROM document ORDER BY position LIMIT 1 OFFSET ?1",
        [i64::try_from(behind_sales)?],
        |row| row.get(0),
    )?;
    for table in tables {
        let insert = script.insert("INSERT", &connection, table)?;
        inserts.push(insert);
        let sql = format!("SELECT position, * FROM {table} WHERE position >= {first} ORDER BY position");
        for mut row in bare::rows(&connection, &sql)? {
            let Sql::Integer(position) = row.remove(0) else {
                return Err(format!("{table} has a row without a position").into());
            };
            found.entry(position).or_default().push(Write::new(insert, row));
        }
    }
    // The row of the one incarnation that there is. Every sale is in hand: it only takes and owes.
    let shelf = script.statement(
        "INSERT INTO shelf (sku, place, replica, added, removed, held, freed, debt, repaid, touched) \
         VALUES (?1, 0, 1, 0, ?2, 0, 0, ?3, 0, ?4) \
         ON CONFLICT (sku, place, replica) DO UPDATE SET removed = removed + excluded.removed, \
         debt = debt + excluded.debt, touched = excluded.touched"
            .into(),
    );
    let mut positions: Vec<i64> = found.keys().copied().collect();
    positions.sort_unstable();
    let mut record = connection.prepare("SELECT record FROM journal WHERE position = ?1")?;
    for position in positions {
        let Some(mut unit) = found.remove(&position) else {
            continue;
        };
        let record: Vec<u8> = record.query_row([position], |row| row.get(0))?;
        if let Fact::Sale(sale) = Entry::decode(&record)?.fact {
            for line in sale.lines {
                let values = vec![
                    Sql::Text(line.sku.as_str().to_owned()),
                    Sql::Integer(line.quantity.thousandths()),
                    Sql::Integer(line.fulfilment.debt().thousandths()),
                    Sql::Integer(position),
                ];
                unit.push(Write::new(shelf, values));
            }
        }
        script.push(unit);
    }
    Ok(script)
}

fn bare_round(took: &[Duration], sales_each: usize) -> Round {
    let seconds = took.iter().map(Duration::as_secs_f64).sum();
    Round {
        sales: (took.len() * sales_each) as u64,
        seconds,
        latencies_us: took
            .iter()
            .map(|took| u32::try_from(took.as_micros()).unwrap_or(u32::MAX))
            .collect(),
    }
}

fn add(kinds: &mut BTreeMap<String, Kind>, name: &str, round: usize, done: &Round, cpu_ms: f64) {
    if round == 0 {
        return;
    }
    let kind = kinds.entry(name.to_owned()).or_default();
    kind.sales += done.sales as f64;
    kind.seconds += done.seconds;
    kind.latencies_us.extend(&done.latencies_us);
    kind.cpu_ms += cpu_ms;
    kind.rates.push(done.sales as f64 / done.seconds);
}

fn tell(report: &mut Report, tills: &[usize], mut kinds: BTreeMap<String, Kind>) {
    report.part("(a) sales of 3 lines over HTTP, against bare SQLite writing the same rows as durably");
    let bare = kinds.remove("bare each").unwrap_or_default();
    let rate = |kind: &Kind| format!("{} sales/s", number(kind.sales / kind.seconds));
    let one = Value::Ratio(vec![1.0]);
    report.line("bare SQLite, one transaction each", rate(&bare), one, Target::None);
    if let Some(grouped) = kinds.get("bare grouped") {
        let ratio = ratios(
            &grouped.rates,
            &bare.rates,
            GROUPED_BESIDE.min(tills.len() - 1),
            tills.len(),
        );
        report.line(
            "bare SQLite, 256 to a transaction",
            rate(grouped),
            Value::Ratio(ratio),
            Target::None,
        );
    }
    for (at, count) in tills.iter().enumerate() {
        let target = match count {
            1 => Target::AtLeast(0.45),
            64 => Target::AtLeast(2.5),
            _ => Target::None,
        };
        if let Some(kind) = kinds.get(&format!("tills {count}")) {
            let ratio = ratios(&kind.rates, &bare.rates, at, tills.len());
            report.line(format!("{count} tills"), rate(kind), Value::Ratio(ratio), target);
        }
    }
    let mut bare_latencies = bare.latencies_us;
    latency_line(
        report,
        "wait of bare SQLite, one transaction each",
        &mut bare_latencies,
        Target::None,
    );
    for count in tills {
        if let Some(kind) = kinds.get_mut(&format!("tills {count}")) {
            let what = format!("wait of {count} tills");
            latency_line(report, &what, &mut kind.latencies_us, Target::AtMost(20.0));
        }
    }
    for count in tills {
        if let Some(kind) = kinds.get(&format!("tills {count}")) {
            let figure = format!("{} ms a sale", number(kind.cpu_ms / kind.sales));
            report.line(
                format!("processor time of the node, {count} tills"),
                figure,
                Value::Nothing,
                Target::None,
            );
        }
    }
}

/// Each round against the baseline's that stood before it; there are as many of those in a round as there are numbers
/// of tills.
fn ratios(rates: &[f64], bare: &[f64], at: usize, round: usize) -> Vec<f64> {
    let beside = bare.iter().skip(at).step_by(round);
    rates.iter().zip(beside).map(|(rate, bare)| rate / bare).collect()
}

fn latency_line(report: &mut Report, what: &str, latencies_us: &mut [u32], target: Target) {
    let p50 = format!("p50 {} ms", number(percentile_ms(latencies_us, 50)));
    let p99 = Value::Of(percentile_ms(latencies_us, 99), "ms p99");
    report.line(what, p50, p99, target);
}
