//! What is refused of carts, as problems.

use super::Problem;
use super::refusals::refused;
use crate::domain::cart::EditRefusal;
use crate::operations::{CartRefusal, CheckoutRefusal};

impl From<CartRefusal> for Problem {
    fn from(refusal: CartRefusal) -> Self {
        use CartRefusal as R;
        let problem = refused(refusal.code(), refusal.to_string());
        match refusal {
            R::Paid { sale, .. } => problem.with("sale", sale.to_string()),
            R::Step { step, error } => {
                let place = match error {
                    EditRefusal::Quantity(_) => "/quantity",
                    EditRefusal::NoSuchLine(_) | EditRefusal::LineExists(_) => "/line",
                    EditRefusal::TooManyLines => "",
                };
                problem.at(format!("/steps/{}{place}", step - 1)).with("step", step)
            }
            R::TooManySteps(_) => problem.at("/steps"),
            R::Sale(refusal) => refusal.into(),
            R::UnknownSku(sku) => problem.with("sku", sku.to_string()),
            R::Gtin { gtin, .. } => problem.with("gtin", gtin.to_string()),
            R::Unknown(_) | R::Void(_) | R::OfAnother(_) | R::NotAtKiosk | R::PriceNotAllowed | R::KeyReused => problem,
        }
    }
}

impl From<CheckoutRefusal> for Problem {
    fn from(refusal: CheckoutRefusal) -> Self {
        let (code, detail) = (refusal.code(), refusal.to_string());
        match refusal {
            CheckoutRefusal::Cart(refusal) => refusal.into(),
            CheckoutRefusal::Sell(refusal) => refusal.into(),
            CheckoutRefusal::TotalChanged { now, .. } => refused(code, detail)
                .at("/total")
                .with("total", now.to_decimal().to_string()),
        }
    }
}
