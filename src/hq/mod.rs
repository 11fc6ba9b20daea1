//! Headquarters: takes in what nodes send, keeps every record as it came, and makes figures of them.
//!
//! Promises: what is acknowledged is on disk; every record takes effect once; every figure can be made again from the
//! ledger; one bad record stops nothing. Here is no network: the link to the nodes and the API are given this.
//!
//! A batch's way: [`ingest`](Headquarters::ingest) commits it to the ledger and says what is acknowledged;
//! [`project`](Headquarters::project) follows with figures, each projection in transactions of its own.

mod headquarters;
mod ingest;
mod introduce;
mod own_journal;
mod projection;
mod storage;

pub use headquarters::{Admission, Headquarters, Settings};
pub use ingest::{Incoming, Ingested};
pub use introduce::IntroduceError;
pub use projection::Projection;
pub use storage::{DailyTotal, OpenError, SaleKind, SetAsideState, StorageError};
