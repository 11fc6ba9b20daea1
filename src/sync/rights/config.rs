//! What people set: how long a customer waits, what each role keeps, how much may be said.

use crate::domain::escrow::Amount;

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

/// A replica's configuration. Times are in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RightsConfig {
    /// How long a hold waits for rights at most.
    pub wait_ms: u64,
    /// After so long a request that was not answered is repeated.
    pub repeat_ms: u64,
    /// How much earlier than a customer gives up a neighbour is to have answered: what the answer needs on its way.
    pub answer_margin_ms: u64,
    /// What is kept, of each shelf, from customers of others. The own ones may have it.
    pub floor: Amount,
    /// Of what is to spare, the most that one request for stock gets, in thousandths.
    pub share_per_mille: u64,
    /// Stock for expected customers.
    pub stock: StockConfig,
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

impl RightsConfig {
    /// A store: the home of its site's rights.
    #[must_use]
    pub const fn store() -> Self {
        Self {
            wait_ms: 2_000,
            repeat_ms: 400,
            answer_margin_ms: 200,
            floor: Amount::ZERO,
            share_per_mille: 250,
            stock: StockConfig {
                half_life_ms: 20 * MINUTE_MS,
                horizon_ms: 10 * MINUTE_MS,
                safety_per_mille: 1_000,
                grain: units(1),
                most: units(1_000_000),
            },
            stock_retry_ms: 10_000,
            stock_retry_ms_max: 10 * MINUTE_MS,
            surplus: Surplus::Keep,
            return_after_ms: 30_000,
            debt_retry_ms: 2_000,
            debt_retry_ms_max: 60_000,
            grant_repeat_ms: 1_000,
            grant_repeat_ms_max: 30_000,
            messages_per_second_max: 200,
            shelves_max: 20_000,
        }
    }

    /// A kiosk: small grants, and home with what lies idle.
    #[must_use]
    pub const fn kiosk() -> Self {
        let store = Self::store();
        Self {
            stock: StockConfig {
                most: units(20),
                ..store.stock
            },
            surplus: Surplus::ToParent,
            messages_per_second_max: 50,
            shelves_max: 5_000,
            ..store
        }
    }

    /// Headquarters: what its online channels need.
    #[must_use]
    pub const fn headquarters() -> Self {
        let store = Self::store();
        Self {
            surplus: Surplus::ToChildren,
            messages_per_second_max: 2_000,
            shelves_max: 200_000,
            ..store
        }
    }
}
