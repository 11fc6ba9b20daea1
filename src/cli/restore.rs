//! `restore`: brings a node or a headquarters back from a backup.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::Failure;
use crate::node::clock::MachineClock;
use crate::node::{machine_id, randomness};
use crate::store::{RestoreOptions, restore};

/// Bring a node or, with --hq, a headquarters back from a backup.
///
/// It must not be running. A node goes on in a new incarnation: receipts get a new series, and headquarters keeps
/// what it sends apart until an operator settles it (`settle`), because nobody can know here what was sold since the
/// backup. A headquarters asks its nodes for the records that it has lost, and has its feeds taken afresh; what was
/// decided there since the backup (settlements, repairs, tokens, enrolments) is to be decided again.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The backup.
    file: PathBuf,
    /// The data folder. Made where there is none.
    #[arg(long, value_name = "FOLDER")]
    data: PathBuf,
    /// Move a database that is there aside. It is never deleted.
    #[arg(long)]
    replace: bool,
    /// The backup is a headquarters'.
    #[arg(long)]
    hq: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let other = if arguments.hq {
        crate::store::database_path(&arguments.data)
    } else {
        crate::hq::database_path(&arguments.data)
    };
    if other.exists() {
        let told = format!(
            "{} is not a folder for this backup: {} is there",
            arguments.data.display(),
            other.display()
        );
        return Err(told.into());
    }
    if arguments.hq {
        headquarters(arguments)
    } else {
        node(arguments)
    }
}

fn headquarters(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let now_ms = MachineClock::start().now().unix_ms;
    let restored = crate::hq::restore(&arguments.file, &arguments.data, arguments.replace, now_ms)?;
    println!(
        "headquarters restored; its own journal goes on in incarnation {}",
        restored.incarnation
    );
    if let Some(replaced) = restored.replaced {
        println!("the database that was there is now {}", replaced.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn node(arguments: &Arguments) -> Result<ExitCode, Failure> {
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
