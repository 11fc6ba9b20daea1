//! How a node's facts reach its parent, each once, and how feeds come back. Pure: no disk, no socket, no clock, no
//! randomness of its own.
//!
//! Both sides are state machines: `handle(now, input)`, then outputs are drained with `poll` until none is left. Time
//! is whatever monotonic milliseconds the caller counts. A storage failure is an input like any other.

pub mod carriage;
pub mod feed_pages;
pub mod hub;
pub mod hub_judge;
pub mod hub_read;
pub mod node;
pub mod rights;
pub mod shelves;
pub mod wire;
