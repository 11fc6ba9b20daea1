//! Payments as a till states them.

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::problem::{Problem, kind};
use crate::domain::money::decimal_text;
use crate::domain::sale::TenderKind;
use crate::operations::StatedTender;

/// The most characters of a tender's reference.
const REFERENCE_CHARACTERS_MAX: usize = 100;

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
    #[schema(max_length = 100)]
    reference: Option<String>,
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
///
/// # Errors
/// `invalid-field` where a reference is too long or cannot be shown.
pub(super) fn stated_tenders(tenders: Vec<TenderRequest>) -> Result<Vec<StatedTender>, Problem> {
    tenders
        .into_iter()
        .zip(0..)
        .map(|(tender, index)| {
            if let Some(reference) = &tender.reference {
                check_text(
                    reference,
                    REFERENCE_CHARACTERS_MAX,
                    &format!("/tenders/{index}/reference"),
                )?;
            }
            Ok(StatedTender {
                kind: tender.kind,
                amount: tender.amount.0,
                reference: tender.reference,
            })
        })
        .collect()
}

/// Whether a text is short enough and can be shown to people.
///
/// # Errors
/// `invalid-field` at `pointer`.
pub(super) fn check_text(text: &str, characters_max: usize, pointer: &str) -> Result<(), Problem> {
    if text.chars().count() > characters_max {
        let detail = format!("{pointer}: at most {characters_max} characters");
        return Err(Problem::new(&kind::INVALID_FIELD, detail).at(pointer));
    }
    if text.chars().any(char::is_control) {
        let detail = format!("{pointer}: control characters cannot be shown to people");
        return Err(Problem::new(&kind::INVALID_FIELD, detail).at(pointer));
    }
    Ok(())
}
