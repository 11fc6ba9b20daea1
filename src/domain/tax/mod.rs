//! Tax by class: included in the price or added on top, rounded by line or by document.

mod sums;

use serde::{Deserialize, Serialize};

pub use super::ids::TaxClass;
use super::money::{Minor, Rounding};
pub use sums::{TaxSumsError, tax_by_line, tax_sums};

super::percent::percent!(
    /// A tax rate in per cent with at most four decimal places, from 0 to 1000.
    TaxRate, TaxRateError, "tax rate", max = 10_000_000
);

/// Whether prices contain the tax.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaxBasis {
    /// Prices contain it, as in Europe.
    Included,
    /// It is added on top, as in the United States.
    Added,
}

/// Where tax is rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaxRoundingBy {
    /// Each line by itself; the document's tax is their sum.
    Line,
    /// Once for each class over the whole document.
    Document,
}

/// How an organisation computes tax.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TaxPolicy {
    /// Included in prices or added on top.
    pub basis: TaxBasis,
    /// By line or by document.
    pub rounding_by: TaxRoundingBy,
    /// The rounding rule.
    pub rounding: Rounding,
}

/// A class with the rate that applied.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AppliedTax {
    /// The class.
    pub class: TaxClass,
    /// Its rate at the time.
    pub rate: TaxRate,
}

/// The tax of one class over a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaxSum {
    /// The class and its rate.
    pub applied: AppliedTax,
    /// What was taxed, without the tax.
    pub net: Minor,
    /// The tax.
    pub tax: Minor,
}
