//! Headquarters on real files: what nodes may send it, in whatever order, and what it makes of that.

mod account;
mod alerts;
mod api;
mod api_caller;
mod copies;
mod figures;
mod journal;
mod keeping;
mod ledger;
mod operations;
mod relayed;
mod retiring;
mod shelves;
mod site_work;
mod succession;

use std::path::Path;

use finalmarket::hq::{Admission, DailyTotal, Headquarters, Incoming, Settings, TotalsQuery};
use finalmarket::sync::hub::Outcome;

/// What the clock shows in these tests, in milliseconds since 1970.
const NOW_MS: u64 = 1_800_000_000_000;

fn open(folder: &Path) -> Headquarters {
    open_for(folder, Admission::Anyone)
}

/// A headquarters whose database is that file.
fn open_file(path: &Path) -> Headquarters {
    open_database(path, Admission::Anyone)
}

fn open_for(folder: &Path, admission: Admission) -> Headquarters {
    open_database(&folder.join("hq.sqlite"), admission)
}

fn open_database(path: &Path, admission: Admission) -> Headquarters {
    let settings = Settings {
        name: "hq".parse().unwrap(),
        site: "hq".parse().unwrap(),
        admission,
        vfs: None,
    };
    Headquarters::open(path, settings, NOW_MS).unwrap()
}

/// What became of each batch, and how many records of it were new.
fn ingest(hq: &Headquarters, batches: Vec<Incoming>) -> Vec<(Outcome, u64)> {
    let answers = hq.ingest(batches, NOW_MS).unwrap();
    answers
        .into_iter()
        .map(|answer| (answer.outcome, answer.taken))
        .collect()
}

fn ingest_one(hq: &Headquarters, batch: Incoming) -> (Outcome, u64) {
    ingest(hq, vec![batch]).remove(0)
}

/// A question for the totals of a run of days, of all sites.
fn totals_of(from: &str, to: &str) -> TotalsQuery {
    TotalsQuery {
        from: from.parse().unwrap(),
        to: to.parse().unwrap(),
        site: None,
        after: None,
        limit: u32::MAX,
    }
}

/// The sums over all sites and days.
fn total(hq: &Headquarters) -> DailyTotal {
    let days = hq.totals(&totals_of("2000-01-01", "2100-01-01")).unwrap().days;
    days.iter().fold(DailyTotal::default(), |sum, day| {
        let day = &day.total;
        DailyTotal {
            sales: sum.sales + day.sales,
            gross: sum.gross.checked_add(day.gross).unwrap(),
            discount: sum.discount.checked_add(day.discount).unwrap(),
            tax: sum.tax.checked_add(day.tax).unwrap(),
            total: sum.total.checked_add(day.total).unwrap(),
            units: sum.units.checked_add(day.units).unwrap(),
            refunds: sum.refunds + day.refunds,
            refunded_tax: sum.refunded_tax.checked_add(day.refunded_tax).unwrap(),
            refunded: sum.refunded.checked_add(day.refunded).unwrap(),
            returned_units: sum.returned_units.checked_add(day.returned_units).unwrap(),
        }
    })
}

/// How much is on hand over all sites and items, in thousandths.
fn stock(hq: &Headquarters) -> i64 {
    let lines = hq.stock(None, None, u32::MAX).unwrap();
    lines.iter().map(|line| line.quantity.thousandths()).sum()
}
