//! The command line: one file a command.
//!
//! A command ends with 0 where everything was done, 1 where something was not, 2 where its arguments are wrong.
//! Results go to standard output; progress, logs and errors go to standard error.

mod backup;
mod broker;
mod client;
#[cfg(feature = "embedded-broker")]
mod demo;
mod explain;
mod folder;
mod hq;
mod import;
mod join;
mod node;
mod pair;
mod progress;
mod promote;
mod repair;
mod replay;
mod restore;
mod retire;
mod serve;
mod set_aside;
mod settle;
mod site_nodes;
mod status;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The Final Market: stores and kiosks that go on selling without the internet, and their headquarters.
///
#[cfg_attr(
    feature = "embedded-broker",
    doc = "\nTry it first: `finalmarket demo` runs a headquarters, a broker, two stores and a kiosk on this machine and prints \
           where to look."
)]
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[cfg(feature = "embedded-broker")]
    Demo(demo::Arguments),
    Node(node::Arguments),
    Hq(hq::Arguments),
    Import(import::Arguments),
    Replay(replay::Arguments),
    Status(status::Arguments),
    Explain(explain::Arguments),
    Verify(verify::Arguments),
    Repair(repair::Arguments),
    Backup(backup::Arguments),
    Restore(restore::Arguments),
    Pair(pair::Arguments),
    Join(join::Arguments),
    Promote(promote::Arguments),
    Settle(settle::Arguments),
    Retire(retire::Arguments),
    Release(retire::ReleaseArguments),
    SetAside(set_aside::Arguments),
}

/// What a command could not do, in words for the person who called it.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Runs the command that the process's arguments name.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.command {
        #[cfg(feature = "embedded-broker")]
        Command::Demo(arguments) => demo::run(arguments),
        Command::Node(arguments) => node::run(arguments),
        Command::Hq(arguments) => hq::run(arguments),
        Command::Import(arguments) => import::run(&arguments),
        Command::Replay(arguments) => replay::run(arguments),
        Command::Status(arguments) => status::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Repair(arguments) => repair::run(&arguments),
        Command::Backup(arguments) => backup::run(&arguments),
        Command::Restore(arguments) => restore::run(&arguments),
        Command::Pair(arguments) => pair::run(&arguments),
        Command::Join(arguments) => join::run(&arguments),
        Command::Promote(arguments) => promote::run(&arguments),
        Command::Settle(arguments) => settle::run(&arguments),
        Command::Retire(arguments) => retire::run(&arguments),
        Command::Release(arguments) => retire::release(&arguments),
        Command::SetAside(arguments) => set_aside::run(&arguments),
    };
    match done {
        Ok(code) => code,
        Err(failure) => {
            let told = failure.to_string();
            eprintln!("finalmarket: {told}");
            let mut cause = failure.source();
            while let Some(error) = cause {
                // Most errors tell their cause in their own words.
                if !told.contains(&error.to_string()) {
                    eprintln!("  because: {error}");
                }
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_arguments_fit_together() {
        super::Arguments::command().debug_assert();
    }
}
