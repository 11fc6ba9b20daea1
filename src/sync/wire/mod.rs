//! The wire format, version 1: messages between a node and its parent, and the batches of records they carry.
//!
//! `docs/wire.md` describes it for other languages. Encoding then decoding gives back every record byte for byte;
//! decoding never panics and never takes more memory than [`DECOMPRESSED_BYTES_MAX`] for one batch.

mod batch;
mod columns;
mod message;
mod sale_columns;
mod shelves;
mod standby;

pub use batch::{Batch, BatchError, BatchHeader, SigningKey, Slot, VerifyingKey, seal};
pub use message::{
    Ack, Birth, Down, FeedCursor, FeedEntry, FeedPage, Fenced, Hello, HubState, MessageError, Refused, Resend,
    RetiredWord, StreamHead, StreamState, StreamStatus, Up, WIRE_VERSION, Welcome,
};
pub use shelves::{Holds, Offer, OfferedGroup, Repair, ShelfMessage, Standing, StandingGroup, Taken};
pub use standby::{Cell, CopyHead, FollowedRow, FromStandby, RowsPage, StandbyHere, ToStandby};

/// The most bytes that one batch may decompress to.
pub const DECOMPRESSED_BYTES_MAX: usize = 16 << 20;
