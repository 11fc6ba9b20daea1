//! What a node does, one file a verb. Each is one visible transaction: load, decide, record; the outbox is the journal,
//! so that what is recorded is enqueued. The rules themselves stand in `domain`, the rows in `store`.
//!
//! An operation that writes takes a transaction of the writer and is answered for only after its commit. What it
//! refuses is one closed list of its own, with codes that are never renamed; what fails in the store is another type.

mod alerts;
mod apply_feed_page;
mod apply_site_entry;
mod audit;
mod cart;
mod count;
mod earlier_grants;
mod explain;
mod follow_history;
mod hold;
mod import_catalog;
mod load_batch;
mod look_up;
mod open_holds;
mod pair;
mod pickups;
mod prune;
mod receive;
mod refund;
mod reincarnate;
pub mod relay;
mod repair;
mod request;
mod retire;
mod retired_myself;
mod revoke;
mod rights;
mod save_ack;
mod sell;
mod serve_feed;
mod set_record_aside;
mod set_threshold;
mod settings;
mod shelves;
pub mod standby;
mod stock_work;
mod streams;
mod tidy;
mod till;
mod transfers;
mod verify;

pub use alerts::{AcknowledgeRefusal, acknowledge_alert, alerts_are_due, judge_alerts, judge_stale};
pub use apply_feed_page::{FeedRefusal, apply_feed_page};
pub use audit::Difference;
pub use cart::{
    CartRefusal, CartStep, CheckoutCommand, CheckoutRefusal, EditCommand, PricedCart, checkout, edit_cart, priced_cart,
};
pub use count::{Others, TakenMark, count_mark};
pub use earlier_grants::grants_of_earlier;
pub use explain::{explain, pruned_steps, steps};
pub use follow_history::{follow_history, history_is_behind};
pub use hold::{HoldCommand, HoldLimits, HoldRefusal, Short, hold};
pub use import_catalog::import_catalog;
pub use load_batch::{Packed, load_batch};
pub use look_up::look_up;
pub use open_holds::{OpenHoldRefusal, expire_holds, extend_hold, release_hold};
pub use pair::{
    CODE_LIFETIME_MS, PairRefusal, Paired, PairingCode, PairingCodeError, PairingSeed, RedeemRefusal, ShownCode, pair,
    redeem,
};
pub use pickups::{PickupCommand, PickupDecision, PickupRefusal, decide_pickup};
pub use prune::{prune, prune_before};
pub use receive::{MOVEMENT_LINES_MAX, ReceiveAmount, ReceiveCommand, ReceiveLine, ReceiveRefusal, Received, receive};
pub use refund::{RefundCommand, RefundRefusal, Refunded, SaleRef, refund};
pub use reincarnate::{ReincarnateRefusal, reincarnate};
pub use repair::{Repaired, repair};
pub use request::Request;
pub use retire::{Decision, RetireRefusal, look_at_kiosk, release_left, retire_kiosk, retirement_word};
pub use retired_myself::{Retirement, retired_myself};
pub use revoke::{RevokeRefusal, revoke};
pub use rights::{
    GiveRefusal, Given, Outstanding, accept, give, grants_behind, grants_outstanding, hand_over, own_replica, own_row,
    own_rows, taken_over,
};
pub use save_ack::{AckRefusal, save_ack};
pub use sell::{ItemRef, SellCommand, SellLine, SellRefusal, Sold, sell};
pub use serve_feed::serve_feed;
pub use set_record_aside::{SetAsideRefusal, set_record_aside};
pub use set_threshold::{ThresholdRefusal, set_threshold};
pub use settings::{HoldSettings, Settings};
pub use stock_work::{WORK_LINES_MAX, WorkCommand, WorkEntry, WorkRefusal, stock_work};
pub use streams::streams;
pub use tidy::{TidiedTo, tidy};
pub use till::{StatedDiscount, StatedTender, TillRefusal};
pub use transfers::{
    DispatchCommand, EnteredBy, ReceiptCommand, TransferCommand, TransferRefusal, call_off_transfer, dispatch_transfer,
    receive_transfer, request_transfer,
};
pub use verify::{Verified, verify};
