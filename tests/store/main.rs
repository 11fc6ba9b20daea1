//! The node's store and its operations on real files.

#![cfg(feature = "node")]

mod selling;
mod shop;
mod writer;
