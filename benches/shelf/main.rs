//! What a shelf that many sell from costs, and what it saves: `cargo bench --bench shelf`.
//!
//! Times are compared within one run only, as ratios; bytes and refusals follow from seeds and are the same everywhere.
//! Memory is measured in processes of its own. Every figure's target stands beside it; a target that is missed is told and
//! fails nothing, but a unit promised twice does.

#[path = "../ratios/folder.rs"]
mod folder;
mod market;
mod papers;
mod policies;
#[path = "../ratios/report.rs"]
mod report;
mod rivals;
#[path = "../../tests/sim/rng.rs"]
mod rng;
mod trace;

use std::process::ExitCode;

use clap::Parser;

use report::Report;

/// Anything that kept a part from being measured.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
pub type Outcome<T> = Result<T, Failure>;

/// Measure shelves: bytes, memory, promises.
///
/// Parts: (a) bytes and time for what was touched, (b) memory of headquarters, (c) concurrent holds, (d) a month of demand
/// through this project, its baselines, Loro, Yjs and PouchDB. Needs Node and npm for (d).
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
    /// (d) The month.
    pub month: trace::Size,
}

impl Plan {
    fn full() -> Self {
        Self {
            month: trace::Size {
                items: 5_000,
                days: 30,
                visits: 60_000,
            },
        }
    }

    fn quick() -> Self {
        Self {
            month: trace::Size {
                items: 200,
                days: 3,
                visits: 1_500,
            },
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
