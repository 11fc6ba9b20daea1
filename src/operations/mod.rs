//! What a node does, one file a verb. Each is one visible transaction: load, decide, record; the outbox is the journal,
//! so that what is recorded is enqueued. The rules themselves stand in `domain`, the rows in `store`.
//!
//! An operation that writes takes a transaction of the writer and is answered for only after its commit. What it
//! refuses is one closed list of its own, with codes that are never renamed; what fails in the store is another type.

mod acknowledge;
mod apply_feed_page;
mod import_catalog;
mod load_batch;
mod pair;
mod rehome;
mod request;
mod revoke;
mod sell;
mod settings;
mod streams;
mod till;

pub use acknowledge::{acknowledge, withhold};
pub use apply_feed_page::apply_feed_page;
pub use import_catalog::import_catalog;
pub use load_batch::load_batch;
pub use pair::{
    CODE_LIFETIME_MS, PairRefusal, Paired, PairingCode, PairingCodeError, PairingSeed, RedeemRefusal, ShownCode, pair,
    redeem,
};
pub use rehome::rehome;
pub use request::Request;
pub use revoke::{RevokeRefusal, revoke};
pub use sell::{ItemRef, SellCommand, SellLine, SellRefusal, Sold, sell};
pub use settings::Settings;
pub use streams::{head, streams};
pub use till::{StatedDiscount, StatedTender, TillRefusal};
