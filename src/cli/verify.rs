//! `verify`: recomputes every figure of a node from its journal.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{Failure, progress};
use crate::operations;
use crate::store::Readers;

/// Recompute every figure of a node from its journal and name what differs.
///
/// It reads only, so the node may be running. Ends with 1 where something differs; `repair` then rebuilds it.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The node's data folder.
    #[arg(long, value_name = "FOLDER")]
    data: PathBuf,
}

/// How many differences are shown one by one.
const SHOWN_MAX: usize = 50;

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let readers = Readers::open(&arguments.data, None, 1)
        .map_err(|error| format!("cannot read the node in {}: {error}", arguments.data.display()))?;
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
    for difference in verified.differences.iter().take(SHOWN_MAX) {
        println!("  {difference}");
    }
    let more = verified.differences_count.saturating_sub(SHOWN_MAX as u64);
    if more > 0 {
        println!("  and {more} more");
    }
    Ok(if verified.is_clean() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
