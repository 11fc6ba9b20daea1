//! What a shelf that many sell from costs, and what it saves: `cargo bench --bench shelf`.
//!
//! Times are compared within one run only, as ratios; bytes and refusals follow from seeds and are the same
//! everywhere. Memory is measured in processes of its own. Every figure's target stands beside it; a target that is
//! missed is told and fails nothing, but a unit promised twice does.

// Of what is shared with others each takes what it needs.
#[allow(dead_code)]
#[path = "../ratios/folder.rs"]
mod folder;
mod holds;
#[path = "../../tests/fixtures/http.rs"]
mod http;
mod market;
mod merge;
#[path = "../../tests/fixtures/mosquitto.rs"]
mod mosquitto;
#[path = "../../tests/fixtures/node_process.rs"]
mod node_process;
mod papers;
mod policies;
#[path = "../../tests/fixtures/ports.rs"]
mod ports;
#[path = "../ratios/report.rs"]
mod report;
mod rivals;
#[allow(dead_code)]
#[path = "../../tests/sim/rng.rs"]
mod rng;
mod sites;
mod trace;

use std::process::ExitCode;

use clap::Parser;

use report::Report;

/// Anything that kept a part from being measured.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
pub type Outcome<T> = Result<T, Failure>;

/// Measure shelves: bytes, memory, promises.
///
/// Parts: (a) bytes and time for what was touched, (b) memory of headquarters, (c) concurrent holds, (d) a month of
/// demand through this project, its baselines, Loro, Yjs and PouchDB. Needs Node and npm for (d).
#[derive(Debug, Parser)]
struct Arguments {
    /// Only these parts.
    #[arg(long, value_delimiter = ',', value_name = "PARTS", default_value = "a,b,c,d")]
    only: Vec<char>,
    /// Small and short: shows that everything runs; the figures mean nothing.
    #[arg(long)]
    quick: bool,
    /// What cargo passes to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
    /// Load documents from a folder and say what it took: this program calls itself so.
    #[arg(long, hide = true, value_name = "FOLDER")]
    load: Option<std::path::PathBuf>,
}

/// How much is measured.
pub struct Plan {
    /// (a) How often each is merged.
    pub merges: usize,
    /// (b) Items on each site.
    pub site_items: usize,
    /// (b) How many sites.
    pub sites: Vec<usize>,
    /// (c) Wishes, by how many clients, how often.
    pub holds: usize,
    pub clients: usize,
    pub hold_rounds: usize,
    /// (d) The month.
    pub month: trace::Size,
    /// (d) Traces on which the policies alone are compared, beside the one that everybody plays.
    pub month_seeds: std::ops::Range<u64>,
}

impl Plan {
    fn full() -> Self {
        Self {
            merges: 9,
            site_items: 10_000,
            sites: vec![1, 10, 100],
            holds: 10_000,
            clients: 256,
            hold_rounds: 5,
            month: trace::Size {
                items: 5_000,
                days: 30,
                visits: 60_000,
            },
            month_seeds: 31..36,
        }
    }

    fn quick() -> Self {
        Self {
            merges: 1,
            site_items: 300,
            sites: vec![1, 2],
            holds: 2_000,
            clients: 32,
            hold_rounds: 1,
            month: trace::Size {
                items: 200,
                days: 3,
                visits: 1_500,
            },
            month_seeds: 31..33,
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let measured = match &arguments.load {
        Some(folder) => policies::load(folder).map(|()| None),
        None => measure(&arguments).map(Some),
    };
    match measured {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(report)) => {
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
    let plan = if arguments.quick { Plan::quick() } else { Plan::full() };
    let mut report = Report::default();
    for part in &arguments.only {
        match part {
            'a' => merge::measure(&plan, &mut report)?,
            'b' => sites::measure(&plan, &mut report)?,
            'c' => holds::measure(&plan, &mut report)?,
            'd' => policies::measure(&plan, &mut report)?,
            other => return Err(format!("there is no part {other:?}; there are a, b, c and d").into()),
        }
    }
    Ok(report)
}

/// Says on standard error what is going on.
pub fn note(text: &str) {
    eprintln!("{text}");
}
