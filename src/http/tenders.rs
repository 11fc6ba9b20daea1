//! Payments as a till states them.

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use crate::domain::money::decimal_text;
use crate::domain::sale::{TenderKind, TenderReference};
use crate::operations::StatedTender;

/// One payment.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct TenderRequest {
    /// `cash`, `card`, `gift_card`, `voucher`, `account` or `other`.
    #[schema(value_type = String, example = "cash")]
    kind: TenderKind,
    /// What is given: over 0.
    #[schema(value_type = String, example = "20.00")]
    amount: StatedAmount,
    /// The means' own reference, such as an authorisation.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 100)]
    reference: Option<TenderReference>,
}

/// A decimal in quotes.
#[derive(Debug, Clone, Copy)]
pub struct StatedAmount(pub Decimal);

impl<'de> Deserialize<'de> for StatedAmount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        decimal_text(deserializer).map(Self)
    }
}

/// Payments as operations know them.
pub(super) fn stated_tenders(tenders: Vec<TenderRequest>) -> Vec<StatedTender> {
    let stated = tenders.into_iter().map(|tender| StatedTender {
        kind: tender.kind,
        amount: tender.amount.0,
        reference: tender.reference,
    });
    stated.collect()
}
