//! How rights to promise goods find their way to whoever has customers for them.
//!
//! Each replica of the tree HQ, store, kiosks runs one engine, and each engine knows only its neighbours: a parent and
//! children. A hold that lacks rights asks those that are connected, waits a bounded time, and is then opened or lawfully
//! refused: its own rights, and what they could spare, did not suffice. Debt asks for rights by itself. Between customers
//! rights follow demand, so that a cut link finds them where they are needed, and surplus goes home.
//!
//! Promises: a request is answered once, however often it comes; at most one request waits at a neighbour for a shelf;
//! messages a second are bounded, and memory holds only shelves in use. Must never: give by itself. The engine says what
//! it would give ([`Output::Give`]); the caller commits that as a fact and only then sends it, so that neither a crash
//! nor a lost message can make rights. All that the engine knows may be lost at any time; nothing but time is lost with it.
//!
//! Why not Antidote's way (V. Balegas et al., SRDS 2015: ask for the exact shortfall, keep what comes): it learns nothing
//! from a customer turned away while the link is down, and leaves rights wherever they were last wanted. Why not all rights
//! at the store: a kiosk alone could sell nothing. `simulate --shelf --policies` measures the three.

mod asking;
mod book;
mod config;
mod demand;
mod engine;
mod giving;
mod inputs;
mod message;
mod needs;
mod outputs;
mod policy;
mod settings;
mod stocking;
mod traffic;

#[cfg(test)]
mod tests;

pub use config::{RightsConfig, ShelfTerms, StockConfig, Surplus};
pub use engine::RightsEngine;
pub use inputs::{Figures, Input, Place};
pub use message::{Answer, Purpose, Request, RightsMessage, ShelfKey};
pub use outputs::{Output, Resolution};
pub use settings::{ItemSettings, RightsSettings};
