//! Sales and refunds: what is recorded of them, and the rules that decide them.

mod record;

pub use record::{Fulfilment, Refund, RefundLine, Sale, SaleLine, Tender, TenderKind, Totals};
