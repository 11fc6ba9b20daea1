//! The books of a run: what tills, nodes and headquarters have of it, asked for apart and laid side by side.

use std::time::Duration;

use chrono::{Days, Local};
use tokio::time::Instant;

use super::company::{ASK_EVERY, Company};
use super::crew::Tally;
use super::figures::{Figures, SiteFigures};
use crate::cli::Failure;
use crate::domain::money::Currency;
use crate::domain::time::BusinessDay;

/// What was in the books when the run began, so that a folder can be used again.
#[derive(Debug)]
pub(super) struct Books {
    /// The first business day that counts.
    pub(super) since: BusinessDay,
    /// By site, in the order of the stores.
    before: Vec<Figures>,
    pub(super) currency: Currency,
}

impl Books {
    pub(super) async fn open(company: &Company, currency: Currency) -> Result<Self, Failure> {
        let today = Local::now().date_naive();
        // A day that begins before midnight is still the one before.
        let since = BusinessDay(today.checked_sub_days(Days::new(1)).unwrap_or(today));
        let mut before = Vec::with_capacity(company.stores.len());
        for store in &company.stores {
            before.push(store.figures(since).await?);
        }
        Ok(Self {
            since,
            before,
            currency,
        })
    }

    /// Every site as its tills, its node and headquarters counted it in this run. Waits until they agree, for as long
    /// as `patience`.
    pub(super) async fn compare(
        &self,
        company: &Company,
        tally: &[Tally],
        patience: Duration,
    ) -> Result<Vec<SiteFigures>, Failure> {
        let began = Instant::now();
        loop {
            let sites = self.look(company, tally).await?;
            if sites.iter().all(SiteFigures::meet) || began.elapsed() > patience {
                return Ok(sites);
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }

    async fn look(&self, company: &Company, tally: &[Tally]) -> Result<Vec<SiteFigures>, Failure> {
        let mut sites = Vec::with_capacity(tally.len());
        for ((store, before), tally) in company.stores.iter().zip(&self.before).zip(tally) {
            let hq = company.headquarters.figures(&store.site, self.since).await?;
            sites.push(SiteFigures {
                site: store.site.clone(),
                tills: tally.done,
                node: store.figures(self.since).await?.since(*before),
                hq: hq.since(*before),
                cut: None,
            });
        }
        Ok(sites)
    }
}
