//! A node's database: SQLite, one writer with group commit, readers beside it.
//!
//! It promises that what a job was answered for is on disk, and that a job's writes are kept whole or not at all. It
//! decides nothing about trade: it keeps rows and gives them back. Nothing else on the node names SQLite's library;
//! what is read or written by an operation is a method of [`Snapshot`] or [`WriteTransaction`] here.

mod alerts;
mod audit;
mod backup;
mod catalog;
mod changes;
mod clock;
mod connection;
mod devices;
mod documents;
mod error;
mod feeds;
mod history;
mod holds;
mod idempotency;
mod identity;
mod incarnations;
mod journal;
mod keys;
mod lock;
mod movements;
mod open;
mod options;
mod pairing;
mod quarantine;
mod readers;
mod receipt_series;
mod restore;
mod room;
mod schema;
mod search;
mod set_aside;
mod shelves;
mod snapshot;
mod writer;

pub use alerts::AlertRow;
pub use backup::{BackupError, back_up};
pub use catalog::{Listed, Priced};
pub use changes::{Change, OnCommit};
pub use clock::{ClockJump, Now};
pub use devices::{Device, Devices, NewDevice, Rights, Role, Till, TokenHash};
pub use documents::{DayTotals, Document, DocumentKind};
pub use error::{Failure, StorageError};
pub use feeds::{CATALOG_FEED, PRICES_FEED};
pub use history::{HistoryRow, HistorySum};
pub use holds::{HoldRow, RunningClock};
pub use idempotency::{Answer, Answered, Fingerprint, IDEMPOTENCY_DAYS, IdempotencyKey, IdempotencyKeyError};
pub use incarnations::{IncarnationRow, Left};
pub use journal::Appended;
pub(crate) use journal::JournalRow;
pub use keys::{DeviceIx, IncarnationIx, Position, ReceiptSeriesIx, SeriesIx};
pub use open::{OpenError, Opening, Store};
pub use options::{Faults, IncarnationSeed, NewNode, StoreOptions, database_path};
pub use pairing::PairingRow;
pub use readers::Readers;
pub use receipt_series::NextReceipt;
pub use restore::{RestoreError, RestoreOptions, Restored, restore};
pub use set_aside::SetAside;
pub(crate) use shelves::Rows;
pub use shelves::{ReplicaIx, StockFigures};
pub use snapshot::Snapshot;
pub use writer::{Job, WriteTransaction, Writer, WriterCore};
