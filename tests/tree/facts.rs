//! Sales as facts, and how many of them headquarters counts.

use finalmarket::domain::ids::SaleId;
use finalmarket::domain::money::{Currency, Minor, Rounding};
use finalmarket::domain::quantity::Quantity;
use finalmarket::domain::sale::{DraftLine, Fulfilment, Sale, SaleDraft, SaleRules, Tender, TenderKind, decide};
use finalmarket::domain::tax::{TaxBasis, TaxPolicy, TaxRoundingBy};
use finalmarket::hq::{Headquarters, TotalsQuery};

/// A sale of one piece at 1.00.
pub fn sale(counter: u64) -> Sale {
    let rules = SaleRules {
        currency: Currency::USD,
        tax_policy: TaxPolicy {
            basis: TaxBasis::Included,
            rounding_by: TaxRoundingBy::Line,
            rounding: Rounding::HALF_UP,
        },
        tax_rates: [("standard".parse().unwrap(), "20".parse().unwrap())].into(),
        cash_rounding: finalmarket::domain::money::CashRounding::NONE,
        tips: false,
    };
    let line = DraftLine {
        sku: (counter * 7_919 % 10_007).to_string().parse().unwrap(),
        quantity: Quantity::from_units(1).unwrap(),
        unit_price: "1.00".parse().unwrap(),
        discount: None,
        tax_class: "standard".parse().unwrap(),
        fulfilment: Fulfilment::InHand { debt: Quantity::ZERO },
        by_hand: None,
    };
    let draft = SaleDraft {
        id: SaleId {
            series: "STORE-1-T1-AAAA".parse().unwrap(),
            counter,
        },
        at: "2024-02-29T12:00:00".parse().unwrap(),
        business_day: "2024-02-29".parse().unwrap(),
        channel: "kiosk".parse().unwrap(),
        customer: None,
        staff: None,
        lines: vec![line],
        basket_discount: None,
        tenders: vec![Tender {
            kind: TenderKind::Card,
            amount: Minor(100),
            reference: None,
        }],
        price_version: 0,
        promotions: Vec::new(),
        price_notes: Vec::new(),
        basket_by_hand: None,
        tip: Minor(0),
    };
    let receipt = format!("STORE-1-R1-AAAA-{counter:06}").parse().unwrap();
    decide(draft, receipt, &rules).unwrap()
}

/// How many sales headquarters counts.
pub fn sales(hq: &Headquarters) -> u64 {
    let query = TotalsQuery {
        from: "2024-01-01".parse().unwrap(),
        to: "2024-12-31".parse().unwrap(),
        site: None,
        after: None,
        limit: u32::MAX,
    };
    hq.totals(&query).unwrap().days.iter().map(|day| day.total.sales).sum()
}
