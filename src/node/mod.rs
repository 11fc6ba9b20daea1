//! The wiring of a node: configuration, clocks, store, API, link.
//!
//! Promises: the API answers as soon as the database is open, whether or not there is a link; everything that fails
//! while it runs is a matter of the part that failed; what is acknowledged outlives the process.

mod ack_saver;
mod carriage_loop;
mod child_loop;
pub mod clock;
pub mod config;
mod earlier_grants;
mod holds;
mod link_engines;
pub mod randomness;
mod relays;
mod rights_event;
mod rights_loop;
mod run;
mod standby;
mod standby_key;
mod standbys;
mod start;
mod start_error;
mod stock_watch;
mod succession;
mod sync_loop;
pub mod tls;
mod upkeep;
mod uplink;

pub use crate::operator;
pub use config::NodeConfig;
pub use run::run;
pub use start::Node;
pub(crate) use start::machine_id;
pub use start_error::StartError;
