//! How sales are computed, as the configuration says it.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use chrono::NaiveTime;
use serde::Deserialize;

use crate::domain::money::{CashRounding, Currency, Minor, Rounding};
use crate::domain::sale::SaleRules;
use crate::domain::tax::{TaxBasis, TaxClass, TaxPolicy, TaxRate, TaxRoundingBy};

/// How sales are computed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SaleConfig {
    /// The currency of prices and tenders.
    pub currency: Currency,
    /// Whether prices contain tax.
    #[serde(default = "default_basis")]
    pub tax_basis: TaxBasis,
    /// Where tax is rounded.
    #[serde(default = "default_rounding_by")]
    pub tax_rounding_by: TaxRoundingBy,
    /// How tax is rounded.
    #[serde(default = "default_rounding")]
    pub tax_rounding: Rounding,
    /// The smallest amount that coins pay, in minor units; 1 where nothing is rounded. Without it what is usual for the
    /// currency.
    pub smallest_coin_minor: Option<NonZeroU32>,
    /// Whether customers may give tips.
    #[serde(default)]
    pub tips: bool,
    /// Each tax class with its rate in per cent.
    pub tax_rates: BTreeMap<TaxClass, TaxRate>,
    /// The tax class of what the catalog does not have, where a till that may state prices sells it.
    #[serde(default = "default_unlisted_tax_class")]
    pub unlisted_tax_class: TaxClass,
    /// When a business day begins on the wall's clock: sales before it belong to the day before.
    #[serde(default)]
    pub day_starts_at: NaiveTime,
    /// How many days back a till may date a sale that it made while it was cut off from the node.
    #[serde(default = "default_backdate_days")]
    pub backdate_days: u32,
}

impl SaleConfig {
    /// Sales with the default of everything else.
    #[must_use]
    pub fn of(currency: Currency, tax_basis: TaxBasis, tax_rates: BTreeMap<TaxClass, TaxRate>) -> Self {
        Self {
            currency,
            tax_basis,
            tax_rounding_by: default_rounding_by(),
            tax_rounding: default_rounding(),
            smallest_coin_minor: None,
            tips: false,
            tax_rates,
            unlisted_tax_class: default_unlisted_tax_class(),
            day_starts_at: NaiveTime::default(),
            backdate_days: default_backdate_days(),
        }
    }

    /// The rules as the domain wants them.
    #[must_use]
    pub fn rules(&self) -> SaleRules {
        SaleRules {
            currency: self.currency,
            tax_policy: TaxPolicy {
                basis: self.tax_basis,
                rounding_by: self.tax_rounding_by,
                rounding: self.tax_rounding,
            },
            tax_rates: self.tax_rates.clone(),
            cash_rounding: self
                .smallest_coin_minor
                .and_then(|coin| CashRounding::to(Minor(coin.get().into())))
                .unwrap_or_else(|| CashRounding::usual(self.currency)),
            tips: self.tips,
        }
    }
}

const fn default_basis() -> TaxBasis {
    TaxBasis::Included
}

const fn default_rounding_by() -> TaxRoundingBy {
    TaxRoundingBy::Document
}

const fn default_rounding() -> Rounding {
    Rounding::HALF_UP
}

fn default_unlisted_tax_class() -> TaxClass {
    // As above.
    "standard".parse().unwrap_or_else(|_| unreachable!("a valid name"))
}

const fn default_backdate_days() -> u32 {
    7
}
