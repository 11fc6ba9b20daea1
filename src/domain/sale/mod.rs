//! Sales and refunds: what is recorded of them, and the rules that decide them.

mod adjustment;
mod decide;
mod discount;
mod payment;
#[cfg(test)]
mod properties;
mod receipt;
mod record;
mod refund;
#[cfg(test)]
mod testing;
mod totals;
mod words;

pub use adjustment::{
    Adjustment, AdjustmentCause, ByHand, ByHandReason, CouponCode, LineShare, PriceCause, PriceNote, PromotionId,
    PromotionName,
};
pub use decide::{DraftLine, LINES_MAX, Quote, SaleDraft, SaleRefusal, SaleRules, TENDERS_MAX, decide, quote};
pub use discount::{Discount, Percent, PercentError};
pub use receipt::{ReceiptStyle, refund_receipt, sale_receipt};
pub use record::{Fulfilment, Refund, RefundLine, Sale, SaleLine, Tender, TenderKind, Totals};
pub use refund::{RefundDraft, RefundRefusal, RefundedLine, ReturnedLine, decide_refund};
pub use words::{RefundReason, TenderReference};
