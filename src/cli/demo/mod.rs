//! `demo`: a headquarters, a broker, two stores and a kiosk on this machine, selling by themselves.
//!
//! Everything is real but the people: nodes with their databases, the link over MQTT, tills that pair and sell over
//! HTTP. What a till hears, what its node has and what headquarters has are counted apart, and compared at the end.

mod books;
mod company;
mod crew;
mod customer;
mod deliveries;
mod dice;
mod figures;
mod goods;
mod home;
mod store;
mod terminal;
mod till;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use tokio::sync::watch;

use self::books::Books;
use self::company::{CURRENCY, Company, Ports};
use self::crew::{Crew, Manner, Tally};
use self::figures::{SiteFigures, Summary};
use self::home::Home;
use super::import::key_of_run;
use super::{Failure, serve};
use crate::domain::money::Currency;

/// Run a headquarters, a broker, two stores and a kiosk on this machine, with tills that sell by themselves.
///
/// It prints the addresses of their pages: look at headquarters' page, cut a store's link on the store's page, watch it
/// go on selling, mend it, and watch the figures meet. Nothing has to be installed and nothing leaves this machine.
/// Ctrl-C ends it with a summary.
///
/// With --headless it does all that without a person: sells, cuts one store's link after a third of the time, mends it
/// after two thirds, waits until the figures meet, and ends with 0 only where every figure agrees to the cent.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Keep the databases in this folder, and go on with them another time. Without it they are in a temporary folder
    /// that goes with the demo.
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// Run without a person, for --seconds.
    #[arg(long)]
    headless: bool,
    /// How long to sell without a person.
    #[arg(long, default_value_t = 30, requires = "headless", value_parser = clap::value_parser!(u32).range(3..=86_400))]
    seconds: u32,
    /// The first of four ports in a row: headquarters, the two stores, the broker. Without it 8080, and any free ports
    /// where no person runs it.
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..=65_532))]
    port: Option<u16>,
    /// What customers, baskets and refunds follow from: with the same seed the same customers come to each till.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The time between two customers of a till, in milliseconds; 4000 without it, 250 where no person watches.
    #[arg(long, value_name = "MILLISECONDS", value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    pause_ms: Option<u64>,
}

/// The port that a person is shown where none was asked for.
const PORT: u16 = 8080;
/// How long the figures may take to meet once everybody has stopped selling.
const MEETING_PATIENCE: Duration = Duration::from_secs(60);
/// The same where a person has ended the demo and waits.
const LEAVING_PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(play(arguments))
}

async fn play(arguments: Arguments) -> Result<ExitCode, Failure> {
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        serve::told_to_stop().await;
        stop.send_replace(true);
    });
    let run = key_of_run()?;
    let home = Home::open(arguments.dir, &run)?;
    serve::start_log_in(&home.folder().join("demo.log"))?;
    let base = arguments.port.or((!arguments.headless).then_some(PORT));
    println!(
        "Starting a headquarters, a broker and two stores in {} …",
        home.folder().display()
    );
    let company = tokio::select! {
        company = Company::start(home.folder(), Ports { base }, &run) => company?,
        () = told(stopped.clone()) => return Ok(ExitCode::FAILURE),
    };
    let manner = Manner {
        seed: arguments.seed,
        pause_ms: arguments
            .pause_ms
            .unwrap_or(if arguments.headless { 250 } else { 4_000 }),
        currency: CURRENCY.parse()?,
    };
    let books = Books::open(&company, manner.currency).await?;
    let outcome = if arguments.headless {
        let lasts = Duration::from_secs(arguments.seconds.into());
        tokio::select! {
            outcome = without_a_person(&company, &books, &run, manner, lasts) => outcome,
            () = told(stopped) => Err("it was ended before its time: nothing was compared".into()),
        }
    } else {
        with_a_person(&company, &books, &run, manner, stopped).await
    };
    company.stop().await;
    outcome
}

/// Sells, cuts, sells on, mends, sells, and compares.
async fn without_a_person(
    company: &Company,
    books: &Books,
    run: &str,
    manner: Manner,
    lasts: Duration,
) -> Result<ExitCode, Failure> {
    let far = company.stores.last().ok_or("a company has stores")?;
    let third = lasts / 3;
    println!(
        "Selling for {} s. The link of {} is cut for the second third.",
        lasts.as_secs(),
        far.site
    );
    let crew = Crew::start(&company.stores, run, manner).await?;
    tokio::time::sleep(third).await;
    far.cut(&format!("demo-{run}-cut"), true).await?;
    let before = far.figures(books.since).await?;
    println!("{}: the link is cut. It goes on selling.", far.site);
    tokio::time::sleep(third).await;
    let after = far.status().await?;
    let kept = after.figures(books.since)?.since(before);
    println!(
        "{}: {} sales with no link, {} records wait. Mending it.",
        far.site, kept.sales, after.sync.pending
    );
    far.cut(&format!("demo-{run}-mend"), false).await?;
    tokio::time::sleep(third).await;
    let tally = crew.go_home().await;
    let mut sites = books.compare(company, &tally, MEETING_PATIENCE).await?;
    if let Some(site) = sites.last_mut() {
        site.cut = Some(kept);
    }
    // A cut during which nothing was sold, or which kept nothing back, would prove nothing.
    let is_proof = kept.sales > 0 && after.sync.pending > 0;
    Ok(conclude(&sites, &tally, manner.currency, is_proof))
}

/// Sells until Ctrl-C, and tells what happens.
async fn with_a_person(
    company: &Company,
    books: &Books,
    run: &str,
    manner: Manner,
    stopped: watch::Receiver<bool>,
) -> Result<ExitCode, Failure> {
    welcome(company);
    let crew = Crew::start(&company.stores, run, manner).await?;
    tokio::select! {
        () = told(stopped) => {}
        () = terminal::tell(company, books, &crew) => {}
    }
    println!("\nThe tills finish the customers they have …");
    let tally = crew.go_home().await;
    let sites = books.compare(company, &tally, LEAVING_PATIENCE).await?;
    conclude(&sites, &tally, manner.currency, true);
    Ok(ExitCode::SUCCESS)
}

/// Returns once somebody wants it to end.
async fn told(mut stopped: watch::Receiver<bool>) {
    // Without a sender nobody can be told any more, and the run goes on to its end.
    if stopped.wait_for(|stop| *stop).await.is_err() {
        std::future::pending().await
    }
}

fn welcome(company: &Company) {
    println!("\nTwo stores sell now, with two tills each and a kiosk. Open these pages side by side:\n");
    for (name, page) in company.pages() {
        println!("  {name:<14}{page}");
    }
    println!(
        "\nCut a store's link on its page: it goes on selling, and headquarters says how old its figure is.\n\
         Mend it, and watch the figures meet. Ctrl-C ends the demo with a summary.\n"
    );
}

/// Prints the summary; the exit code says whether all is well.
fn conclude(sites: &[SiteFigures], tally: &[Tally], currency: Currency, is_proof: bool) -> ExitCode {
    let summary = Summary { sites, currency };
    print!("\n{summary}");
    let mut is_good = summary.is_good() && is_proof;
    for site in tally {
        if site.browsed > 0 {
            println!(
                "{}: {} customers looked around at the kiosk and left",
                site.site, site.browsed
            );
        }
        for refusal in &site.refused {
            println!("{}: a till heard no: {refusal}", site.site);
            is_good = false;
        }
    }
    if !is_proof {
        println!("nothing was kept back while the link was cut: this run shows nothing");
    }
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
