//! (c) A sale after a long history against a sale after a short one.
//!
//! Both shops have the same catalog, and they take turns. Measured at the store, without HTTP, where a growing cost
//! could hide least: one sale to a transaction, and many to a transaction, where the wait for the disk is shared.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use sha2::{Digest as _, Sha256};

use crate::folder::{self, Folder};
use crate::report::{Report, Target, Value, median, number};
use crate::shop::{GROUP, NewShop, Shop};
use crate::{Outcome, Plan, note};

/// How many items both shops have.
pub const ITEMS: u64 = 100_000;
const SHORT: u64 = 1_000;
/// How many sales are made before any is measured: caches fill, and statements are prepared.
const WARM_UP: usize = 500;
/// How many sales one shop makes before it is the other's turn.
const TURN: usize = 25;
/// How many sales share a transaction where they do.
const TOGETHER: usize = 64;
/// Raised whenever the way in which the history is made changes.
const MADE_LIKE: u8 = 2;

pub fn measure(plan: &Plan, report: &mut Report) -> Outcome<()> {
    let long = long_history(plan.history)?;
    let folder = Folder::new("history-short")?;
    note(&format!("(c) making a history of {SHORT} sales"));
    let short = folder.path("shop");
    let mut shop = Shop::create(&short, shape(SHORT))?;
    shop.sell(SHORT as usize, GROUP)?;
    shop.close();
    let mut shops = [
        Shop::open(&short, shape(SHORT))?,
        Shop::open(&long, shape(plan.history))?,
    ];
    for shop in &mut shops {
        shop.sell(WARM_UP, 1)?;
    }
    note("(c) measuring");
    let (each, together) = (rounds(&mut shops, plan, 1)?, rounds(&mut shops, plan, TOGETHER)?);
    shops.into_iter().for_each(Shop::close);
    report.part(&format!(
        "(c) a sale after {} sales of history against a sale after {}, {} items",
        number(plan.history as f64),
        number(SHORT as f64),
        number(ITEMS as f64)
    ));
    for (what, took, per_transaction) in [
        ("one sale to a transaction", each, 1),
        ("64 sales to a transaction", together, TOGETHER),
    ] {
        let ms = |at: usize| median(&took[at]) / per_transaction as f64;
        let figure = format!("{} / {} ms a sale", number(ms(1)), number(ms(0)));
        let ratio = vec![median(&took[1]) / median(&took[0])];
        report.line(
            format!("{what}, median"),
            figure,
            Value::Ratio(ratio),
            Target::AtMost(1.15),
        );
        let mean = |at: usize| took[at].iter().sum::<f64>() / took[at].len() as f64 / per_transaction as f64;
        let figure = format!("{} / {} ms a sale", number(mean(1)), number(mean(0)));
        let ratio = vec![mean(1) / mean(0)];
        report.line(format!("{what}, mean"), figure, Value::Ratio(ratio), Target::None);
    }
    folder.remove()
}

/// How long each transaction took in each shop, in milliseconds.
fn rounds(shops: &mut [Shop; 2], plan: &Plan, per_transaction: usize) -> Outcome<[Vec<f64>; 2]> {
    let mut took = [Vec::new(), Vec::new()];
    for round in 0..plan.history_turns {
        // Who is first changes, so that neither always finds the disk as the other has left it.
        for at in [round % 2, 1 - round % 2] {
            for _ in 0..TURN {
                let jobs = shops[at].jobs(per_transaction)?;
                let started = Instant::now();
                shops[at].run(jobs)?;
                took[at].push(started.elapsed().as_secs_f64() * 1_000.0);
            }
        }
    }
    Ok(took)
}

/// The folder of a shop with a long history. It takes minutes to make and is kept; what a run adds to it is little.
pub fn long_history(sales: u64) -> Outcome<PathBuf> {
    let path = folder::data().join(format!("kept-{sales}-{}", made_of()?));
    remove_others(sales, &path)?;
    if path.exists() {
        return Ok(path);
    }
    note(&format!(
        "making a history of {sales} sales; it is kept in {}",
        path.display()
    ));
    let new = path.with_extension("new");
    if new.exists() {
        fs::remove_dir_all(&new)?;
    }
    let mut shop = Shop::create(&new, shape(sales))?;
    let step = 50_000;
    for done in (0..sales).step_by(step) {
        shop.sell(step.min((sales - done) as usize), GROUP)?;
        note(&format!("{} of {sales} sales", sales.min(done + step as u64)));
    }
    shop.close();
    fs::rename(&new, &path)?;
    Ok(path)
}

pub const fn shape(sales: u64) -> NewShop {
    NewShop {
        items: ITEMS,
        tills: 8,
        sales,
        stocked: true,
        seed: 7,
    }
}

/// What a kept history depends on: the schema, and the way in which it is made.
fn made_of() -> Outcome<String> {
    let mut hasher = Sha256::new();
    hasher.update([MADE_LIKE]);
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/node");
    let mut files = fs::read_dir(migrations)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Outcome<Vec<_>>>()?;
    files.sort();
    for file in files {
        hasher.update(fs::read(file)?);
    }
    Ok(hasher
        .finalize()
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// Removes histories of the same length that were made for another schema.
fn remove_others(sales: u64, keep: &Path) -> Outcome<()> {
    let Ok(entries) = fs::read_dir(folder::data()) else {
        return Ok(());
    };
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with(&format!("kept-{sales}-")) && path != keep {
            fs::remove_dir_all(&path)?;
        }
    }
    Ok(())
}
