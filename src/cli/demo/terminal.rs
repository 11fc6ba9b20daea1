//! Tells on the terminal what happens: links as they go and come back, figures as they meet, sales now and then.

use std::time::Duration;

use chrono::Local;
use tokio::time::Instant;

use super::books::Books;
use super::company::Company;
use super::crew::Crew;
use super::figures::Figures;
use super::store::Store;
use crate::cli::Failure;
use crate::domain::ids::SiteId;

/// How often everybody is asked.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often it is told what was sold where nothing else happens.
const TELL_EVERY: Duration = Duration::from_secs(20);

/// A store's link as it was last told.
#[derive(Debug)]
struct Told {
    link: String,
    /// What headquarters had of the store when the link went, as long as it has not everything again.
    at_loss: Option<Figures>,
}

/// Tells until it is dropped.
pub(super) async fn tell(company: &Company, books: &Books, crew: &Crew) {
    let mut told: Vec<Told> = company
        .stores
        .iter()
        .map(|_| Told {
            link: "online".into(),
            at_loss: None,
        })
        .collect();
    let mut summed = Instant::now();
    let mut refusals_told = vec![0; company.stores.len()];
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        for (store, told) in company.stores.iter().zip(&mut told) {
            // One look that fails is no news: the next one follows, and pages say so themselves.
            if let Err(failure) = look(company, books, store, told).await {
                tracing::warn!(site = %store.site, failure, "could not look at a store");
            }
        }
        if summed.elapsed() >= TELL_EVERY {
            summed = Instant::now();
            sum_up(books, crew, &mut refusals_told);
        }
    }
}

async fn look(company: &Company, books: &Books, store: &Store, told: &mut Told) -> Result<(), Failure> {
    let status = store.status().await?;
    let link = status.sync.link.clone();
    if link != told.link {
        match link.as_str() {
            "online" => say(&store.site, "the link is back; what was kept is on its way"),
            "cut" => say(&store.site, "the link is cut; it goes on selling"),
            _ => say(&store.site, "there is no link; it goes on selling"),
        }
        told.link = link;
    }
    let is_online = told.link == "online";
    if is_online && told.at_loss.is_none() {
        return Ok(());
    }
    let there = company.headquarters.figures(&store.site, books.since).await?;
    let at_loss = *told.at_loss.get_or_insert(there);
    // Between two sales both are asked without one in between, so that they can be equal.
    if is_online && there == status.figures(books.since)? {
        let came = there.since(at_loss);
        let money = came.money.of(books.currency);
        let words = format!(
            "the figures meet: {} sales and {money} came in since the link went",
            came.sales
        );
        say(&store.site, &words);
        told.at_loss = None;
    }
    Ok(())
}

/// Says what was sold, and each refusal once.
fn sum_up(books: &Books, crew: &Crew, refusals_told: &mut [usize]) {
    for (site, told) in crew.tally().iter().zip(refusals_told) {
        let Figures { sales, refunds, money } = site.done;
        let money = money.of(books.currency);
        say(
            &site.site,
            &format!("{sales} sales and {refunds} refunds so far, {money}"),
        );
        for refusal in site.refused.iter().skip(*told) {
            say(&site.site, &format!("a till heard no: {refusal}"));
        }
        *told = site.refused.len();
    }
}

fn say(site: &SiteId, words: &str) {
    println!("{}  {:<10} {words}", Local::now().format("%H:%M:%S"), site.as_str());
}
