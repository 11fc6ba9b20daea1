//! Headquarters: takes in what nodes send, keeps every record as it came, and makes figures of them.
//!
//! Promises: what is acknowledged is on disk; every record takes effect once; every figure can be made again from the
//! ledger; one bad record stops nothing. Only `link_loop`, `http` and `start` touch a network.
//!
//! A batch's way: [`ingest`](Headquarters::ingest) commits it to the ledger and says what is acknowledged;
//! [`project`](Headquarters::project) follows with figures, each projection in transactions of its own.

mod account;
mod alerts;
mod backup;
mod carriage;
mod carriage_loop;
pub mod config;
mod counts;
mod feeds;
mod happenings;
mod headquarters;
pub mod http;
mod ingest;
mod introduce;
mod link_loop;
mod link_trouble;
mod nodes;
mod once;
mod own_journal;
mod pickups;
mod projection;
mod projector;
pub(in crate::hq) mod retire;
mod rights;
mod rights_desk;
mod rights_loop;
mod sales;
mod set_aside;
mod settle;
mod shelves;
mod site_news;
mod start;
mod stock;
mod stock_watch;
mod storage;
mod succession;
mod tokens;
mod totals;
mod transfers;
mod verify;
mod verify_rights;
pub mod web;

pub use account::ShelfHistory;
pub use alerts::AcknowledgeError;
pub use backup::{CopyError, RestoredHq, back_up, database_path, restore};
pub use counts::Counts;
pub use feeds::{CATALOG_FEED, ENTRY_BYTES_MAX, PublishError, Published};
pub use happenings::{Happening, RightsMoved};
pub use headquarters::{Admission, Headquarters, Settings};
pub use ingest::{Incoming, Ingested};
pub use introduce::IntroduceError;
pub use link_loop::LinkLoop;
pub use link_trouble::{DamagedBatches, LinkTrouble};
pub use nodes::{Complete, IncarnationStatus, NodeStatus};
pub use pickups::PickupError;
pub use projection::Projection;
pub use retire::{RetireAsk, RetireError};
pub use rights::{GiveError, Given, Outstanding, RightsError};
pub use rights_desk::RightsDesk;
pub use sales::{Repeat, SaleCursor, SaleCursorError, SaleSummary, SalesQuery};
pub use set_aside::{RepairError, Replacement, ReplacementFact, SetAsideBy, SetAsideRecord};
pub use settle::SettleError;
pub use shelves::{ReplicaRow, SiteShelf};
pub use start::{RunningHq, StartError, run};
pub use stock::{StockCursor, StockCursorError, StockLine};
pub use storage::{
    Alert, AlertSubject, DailyTotal, KnownTransfer, OpenError, SaleKind, SetAsideState, StorageError, Token, TokenRole,
};
pub use tokens::TokenError;
pub use totals::{SiteDay, Totals, TotalsCursor, TotalsCursorError, TotalsQuery};
pub use transfers::TransferError;
pub use verify::{HqDifference, VerifiedHq, verify};
