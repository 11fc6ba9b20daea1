//! The node's store and its operations on real files.

#![cfg(feature = "node")]

mod alerting;
mod auditing;
mod backing_up;
mod branching;
mod carrying;
mod counting;
mod disk;
mod explaining;
mod feeding;
mod following;
mod holding;
mod opening;
mod pairing;
mod receiving;
mod refunding;
mod relaying;
mod retiring;
mod searching;
mod selling;
mod sending;
mod shop;
mod site_work;
mod working;
mod writer;

/// The simulator's disk, for a disk that is full or fails.
#[path = "../sim"]
mod sim {
    // It can do more than these tests need.
    #[allow(dead_code)]
    pub mod power_cut;
}

/// Journals of other nodes.
#[path = "../hq/journal.rs"]
#[allow(dead_code)]
mod journal;
