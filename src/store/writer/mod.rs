//! The one writer: jobs are gathered into groups, each group is one transaction on disk, and a job is answered only
//! once its group is committed.
//!
//! A refused job undoes its own writes and nothing else. Where the disk fails, every job of the group is told so and
//! nothing of the group is kept; the next group starts afresh, so that a full disk needs no restart once it has room.

mod core;
mod gate;
mod state;
mod thread;
mod transaction;
mod write_back;

pub use core::{Job, WriterCore};
pub use gate::{AnswerGate, GateState};
pub(super) use state::{OpenReceiptSeries, State, Tip};
pub use thread::Writer;
pub(super) use thread::WriterThread;
pub use transaction::WriteTransaction;
pub(super) use write_back::WriteBack;
