//! What the product costs, as ratios taken in one run: `cargo bench --bench ratios`.
//!
//! On a machine that others use, each wait for the disk takes as long as its neighbours please, so that absolute figures
//! mean little. So the product and bare SQLite doing the same work take turns, and the ratio is what is compared from
//! one change to the next. Every figure's target stands beside it; a target that is missed is told and fails nothing,
//! because a busy machine misses some of them by itself.

mod backlog;
mod backlog_rows;
mod bare;
mod baskets;
mod folder;
mod gate;
mod history;
#[path = "../../tests/fixtures/mosquitto.rs"]
mod mosquitto;
#[path = "../../tests/fixtures/ports.rs"]
mod ports;
mod process;
mod report;
mod sales;
mod shop;
mod start_up;
mod tills;

use std::process::ExitCode;

use clap::Parser;

use report::Report;

/// Anything that kept a part from being measured.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
pub type Outcome<T> = Result<T, Failure>;

/// Measure the product against bare SQLite and against its targets.
///
/// Parts: (a) sales over HTTP, (b) draining a backlog to headquarters, (c) a sale after a long history, (d) memory and
/// start. Databases are kept under target/bench-data while a part runs; the long history stays there for the next run.
#[derive(Debug, Parser)]
struct Arguments {
    /// Only these parts.
    #[arg(long, value_delimiter = ',', value_name = "PARTS", default_value = "a,b,c,d")]
    only: Vec<char>,
    /// Small and short: shows that everything runs; the figures mean nothing.
    #[arg(long)]
    quick: bool,
    /// (a) Only these numbers of tills, for whoever looks at one of them with a profiler.
    #[arg(long, value_delimiter = ',', value_name = "TILLS", default_value = "1,8,64")]
    tills: Vec<usize>,
    /// What cargo passes to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

/// How much is measured.
pub struct Plan {
    /// (a) How many tills sell at once, one number after the other.
    pub tills: Vec<usize>,
    /// (a) How many rounds count.
    pub rounds: usize,
    /// (a) How long tills sell in a round, in milliseconds.
    pub round_ms: u64,
    /// (a) How many sales bare SQLite makes beside each, one to a transaction; fewer where `round_ms` is over before.
    pub bare_sales: usize,
    /// (a) How many transactions of 256 it makes in a round.
    pub groups: usize,
    /// (b) Sales and rounds.
    pub backlogs: Vec<(usize, usize)>,
    /// (c, d) How many sales the long history has.
    pub history: u64,
    /// (c) How often each shop has its turn.
    pub history_turns: usize,
    /// (d) How often the node is started.
    pub starts: usize,
}

impl Plan {
    fn full(tills: Vec<usize>) -> Self {
        Self {
            tills,
            rounds: 12,
            round_ms: 1_500,
            bare_sales: 800,
            groups: 16,
            backlogs: vec![(10_000, 7), (100_000, 3)],
            history: 1_000_000,
            history_turns: 60,
            starts: 10,
        }
    }

    fn quick(tills: Vec<usize>) -> Self {
        Self {
            tills,
            rounds: 1,
            round_ms: 200,
            bare_sales: 100,
            groups: 2,
            backlogs: vec![(1_000, 1)],
            history: 10_000,
            history_turns: 2,
            starts: 2,
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match measure(&arguments) {
        Ok(report) => {
            print_machine();
            println!("{report}");
            let (targets, missed) = report.score();
            println!("{} of {targets} targets met", targets - missed);
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("not measured: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments) -> Outcome<Report> {
    let tills = arguments.tills.clone();
    let plan = if arguments.quick {
        Plan::quick(tills)
    } else {
        Plan::full(tills)
    };
    let mut report = Report::default();
    for part in &arguments.only {
        match part {
            'a' => sales::measure(&plan, &mut report)?,
            'b' => backlog::measure(&plan, &mut report)?,
            'c' => history::measure(&plan, &mut report)?,
            'd' => start_up::measure(&plan, &mut report)?,
            other => return Err(format!("there is no part {other:?}; there are a, b, c and d").into()),
        }
    }
    Ok(report)
}

/// Says on standard error what is going on.
pub fn note(text: &str) {
    eprintln!("{text}");
}

fn print_machine() {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_whitespace().take(3).collect::<Vec<_>>().join(" ");
    println!(
        "{cores} processors, load average at the end {load}; a load over 1 that is not this run's makes ratios worse"
    );
}
