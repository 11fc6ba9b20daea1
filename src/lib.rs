//! The Final Market: an offline-first edge node for stores and kiosks, and the headquarters it merges into.
//!
//! Modules stand in the order in which they depend on each other: each may use those above it, as the table in
//! `tests/architecture.rs` says, and none below. The first two do no input or output and build without the feature
//! `node`.

pub mod domain;
pub mod sync;

#[cfg(feature = "node")]
pub mod import;

#[cfg(feature = "node")]
pub mod operator;

#[cfg(feature = "node")]
pub mod store;

#[cfg(feature = "node")]
pub mod operations;

#[cfg(feature = "node")]
pub mod http;

#[cfg(feature = "node")]
pub mod web;

#[cfg(feature = "node")]
pub mod backoff;

#[cfg(feature = "node")]
pub mod mqtt;

#[cfg(feature = "node")]
pub mod lan;

#[cfg(feature = "node")]
pub mod hq;

#[cfg(feature = "node")]
pub mod node;

#[cfg(feature = "node")]
pub mod cli;
