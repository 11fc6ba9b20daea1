//! What the business refuses, as problems. The matches name every refusal, so that a new one cannot be forgotten here.

use super::{Problem, kind};
use crate::domain::money::Money;
use crate::domain::sale::{RefundRefusal as RefundRuleRefusal, SaleRefusal};
use crate::http::kept::KeptRefusal;
use crate::operations::{
    AcknowledgeRefusal, HoldRefusal, OpenHoldRefusal, PairRefusal, PickupRefusal, ReceiveRefusal, RedeemRefusal,
    RefundRefusal, RetireRefusal, RevokeRefusal, SellRefusal, Short, ThresholdRefusal, TillRefusal, TransferRefusal,
    WorkRefusal,
};
use crate::store::Failure;

impl<R: Into<Problem>> From<Failure<R>> for Problem {
    fn from(failure: Failure<R>) -> Self {
        match failure {
            Failure::Refused(refusal) => refusal.into(),
            Failure::Storage(error) => error.into(),
        }
    }
}

impl<R: Into<Problem>> From<KeptRefusal<R>> for Problem {
    fn from(refusal: KeptRefusal<R>) -> Self {
        match refusal {
            KeptRefusal::KeyReused => TillRefusal::KeyReused.into(),
            KeptRefusal::Refused(refusal) => refusal.into(),
        }
    }
}

impl From<TillRefusal> for Problem {
    fn from(refusal: TillRefusal) -> Self {
        use TillRefusal as R;
        let problem = refused(refusal.code(), refusal.to_string());
        match refusal {
            R::NotATill | R::KeyReused => problem,
            R::CounterOutOfRange(_) => problem.at("/counter"),
            R::AtOutsideWindow { .. } => problem.at("/at"),
            R::TenderAmount { tender, .. } => on_tender(problem, tender),
            R::IdUsed { receipt, .. } => problem.at("/counter").with("receipt", receipt.to_string()),
        }
    }
}

impl From<SellRefusal> for Problem {
    fn from(refusal: SellRefusal) -> Self {
        use SellRefusal as R;
        let (code, detail) = (refusal.code(), refusal.to_string());
        match refusal {
            R::Till(refusal) => refusal.into(),
            R::Sale(refusal) => refusal.into(),
            R::UnknownSku { line, .. } => on_line(refused(code, detail), line, "/sku"),
            R::UnknownGtin { line, .. } => on_line(refused(code, detail), line, "/gtin"),
            R::AmbiguousGtin { line, skus, .. } => {
                let skus: Vec<String> = skus.into_iter().map(String::from).collect();
                on_line(refused(code, detail), line, "/gtin").with("skus", skus)
            }
            R::HoldOfAnother(_) => refused(code, detail).at("/hold"),
            R::PriceStated { line, price, .. } => {
                on_line(refused(code, detail), line, "/unit_price").with("price", price.to_string())
            }
            R::TipAmount(_) => refused(code, detail).at("/tip"),
            R::DiscountAmount { line: 0, .. } | R::DiscountStated { line: 0 } => refused(code, detail).at("/discount"),
            R::DiscountAmount { line, .. } | R::DiscountStated { line } => {
                on_line(refused(code, detail), line, "/discount")
            }
        }
    }
}

impl From<PairRefusal> for Problem {
    fn from(refusal: PairRefusal) -> Self {
        match refusal {
            PairRefusal::Name | PairRefusal::NodeName => refused(refusal.code(), refusal.to_string()).at("/name"),
        }
    }
}

impl From<RedeemRefusal> for Problem {
    fn from(refusal: RedeemRefusal) -> Self {
        use RedeemRefusal as R;
        let pointer = match refusal {
            R::Unknown | R::Expired | R::Used => "/code",
            R::Name => "/name",
        };
        refused(refusal.code(), refusal.to_string()).at(pointer)
    }
}

impl From<RevokeRefusal> for Problem {
    fn from(refusal: RevokeRefusal) -> Self {
        match refusal {
            RevokeRefusal::Unknown => refused(refusal.code(), refusal.to_string()),
        }
    }
}

impl From<SaleRefusal> for Problem {
    fn from(refusal: SaleRefusal) -> Self {
        use SaleRefusal as R;
        let problem = refused(refusal.code(), refusal.to_string());
        match refusal {
            R::NoLines | R::TooManyLines { .. } => problem.at("/lines"),
            R::TooManyTenders { .. } => problem.at("/tenders"),
            R::QuantityNotPositive { line, .. } | R::QuantityTooLarge { line, .. } => {
                on_line(problem, line, "/quantity")
            }
            R::UnknownTaxClass { line, .. } | R::TooManyTaxClasses { line } => on_line(problem, line, ""),
            R::LineDiscountOutOfRange { line, .. } => on_line(problem, line, "/discount"),
            R::BasketDiscountOutOfRange { .. } => problem.at("/discount"),
            R::PromotionOutOfRange { line } => on_line(problem, line, ""),
            R::TipNotTaken | R::TipNegative { .. } => problem.at("/tip"),
            R::TooLarge => problem,
            R::TenderNotPositive { tender, .. } => on_tender(problem, tender),
            R::TendersShort { total, given } => amounts(problem, total, given),
            R::ChangeWithoutCash { not_cash, total } => amounts(problem, total, not_cash),
        }
    }
}

impl From<RefundRefusal> for Problem {
    fn from(refusal: RefundRefusal) -> Self {
        let (code, detail) = (refusal.code(), refusal.to_string());
        match refusal {
            RefundRefusal::Till(refusal) => refusal.into(),
            RefundRefusal::Refund(refusal) => refusal.into(),
            RefundRefusal::UnknownSale(_) => refused(code, detail).at("/of"),
        }
    }
}

impl From<ReceiveRefusal> for Problem {
    fn from(refusal: ReceiveRefusal) -> Self {
        use ReceiveRefusal as R;
        let problem = refused(refusal.code(), refusal.to_string());
        match refusal {
            R::NoLines | R::TooManyLines(_) => problem.at("/lines"),
            R::Reference => problem.at("/reference"),
            R::NoChange { line, .. } | R::TooLarge { line, .. } => on_line(problem, line, ""),
            R::UnknownSkus(unknown) => {
                let first = unknown.first().map_or(1, |(line, _)| *line);
                let skus: Vec<String> = unknown.into_iter().map(|(_, sku)| sku.into()).collect();
                on_line(problem, first, "/sku").with("skus", skus)
            }
            R::KeyReused | R::LongMade => problem,
        }
    }
}

impl From<HoldRefusal> for Problem {
    fn from(refusal: HoldRefusal) -> Self {
        use HoldRefusal as R;
        let problem = refused(refusal.code(), refusal.to_string());
        match refusal {
            R::NoLines | R::TooManyLines { .. } => problem.at("/lines"),
            R::Quantity { line, .. } => on_line(problem, line, "/quantity"),
            R::Repeated { line, .. } | R::UnknownSku { line, .. } => on_line(problem, line, "/sku"),
            R::Lifetime { .. } => problem.at("/seconds"),
            R::TooManyOpen { .. } | R::Used => problem,
            R::NotEnough(lines) => problem.at("/lines").with("short", short(lines)),
        }
    }
}

impl From<OpenHoldRefusal> for Problem {
    fn from(refusal: OpenHoldRefusal) -> Self {
        let (code, detail) = (refusal.code(), refusal.to_string());
        match refusal {
            OpenHoldRefusal::NotOpen(_)
            | OpenHoldRefusal::OfAnother(_)
            | OpenHoldRefusal::OfPickup(_)
            | OpenHoldRefusal::NoStore => refused(code, detail),
            OpenHoldRefusal::Hold(refusal) => refusal.into(),
        }
    }
}

impl From<WorkRefusal> for Problem {
    fn from(refusal: WorkRefusal) -> Self {
        use WorkRefusal as R;
        let problem = refused(refusal.code(), refusal.to_string());
        match refusal {
            R::NoLines | R::TooManyLines(_) => problem.at("/lines"),
            R::Text | R::NoteMissing => problem.at("/note"),
            R::SamePlace => problem.at("/work/to"),
            R::Mark(_) => problem.at("/work/mark"),
            R::NotThere(_) => problem.at("/stopped"),
            R::LongMade => problem,
            R::Quantity { line, .. } => on_line(problem, line, "/quantity"),
            R::Cost { line } => on_line(problem, line, "/cost"),
            R::Repeated { line, .. } | R::UnknownSku { line, .. } => on_line(problem, line, "/sku"),
        }
    }
}

impl From<PickupRefusal> for Problem {
    fn from(refusal: PickupRefusal) -> Self {
        use PickupRefusal as R;
        let problem = refused(refusal.code(), refusal.to_string());
        match refusal {
            R::Unknown(_) | R::Over { .. } | R::NotPaid(_) => problem,
            R::NoteMissing | R::Note => problem.at("/note"),
        }
    }
}

impl From<TransferRefusal> for Problem {
    fn from(refusal: TransferRefusal) -> Self {
        use TransferRefusal as R;
        let problem = refused(refusal.code(), refusal.to_string());
        match refusal {
            R::Unknown(_) | R::NotHere { .. } | R::State { .. } | R::LongMade => problem,
            R::NoLines | R::TooManyLines(_) => problem.at("/lines"),
            R::Quantity { line, .. } | R::NotHeld { line, .. } => on_line(problem, line, "/quantity"),
            R::Repeated { line, .. } => on_line(problem, line, "/sku"),
            R::SameSite(_) => problem,
            R::NotEnough(lines) => problem.at("/lines").with("short", short(lines)),
            R::NotOpen(_) => problem.at("/hold"),
            R::Unexplained(found) => {
                let found = found.into_iter().map(|one| {
                    serde_json::json!({
                        "sku": one.sku.to_string(),
                        "sent": one.sent.to_string(),
                        "arrived": one.arrived.to_string(),
                    })
                });
                problem.at("/reason").with("differences", found.collect::<Vec<_>>())
            }
            R::NoteMissing | R::Note => problem.at("/note"),
        }
    }
}

impl From<RetireRefusal> for Problem {
    fn from(refusal: RetireRefusal) -> Self {
        let problem = refused(refusal.code(), refusal.to_string());
        match refusal {
            RetireRefusal::Words(_) => problem.at("/reason"),
            RetireRefusal::UnknownIncarnation { .. } => problem.at("/incarnation"),
            RetireRefusal::UnknownNode(_)
            | RetireRefusal::Already { .. }
            | RetireRefusal::NotRetired(_)
            | RetireRefusal::Row { .. } => problem,
        }
    }
}

impl From<AcknowledgeRefusal> for Problem {
    fn from(refusal: AcknowledgeRefusal) -> Self {
        refused(refusal.code(), refusal.to_string())
    }
}

impl From<ThresholdRefusal> for Problem {
    fn from(refusal: ThresholdRefusal) -> Self {
        let problem = refused(refusal.code(), refusal.to_string());
        match refusal {
            ThresholdRefusal::OutOfRange => problem.at("/threshold"),
            ThresholdRefusal::UnknownSku(_) => problem,
        }
    }
}

impl From<RefundRuleRefusal> for Problem {
    fn from(refusal: RefundRuleRefusal) -> Self {
        use RefundRuleRefusal as R;
        let problem = refused(refusal.code(), refusal.to_string());
        match refusal {
            R::NoLines | R::TooManyLines { .. } => problem.at("/lines"),
            R::TooManyTenders { .. } => problem.at("/tenders"),
            // The line of the sale, which need not be the refund's line of the same number: no pointer.
            R::NoSuchLine { line, .. } | R::QuantityNotPositive { line, .. } | R::MoreThanSold { line, .. } => {
                problem.with("line", line)
            }
            R::TenderNotPositive { tender, .. } => on_tender(problem, tender),
            R::TendersDiffer { total, given } => amounts(problem, total, given),
            R::TooLarge => problem.at("/tenders"),
            R::RecordsInconsistent => problem,
        }
    }
}

fn short(lines: Vec<Short>) -> Vec<serde_json::Value> {
    let body = |short: Short| {
        serde_json::json!({
            "line": short.line,
            "sku": short.sku,
            "wanted": short.wanted,
            "promisable": short.promisable,
        })
    };
    lines.into_iter().map(body).collect()
}

pub(super) fn refused(code: &'static str, detail: String) -> Problem {
    match kind::find(code) {
        Some(kind) => Problem::new(kind, detail),
        None => Problem::fault(
            &kind::INTERNAL,
            detail,
            format_args!("no kind of problem is named {code}"),
        ),
    }
}

pub(super) fn on_line(problem: Problem, line: usize, field: &str) -> Problem {
    problem
        .at(format!("/lines/{}{field}", line.saturating_sub(1)))
        .with("line", line)
}

fn on_tender(problem: Problem, tender: usize) -> Problem {
    problem
        .at(format!("/tenders/{}/amount", tender.saturating_sub(1)))
        .with("tender", tender)
}

fn amounts(problem: Problem, total: Money, given: Money) -> Problem {
    problem
        .at("/tenders")
        .with("total", total.to_decimal().to_string())
        .with("given", given.to_decimal().to_string())
        .with("currency", total.currency().code())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::money::Currency;
    use crate::domain::quantity::Quantity;

    /// One of each, as the matches above name them.
    fn sale_refusals() -> Vec<SaleRefusal> {
        use SaleRefusal as R;
        let (line, tender) = (2, 3);
        let money = Money::zero(Currency::USD);
        let quantity = Quantity::ZERO;
        vec![
            R::NoLines,
            R::TooManyLines { lines: 1001 },
            R::TooManyTenders { tenders: 21 },
            R::QuantityNotPositive { line, quantity },
            R::QuantityTooLarge { line, quantity },
            R::UnknownTaxClass {
                line,
                class: "zero".parse().unwrap(),
            },
            R::TooManyTaxClasses { line },
            R::LineDiscountOutOfRange {
                line,
                discount: money,
                gross: money,
            },
            R::BasketDiscountOutOfRange {
                discount: money,
                basket: money,
            },
            R::TooLarge,
            R::TenderNotPositive { tender, amount: money },
            R::TendersShort {
                total: money,
                given: money,
            },
            R::ChangeWithoutCash {
                not_cash: money,
                total: money,
            },
        ]
    }

    fn refund_refusals() -> Vec<RefundRuleRefusal> {
        use RefundRuleRefusal as R;
        let (line, tender) = (2, 3);
        let (amount, quantity) = (Money::zero(Currency::USD), Quantity::ZERO);
        vec![
            R::NoLines,
            R::TooManyLines { lines: 1001 },
            R::TooManyTenders { tenders: 21 },
            R::NoSuchLine { line, lines: 1 },
            R::QuantityNotPositive { line, quantity },
            R::MoreThanSold {
                line,
                sold: quantity,
                already: quantity,
                asked: quantity,
            },
            R::TenderNotPositive { tender, amount },
            R::TendersDiffer {
                total: amount,
                given: amount,
            },
            R::TooLarge,
            R::RecordsInconsistent,
        ]
    }

    #[test]
    fn every_refusal_is_a_problem_under_its_own_code() {
        let sales = sale_refusals()
            .into_iter()
            .map(|r| (r.code(), r.to_string(), Problem::from(r)));
        let refunds = refund_refusals()
            .into_iter()
            .map(|r| (r.code(), r.to_string(), Problem::from(r)));
        for (code, detail, problem) in sales.chain(refunds) {
            assert_eq!((problem.kind().code, problem.detail()), (code, detail.as_str()));
            assert_eq!(problem.kind().status.as_u16(), 422, "{code}");
        }
    }

    #[test]
    fn a_refusal_points_at_its_place() {
        let refusal = SaleRefusal::QuantityNotPositive {
            line: 2,
            quantity: Quantity::ZERO,
        };
        let body: serde_json::Value = serde_json::from_slice(&Problem::from(refusal).body("/v1/sales")).unwrap();
        assert_eq!(body["pointer"], "/lines/1/quantity");
        assert_eq!(body["line"], 2);
        assert_eq!(body["type"], "/problems/quantity-not-positive");
        assert_eq!(body["instance"], "/v1/sales");
    }
}
