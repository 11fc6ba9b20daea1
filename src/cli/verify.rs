//! `verify`: recomputes every figure of a node from its journal, or of a headquarters from its ledger.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::folder::{Owner, owner};
use super::{Failure, progress};
use crate::operations;
use crate::store::Readers;

/// Recompute every figure and name what differs: a node's from its journal, a headquarters' from its ledger.
///
/// It reads only, so the node or headquarters may be running. Ends with 1 where something differs; `repair` then
/// rebuilds a node's figures. A headquarters is checked on a copy beside its database, which needs room for it.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The data folder of a node or a headquarters.
    #[arg(long, value_name = "FOLDER")]
    data: PathBuf,
}

/// How many differences are shown one by one.
const SHOWN_MAX: usize = 50;

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    match owner(&arguments.data)? {
        Owner::Node => node(&arguments.data),
        Owner::Headquarters => headquarters(&arguments.data),
    }
}

fn headquarters(folder: &Path) -> Result<ExitCode, Failure> {
    let verified = crate::hq::verify(folder)?;
    let count = verified.differences.len() as u64;
    println!(
        "{} incarnations, {} records, {} sales and refunds: {count} differences",
        verified.incarnations, verified.records, verified.sales
    );
    Ok(show(&verified.differences, count))
}

fn node(folder: &Path) -> Result<ExitCode, Failure> {
    let readers = Readers::open(folder, None, 1)
        .map_err(|error| format!("cannot read the node in {}: {error}", folder.display()))?;
    let bar = progress::bar(0, "records");
    let verified = readers.read(|snapshot| {
        operations::verify(snapshot, |done, all| {
            bar.set_length(all);
            bar.set_position(done);
        })
    })?;
    bar.finish_and_clear();
    println!(
        "{} incarnations, {} records, {} sales and refunds: {} differences",
        verified.incarnations, verified.records, verified.documents, verified.differences_count
    );
    Ok(show(&verified.differences, verified.differences_count))
}

/// Shows the first of `count` differences.
fn show(differences: &[impl Display], count: u64) -> ExitCode {
    for difference in differences.iter().take(SHOWN_MAX) {
        println!("  {difference}");
    }
    let more = count.saturating_sub(SHOWN_MAX as u64);
    if more > 0 {
        println!("  and {more} more");
    }
    if count == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
