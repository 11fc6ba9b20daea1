//! `repair`: rebuilds a node's figures from its journal.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{Failure, progress};
use crate::node::clock::MachineClock;
use crate::node::{machine_id, randomness};
use crate::operations;
use crate::store::{Faults, StoreOptions, WriterCore};

/// Rebuild a node's figures from its journal.
///
/// The node must not be running. The journal itself is never changed; damaged records are set aside.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The node's data folder.
    #[arg(long, value_name = "FOLDER")]
    data: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let options = StoreOptions {
        directory: arguments.data.clone(),
        vfs: None,
        create: None,
        machine_id: machine_id(),
        seed: randomness::incarnation_seed(),
        readers: 1,
        faults: Faults::default(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let _entered = runtime.enter();
    let now = MachineClock::start().now();
    let (mut core, _) = WriterCore::open(&options, now)?;
    let bar = progress::bar(0, "records");
    let repaired = core.run(|tx| {
        operations::repair(tx, now, |done| bar.set_position(done)).map_err(crate::store::Failure::<String>::Storage)
    })?;
    bar.finish_and_clear();
    println!(
        "{} records read, {} sales and refunds rebuilt, {} damaged records set aside",
        repaired.records, repaired.documents, repaired.set_aside
    );
    Ok(ExitCode::SUCCESS)
}
