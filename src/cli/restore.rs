//! `restore`: brings a node back from a backup.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::Failure;
use crate::node::clock::MachineClock;
use crate::node::{machine_id, randomness};
use crate::store::{RestoreOptions, restore};

/// Bring a node back from a backup.
///
/// The node must not be running. It goes on in a new incarnation: receipts get a new series, and headquarters keeps
/// what it sends apart until an operator settles it (`settle`), because nobody can know here what was sold since the
/// backup.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The backup.
    file: PathBuf,
    /// The node's data folder. Made where there is none.
    #[arg(long, value_name = "FOLDER")]
    data: PathBuf,
    /// Move a database that is there aside. It is never deleted.
    #[arg(long)]
    replace: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let options = RestoreOptions {
        backup: arguments.file.clone(),
        directory: arguments.data.clone(),
        replace: arguments.replace,
        machine_id: machine_id(),
        seed: randomness::incarnation_seed(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let _entered = runtime.enter();
    let restored = restore(&options, MachineClock::start().now())?;
    println!(
        "node {} at site {} restored; it goes on in incarnation {}",
        restored.node.node, restored.node.site, restored.head.incarnation
    );
    if let Some(replaced) = restored.replaced {
        println!("the database that was there is now {}", replaced.display());
    }
    Ok(ExitCode::SUCCESS)
}
