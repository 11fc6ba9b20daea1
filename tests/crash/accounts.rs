//! The tills' accounts against the node's: what they were told is all that there is, and all of it is there.

use std::collections::BTreeMap;
use std::path::Path;

use finalmarket::domain::ids::{ReceiptNumber, SaleId};
use serde_json::Value;

use crate::books;
use crate::http::{Connection, Request};
use crate::sim::promise::{Checked, Promise, Violation};
use crate::till::{Figures, Till};
use crate::town::Life;

/// Compares over HTTP, while the node lives.
///
/// # Errors
/// The first promise that is found broken.
pub fn compare(tills: &[Till], life: &Life) -> Checked {
    std::thread::scope(|scope| {
        let looking: Vec<_> = tills
            .iter()
            .map(|till| scope.spawn(|| till.look_after_all(life.clone())))
            .collect();
        looking
            .into_iter()
            .try_for_each(|look| look.join().expect("a till that works"))
    })?;
    compare_receipts(tills)?;
    compare_stock(tills, life)?;
    compare_journal(tills, life)
}

/// Compares with the database, from its journal up. `vfs` is the disk that it is on.
///
/// # Errors
/// The first promise that is found broken.
pub fn compare_books(tills: &[Till], folder: &Path, vfs: Option<&str>) -> Checked {
    let books = books::audit_folder(folder, vfs).map_err(|what| Violation::of(Promise::Explains, what))?;
    let told: BTreeMap<SaleId, ReceiptNumber> = tills.iter().flat_map(told).collect();
    if books.sales == told {
        return Ok(());
    }
    let lost = told.keys().find(|id| !books.sales.contains_key(id));
    let (promise, what) = match lost {
        Some(id) => (
            Promise::NothingLost,
            format!("{id} was answered and is not in the journal"),
        ),
        None => {
            let untold = books.sales.iter().find(|(id, receipt)| told.get(id) != Some(receipt));
            (
                Promise::ExactlyOnce,
                format!("{untold:?} is in the journal, and no till was told so"),
            )
        }
    };
    Err(Violation::of(promise, what))
}

/// What happened to all tills' sales.
pub fn figures(tills: &[Till]) -> Figures {
    tills.iter().fold(Figures::default(), |sum, till| sum.and(till.figures))
}

fn told(till: &Till) -> impl Iterator<Item = (SaleId, ReceiptNumber)> {
    till.heard.iter().map(|sale| {
        let id = SaleId {
            series: till.series().parse().expect("a series"),
            counter: sale.counter,
        };
        (id, sale.receipt().parse().expect("a receipt's number"))
    })
}

/// Every receipt that was printed has a number of its own, and in each series none is missing.
fn compare_receipts(tills: &[Till]) -> Checked {
    let mut series: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (_, receipt) in tills.iter().flat_map(told) {
        series
            .entry(receipt.series.to_string())
            .or_default()
            .push(receipt.number);
    }
    for (name, mut numbers) in series {
        numbers.sort_unstable();
        if !numbers.iter().copied().eq(1..=numbers.len() as u64) {
            let what = format!("receipts of {name} are not unique and without gap: {numbers:?}");
            return Err(Violation::of(Promise::Explains, what));
        }
    }
    Ok(())
}

fn compare_stock(tills: &[Till], life: &Life) -> Checked {
    let mut sold: BTreeMap<String, i64> = BTreeMap::new();
    for (sku, pieces) in tills.iter().flat_map(|till| &till.heard).flat_map(|sale| &sale.goods) {
        *sold.entry(sku.clone()).or_default() -= pieces;
    }
    let stock: BTreeMap<String, i64> = get(life, "/v1/stock?limit=500")["stock"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|row| (text(&row["sku"]), text(&row["quantity"]).parse().expect("whole pieces")))
        .collect();
    if stock == sold {
        Ok(())
    } else {
        let what = format!("stock is {stock:?}, and by what was sold {sold:?}");
        Err(Violation::of(Promise::Explains, what))
    }
}

/// One incarnation, with its first record and one for each sale.
fn compare_journal(tills: &[Till], life: &Life) -> Checked {
    let sales: usize = tills.iter().map(|till| till.heard.len()).sum();
    let sync = get(life, "/v1/sync");
    let lives = sync["incarnations"].as_array().map_or(0, Vec::len);
    if (sync["journal_seq"].as_u64(), lives) == (Some(sales as u64 + 1), 1) {
        Ok(())
    } else {
        let what = format!("{sales} sales were answered, and the journal stands so: {sync}");
        Err(Violation::of(Promise::ExactlyOnce, what))
    }
}

fn get(life: &Life, path: &str) -> Value {
    let mut connection = Connection::open(life.address).expect("a node");
    connection
        .ask(Request::get(path).by(&life.operator))
        .expect("an answer")
        .ok(200)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

impl Figures {
    pub fn and(self, other: Self) -> Self {
        Self {
            at_once: self.at_once + other.at_once,
            had_been_made: self.had_been_made + other.had_been_made,
            had_not: self.had_not + other.had_not,
            twice: self.twice + other.twice,
            faults: self.faults + other.faults,
        }
    }

    pub fn sales(self) -> u64 {
        self.at_once + self.had_been_made + self.had_not
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} sales heard; of those not answered at first {} had been made and {} had not; {} were sent twice at once; \
             {} answers from 500 up",
            self.sales(),
            self.had_been_made,
            self.had_not,
            self.twice,
            self.faults
        )
    }
}
