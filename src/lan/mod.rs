//! The link between a kiosk's node and its parent, the store's node, over the LAN: one WebSocket.
//!
//! Promises: what is sent belongs to one connection and ends with it; queues are bounded, and a consumer that is slow
//! slows the parent down; a connection that is dead is found and made anew. Like `mqtt` it keeps nothing that has to
//! outlive it, and it knows bytes, not what they mean.

mod config;
mod link;
mod others;
mod token;

pub use config::{Door, ParentAddress, ParentAddressError, ParentConfig};
pub use link::{LinkEvent, LinkHandle, SendFailed, spawn};
pub use token::{read_token, token_path, write_token};
