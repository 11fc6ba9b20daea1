//! What the tests of sales, refunds and receipts share.

use super::{DraftLine, Fulfilment, SaleDraft, SaleRules, Tender, TenderKind};
use crate::domain::ids::{ReceiptNumber, SaleId};
use crate::domain::money::{Currency, Minor, Rounding};
use crate::domain::quantity::Quantity;
use crate::domain::tax::{TaxBasis, TaxPolicy, TaxRoundingBy};

/// Dollars; tax included, rounded by line, half up; standard 19 %, reduced 7 %, zero 0 %.
pub fn rules() -> SaleRules {
    let rate = |class: &str, percent: &str| (class.parse().unwrap(), percent.parse().unwrap());
    SaleRules {
        currency: Currency::USD,
        tax_policy: TaxPolicy {
            basis: TaxBasis::Included,
            rounding_by: TaxRoundingBy::Line,
            rounding: Rounding::HalfUp,
        },
        tax_rates: [rate("standard", "19"), rate("reduced", "7"), rate("zero", "0")].into(),
        cash_rounding: crate::domain::money::CashRounding::NONE,
        tips: false,
    }
}

pub fn number() -> ReceiptNumber {
    "STORE-1-R1-7KQ2-000042".parse().unwrap()
}

pub fn id(counter: u64) -> SaleId {
    let series = "TILL-1".parse().unwrap();
    SaleId { series, counter }
}

pub fn draft(lines: Vec<DraftLine>, tenders: Vec<Tender>) -> SaleDraft {
    SaleDraft {
        id: id(1),
        at: "2017-01-01T12:26:30".parse().unwrap(),
        business_day: "2017-01-01".parse().unwrap(),
        channel: "store-1".parse().unwrap(),
        customer: None,
        staff: None,
        lines,
        basket_discount: None,
        tenders,
        price_version: 7,
        promotions: Vec::new(),
        price_notes: Vec::new(),
        basket_by_hand: None,
        tip: Minor(0),
    }
}

pub fn draft_line(quantity: &str, unit_price: &str, class: &str) -> DraftLine {
    DraftLine {
        sku: "1037840".parse().unwrap(),
        quantity: quantity.parse().unwrap(),
        unit_price: unit_price.parse().unwrap(),
        discount: None,
        tax_class: class.parse().unwrap(),
        fulfilment: Fulfilment::InHand { debt: Quantity::ZERO },
        by_hand: None,
    }
}

pub fn tender(kind: TenderKind, amount: i64) -> Tender {
    let (amount, reference) = (Minor(amount), None);
    Tender {
        kind,
        amount,
        reference,
    }
}
