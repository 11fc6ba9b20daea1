//! `backup`: a consistent copy of a node's database.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{Failure, progress};
use crate::store::back_up;

/// Copy a node's database, consistent, while the node sells.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The node's data folder.
    #[arg(long, value_name = "FOLDER")]
    data: PathBuf,
    /// The copy. A file that exists is never overwritten.
    file: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let bar = progress::bar(0, "pages");
    back_up(&arguments.data, &arguments.file, |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    })?;
    bar.finish_and_clear();
    println!("backed up to {}", arguments.file.display());
    Ok(ExitCode::SUCCESS)
}
