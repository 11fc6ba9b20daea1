//! Headquarters' API: figures, nodes, what needs a decision, and what goes down to the nodes.
//!
//! It promises that nobody is served without a token (health and documentation aside), that every refusal is a problem
//! (RFC 9457) with a stable type, that pages and bodies are bounded, and that every figure says up to when each node is
//! in it. It decides nothing: a handler reads a request, calls headquarters once, and writes the answer.

mod access;
mod catalog;
mod command;
mod events;
mod faults;
mod feeds;
mod guard;
mod health;
mod holds;
mod instants;
mod metrics;
mod nodes;
mod openapi;
mod pickups;
mod retirements;
mod router;
mod sales;
mod set_aside;
mod settlements;
mod shelves;
mod state;
mod status;
mod stock;
mod tokens;
mod totals;
mod transfers;

pub use access::{Access, RULES, Rule};
pub use router::router;
pub use state::{HqApi, HqApiLimits, HqApiParts};
