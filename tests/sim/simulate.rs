//! `simulate`: runs ranges of seeds, or one seed with every step written out.

#[path = "mod.rs"]
mod sim;

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;

use sim::options::{Level, Options};
use sim::planted::Planted;
use sim::run::run;
use sim::runner::{Broken, run_range};
use sim::shelf;
use sim::shelf::fault::Fault;

/// Plays worlds of nodes, a broker, headquarters and tills, each from one seed, and says which promise broke.
#[derive(Debug, Parser)]
#[command(name = "simulate")]
struct Arguments {
    /// Seeds to run: from A up to and without B.
    #[arg(long, value_name = "A..B", value_parser = parse_range, default_value = "0..200")]
    seeds: (u64, u64),
    /// One seed instead.
    #[arg(long, value_name = "S", conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Write out what the seed stands for and every step.
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Real disks: the node's store and operations and headquarters' database, on files that lose power.
    #[arg(long)]
    full: bool,
    /// The shelf level: fifty replicas on one shelf; on real disks, with `--full`, stores, kiosks and headquarters.
    #[arg(long)]
    shelf: bool,
    /// Measure policies of rebalancing against each other, on the same customers and cut links.
    #[arg(long, requires = "shelf", conflicts_with = "full")]
    policies: bool,
    /// Turn one thing of the seed down, or up; also several: kinds of trouble by their weight, sizes (shelf level).
    #[arg(long = "with", value_name = "NAME=VALUE", requires = "shelf", requires = "seed", value_parser = parse_turn)]
    turns: Vec<(String, u64)>,
    /// Look for the least of a red seed that still breaks the same rule, and say how to play that (shelf level).
    #[arg(long, requires = "shelf", requires = "seed", conflicts_with = "trace")]
    shrink: bool,
    /// Plant a fault; then every seed that stays green is a seed that did not notice.
    #[arg(long, value_name = "NAME")]
    fault: Option<String>,
    /// Stop after so many failures.
    #[arg(long, default_value_t = 5)]
    failures: usize,
    /// Threads; as many as there are cores where nothing is said.
    #[arg(long)]
    threads: Option<usize>,
}

impl Arguments {
    fn threads(&self) -> usize {
        let all = || std::thread::available_parallelism().map_or(1, usize::from);
        self.threads.unwrap_or_else(all)
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.shelf {
        return simulate_shelf(&arguments);
    }
    let fault = match arguments.fault.as_deref().map(str::parse::<Planted>).transpose() {
        Ok(fault) => fault,
        Err(error) => return wrong_usage(&error),
    };
    let level = if arguments.full { Level::Full } else { Level::Pure };
    if arguments.trace
        && let Some(seed) = arguments.seed
    {
        return trace(seed, level, fault);
    }
    if let Some(fault) = fault.filter(|fault| arguments.full && !Planted::FULL.contains(fault)) {
        return wrong_usage(&format!(
            "{fault} is a fault of what only the pure level models; run it without --full"
        ));
    }
    let (first, end) = arguments.seed.map_or(arguments.seeds, |seed| (seed, seed + 1));
    let started = Instant::now();
    // Panics are reported with their seeds.
    std::panic::set_hook(Box::new(|_| {}));
    let progress = progress_of(started, end.saturating_sub(first));
    let report = run_range(
        first..end,
        level,
        fault,
        arguments.threads(),
        arguments.failures,
        progress,
    );
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{} seeds ({first}..{end}) in {seconds:.1} s, {:.1} seeds/s: {} steps, {} records, {} documents at headquarters, {} failed",
        report.seeds,
        report.seeds as f64 / seconds,
        report.steps,
        report.records,
        report.documents,
        report.broken.len()
    );
    for broken in &report.broken {
        println!("seed {}: {}", broken.seed, broken.what);
        let fault = fault.map(|fault| format!(" --fault {fault}")).unwrap_or_default();
        let full = if arguments.full { " --full" } else { "" };
        println!(
            "    cargo run --release --bin simulate -- --seed {} --trace{full}{fault}",
            broken.seed
        );
    }
    if let Some(fault) = fault {
        let named = |broken: &Broken| broken.promise.is_some_and(|promise| fault.breaks().contains(&promise));
        return was_caught(&fault.to_string(), report.broken.iter().any(named));
    }
    if report.broken.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn simulate_shelf(arguments: &Arguments) -> ExitCode {
    let fault = match arguments.fault.as_deref().map(str::parse::<Fault>).transpose() {
        Ok(fault) => fault,
        Err(error) => return wrong_usage(&error),
    };
    let (first, end) = arguments.seed.map_or(arguments.seeds, |seed| (seed, seed + 1));
    if arguments.policies {
        let table = shelf::policies::table(first..end);
        shelf::policies::print(&table);
        return ExitCode::from(u8::from(!shelf::policies::is_best(&table)));
    }
    if let Some(fault) = fault.filter(|fault| arguments.full && !shelf::full::run::FAULTS.contains(fault)) {
        return wrong_usage(&format!("{fault} is not planted on real disks; run it without --full"));
    }
    if let Some(seed) = arguments.seed.filter(|_| arguments.full) {
        if arguments.shrink || !arguments.turns.is_empty() {
            return wrong_usage("only worlds of the pure level can be turned down or shrunk; run it without --full");
        }
        return play_full_shelf(seed, fault, arguments.trace);
    }
    if let Some(seed) = arguments.seed {
        let mut options = shelf::options::Options::of_seed(seed);
        for (name, value) in &arguments.turns {
            if let Err(error) = shelf::knobs::turn(&mut options, name, *value) {
                return wrong_usage(&error);
            }
        }
        if arguments.shrink {
            return shrink_shelf(options, fault);
        }
        return play_shelf(options, fault, arguments.trace);
    }
    let started = Instant::now();
    let threads = arguments.threads();
    // Panics are reported with their seeds.
    std::panic::set_hook(Box::new(|_| {}));
    let progress = progress_of(started, end.saturating_sub(first));
    let play = if arguments.full {
        shelf::full::run::run_seed
    } else {
        shelf::runner::run_seed
    };
    let report = shelf::runner::run_range(play, first..end, fault, threads, arguments.failures, progress);
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{} seeds ({first}..{end}) in {seconds:.1} s, {:.1} seeds/s: {} steps, at least {} a seed; {} holds opened, {} refused, {} messages, {} failed",
        report.seeds,
        report.seeds as f64 / seconds,
        report.total.steps,
        if report.steps_min == u64::MAX {
            0
        } else {
            report.steps_min
        },
        report.total.held,
        report.total.refused,
        report.total.messages,
        report.broken.len()
    );
    for broken in &report.broken {
        println!("seed {}: {}", broken.seed, broken.what);
        let fault = fault.map(|fault| format!(" --fault {fault}")).unwrap_or_default();
        println!(
            "    cargo run --release --bin simulate -- --shelf{} --seed {} --trace{fault}",
            if arguments.full { " --full" } else { "" },
            broken.seed
        );
    }
    if let Some(fault) = fault {
        let named = |broken: &shelf::runner::Broken| broken.rule.is_some_and(|rule| fault.breaks().contains(&rule));
        return was_caught(&fault.to_string(), report.broken.iter().any(named));
    }
    ExitCode::from(u8::from(!report.broken.is_empty()))
}

/// Plays one world of the shelf level on real disks, with every step written out where that is wanted.
fn play_full_shelf(seed: u64, fault: Option<Fault>, trace: bool) -> ExitCode {
    let options = shelf::full::options::Options::with_room_for(seed, fault);
    if trace {
        println!("{options:#?}");
    }
    let (result, lines) = shelf::full::run::run(options, fault, trace);
    tell_of_shelf(seed, result, &lines)
}

/// Plays one world of the shelf level, with every step written out where that is wanted.
fn play_shelf(options: shelf::options::Options, fault: Option<Fault>, trace: bool) -> ExitCode {
    let seed = options.seed;
    if trace {
        println!("{options:#?}");
    }
    let (result, lines) = shelf::run::run(options, fault, trace);
    tell_of_shelf(seed, result, &lines)
}

fn tell_of_shelf(seed: u64, result: Result<shelf::run::Summary, shelf::run::Failure>, lines: &[String]) -> ExitCode {
    if !write_out(lines) {
        return ExitCode::SUCCESS;
    }
    match result {
        Ok(summary) => {
            println!("green: {summary:?}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            println!("seed {seed}: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn shrink_shelf(options: shelf::options::Options, fault: Option<Fault>) -> ExitCode {
    let seed = options.seed;
    let Some(shrunk) = shelf::knobs::shrink(options, fault) else {
        println!("seed {seed} is green: there is nothing to shrink");
        return ExitCode::SUCCESS;
    };
    println!("seed {seed} after {} runs: {}", shrunk.runs, shrunk.failure);
    let turned = shelf::knobs::differences(&shrunk.options, &shelf::options::Options::of_seed(seed));
    let turned: String = turned.iter().map(|turn| format!(" --with {turn}")).collect();
    let fault = fault.map(|fault| format!(" --fault {fault}")).unwrap_or_default();
    println!("    cargo run --release --bin simulate -- --shelf --seed {seed}{turned} --trace{fault}");
    ExitCode::FAILURE
}

/// A planted fault is there to be caught, and by the name of what it breaks.
fn was_caught(fault: &str, caught: bool) -> ExitCode {
    println!(
        "the planted fault {fault} was {}",
        if caught { "caught" } else { "not caught" }
    );
    ExitCode::from(u8::from(!caught))
}

fn wrong_usage(what: &str) -> ExitCode {
    eprintln!("{what}");
    ExitCode::from(2)
}

/// Tells a person how far it is.
fn progress_of(started: Instant, all: u64) -> impl Fn(u64) + Sync {
    let tell = std::io::stderr().is_terminal();
    move |done| {
        if tell && done % 16 == 0 {
            let rate = done as f64 / started.elapsed().as_secs_f64();
            let _ = write!(std::io::stderr(), "\r{done} of {all} seeds, {rate:.1} seeds/s ");
        }
    }
}

/// False where the reader has seen enough (`| head`), which is no failure.
fn write_out(lines: &[String]) -> bool {
    let mut out = std::io::stdout().lock();
    lines.iter().all(|line| writeln!(out, "{line}").is_ok())
}

fn trace(seed: u64, level: Level, fault: Option<Planted>) -> ExitCode {
    let options = Options::of_seed(seed, level);
    println!("{options:#?}");
    let (result, lines) = run(options, fault, true);
    if !write_out(&lines) {
        return ExitCode::SUCCESS;
    }
    match result {
        Ok(summary) => {
            println!("green: {summary:?}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            println!(
                "seed {seed}, step {}: {}: {}",
                failure.step, failure.violation.promise, failure.violation.what
            );
            ExitCode::FAILURE
        }
    }
}

fn parse_turn(text: &str) -> Result<(String, u64), String> {
    let (name, value) = text.split_once('=').ok_or("it is NAME=VALUE")?;
    let value = value.parse().map_err(|error| format!("{value:?}: {error}"))?;
    Ok((name.to_owned(), value))
}

fn parse_range(text: &str) -> Result<(u64, u64), String> {
    let (first, end) = text.split_once("..").ok_or("a range is A..B")?;
    let number = |text: &str| text.parse::<u64>().map_err(|error| format!("{text:?}: {error}"));
    Ok((number(first)?, number(end)?))
}
