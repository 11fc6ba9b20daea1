//! `replay`: plays baskets from a file against running nodes, as so many tills would.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::ProgressBar;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::client::{Client, Server};
use super::import::key_of_run;
use super::site_nodes::SiteNodes;
use super::{Failure, progress};
use crate::domain::ids::SiteId;
use crate::import::{Basket, Baskets};

/// Play baskets from a CSV file against running nodes, as so many tills would.
///
/// The file has the columns basket,site,at,customer,sku,quantity,unit_price,discount, one row a line; times and prices
/// are kept. Each till pairs with its node first. A till that gets no answer asks again with the same key until it
/// gets one, as a real one does, so that an outage of the node costs time and no sale. It learns from the node which
/// standbys may take its place, and asks them in turn where the node does not answer.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The CSV file.
    file: PathBuf,
    /// A site's node: its data folder on this machine or http://HOST:PORT,TOKEN. May be given for several sites.
    #[arg(long = "node", value_name = "SITE=FOLDER|URL,TOKEN", required = true)]
    nodes: Vec<SiteNode>,
    /// How many tills each node has.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1000))]
    tills: u16,
    /// Pass over so many baskets of the file first.
    #[arg(long, default_value_t = 0)]
    skip: usize,
    /// Play at most so many baskets.
    #[arg(long)]
    take: Option<usize>,
    /// How many times as fast as the file's own clock; without it as fast as the nodes answer.
    #[arg(long, value_name = "FACTOR")]
    speed: Option<f64>,
    /// Give up where a node has not answered for so many seconds.
    #[arg(long, default_value_t = 60)]
    patience_s: u64,
    /// Play nothing where one row of the file is bad.
    #[arg(long)]
    strict: bool,
}

/// `SITE=SERVER`.
#[derive(Debug, Clone)]
struct SiteNode {
    site: SiteId,
    server: Server,
}

impl FromStr for SiteNode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (site, server) = text
            .split_once('=')
            .ok_or("write it as SITE=FOLDER or SITE=URL,TOKEN")?;
        Ok(Self {
            site: site.parse().map_err(|error| format!("{error}"))?,
            server: server.parse()?,
        })
    }
}

/// After how many sales a till asks again who else may sell here.
const LEARN_EVERY: u64 = 50;
/// How many refusals are shown one by one.
const SHOWN_MAX: usize = 10;

pub(super) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(play(arguments))
}

async fn play(arguments: Arguments) -> Result<ExitCode, Failure> {
    let (baskets, bad) = read(&arguments)?;
    let run = key_of_run()?;
    let mut tills = BTreeMap::new();
    for node in &arguments.nodes {
        let client = node.server.client()?;
        let mut of_node = Vec::new();
        for number in 1..=arguments.tills {
            of_node.push(pair(&client, &run, number).await?);
        }
        tills.insert(node.site.clone(), of_node);
    }
    let mut queues: BTreeMap<(SiteId, usize), Vec<Basket>> = BTreeMap::new();
    let (mut elsewhere, mut next) = (0_usize, BTreeMap::<SiteId, usize>::new());
    let first_at = baskets
        .iter()
        .map(|basket| basket.at.local_seconds())
        .min()
        .unwrap_or_default();
    let mut count = 0;
    for basket in baskets {
        if tills.contains_key(&basket.site) {
            let turn = next.entry(basket.site.clone()).or_default();
            queues
                .entry((basket.site.clone(), *turn % usize::from(arguments.tills)))
                .or_default()
                .push(basket);
            *turn += 1;
            count += 1;
        } else {
            elsewhere += 1;
        }
    }
    let bar = progress::bar(count, "baskets");
    let pace = Pace {
        started: Instant::now(),
        first_at,
        speed: arguments.speed,
    };
    let patience = Duration::from_secs(arguments.patience_s);
    let score = Arc::new(Mutex::new(Score::default()));
    let mut playing = tokio::task::JoinSet::new();
    for ((site, till), queue) in queues {
        let Some(till) = tills.get(&site).and_then(|tills| tills.get(till)).cloned() else {
            continue;
        };
        let (bar, score) = (bar.clone(), Arc::clone(&score));
        playing.spawn(async move { till.play(queue, pace, patience, &bar, &score).await });
    }
    while let Some(till) = playing.join_next().await {
        till??;
    }
    bar.finish_and_clear();
    let score = score.lock().await;
    score.print(pace.started.elapsed());
    if elsewhere > 0 {
        println!("passed over {elsewhere} baskets of sites that no --node names");
    }
    if bad > 0 {
        println!("passed over {bad} baskets with bad rows");
    }
    Ok(if score.refused.is_empty() && bad == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn read(arguments: &Arguments) -> Result<(Vec<Basket>, usize), Failure> {
    let name = arguments.file.display();
    let file = File::open(&arguments.file).map_err(|error| format!("cannot open {name}: {error}"))?;
    let rows = Baskets::open(std::io::BufReader::new(file)).map_err(|error| format!("{name}: {error}"))?;
    let (mut baskets, mut bad) = (Vec::new(), 0);
    for basket in rows.skip(arguments.skip).take(arguments.take.unwrap_or(usize::MAX)) {
        match basket {
            Ok(basket) => baskets.push(basket),
            Err(error) => {
                bad += 1;
                eprintln!("{name}: {error}");
            }
        }
    }
    if arguments.strict && bad > 0 {
        return Err(format!("{bad} baskets have bad rows and --strict was asked for: nothing was played").into());
    }
    Ok((baskets, bad))
}

/// A till that may state prices and times, as old files need.
#[derive(Debug, Clone)]
struct Till {
    site: Arc<SiteNodes>,
    key: String,
}

async fn pair(manager: &Client, run: &str, number: u16) -> Result<Till, Failure> {
    let wish = json!({
        "role": "till", "register": format!("{number}"), "name": format!("replay {run} till {number}"),
        "permissions": ["backdate", "state_prices"],
    });
    let code: Value = manager
        .post("/v1/pairing-codes", &format!("{run}-code-{number}"), &wish)
        .await?
        .read()?;
    let paired: Value = manager
        .post(
            "/v1/pair",
            &format!("{run}-pair-{number}"),
            &json!({"code": code["code"], "name": wish["name"]}),
        )
        .await?
        .read()?;
    let token = paired["token"].as_str().ok_or("the node gave no token")?;
    Ok(Till {
        site: Arc::new(SiteNodes::of(manager.with_token(token.into())).await),
        key: format!("{run}-{number}"),
    })
}

impl Till {
    async fn play(
        &self,
        baskets: Vec<Basket>,
        pace: Pace,
        patience: Duration,
        bar: &ProgressBar,
        score: &Mutex<Score>,
    ) -> Result<(), Failure> {
        for (counter, basket) in (1_u64..).zip(baskets) {
            pace.wait_for(&basket).await;
            if counter % LEARN_EVERY == 0 {
                self.site.learn().await;
            }
            let body = sale(counter, &basket)?;
            let key = format!("{}-{counter}", self.key);
            let started = Instant::now();
            let mut asked = 0_u32;
            let answer = loop {
                asked += 1;
                let failed = match self.site.client().await.post("/v1/sales", &key, &body).await {
                    Ok(answer) if answer.status.is_server_error() || answer.status.as_u16() == 429 => {
                        self.site.try_another(Some(&answer.body)).await;
                        answer.problem()
                    }
                    Ok(answer) => break answer,
                    Err(failure) => {
                        self.site.try_another(None).await;
                        failure.to_string()
                    }
                };
                if started.elapsed() > patience {
                    return Err(format!("basket {}: {failed}", basket.basket).into());
                }
                tokio::time::sleep(Duration::from_millis(50 << asked.min(5))).await;
            };
            let mut score = score.lock().await;
            score.asked_again += u64::from(asked - 1);
            if answer.status.is_success() {
                score.sold(&basket, &answer.body, started.elapsed());
            } else {
                score.refused.push(format!(
                    "line {}, basket {}: {}",
                    basket.line,
                    basket.basket,
                    answer.problem()
                ));
            }
            bar.inc(1);
        }
        Ok(())
    }
}

/// A basket as a till sends it, paid exactly and in cash.
fn sale(counter: u64, basket: &Basket) -> Result<Value, Failure> {
    let mut total = Decimal::ZERO;
    let mut lines = Vec::with_capacity(basket.lines.len());
    for line in &basket.lines {
        let gross = (line.quantity.to_decimal() * line.unit_price.to_decimal())
            .round_dp_with_strategy(2, rust_decimal::RoundingStrategy::MidpointAwayFromZero);
        total += gross - line.discount.to_decimal();
        let mut sent = json!({"sku": line.sku, "quantity": line.quantity, "unit_price": line.unit_price});
        if !line.discount.to_decimal().is_zero() {
            sent["discount"] = json!({"amount": line.discount});
        }
        lines.push(sent);
    }
    let tenders = if total.is_zero() {
        json!([])
    } else {
        json!([{"kind": "cash", "amount": total.to_string()}])
    };
    let mut body = json!({"counter": counter, "at": basket.at, "lines": lines, "tenders": tenders});
    if let Some(customer) = &basket.customer {
        body["customer"] = json!(customer);
    }
    Ok(body)
}

/// When baskets are played.
#[derive(Debug, Clone, Copy)]
struct Pace {
    started: Instant,
    first_at: i64,
    speed: Option<f64>,
}

impl Pace {
    async fn wait_for(&self, basket: &Basket) {
        let Some(speed) = self.speed.filter(|speed| *speed > 0.0) else {
            return;
        };
        let after_s = (basket.at.local_seconds() - self.first_at) as f64 / speed;
        if let Ok(after) = Duration::try_from_secs_f64(after_s) {
            tokio::time::sleep_until((self.started + after).into()).await;
        }
    }
}

/// What came of it.
#[derive(Debug, Default)]
struct Score {
    sold: u64,
    lines: u64,
    asked_again: u64,
    refused: Vec<String>,
    /// By site, as the nodes answered.
    totals: BTreeMap<String, Decimal>,
    latencies: Vec<Duration>,
}

impl Score {
    fn sold(&mut self, basket: &Basket, sale: &Value, latency: Duration) {
        self.sold += 1;
        self.lines += basket.lines.len() as u64;
        self.latencies.push(latency);
        let total = sale
            .pointer("/totals/total")
            .and_then(Value::as_str)
            .and_then(|total| total.parse().ok());
        *self.totals.entry(basket.site.to_string()).or_default() += total.unwrap_or(Decimal::ZERO);
    }

    fn print(&self, elapsed: Duration) {
        let mut latencies = self.latencies.clone();
        latencies.sort_unstable();
        let at = |share: usize| {
            latencies
                .get(latencies.len() * share / 100)
                .copied()
                .unwrap_or_default()
        };
        let ms = |latency: Duration| latency.as_secs_f64() * 1_000.0;
        println!(
            "{} sales, {} lines, {} refused, {} asked again",
            self.sold,
            self.lines,
            self.refused.len(),
            self.asked_again
        );
        println!(
            "p50 {:.1} ms, p99 {:.1} ms, {:.0} sales/s in {:.1} s",
            ms(at(50)),
            ms(at(99)),
            self.sold as f64 / elapsed.as_secs_f64().max(0.001),
            elapsed.as_secs_f64()
        );
        for (site, total) in &self.totals {
            println!("{site}: {total}");
        }
        for refusal in self.refused.iter().take(SHOWN_MAX) {
            eprintln!("refused: {refusal}");
        }
        if self.refused.len() > SHOWN_MAX {
            eprintln!("refused: and {} more", self.refused.len() - SHOWN_MAX);
        }
    }
}
