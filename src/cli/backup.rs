//! `backup`: a consistent copy of a node's or a headquarters' database.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::folder::{Owner, owner};
use super::{Failure, progress};
use crate::store::back_up;

/// Copy a node's or a headquarters' database, consistent, while it goes on working.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The data folder of a node or a headquarters.
    #[arg(long, value_name = "FOLDER")]
    data: PathBuf,
    /// The copy. A file that exists is never overwritten.
    file: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    match owner(&arguments.data)? {
        Owner::Node => {
            let bar = progress::bar(0, "pages");
            back_up(&arguments.data, &arguments.file, |done, all| {
                bar.set_length(all);
                bar.set_position(done);
            })?;
            bar.finish_and_clear();
        }
        Owner::Headquarters => crate::hq::back_up(&arguments.data, &arguments.file)?,
    }
    println!("backed up to {}", arguments.file.display());
    Ok(ExitCode::SUCCESS)
}
