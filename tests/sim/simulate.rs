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
    /// The shelf level: fifty replicas on one shelf.
    #[arg(long, conflicts_with = "full")]
    shelf: bool,
    /// Plant a fault; then every seed that stays green is a seed that did not notice.
    #[arg(long, value_name = "NAME")]
    fault: Option<Planted>,
    /// Stop after so many failures.
    #[arg(long, default_value_t = 5)]
    failures: usize,
    /// Threads; as many as there are cores where nothing is said.
    #[arg(long)]
    threads: Option<usize>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.shelf {
        return shelf(&arguments);
    }
    let level = if arguments.full { Level::Full } else { Level::Pure };
    if arguments.trace
        && let Some(seed) = arguments.seed
    {
        return trace(seed, level, arguments.fault);
    }
    if let Some(fault) = arguments
        .fault
        .filter(|fault| arguments.full && !Planted::FULL.contains(fault))
    {
        eprintln!("{fault} is a fault of what only the pure level models; run it without --full");
        return ExitCode::from(2);
    }
    let (first, end) = arguments.seed.map_or(arguments.seeds, |seed| (seed, seed + 1));
    let threads = arguments
        .threads
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let started = Instant::now();
    let all = end.saturating_sub(first);
    let tell = std::io::stderr().is_terminal();
    // Panics are reported with their seeds.
    std::panic::set_hook(Box::new(|_| {}));
    let report = run_range(
        first..end,
        level,
        arguments.fault,
        threads,
        arguments.failures,
        |done| {
            if tell && done % 16 == 0 {
                let rate = done as f64 / started.elapsed().as_secs_f64();
                let _ = write!(std::io::stderr(), "\r{done} of {all} seeds, {rate:.1} seeds/s ");
            }
        },
    );
    let seconds = started.elapsed().as_secs_f64();
    if tell {
        eprintln!();
    }
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
        let fault = arguments
            .fault
            .map(|fault| format!(" --fault {fault}"))
            .unwrap_or_default();
        let full = if arguments.full { " --full" } else { "" };
        println!(
            "    cargo run --release --bin simulate -- --seed {} --trace{full}{fault}",
            broken.seed
        );
    }
    if let Some(fault) = arguments.fault {
        // A planted fault is there to be caught, and by the promise that it breaks.
        let named = |broken: &Broken| broken.promise.is_some_and(|promise| fault.breaks().contains(&promise));
        let caught = report.broken.iter().any(named);
        println!(
            "the planted fault {fault} was {}",
            if caught { "caught" } else { "not caught" }
        );
        return if caught { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    if report.broken.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn shelf(arguments: &Arguments) -> ExitCode {
    let (first, end) = arguments.seed.map_or(arguments.seeds, |seed| (seed, seed + 1));
    let started = Instant::now();
    let mut failures = 0;
    let mut total = sim::shelf::run::Summary::default();
    for seed in first..end {
        let options = sim::shelf::options::Options::of_seed(seed);
        if arguments.trace {
            println!("{options:#?}");
        }
        let (result, lines) = sim::shelf::run::run(options, None, arguments.trace);
        for line in lines {
            println!("{line}");
        }
        match result {
            Ok(s) => {
                total.steps += s.steps;
                total.held += s.held;
                total.refused += s.refused;
                total.messages += s.messages;
            }
            Err(f) => {
                failures += 1;
                println!(
                    "seed {seed} step {} at {:.3}: {}: {}",
                    f.step,
                    f.at_ms as f64 / 1000.0,
                    f.violation.rule,
                    f.violation.what
                );
                if failures >= arguments.failures {
                    break;
                }
            }
        }
    }
    println!("{total:?} in {:?}, {failures} failed", started.elapsed());
    ExitCode::SUCCESS
}

fn trace(seed: u64, level: Level, fault: Option<Planted>) -> ExitCode {
    let options = Options::of_seed(seed, level);
    println!("{options:#?}");
    let (result, lines) = run(options, fault, true);
    let mut out = std::io::stdout().lock();
    for line in lines {
        // A reader that has seen enough (`| head`) is no failure.
        if writeln!(out, "{line}").is_err() {
            return ExitCode::SUCCESS;
        }
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

fn parse_range(text: &str) -> Result<(u64, u64), String> {
    let (first, end) = text.split_once("..").ok_or("a range is A..B")?;
    let number = |text: &str| text.parse::<u64>().map_err(|error| format!("{text:?}: {error}"));
    Ok((number(first)?, number(end)?))
}
