//! What people set: how long a customer waits, what each role keeps, how much may be said.

use std::collections::BTreeMap;

use crate::domain::escrow::Amount;
use crate::domain::ids::Sku;

/// Where rights go that are not needed here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surplus {
    /// Nowhere: this is their home.
    Keep,
    /// To the parent.
    ToParent,
    /// To the child that has least.
    ToChildren,
}

/// How stock for expected customers is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StockConfig {
    /// After so many milliseconds without customers the remembered demand has halved.
    pub half_life_ms: u64,
    /// For how long stock is to last without a link, in milliseconds. 0: no stock is asked for.
    pub horizon_ms: u64,
    /// How many standard deviations of that demand are kept on top, in thousandths.
    pub safety_per_mille: u64,
    /// Stock is asked for and returned in multiples of this.
    pub grain: Amount,
    /// Never more than this is asked for as stock.
    pub most: Amount,
}

/// What holds for a shelf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShelfTerms {
    /// What is kept for the own customers: those of others do not get it, it never goes home, and what is missing of it
    /// is asked for. Debt of others may have it.
    pub floor: Amount,
    /// Of what is here, the most that one request for stock gets, in thousandths.
    pub share_per_mille: u64,
    /// Stock for expected customers.
    pub stock: StockConfig,
}

/// A replica's configuration. Times are in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RightsConfig {
    /// How long a hold waits for rights at most.
    pub wait_ms: u64,
    /// After so long a request that was not answered is repeated.
    pub repeat_ms: u64,
    /// How much earlier than a customer gives up a neighbour is to have answered: what the answer needs on its way.
    pub answer_margin_ms: u64,
    /// What holds for each shelf.
    pub shelf: ShelfTerms,
    /// What holds for shelves of these items instead.
    pub items: BTreeMap<Sku, ShelfTerms>,
    /// A request for stock that got nothing is not repeated before this; doubled each time.
    pub stock_retry_ms: u64,
    /// The longest such pause.
    pub stock_retry_ms_max: u64,
    /// Where surplus goes.
    pub surplus: Surplus,
    /// Rights must have lain idle for so long before they are surplus.
    pub return_after_ms: u64,
    /// The pause between two rounds of asking for rights to settle debt; doubled each time that none came.
    pub debt_retry_ms: u64,
    /// The longest such pause.
    pub debt_retry_ms_max: u64,
    /// The pause before grants that a child has not taken over are sent again; doubled each time.
    pub grant_repeat_ms: u64,
    /// The longest such pause.
    pub grant_repeat_ms_max: u64,
    /// Messages a second, on the average, and at once after a pause.
    pub messages_per_second_max: u32,
    /// How many shelves may be remembered at once. What nobody waits for is forgotten first.
    pub shelves_max: usize,
}

/// Some thousandths of a unit that no register exceeds.
const fn units(units: u64) -> Amount {
    match Amount::new(units * 1000) {
        Some(amount) => amount,
        None => Amount::MAX,
    }
}

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;

impl RightsConfig {
    /// A store: the home of its site's rights.
    #[must_use]
    pub fn store() -> Self {
        Self {
            wait_ms: 2_000,
            repeat_ms: 400,
            answer_margin_ms: 200,
            shelf: ShelfTerms {
                floor: Amount::ZERO,
                share_per_mille: 500,
                stock: StockConfig {
                    half_life_ms: 14 * 24 * HOUR_MS,
                    horizon_ms: 24 * HOUR_MS,
                    safety_per_mille: 2_000,
                    grain: units(1),
                    most: units(1_000_000),
                },
            },
            items: BTreeMap::new(),
            stock_retry_ms: 10 * MINUTE_MS,
            stock_retry_ms_max: 12 * HOUR_MS,
            surplus: Surplus::Keep,
            return_after_ms: 30_000,
            debt_retry_ms: 2_000,
            debt_retry_ms_max: 60_000,
            grant_repeat_ms: 1_000,
            grant_repeat_ms_max: 30_000,
            messages_per_second_max: 1_000,
            shelves_max: 20_000,
        }
    }

    /// A kiosk: small grants, and home with what lies idle.
    #[must_use]
    pub fn kiosk() -> Self {
        let mut store = Self::store();
        store.shelf.stock.most = units(20);
        Self {
            surplus: Surplus::ToParent,
            messages_per_second_max: 50,
            shelves_max: 5_000,
            ..store
        }
    }

    /// Headquarters: what its online channels need.
    #[must_use]
    pub fn headquarters() -> Self {
        let store = Self::store();
        Self {
            surplus: Surplus::ToChildren,
            messages_per_second_max: 2_000,
            shelves_max: 200_000,
            ..store
        }
    }

    /// What holds for shelves of an item.
    #[must_use]
    pub fn terms(&self, sku: &Sku) -> &ShelfTerms {
        self.items.get(sku).unwrap_or(&self.shelf)
    }

    /// Items that are named, and of which something is kept.
    pub fn kept_items(&self) -> impl Iterator<Item = &Sku> {
        let kept = self.items.iter().filter(|(_, terms)| !terms.floor.is_zero());
        kept.map(|(sku, _)| sku)
    }
}
