//! The wiring of a node: configuration, clock, store, API, link.

pub mod tls;
