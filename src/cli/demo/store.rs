//! A store and headquarters as the demo asks them: over HTTP, as anybody would.

use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::{Value, json};

use super::figures::Figures;
use crate::cli::Failure;
use crate::cli::client::Client;
use crate::domain::ids::SiteId;
use crate::domain::money::{Currency, Minor, Money, decimal_text};
use crate::domain::time::BusinessDay;

/// A store's node, asked with its operator's token.
#[derive(Debug, Clone)]
pub(super) struct Store {
    pub(super) site: SiteId,
    pub(super) client: Client,
}

/// A node at a glance.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct NodeStatus {
    pub(super) items: u64,
    pub(super) sync: SyncStatus,
    currency: Currency,
    days: Vec<NodeDay>,
}

/// Where its link stands, in one word, and how many records headquarters does not have.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct SyncStatus {
    pub(super) link: String,
    pub(super) pending: u64,
}

#[derive(Debug, Clone, Deserialize)]
struct NodeDay {
    business_day: BusinessDay,
    sales: u64,
    #[serde(deserialize_with = "decimal_text")]
    sold: Decimal,
    refunds: u64,
    #[serde(deserialize_with = "decimal_text")]
    refunded: Decimal,
}

impl Store {
    pub(super) async fn status(&self) -> Result<NodeStatus, Failure> {
        self.client.get("/v1/status").await
    }

    /// What the node has of the days from `since` on.
    pub(super) async fn figures(&self, since: BusinessDay) -> Result<Figures, Failure> {
        self.status().await?.figures(since)
    }

    /// Cuts its link, or mends it.
    pub(super) async fn cut(&self, key: &str, cut: bool) -> Result<(), Failure> {
        let _: Value = self.client.post("/v1/link", key, &json!({"cut": cut})).await?.read()?;
        Ok(())
    }
}

impl NodeStatus {
    /// What the node has of the days from `since` on.
    pub(super) fn figures(&self, since: BusinessDay) -> Result<Figures, Failure> {
        let mut figures = Figures::default();
        for day in self.days.iter().filter(|day| day.business_day >= since) {
            figures.add(
                day.sales,
                minor(day.sold, self.currency)?,
                day.refunds,
                minor(day.refunded, self.currency)?,
            );
        }
        Ok(figures)
    }
}

/// Headquarters, asked with its operator's token.
#[derive(Debug, Clone)]
pub(super) struct Headquarters {
    pub(super) client: Client,
}

#[derive(Debug, Deserialize)]
struct TotalsPage {
    totals: Vec<SiteDay>,
}

#[derive(Debug, Deserialize)]
struct SiteDay {
    site: SiteId,
    currency: Currency,
    sales: u64,
    #[serde(deserialize_with = "decimal_text")]
    total: Decimal,
    refunds: u64,
    #[serde(deserialize_with = "decimal_text")]
    refunded: Decimal,
}

impl Headquarters {
    /// What it has of a site from `since` on.
    pub(super) async fn figures(&self, site: &SiteId, since: BusinessDay) -> Result<Figures, Failure> {
        // A run sees two days at most: no page ends in them.
        let page: TotalsPage = self
            .client
            .get(&format!("/v1/totals?site={site}&from={since}&limit=500"))
            .await?;
        let mut figures = Figures::default();
        for day in page.totals.iter().filter(|day| day.site == *site) {
            figures.add(
                day.sales,
                minor(day.total, day.currency)?,
                day.refunds,
                minor(day.refunded, day.currency)?,
            );
        }
        Ok(figures)
    }
}

/// An amount as an API writes it.
pub(super) fn minor(amount: Decimal, currency: Currency) -> Result<Minor, Failure> {
    Ok(Minor(Money::exact(amount, currency)?.minor()))
}
